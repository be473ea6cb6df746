"""The proxy that the environment wants for a server."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from antiphon.errors import ConnectError
from antiphon.wire.addresses import ServerAddress, named
from antiphon.wire.secret import HiddenText

__all__ = ["PROXY_FORM", "proxy_for", "without_login"]

PROXY_FORM = (
    "Write http://host:port into https_proxy and http_proxy; a login goes before the host, "
    "percent-encoded: http://user:password@host:port."
)

_SCHEMES = ("http", "https", "socks5h", "socks5", "socks4a", "socks4")


def proxy_for(address: ServerAddress) -> HiddenText | None:
    """The URL of the proxy, with its login; None for a direct connection.

    A proxy without a scheme speaks HTTP, as for curl.

    Raises:
        ConnectError: What the environment has is not the URL of a proxy.
    """
    proxy = _in_environment(address)
    if proxy is not None and not _is_valid(proxy):
        raise ConnectError(
            f"Not connected to {address.place}: {named('the URL of the proxy', proxy)} is not "
            f"valid. {PROXY_FORM}",
            cause="network",
            hint=PROXY_FORM,
        )
    return proxy


def without_login(proxy: str) -> str:
    """The URL of a proxy, to be shown."""
    scheme, found, rest = proxy.partition("://")
    return scheme + found + rest.rpartition("@")[2]


def _in_environment(address: ServerAddress) -> HiddenText | None:
    port = address.port or (443 if address.scheme == "wss" else 80)
    if address.is_loopback or proxy_bypass(f"{address.host}:{port}"):
        return None
    plain = ("ws", "socks", "https", "http")
    proxies = getproxies()
    for scheme in ("wss", "socks", "https") if address.scheme == "wss" else plain:
        if proxy := proxies.get(scheme):
            url = proxy if "://" in proxy else f"http://{proxy}"
            # The settings of an operating system give SOCKS proxies a scheme that is not theirs.
            socks = scheme == "socks" and url.startswith("http://")
            return HiddenText(f"socks5h://{url[7:]}" if socks else url)
    return None


def _is_valid(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        unquote(parts.netloc, errors="strict")
        host = (parts.hostname or "").encode("idna")
        beyond = parts.path.removeprefix("/") + parts.query + parts.fragment
        return parts.scheme in _SCHEMES and bool(host) and parts.port != 0 and not beyond
    except ValueError:  # brackets, a port, a login or a name that are none
        return False
