"""Where a server is: URLs that are checked before anything is tried, and shown without secrets."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from antiphon.errors import ConnectError

__all__ = ["ServerAddress", "is_loopback", "parse_base_url", "parse_url"]

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_EXAMPLES = "Use wss://host, https://host or ws://host:port."
# A scheme, a host and a number. What has more may have a secret in it: a login whose @ is %40 or
# one more colon, or a key in the path.
_HARMLESS = re.compile(r"(\w+://)?[\w. -]*(:\d+)?/?")


class ServerAddress(NamedTuple):
    """The checked parts of a URL."""

    scheme: str
    """``ws`` or ``wss``."""
    host: str
    """A name or an address; IPv6 without brackets."""
    port: int | None
    """None: that of the scheme."""
    path: str

    @property
    def place(self) -> str:
        """``scheme://host[:port]``: all that a message may show."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port is None else f":{self.port}")

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, which no proxy can reach."""
        return is_loopback(self.host)


def parse_base_url(base_url: str) -> ServerAddress:
    """Read a base URL of any of the four schemes; without a scheme it is ``wss``.

    Raises:
        ConnectError: It cannot be one; the message says why and shows no secret.
    """
    address, parts = _parse(base_url if "://" in base_url else f"wss://{base_url}", "base_url")
    if parts.query or parts.fragment:
        raise _refusal("base_url", "has a query or a fragment, which would not be sent")
    return address


def parse_url(url: str) -> ServerAddress:
    """Read the URL of a connection.

    Raises:
        ConnectError: It cannot be one; the message says why and shows no secret.
    """
    return _parse(url, "The URL of the backend")[0]


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or address alone, is this machine."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _parse(url: str, name: str) -> tuple[ServerAddress, SplitResult]:
    is_harmless = _HARMLESS.fullmatch(url) is not None
    shown = f"{name} {str(url)!r}" if is_harmless else name
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        detail = f" ({error})" if is_harmless else ""  # it repeats what it stumbled over
        raise _refusal(shown, f"is not valid{detail}") from None
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise _refusal(shown, "does not begin with ws, wss, http or https")
    if "@" in parts.netloc:
        raise _refusal(
            shown, "has a user or a password in it, which would show; pass them as extra_headers"
        )
    if not host or any(char.isspace() or not char.isprintable() for char in url):
        raise _refusal(shown, "has no host" if not host else "has a blank or a control character")
    if port == 0:
        raise _refusal(shown, "has port 0; it must be 1 to 65535")
    try:
        host.encode("idna")
    except UnicodeError:
        raise _refusal(shown, "has a host with an empty or too long part") from None
    return ServerAddress(scheme, host, port, parts.path), parts


def _refusal(shown: str, why: str) -> ConnectError:
    return ConnectError(f"{shown} {why}. {_EXAMPLES}", cause="argument", hint=_EXAMPLES)
