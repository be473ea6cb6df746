"""A WebSocket server written by hand, on a real socket: it reads or not, and breaks as it likes."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.utils import accept_key

READY = b'{"setupComplete": {}}'


def text_frame(data: bytes) -> bytes:
    """A message as a server sends it."""
    size = len(data)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + data
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + data
    return struct.pack("!BBQ", 0x81, 127, size) + data


class RawPeer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.messages: list[dict[str, Any]] = []
        self._unread = bytearray()
        self._loop = asyncio.get_running_loop()

    async def say(self, data: bytes) -> None:
        """Write bytes as they are."""
        await self._loop.sock_sendall(self.sock, data)

    async def upgrade(self) -> None:
        """Answer the request."""
        while b"\r\n\r\n" not in self._unread:
            await self._more()
        head, _, rest = bytes(self._unread).partition(b"\r\n\r\n")
        self._unread = bytearray(rest)
        lines = [line.partition(b": ") for line in head.split(b"\r\n")]
        key = next(value for name, _, value in lines if name.lower() == b"sec-websocket-key")
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key.decode())}\r\n\r\n"
        )
        await self.say(answer.encode())

    async def accept(self) -> None:
        """The upgrade, and the setup."""
        await self.upgrade()
        await self.hear()
        await self.say(text_frame(READY))

    async def hear(self) -> dict[str, Any] | None:
        """The next message; None for a close, or the end."""
        while True:
            if (found := self._frame()) is not None:
                opcode, payload = found
                if opcode == 0x8:
                    return None
                if opcode == 0x1:
                    message = json.loads(payload)
                    self.messages.append(message)
                    return message
            elif not await self._more():
                return None

    async def hear_all(self) -> None:
        while await self.hear() is not None:
            pass

    def reset(self) -> None:
        """Break the connection: what the client sends from now on is refused."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    async def _more(self) -> bool:
        try:
            data = await self._loop.sock_recv(self.sock, 65_536)
        except ConnectionError:
            return False
        self._unread += data
        return bool(data)

    def _frame(self) -> tuple[int, bytes] | None:
        data = self._unread
        if len(data) < 2:
            return None
        size, head = data[1] & 0x7F, 2
        if size >= 126:
            head = 4 if size == 126 else 10
            if len(data) < head:
                return None
            size = int.from_bytes(data[2:head], "big")
        end = head + 4 + size
        if len(data) < end:
            return None
        key = data[head : head + 4] * (size // 4 + 1)
        masked = data[head + 4 : end]
        payload = int.from_bytes(masked, "big") ^ int.from_bytes(key[:size], "big")
        opcode = data[0] & 0xF
        del self._unread[:end]
        return opcode, payload.to_bytes(size, "big")


@asynccontextmanager
async def raw_server(handler: Callable[[RawPeer], Awaitable[Any]], *, receive_bytes: int = 0):
    """Every connection gets the handler, and ends with it.

    Args:
        handler: Of a connection.
        receive_bytes: How much a connection holds unread; 0: what the system thinks right.
    """
    loop = asyncio.get_running_loop()
    listener = socket.socket()
    if receive_bytes:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    handlers: list[asyncio.Task[Any]] = []

    async def handle(sock: socket.socket) -> None:
        try:
            await handler(RawPeer(sock))
        finally:
            sock.close()

    async def serve() -> None:
        while True:
            sock, _ = await loop.sock_accept(listener)
            handlers.append(asyncio.ensure_future(handle(sock)))

    serving = asyncio.ensure_future(serve())
    try:
        yield listener.getsockname()[1]
    finally:
        serving.cancel()
        for task in handlers:
            task.cancel()
        await asyncio.gather(serving, *handlers, return_exceptions=True)
        listener.close()
