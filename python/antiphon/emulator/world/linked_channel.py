"""A channel at the end of a link: the server's end of a connection that is not next door.

Below it may lie a WebSocket or a channel in memory; it adds to either what a `Link` of each
direction says. Its clock is the loop's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self, TypeAlias

from antiphon.channel import Channel, ChannelClosed
from antiphon.emulator.faults import HalfOpen, LatePongs
from antiphon.emulator.world.driver import Misbehaving
from antiphon.emulator.world.link import Link, LinkProfile

__all__ = ["LinkedChannel"]

# Messages under way in one direction, whatever their size: a bound for links without a rate.
_MAX_UNDER_WAY = 1_024
# From the client, whose messages may be large.
_MAX_ARRIVING_BYTES = 16 * 1024 * 1024
_SEND_TIMEOUT_S = 60.0

#: A message, the end of the connection, or what it is to do wrong from there on.
_Item: TypeAlias = bytes | ChannelClosed | HalfOpen | LatePongs


class LinkedChannel:
    """Use it in ``async with``: leaving it ends its tasks, and loses what is still under way.

    One task may send and one may receive at a time.

    Args:
        inner: The server's end of the connection. The link alone reads and writes it.
        profile: What the link is like.
        seed: Of both directions.
    """

    def __init__(self, inner: Channel, profile: LinkProfile, seed: int | str) -> None:
        self._inner = inner
        self._up, self._down = Link(profile, "up", seed), Link(profile, "down", seed)
        self._arriving: deque[tuple[float, bytes | ChannelClosed]] = deque()
        self._arriving_bytes = 0
        self._arrivals_changed = asyncio.Event()
        self._leaving: asyncio.Queue[tuple[float, _Item]] = asyncio.Queue(_MAX_UNDER_WAY)
        self._broken: ChannelClosed | None = None
        self._loop = asyncio.get_running_loop()
        self._taker = self._loop.create_task(self._take(), name="link-up")
        self._deliverer = self._loop.create_task(self._deliver(), name="link-down")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in (self._taker, self._deliverer):
            task.cancel()
        await asyncio.gather(self._taker, self._deliverer, return_exceptions=True)

    async def send(self, data: bytes) -> None:
        """Give a message to the link; waits while its queue is full.

        Raises:
            ChannelClosed: The connection has ended.
        """
        await self._send(data, len(data))

    async def receive(self) -> bytes:
        """The next message that has arrived. Cancelling it loses none.

        Raises:
            ChannelClosed: The connection has ended.
        """
        while not self._arriving:
            await self._arrivals_change()
        due, item = self._arriving[0]
        await self._sleep_until(due)
        if isinstance(item, ChannelClosed):
            raise ChannelClosed(item.code, item.reason)
        self._arriving.popleft()
        self._arriving_bytes -= len(item)
        self._arrivals_changed.set()
        return item

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection behind what was sent; returns when the end has arrived."""
        try:
            await self._send(ChannelClosed(code, reason), 0)
        except ChannelClosed:
            return
        await asyncio.wait({self._deliverer})

    async def misbehave(self, fault: HalfOpen | LatePongs) -> None:
        """Let the connection below do it, behind what was sent before."""
        await self._send(fault, 0)

    async def _send(self, item: _Item, size_bytes: int) -> None:
        while (room_at := self._down.room_at(self._loop.time())) > self._loop.time():
            await self._sleep_until(room_at)
        if self._broken is not None:
            raise ChannelClosed(self._broken.code, self._broken.reason)
        await self._leaving.put((self._down.send(size_bytes, self._loop.time()), item))

    async def _deliver(self) -> None:
        """Carry what was sent to the client, each at its time."""
        try:
            while True:
                due, item = await self._leaving.get()
                await self._sleep_until(due)
                async with asyncio.timeout(_SEND_TIMEOUT_S):
                    if isinstance(item, ChannelClosed):
                        self._break(item)
                        await self._inner.close(item.code, item.reason)
                        return
                    if isinstance(item, bytes):
                        await self._inner.send(item)
                    elif isinstance(self._inner, Misbehaving):
                        await self._inner.misbehave(item)
        except ChannelClosed as closed:
            self._break(closed)
        except TimeoutError:
            late = ChannelClosed(1011, "Deadline expired before operation could complete.")
            self._break(late)
            await self._inner.close(late.code, late.reason)

    def _break(self, closed: ChannelClosed) -> None:
        """Nothing goes down any more; a sender that waits for room must not wait for ever."""
        self._broken = closed
        while not self._leaving.empty():
            self._leaving.get_nowait()

    async def _take(self) -> None:
        """Carry what the client sends to the server, and the end of the connection."""
        item: bytes | ChannelClosed = b""
        while not isinstance(item, ChannelClosed):
            try:
                item = await self._inner.receive()
            except ChannelClosed as closed:
                item = closed
            while (
                len(self._arriving) >= _MAX_UNDER_WAY or self._arriving_bytes >= _MAX_ARRIVING_BYTES
            ):
                await self._arrivals_change()
            await self._sleep_until(self._up.room_at(self._loop.time()))
            size_bytes = len(item) if isinstance(item, bytes) else 0
            self._arriving.append((self._up.send(size_bytes, self._loop.time()), item))
            self._arriving_bytes += size_bytes
            self._arrivals_changed.set()

    async def _arrivals_change(self) -> None:
        # Whoever changes them sets the event; clearing it here is safe because the waiter has
        # just seen the present state and no other task ran in between.
        self._arrivals_changed.clear()
        await self._arrivals_changed.wait()

    async def _sleep_until(self, at: float) -> None:
        if (left_s := at - self._loop.time()) > 0:
            await asyncio.sleep(left_s)
