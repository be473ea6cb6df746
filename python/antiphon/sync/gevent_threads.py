"""Threads for a process that gevent has patched, such as Locust's.

There `threading.Thread` is a greenlet, and an event loop in one would be the running loop of all of
them. So the loop gets a real thread, and greenlets wait for it in the way of their hub: the others
go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import gevent
from gevent import monkey
from gevent.threadpool import ThreadPool

__all__ = ["GeventThreads"]

T = TypeVar("T")

_WORKERS = 64
_real_lock = monkey.get_original("_thread", "allocate_lock")


class GeventThreads:
    """A real thread, and greenlets that wait for it."""

    def __init__(self) -> None:
        self._pool = ThreadPool(1)

    def start(self, main: Callable[[], None]) -> None:
        """See `antiphon.sync.portal.Threads`."""
        self._pool.spawn(main)

    def executor(self) -> ThreadPoolExecutor:
        """See `antiphon.sync.portal.Threads`."""
        return RealThreads()

    def wait(self, future: Future[Any]) -> None:
        """See `antiphon.sync.portal.Threads`."""
        hub = gevent.get_hub()
        # The one thing of a hub that other threads may touch, as long as it is open.
        watcher = hub.loop.async_()
        opened, guard = True, _real_lock()

        def wake(_: Future[Any]) -> None:
            with guard:
                if opened:
                    watcher.send()

        try:
            future.add_done_callback(wake)
            if not future.done():
                hub.wait(watcher)
        finally:
            with guard:
                opened = False
                watcher.close()

    def join(self) -> None:
        """See `antiphon.sync.portal.Threads`."""
        self._pool.join()


class RealThreads(ThreadPoolExecutor):
    """An executor whose workers are no greenlets: what blocks in one blocks no other.

    Python waits for the greenlets of its own executor at the end of the process, from a thread on
    which they never run.
    """

    def __init__(self) -> None:
        super().__init__()
        self._workers = ThreadPool(_WORKERS)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a function run."""
        future: Future[T] = Future()
        self._workers.spawn(_work, future, partial(fn, *args, **kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the workers, when they are done."""
        if wait:
            self._workers.join()
        self._workers.kill()


def _work(future: Future[T], job: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = job()
    except BaseException as error:  # raised where the result is asked for
        future.set_exception(error)
    else:
        future.set_result(result)
