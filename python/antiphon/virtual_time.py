"""An event loop whose clock jumps: ten minutes of conversation in seconds of wall time.

The loop runs what is ready; when nothing is, it moves its clock to the next timer instead of
sleeping. ``loop.time()`` starts at 0, so equal programs see equal times. What a program gives to
an executor runs at once, on the loop. What another process or thread does is outside of virtual
time: use it with channels in memory, or with both ends of a loopback connection on the one loop.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

__all__ = ["VirtualTimeLoop", "run_in_virtual_time"]

T = TypeVar("T")

# What one socket of ours has sent, another of ours is about to have: it takes no virtual time, but
# on a busy machine the kernel may need a moment.
_LOOPBACK_S = 50e-6


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector loop on a virtual clock.

    Waiting for something that no timer and no ready callback can bring raises `RuntimeError`
    instead of hanging: in virtual time a deadlock is certain, not slow.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def run_in_executor(
        self, executor: object, func: Callable[..., T], *args: object
    ) -> asyncio.Future[T]:
        """Run ``func`` here and now: threads have no part in virtual time."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def jump(self, seconds: float) -> None:
        """Move the clock; the selector does this when nothing is ready."""
        self._now_s += seconds


class _JumpingSelector(selectors.BaseSelector):
    """Never waits: when no file is ready, it advances the loop's clock by the timeout."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        # One entry is the loop's own, to wake itself.
        if len(self._real.get_map()) > 1:
            time.sleep(_LOOPBACK_S)
            if ready := self._real.select(0):
                return ready
        if timeout is None:
            raise RuntimeError(
                "Deadlock in virtual time: every task waits and no timer is set. A thread or a "
                "socket is outside of virtual time; otherwise a wait has no end."
            )
        self._loop.jump(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`, on a `VirtualTimeLoop`."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
