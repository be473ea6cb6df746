"""Threads that do not outlive the process: Python waits at exit for those of its own pools."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from _queue import SimpleQueue  # gevent replaces the one in `queue`
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

from antiphon.errors import AntiphonError

__all__ = ["DaemonThreads", "start_thread"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_EXIT_TIMEOUT_S = 10.0
_awaited: set[Future[Any]] = set()


class DaemonThreads(Executor):
    """Runs functions in threads, for ``loop.run_in_executor``.

    A function that never returns keeps its thread, and no more than that: the process ends
    without it. Functions are also taken when the main thread has ended and others go on, where
    Python's own pools refuse. The threads are real ones, also where gevent has patched Python's.

    Args:
        max_threads: How many there are at most; what is submitted beyond waits.
        name: What the names of the threads begin with.
        awaited: The end of the process waits for what was submitted, for 10 s at most.
    """

    def __init__(self, max_threads: int, name: str, *, awaited: bool = False) -> None:
        self._max_threads = max_threads
        self._name = name
        self._awaited = awaited
        self._threads = 0
        self._unfinished: set[Future[Any]] = set()
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have a function called. To be used by one thread.

        What would end the program, such as `SystemExit`, is a `RuntimeError` of the future.

        Raises:
            AntiphonError: It takes another thread, and none can be started.
        """
        if self._threads < min(len(self._unfinished) + 1, self._max_threads):
            name = f"{self._name}-{self._threads}"
            start_thread(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads += 1
        future: Future[_T] = Future()
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        if self._awaited:
            _awaited.add(future)
            future.add_done_callback(_awaited.discard)
        self._work.put(partial(_work, future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End every thread when its function has returned. Does not wait."""
        del wait, cancel_futures  # who waits for one that has not begun cancels it himself
        for _ in range(self._threads):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # what it holds is not to live until there is more to do


def start_thread(thread: threading.Thread) -> None:
    """Start a thread: a real one, where gevent has made greenlets of Python's.

    Raises:
        AntiphonError: None can be started.
    """
    monkey = sys.modules.get("gevent.monkey")
    try:
        if monkey is not None and monkey.is_module_patched("threading"):
            monkey.get_original("_thread", "start_new_thread")(thread.run, ())
        else:
            thread.start()
    except RuntimeError as error:
        raise AntiphonError(
            f"The thread {thread.name} could not be started: {error}. Python 3.12.0 to 3.12.2 "
            "starts none once the main thread has ended: let that wait for the others "
            "(`Thread.join`), or use a later Python. Elsewhere there are too many threads."
        ) from error


def _work(future: Future[_T], function: Callable[[], _T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(_contained(function))
    except BaseException as error:
        future.set_exception(error)


def _contained(function: Callable[[], _T]) -> _T:
    try:
        return function()
    # The first one no future can carry; the others would end the loop, with all its sessions.
    except (StopIteration, SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"The function raised {error!r}") from error


# Registered before sessions are: what these still submit at their end is waited for, too.
@atexit.register
def _wait_at_exit() -> None:
    futures.wait(tuple(_awaited), _EXIT_TIMEOUT_S)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_awaited.clear)
