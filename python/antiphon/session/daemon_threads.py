"""Threads that do not outlive the process: Python waits at exit for those of its own pools."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

__all__ = ["DaemonThreads"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DaemonThreads(ThreadPoolExecutor):  # the one kind that a loop takes as its default
    """Runs functions in threads, for ``loop.run_in_executor``.

    A function that never returns keeps its thread, and no more than that: the process ends
    without it. Not for functions that must not be broken off by the end of the process. Functions
    are also taken when the main thread has ended and others go on, where Python's own pools refuse.

    Args:
        max_threads: How many there are at most; what is submitted beyond waits.
        name: What the names of the threads begin with.
    """

    def __init__(self, max_threads: int, name: str) -> None:
        super().__init__(max_threads)
        self._max_threads = max_threads
        self._name = name
        self._daemons: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have a function called. To be used by one thread."""
        future: Future[_T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        self._work.put(run)
        if not self._idle.acquire(blocking=False) and len(self._daemons) < self._max_threads:
            name = f"{self._name}-{len(self._daemons)}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            thread.start()
            self._daemons.append(thread)
        return future

    @property
    def ended(self) -> bool:
        """Whether no function runs any more, after the `shutdown`."""
        return not any(thread.is_alive() for thread in self._daemons)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End every thread when its function has returned."""
        for _ in self._daemons:
            self._work.put(None)
        del cancel_futures  # who waits for one that has not begun cancels it himself
        for thread in self._daemons if wait else ():
            thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # what it holds is not to live until there is more to do
            self._idle.release()
