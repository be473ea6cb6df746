"""Clients of this process, connected without a socket: in virtual time, on any loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias

from antiphon.channel import Channel, ChannelClosed, memory_channel_pair
from antiphon.emulator.faults import HalfOpen, LatePongs
from antiphon.emulator.world.link import LinkProfile
from antiphon.errors import ConnectError
from antiphon.wire.close_codes import TOO_LARGE_FOR_US

__all__ = ["MemoryConnector"]

#: Serves one channel until it ends: the channel, the URL, the headers of the upgrade.
_Serve: TypeAlias = Callable[[Channel, str, Mapping[str, str]], Coroutine[Any, Any, None]]

# TCP, TLS 1.3 and the upgrade take a round trip each.
_HANDSHAKE_ROUND_TRIPS = 3
# What waits in front of the link, in messages: little, so that a slow link is felt by the sender.
_UNREAD_BEFORE_LINK = 8
_UNREAD = 1_024


class MemoryConnector:
    """Connects clients to a server in this process; made by `Emulator.connector`.

    Use it in ``async with``: leaving it ends the connections that are still open, and waits until
    the server has noticed.

    Args:
        serve: The server.
        link: What lies between; None: nothing.
        max_message_bytes: A client does not take larger messages, and closes with 1009.
        silence_timeout_s: A client gives up so long after the last sign of life. Nobody pings
            here: only a connection that is half open gives none.
    """

    def __init__(
        self,
        serve: _Serve,
        link: LinkProfile | None,
        *,
        max_message_bytes: int = 16 * 1024 * 1024,
        silence_timeout_s: float = 60.0,
    ) -> None:
        self._serve = serve
        self._link = link
        self._max_message_bytes = max_message_bytes
        self._silence_timeout_s = silence_timeout_s
        self._serving: dict[asyncio.Task[None], Channel] = {}

    async def connect(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> Channel:
        """Open a channel, after the three round trips that this takes.

        Raises:
            ConnectError: The link is so long that they take more than ``timeout_s``.
        """
        handshake_s = 0.0
        if self._link is not None:
            handshake_s = _HANDSHAKE_ROUND_TRIPS * self._link.round_trip_s
        await asyncio.sleep(min(handshake_s, timeout_s))
        if handshake_s > timeout_s:
            raise ConnectError(
                f"Not connected to the local server: its link needs {handshake_s:g} s for a "
                f"handshake, and timeout_s is {timeout_s:g}. Allow more time.",
                cause="timeout",
                hint="Allow more time.",
            )
        ours, theirs = memory_channel_pair(_UNREAD if self._link is None else _UNREAD_BEFORE_LINK)
        server_end = _ServerEnd(theirs, ours, self._silence_timeout_s)
        serving = asyncio.create_task(server_end.served_by(self._serve, url, headers))
        self._serving[serving] = ours
        serving.add_done_callback(self._served)
        return _ClientEnd(ours, self._max_message_bytes)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is still open.

        Raises:
            Exception: What a session of the server failed with.
        """
        serving = dict(self._serving)
        for channel in serving.values():
            await channel.close(1001, "The client is shutting down.")
        await asyncio.gather(*serving)

    def _served(self, task: asyncio.Task[None]) -> None:
        # A failure stays until `close` raises it.
        if task.cancelled() or task.exception() is None:
            self._serving.pop(task, None)


class _ClientEnd:
    """The client's end of a channel in memory, as strict as that of a WebSocket."""

    def __init__(self, inner: Channel, max_message_bytes: int) -> None:
        self._inner = inner
        self._max_message_bytes = max_message_bytes

    async def send(self, data: bytes) -> None:
        await self._inner.send(data)

    async def receive(self) -> bytes:
        data = await self._inner.receive()
        if len(data) > self._max_message_bytes:
            reason = f"message with {len(data)} bytes exceeds limit of {self._max_message_bytes}"
            await self._inner.close(1009, reason)
            raise ChannelClosed(1009, f"{TOO_LARGE_FOR_US}: {reason}")
        return data

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._inner.close(code, reason)


class _ServerEnd:
    """The server's end, from where a connection can be made to go silent."""

    def __init__(self, inner: Channel, client: Channel, silence_timeout_s: float) -> None:
        self.send, self.receive, self.close = inner.send, inner.receive, inner.close
        self._client = client
        self._silence_timeout_s = silence_timeout_s
        self._giving_up: asyncio.Task[None] | None = None

    async def served_by(self, serve: _Serve, url: str, headers: Mapping[str, str]) -> None:
        """Let a server serve this end."""
        try:
            await serve(self, url, headers)
        finally:
            if self._giving_up is not None:
                self._giving_up.cancel()
                await asyncio.gather(self._giving_up, return_exceptions=True)

    async def misbehave(self, fault: HalfOpen | LatePongs) -> None:
        """Go silent. The client notices when nothing came for too long, as on a socket."""
        if isinstance(fault, HalfOpen) and self._giving_up is None:
            self._giving_up = asyncio.create_task(self._give_up())

    async def _give_up(self) -> None:
        await asyncio.sleep(self._silence_timeout_s)
        reason = f"neither data nor a pong came for {self._silence_timeout_s:g} s"
        await self._client.close(1006, reason)
