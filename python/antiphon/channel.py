"""What a session and a server talk over: whole messages, in order, until a close.

A `Channel` is one end of a connection. The session gets its bytes from here and from nowhere
else, so that the same code runs over a WebSocket and, in tests, over a pair in memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

__all__ = ["Channel", "ChannelClosed", "Connector", "PromptChannel", "memory_channel_pair"]


class ChannelClosed(Exception):
    """The connection has ended; ``code`` and ``reason`` are those of the WebSocket close.

    1006 stands for a connection that broke without a close, as in RFC 6455, section 7.1.5.
    """

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"closed with {self.code}" + (f": {self.reason}" if self.reason else "")


class Channel(Protocol):
    """One end of a connection that carries whole messages."""

    async def send(self, data: bytes) -> None:
        """Send one message; waits while the peer is slow.

        Raises:
            ChannelClosed: The connection has ended; the message was not sent.
        """
        ...

    async def receive(self) -> bytes:
        """The next message. Cancelling it loses none.

        Raises:
            ChannelClosed: The connection has ended and every message before that was received.
        """
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection; harmless if it has ended. The reason is cut at 123 bytes.

        A server's end breaks the connection without a close when the code is 1006.
        """
        ...


@runtime_checkable
class PromptChannel(Channel, Protocol):
    """A channel that needs no task: messages are told as they come, and leave as they are sent."""

    @property
    def ready(self) -> bool:
        """Whether everything that was sent has left, and more can."""
        ...

    def send_now(self, data: bytes) -> bool:
        """Send one message; only while `ready`. Whether it has left: the channel is `ready` still.

        If not, `drain` tells when.
        """
        ...

    async def drain(self) -> None:
        """Wait until the channel is `ready`.

        Raises:
            ChannelClosed: The connection has ended; what was sent last has not left.
        """
        ...

    def listen(
        self, on_message: Callable[[bytes], None], on_closed: Callable[[ChannelClosed], None]
    ) -> None:
        """Instead of `receive`: be told every message, and in the end why no more will come.

        Neither may raise or block. Messages that wait are told at once.
        """
        ...


class Connector(Protocol):
    """Makes client channels."""

    async def connect(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> Channel:
        """Open a channel.

        Raises:
            AuthError, QuotaError: The upgrade was refused because of credentials or a quota.
            ConnectError: No connection within ``timeout_s``, or it was refused for another reason.
        """
        ...


def memory_channel_pair(max_messages: int = 1024) -> tuple[Channel, Channel]:
    """Two ends of a connection in memory; each holds at most ``max_messages`` unread."""
    ours, theirs = _MemoryChannel(max_messages), _MemoryChannel(max_messages)
    ours.peer, theirs.peer = theirs, ours
    return ours, theirs


class _MemoryChannel:
    def __init__(self, max_messages: int) -> None:
        self.peer = self
        self.max_messages = max_messages
        self.inbox: deque[bytes] = deque()
        self.closed: ChannelClosed | None = None
        self.changed = asyncio.Condition()

    async def send(self, data: bytes) -> None:
        peer = self.peer
        async with peer.changed:
            await peer.changed.wait_for(
                lambda: peer.closed or self.closed or len(peer.inbox) < peer.max_messages
            )
            if closed := self.closed or peer.closed:
                raise ChannelClosed(closed.code, closed.reason)
            peer.inbox.append(data)
            peer.changed.notify_all()

    async def receive(self) -> bytes:
        async with self.changed:
            await self.changed.wait_for(lambda: self.inbox or self.closed)
            if self.inbox:
                data = self.inbox.popleft()
                self.changed.notify_all()
                return data
            assert self.closed is not None
            raise ChannelClosed(self.closed.code, self.closed.reason)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        closed = ChannelClosed(code, reason.encode()[:123].decode("utf-8", "ignore"))
        for end in (self, self.peer):
            async with end.changed:
                end.closed = end.closed or closed
                end.changed.notify_all()
