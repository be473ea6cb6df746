"""The server's end of a WebSocket, and what can be wrong with the connection itself."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import DATA_OPCODES, CloseCode, Frame
from websockets.protocol import Event, State

from antiphon.channel import ChannelClosed
from antiphon.emulator.faults import HalfOpen, LatePongs

__all__ = ["Connection", "WebSocketChannel"]

_DROP_TIMEOUT_S = 2.0
# For what was sent before the close as well: over a slow line that may be a MiB.
_CLOSE_TIMEOUT_S = 10.0
# First byte of an unmasked pong that is a whole message (RFC 6455, section 5.2).
_PONG = b"\x8a"
# Whoever pings faster than that gets no answer to the rest, as RFC 6455 allows.
_MAX_PONGS_UNDER_WAY = 64
_MAX_UNREAD_BYTES = 64 * 1024
# Each takes memory, be it empty; early versions of `websockets` do not count them.
_MAX_FRAGMENTS = 4_096


class Connection(ServerConnection):
    """A connection that can go silent without closing, and answer pings late."""

    silent = False
    pong_delay_s = 0.0
    pongs_under_way = 0
    fragments = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Write through an outlet, where frames can be held back."""
        outlet = _Outlet(cast(asyncio.Transport, transport), self)
        super().connection_made(cast(asyncio.Transport, outlet))

    def data_received(self, data: bytes) -> None:
        """Hear nothing while silent."""
        if not self.silent:
            super().data_received(data)

    def process_event(self, event: Event) -> None:
        """Take what came; a message in too many fragments ends the connection."""
        super().process_event(event)
        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            return
        self.fragments = 0 if event.fin else self.fragments + 1
        if self.fragments > _MAX_FRAGMENTS and self.state is State.OPEN:
            self.protocol.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.send_data()
            self.loop.call_later(_DROP_TIMEOUT_S, self.transport.abort)

    def send_now(self, data: bytes) -> bool:
        """Send a binary message, if nothing is in its way; else do nothing and return False.

        It spares a message, one of thousands a second, the guards of `send` for when there is.
        """
        if self.state is not State.OPEN or self.paused:
            return False
        self.protocol.send_binary(data)
        self.send_data()
        return True

    def go_silent(self) -> None:
        """Nothing more in either direction; our own pings must not end it either."""
        self.silent = True
        if self.keepalive_task is not None:
            self.keepalive_task.cancel()


class _Outlet:
    """A transport whose writes, each of which is a frame, may be late or lost."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self._connection = connection

    def write(self, data: bytes) -> None:
        connection = self._connection
        if connection.silent:
            return
        if data[:1] != _PONG:
            self._transport.write(data)
        elif not connection.pong_delay_s:
            # Nothing slows down a client that pings and does not read.
            if self._transport.get_write_buffer_size() < _MAX_UNREAD_BYTES:
                self._transport.write(data)
        elif connection.pongs_under_way < _MAX_PONGS_UNDER_WAY:
            connection.pongs_under_way += 1
            connection.loop.call_later(connection.pong_delay_s, self._write_late, data)

    def _write_late(self, data: bytes) -> None:
        self._connection.pongs_under_way -= 1
        if not self._connection.silent and not self._transport.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class WebSocketChannel:
    """A server's end of a WebSocket, as a `Channel`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def send(self, data: bytes) -> None:
        """Send one binary message, as the service does."""
        if self._connection.send_now(data):
            return
        try:
            await self._connection.send(data)
        except ConnectionClosed as closed:
            raise _as_channel_closed(closed) from closed

    async def receive(self) -> bytes:
        """The next message, from a text or a binary frame."""
        try:
            data = await self._connection.recv()
        except ConnectionClosed as closed:
            raise _as_channel_closed(closed) from closed
        return data.encode() if isinstance(data, str) else data

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection: with a close, or for 1006 without one, behind what was sent.

        A client that does not read it is dropped.
        """
        try:
            async with asyncio.timeout(_DROP_TIMEOUT_S if code == 1006 else _CLOSE_TIMEOUT_S):
                if code != 1006:
                    await self._connection.close(code, reason)
                    return
                self._connection.transport.close()
                await self._connection.wait_closed()
        except TimeoutError:
            self._connection.transport.abort()

    async def misbehave(self, fault: HalfOpen | LatePongs) -> None:
        """Do what only a connection can do wrong."""
        if isinstance(fault, HalfOpen):
            self._connection.go_silent()
        else:
            self._connection.pong_delay_s = fault.delay_s


def _as_channel_closed(closed: ConnectionClosed) -> ChannelClosed:
    frame = closed.rcvd or closed.sent
    return ChannelClosed(frame.code, frame.reason) if frame else ChannelClosed()
