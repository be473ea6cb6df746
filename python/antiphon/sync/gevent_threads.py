"""Threads for a process that gevent has patched, such as Locust's.

There `threading.Thread` is a greenlet, and an event loop in one would be the running loop of all of
them. So the loop gets a real thread, and greenlets wait for it in the way of their hub: the others
go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import gevent
from gevent import monkey
from gevent.threadpool import ThreadPool

__all__ = ["GeventThreads"]

_real_lock = monkey.get_original("_thread", "allocate_lock")


class GeventThreads:
    """A real thread, and greenlets that wait for it."""

    def __init__(self) -> None:
        self._pool = ThreadPool(1)

    def start(self, main: Callable[[], None]) -> None:
        """See `antiphon.sync.portal.Threads`."""
        self._pool.spawn(main)

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
