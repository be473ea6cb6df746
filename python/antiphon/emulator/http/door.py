"""The one port of the server: WebSocket upgrades go one way, plain HTTP requests another.

A connection carries one plain request. All of it is bounded: the header, the body, and the time
from the first byte of the connection to the last byte of the answer.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import h11

from antiphon.emulator.http.websocket import Connection

__all__ = ["Door", "HttpRequest", "HttpResponse"]

_log = logging.getLogger("antiphon.emulator")

_MAX_HEADER_BYTES = 16 * 1024
_MAX_BODY_BYTES = 1024 * 1024
_TIMEOUT_S = 10.0
_MAX_INSIDE = 1_000


@dataclass(frozen=True)
class HttpRequest:
    """A plain request. Headers have lower-case names; their values are never shown."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class HttpResponse:
    """The answer to a plain request."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Door:
    """Makes the protocol of each connection.

    Args:
        answer: Called with each plain request, on the loop: it must not block.
        answer_error: The same for a request that cannot be read: status and words.
    """

    def __init__(
        self,
        answer: Callable[[HttpRequest], HttpResponse],
        answer_error: Callable[[HTTPStatus, str], HttpResponse],
    ) -> None:
        self.answer = answer
        self.answer_error = answer_error
        self.inside: dict[_Entrance, None] = {}

    def entrance(self, *args: Any, **kwargs: Any) -> Any:
        """The protocol of a new connection; the arguments are those of `Connection`."""
        return _Entrance(self, functools.partial(Connection, *args, **kwargs))

    def close(self) -> None:
        """End the connections that did not become WebSockets."""
        for entrance in list(self.inside):
            entrance.abort()


class _Entrance(asyncio.Protocol):
    """A connection until it is known what it wants, and to its end if that is plain HTTP."""

    _transport: asyncio.Transport
    _timer: asyncio.TimerHandle

    def __init__(self, door: Door, make_connection: Callable[[], Connection]) -> None:
        self._door = door
        self._make_connection = make_connection
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEADER_BYTES)
        self._received = bytearray()  # as it came, for the WebSocket if it becomes one
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(_TIMEOUT_S, self.abort)
        self._door.inside[self] = None
        if len(self._door.inside) > _MAX_INSIDE:
            next(iter(self._door.inside)).abort()  # who means it is done by then

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._leave()

    def abort(self) -> None:
        """End the connection as it is."""
        self._leave()
        self._transport.abort()

    def _leave(self) -> None:
        self._timer.cancel()
        self._door.inside.pop(self, None)

    def data_received(self, data: bytes) -> None:
        if self._answered:
            return
        if self._request is None:
            self._received += data
        try:
            self._http.receive_data(data)
            while self._step():
                pass
        except h11.RemoteProtocolError as error:
            status = HTTPStatus(error.error_status_hint)
            self._send(self._door.answer_error(status, f"The request cannot be read: {error}."))
            self._linger()

    def _step(self) -> bool:
        """Take what the client has sent next; False: there is no more, for now or at all."""
        event = self._http.next_event()
        if isinstance(event, h11.Request):
            if _is_upgrade(event):
                self._become_websocket()
                return False
            self._request = event
            self._received.clear()
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._transport.write(self._http.send(go_on) or b"")
            return True
        if isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) <= _MAX_BODY_BYTES:
                return True
            words = f"The body of the request has more than {_MAX_BODY_BYTES} bytes."
            self._send(self._door.answer_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words))
            self._linger()
        elif isinstance(event, h11.EndOfMessage):
            self._send(self._answer())
            self._transport.close()
        return False

    def _become_websocket(self) -> None:
        self._leave()
        connection = self._make_connection()
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        connection.data_received(bytes(self._received))

    def _answer(self) -> HttpResponse:
        assert self._request is not None
        request = HttpRequest(
            self._request.method.decode("ascii"),
            self._request.target.decode("ascii"),
            {
                name.decode("ascii"): value.decode("latin-1")
                for name, value in self._request.headers
            },
            bytes(self._body),
        )
        try:
            return self._door.answer(request)
        except Exception as error:
            _log.exception("A request to the local server failed")
            words = f"Internal error: {type(error).__name__}."
            return self._door.answer_error(HTTPStatus.INTERNAL_SERVER_ERROR, words)

    def _send(self, response: HttpResponse) -> None:
        self._answered = True
        head = h11.Response(
            status_code=response.status,
            reason=response.status.phrase,
            headers=[
                ("Content-Type", response.content_type),
                ("Content-Length", str(len(response.body))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                ("Connection", "close"),
                *response.headers,
            ],
        )
        is_head = self._request is not None and self._request.method == b"HEAD"
        body = b"" if is_head else response.body
        self._transport.write((self._http.send(head) or b"") + body)

    def _linger(self) -> None:
        # Closing now would reset the connection while the client still sends, and it might never
        # see the answer. Until it closes, or the time is over, what it sends is dropped.
        if self._transport.can_write_eof():
            self._transport.write_eof()


def _is_upgrade(request: h11.Request) -> bool:
    return any(
        name == b"upgrade" and b"websocket" in value.lower() for name, value in request.headers
    )
