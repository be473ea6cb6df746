"""The senders' side of a session: they keep their order, and wait while there is no room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from antiphon.protocol import SessionProtocol

__all__ = ["Outbox"]


class Outbox:
    """Waiting, between those who give the protocol commands and the one who writes.

    Args:
        protocol: Holds the messages.
        max_messages: How many may wait for the connection before senders do, and how many for the
            result of a function.
    """

    def __init__(self, protocol: SessionProtocol, max_messages: int = 64) -> None:
        self._protocol = protocol
        self._max_messages = max_messages
        self.waiting = 0
        """How many senders wait for room."""
        self._way_in = _Turnstile(lambda: protocol.crowd)
        self._way_to_held = _Turnstile(lambda: protocol.held_crowd)
        self._changed = asyncio.Event()
        self._has_message = asyncio.Event()
        self._open = True

    async def room(self, *, realtime: bool = False) -> None:
        """Wait until it is this sender's turn and there is room, or the box is shut.

        Next, before anything else is awaited: send.

        Args:
            realtime: It is realtime input that is sent. Where that is held back, it waits for room
                there, and keeps nobody else waiting.
        """
        if realtime:
            await self._pass(self._way_to_held)
        await self._pass(self._way_in)

    async def next_message(self) -> bytes | None:
        """The next message for the connection; None when the box is shut."""
        while self._open:
            if (message := self._protocol.next_message()) is not None:
                return message
            self._has_message.clear()
            await self._has_message.wait()
        return None

    async def drained(self) -> None:
        """Wait until a connection has taken everything, or the box is shut."""
        while self._open and self._protocol.unsent:
            await self._wait_for_change()

    def wake(self) -> None:
        """Something may have changed: look again."""
        self._changed.set()
        if self._protocol.next_message() is not None:
            self._has_message.set()

    def shut(self) -> None:
        """Nothing goes out any more; wake everyone."""
        self._open = False
        self._changed.set()
        self._has_message.set()

    async def _pass(self, way: _Turnstile) -> None:
        if not way.waiting and way.crowd() < self._max_messages:
            return
        way.waiting += 1
        self.waiting += 1
        try:
            async with way.lock:
                while self._open and way.crowd() >= self._max_messages:
                    await self._wait_for_change()
        finally:
            way.waiting -= 1
            self.waiting -= 1

    async def _wait_for_change(self) -> None:
        # Whoever changes something sets the event; clearing it here is safe because every
        # waiter has just seen the present state and no other task ran in between.
        self._changed.clear()
        await self._changed.wait()


class _Turnstile:
    """Where senders wait for one thing, and keep the order in which they came.

    Args:
        crowd: How many messages are before them.
    """

    def __init__(self, crowd: Callable[[], int]) -> None:
        self.crowd = crowd
        self.lock = asyncio.Lock()
        self.waiting = 0
