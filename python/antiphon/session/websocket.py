"""Connections to the service over `websockets`."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import (
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)

from antiphon.channel import Channel
from antiphon.errors import AuthError, ConnectError, QuotaError, SetupRejected
from antiphon.session.connection import LiveConnection, WebSocketChannel
from antiphon.session.proxy import PROXY_FORM, PROXY_VARIABLES, proxy_for, through
from antiphon.wire.addresses import ServerAddress, parse_url
from antiphon.wire.headers import check_header_names
from antiphon.wire.secret import HiddenText, bare, quiet_logger, redact, secrets_in

__all__ = [
    "STATUS_ADVICE",
    "WebSocketConnector",
    "check_headers",
    "diagnose",
    "warn_of_plain",
]

logger = logging.getLogger("antiphon.session")

_BODY_CHARS = 300

STATUS_ADVICE: dict[int, tuple[str, str]] = {
    401: ("auth", "Check the API key or renew the token."),
    403: ("auth", "Check the API key, its restrictions, and that the API is enabled."),
    404: ("model", "Check base_url, the API version and the region."),
    407: ("network", "The proxy asks for a login: put it into the proxy's URL."),
    429: ("quota", "Wait, or raise the quota of the project."),
}

_NETWORK = "Check the network and the proxy settings."
_SCHEME = (
    "Check base_url, its port and its scheme: wss:// and https:// are over TLS, ws:// and http:// "
    "are not."
)
_AUTHORITY = (
    "Check the clock and the host's name; for a private authority set SSL_CERT_FILE or pass "
    "WebSocketConnector(tls=…)."
)


class WebSocketConnector:
    """Makes WebSocket connections; the defaults fit the Live API.

    TLS certificates are verified. Proxies are taken from the environment, but never for a
    server on this machine. Redirects are not followed, because the credentials would go along.
    A key or token that goes unencrypted (``ws://``) to another machine is warned of in the log.

    Args:
        max_message_bytes: The largest message that is accepted.
        ping_interval_s: How often to ask for a sign of life; a late answer kills nothing.
        silence_timeout_s: The connection counts as dead when neither data nor an answer to a
            ping came for so long; a long message that leaves is a sign of life, too.
        write_timeout_s: … or when nothing of what was sent has left for so long.
        close_timeout_s: How long the closing handshake may take.
        tls: Another TLS context, such as one with a private certificate authority.
    """

    def __init__(
        self,
        *,
        max_message_bytes: int = 16 * 1024 * 1024,
        ping_interval_s: float = 20.0,
        silence_timeout_s: float = 60.0,
        write_timeout_s: float = 10.0,
        close_timeout_s: float = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._max_message_bytes = max_message_bytes
        self._ping_interval_s = ping_interval_s
        self._silence_timeout_s = silence_timeout_s
        self._write_timeout_s = write_timeout_s
        self._close_timeout_s = close_timeout_s
        self._tls = tls

    async def connect(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> Channel:
        """Open a connection.

        Raises:
            AuthError, QuotaError: The upgrade was refused for that (HTTP 401, 403, 429).
            ConnectError: No connection within ``timeout_s``, the upgrade was refused for another
                reason, or the URL or that of the proxy is not valid.
        """
        headers = {name: HiddenText(value) for name, value in headers.items()}
        address = parse_url(url)
        proxy = proxy_for(address, f"Not connected to {address.place}")
        place = address.place + through(proxy)
        secrets = secrets_in(headers)
        check_headers(headers, place)
        warn_of_plain(address, place, secrets)
        secure: dict[str, Any] = {"ssl": self._tls} if self._tls and url.startswith("wss:") else {}
        refused = None
        try:
            connection = await _Connect(
                url,
                additional_headers=headers,
                proxy=proxy,
                user_agent_header=None,
                compression=None,
                max_size=self._max_message_bytes,
                open_timeout=timeout_s,
                ping_interval=self._ping_interval_s,
                ping_timeout=None,
                close_timeout=self._close_timeout_s,
                logger=quiet_logger("antiphon.websocket"),
                create_connection=LiveConnection,
                **secure,
            )
        except (OSError, WebSocketException, EOFError, ValueError, ImportError) as error:
            refused = _refused(error, place, timeout_s, secrets)
        except asyncio.CancelledError as error:
            raise bare(error) from None
        # The variables of what was cancelled or failed hold request headers or a proxy's login.
        if refused is not None:
            raise refused
        assert isinstance(connection, LiveConnection)
        return WebSocketChannel(connection, secrets, self._silence_timeout_s, self._write_timeout_s)


class _Connect(websockets_connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def check_headers(headers: Mapping[str, str], place: str) -> None:
    """Refuse what no header can carry, without showing it.

    Raises:
        ConnectError: A name is none, or one of the handshake's own; or a value has a line break or
            is not ASCII.
    """
    check_header_names(headers, f"Not connected to {place}")
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise ConnectError(
                f"Not connected to {place}: the header {name} has a line break or a character "
                "that is not ASCII. Check how the key or token was copied.",
                cause="auth",
                hint="Check how the key or token was copied.",
            )


def warn_of_plain(address: ServerAddress, place: str, secrets: Iterable[str]) -> None:
    """Tell in the log if a key or token will cross a network for everyone to read."""
    if address.scheme == "ws" and not address.is_loopback and any(secrets):
        logger.warning(
            "The key or token goes unencrypted to %s: whoever is on the way can read it, and all "
            "that is said. Use wss:// or https:// in base_url.",
            place,
        )


def _refused(
    error: Exception, place: str, timeout_s: float, secrets: Iterable[str]
) -> ConnectError | SetupRejected:
    """What went wrong, in words, without any secret."""
    code = None
    said = ""
    kind: type[ConnectError | SetupRejected] = ConnectError
    if isinstance(error, InvalidStatus):
        code = error.response.status_code
        body = redact(error.response.body.decode("utf-8", "replace"), secrets)
        said = " ".join(body.split())[:_BODY_CHARS]
        what = f"the server answered HTTP {code}" + (f": {said}" if said else "")
        cause, hint = STATUS_ADVICE.get(code, ("unavailable", "Check base_url; try again later."))
        kinds: dict[str, type[SetupRejected]] = {"auth": AuthError, "quota": QuotaError}
        kind = kinds.get(cause, ConnectError)
    elif isinstance(error, InvalidProxyStatus):
        code = error.response.status_code
        what = f"the proxy answered HTTP {code}"
        cause, hint = STATUS_ADVICE[407] if code == 407 else ("network", PROXY_VARIABLES)
    else:
        what, cause, hint = diagnose(error, timeout_s, "WebSocket")
    return kind(
        f"Not connected to {place}: {what}. {hint}",
        code=code,
        reason=said,
        cause=cause,
        hint=hint,
    )


def diagnose(error: Exception, timeout_s: float, protocol: str) -> tuple[str, str, str]:
    """What happened, its cause in a word, and what to do.

    Args:
        error: What failed.
        timeout_s: How long an answer was waited for.
        protocol: What the server was to speak.
    """
    for kind, diagnosis in (
        (TimeoutError, (f"no answer within {timeout_s:g} s", "timeout", _NETWORK)),
        (
            ConnectionRefusedError,
            ("connection refused", "network", "Check that the server runs there, and its port."),
        ),
        (socket.gaierror, ("the host's name was not resolved", "network", _NETWORK)),
        (ssl.SSLCertVerificationError, ("the TLS certificate is not valid", "tls", _AUTHORITY)),
        (ssl.SSLError, ("TLS failed", "tls", _SCHEME)),
        (ConnectionError, ("the server dropped the connection", "network", _SCHEME)),
        (OSError, ("the network failed", "network", _NETWORK)),
        (InvalidURI, ("the URL is not valid", "argument", "Check base_url.")),
        (InvalidProxy, ("the URL of the proxy is not valid", "network", PROXY_FORM)),
        (ProxyError, ("the proxy did not connect", "network", PROXY_VARIABLES)),
        (
            ImportError,
            ("a SOCKS proxy needs python-socks", "network", "Install python-socks[asyncio]."),
        ),
    ):
        if isinstance(error, kind):
            what, cause, hint = diagnosis
            detail = getattr(error, "verify_message", "") or getattr(error, "strerror", "")
            return (f"{what} ({detail})" if detail else what, cause, hint)
    return f"the server does not speak {protocol} ({type(error).__name__})", "network", _SCHEME
