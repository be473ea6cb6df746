"""The proxy that the environment wants for a server."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from antiphon.errors import ConnectError
from antiphon.wire.addresses import ServerAddress
from antiphon.wire.secret import HiddenText

__all__ = ["PROXY_FORM", "PROXY_VARIABLES", "proxy_for", "through"]

PROXY_FORM = (
    "Write http://host:port into https_proxy and http_proxy; a login goes before the host, "
    "percent-encoded: http://user:password@host:port."
)

PROXY_VARIABLES = "Check http_proxy, https_proxy and no_proxy in the environment."

_SCHEMES = ("http", "https", "socks5h", "socks5", "socks4a", "socks4")


def proxy_for(address: ServerAddress, refusal: str) -> HiddenText | None:
    """The URL of the proxy, with its login and in lower case its scheme; None: connect directly.

    A proxy without a scheme speaks HTTP, as for curl.

    Args:
        address: Of the server.
        refusal: How the message begins.

    Raises:
        ConnectError: What the environment has is not the URL of a proxy. It is not shown: where it
            is damaged, nobody can tell what of it is the login.
    """
    proxy = _in_environment(address)
    if proxy is not None and not _is_valid(proxy):
        raise ConnectError(
            f"{refusal}: the URL of the proxy in the environment is not valid. {PROXY_FORM}",
            cause="network",
            hint=PROXY_FORM,
        )
    return proxy


def through(proxy: str | None) -> str:
    """What a message adds to the place of a server: the proxy, if there is one, without a login."""
    if proxy is None:
        return ""
    scheme, _, rest = proxy.partition("://")
    return f" through the proxy {scheme}://{rest.rpartition('@')[2]}"


def _in_environment(address: ServerAddress) -> HiddenText | None:
    port = address.port or (443 if address.scheme == "wss" else 80)
    if address.is_loopback or proxy_bypass(f"{address.host}:{port}"):
        return None
    plain = ("ws", "socks", "https", "http")
    proxies = getproxies()
    for scheme in ("wss", "socks", "https") if address.scheme == "wss" else plain:
        if proxy := proxies.get(scheme):
            own, found, rest = proxy.partition("://")
            speaks, place = (own.lower(), rest) if found else ("http", proxy)
            # The settings of an operating system give SOCKS proxies a scheme that is not theirs.
            if scheme == "socks" and speaks == "http":
                speaks = "socks5h"
            return HiddenText(f"{speaks}://{place}")
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
