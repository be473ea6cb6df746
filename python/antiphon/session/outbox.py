"""Messages on their way to the channel: bounded, in order; senders wait for room."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

__all__ = ["Outbox"]


class Outbox:
    """A bounded queue between the senders and the one writer.

    Args:
        max_messages: How many messages may wait before senders do.
    """

    def __init__(self, max_messages: int = 64) -> None:
        self._max_messages = max_messages
        self._waiting: deque[bytes] = deque()
        self._writing = False
        self._turnstile = asyncio.Lock()  # FIFO: senders keep the order in which they came
        self._changed = asyncio.Event()
        self._open = True

    def __len__(self) -> int:
        """Messages that are not yet handed to the channel."""
        return len(self._waiting) + self._writing

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Wait until it is this sender's turn and there is room, or the box is shut."""
        async with self._turnstile:
            while self._open and len(self._waiting) >= self._max_messages:
                await self._wait_for_change()
            yield

    def put(self, messages: Iterable[bytes]) -> None:
        """Queue messages; they are dropped if the box is shut."""
        if self._open:
            self._waiting.extend(messages)
            self._changed.set()

    async def take(self) -> bytes | None:
        """The next message for the channel; None when the box is shut."""
        self._writing = False
        self._changed.set()
        while self._open and not self._waiting:
            await self._wait_for_change()
        if not self._open:
            return None
        self._writing = True
        self._changed.set()
        return self._waiting.popleft()

    async def drained(self) -> None:
        """Wait until everything is handed to the channel, or the box is shut."""
        while self._open and len(self):
            await self._wait_for_change()

    def shut(self) -> None:
        """Drop what waits and wake everyone; nothing goes out any more."""
        self._open = False
        self._waiting.clear()
        self._changed.set()

    async def _wait_for_change(self) -> None:
        # Whoever changes something sets the event; clearing it here is safe because every
        # waiter has just seen the present state and no other task ran in between.
        self._changed.clear()
        await self._changed.wait()
