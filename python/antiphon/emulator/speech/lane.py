"""Threads for one kind of job, so that slow jobs of one kind do not hold up the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Lane"]

_T = TypeVar("_T")


class Lane:
    """A few threads. Jobs wait on the loop: who stops waiting takes the job along.

    Args:
        threads: So many jobs at a time.
        name: Of the threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(threads)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Do it on a thread. If this is cancelled, the thread is free only when it is done."""
        await self._free.acquire()
        # By the loop, because virtual time stands still only while it knows of a thread that works.
        done = asyncio.get_running_loop().run_in_executor(self._pool, work)
        done.add_done_callback(lambda _: self._free.release())
        return await asyncio.shield(done)

    def submit(self, work: Callable[[], object]) -> None:
        """Do it on a thread, before what comes later."""
        self._pool.submit(work)

    def end(self) -> None:
        """Wait for what runs; blocks."""
        self._pool.shutdown(cancel_futures=True)
