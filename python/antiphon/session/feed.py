"""Events for whoever wants them: every listener has a queue of its own, and none holds us up."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

__all__ = ["Feed", "Subscription"]

T = TypeVar("T")

_EVENTS_KEPT = 10_000
_BYTES_KEPT = 16 * 1024 * 1024


class Subscription(AsyncIterator[T]):
    """An iterator over events, from its making on.

    Leaving a loop over it or cancelling `__anext__` loses no event. At most 10,000 unread events
    are kept, and 16 MiB of what they tell; then the oldest are dropped. Iteration ends when no
    more can come; if that is because something failed, with that error.
    """

    def __init__(self) -> None:
        self._unread: deque[tuple[T, int]] = deque()
        self._unread_bytes = 0
        self._changed = asyncio.Event()
        self._ended = False
        self._failure: BaseException | None = None

    def put(self, event: T, size_bytes: int = 0) -> None:
        """Add an event."""
        self._unread.append((event, size_bytes))
        self._unread_bytes += size_bytes
        while len(self._unread) > _EVENTS_KEPT or (
            self._unread_bytes > _BYTES_KEPT and len(self._unread) > 1
        ):
            self._take()
        self._changed.set()

    def end(self, failure: BaseException | None = None) -> None:
        """No more events will come."""
        self._ended, self._failure = True, failure
        self._changed.set()

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        while not self._unread:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._take()

    def _take(self) -> T:
        event, size_bytes = self._unread.popleft()
        self._unread_bytes -= size_bytes
        return event


class Feed(Generic[T]):
    """Where events come from.

    Args:
        size_bytes: How much an event tells, where that is not little.
    """

    def __init__(self, size_bytes: Callable[[T], int] = lambda _: 0) -> None:
        self._size_bytes = size_bytes
        # Weak: a loop that was left leaves a subscription that nobody will read.
        self._subscriptions: weakref.WeakSet[Subscription[T]] = weakref.WeakSet()
        self._end: tuple[BaseException | None] | None = None

    def subscribe(self) -> Subscription[T]:
        """The events from now on."""
        subscription: Subscription[T] = Subscription()
        self._subscriptions.add(subscription)
        if self._end is not None:
            subscription.end(*self._end)
        return subscription

    def put(self, event: T) -> None:
        """Give an event to everyone."""
        size_bytes = self._size_bytes(event)
        for subscription in self._subscriptions:
            subscription.put(event, size_bytes)

    def end(self, failure: BaseException | None = None) -> None:
        """No more events will come."""
        self._end = (failure,)
        for subscription in self._subscriptions:
            subscription.end(failure)
