"""The way from other threads to the one event loop that all sessions of `antiphon.sync` share."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import os
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, TypeVarTuple

from antiphon.errors import AntiphonError
from antiphon.session.daemon_threads import DaemonThreads, start_thread

__all__ = ["Portal", "Twin", "close", "open_portal"]

R = TypeVar("R")
A = TypeVar("A")
Ts = TypeVarTuple("Ts")

logger = logging.getLogger("antiphon.sync")

# At the end of the process: a goodbye is sent if it can be sent at once.
_EXIT_TIMEOUT_S = 2.0
_CLOSED = "The call was cancelled: antiphon.sync was closed meanwhile."
# Of the loop: a call begins in one, gets what is there in the next, and is told in a third.
_LAST_ROUNDS = 8
# At once, of all sessions: one name or file each.
_MAX_JOBS = 32


class Threads(Protocol):
    """How a thread is begun, and how another one waits for it."""

    def start(self, main: Callable[[], None]) -> None:
        """Run a function on a thread of its own, which does not keep the process alive."""
        ...

    def wait(self, future: Future[Any]) -> None:
        """Return when the future is done."""
        ...

    def join(self) -> None:
        """Return when the thread has ended."""
        ...


class PlainThreads:
    """The threads of Python."""

    def start(self, main: Callable[[], None]) -> None:
        """See `Threads`."""
        self._thread = threading.Thread(target=main, name="antiphon-sync", daemon=True)
        start_thread(self._thread)

    def wait(self, future: Future[Any]) -> None:
        """See `Threads`."""
        future.exception()

    def join(self) -> None:
        """See `Threads`."""
        self._thread.join()


if sys.platform == "win32":
    _EventLoop = asyncio.ProactorEventLoop
else:
    _EventLoop = asyncio.SelectorEventLoop


class _Loop(_EventLoop):
    """A loop whose blocking jobs, such as looking up names, hold up nobody's end.

    asyncio waits for those in a loop's own pool, and so does Python at the end of the process. And
    that pool takes no more jobs once the main thread has ended, though others may go on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._jobs = DaemonThreads(_MAX_JOBS, "antiphon-sync-job")

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], R], *args: *Ts
    ) -> asyncio.Future[R]:
        return super().run_in_executor(executor or self._jobs, func, *args)

    def close(self) -> None:
        super().close()
        self._jobs.shutdown()


class _TooLate(AntiphonError):
    """A call came when its loop was ending."""


class Portal:
    """An event loop on a thread of its own, and calls into it from any other thread."""

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self.ended = False
        self.dropped = False
        """Whether sessions were dropped that did not close in time."""
        self._calls: set[Future[Any]] = set()
        self._threads = _threads()
        # What has to be closed before the loop ends.
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._threads.start(lambda: self._main(started))
        self._threads.wait(started)
        self._loop = started.result()

    def call(self, function: Callable[[], Awaitable[R]], timeout_s: float | None = None) -> R:
        """Have a coroutine run on the loop, and wait for what it returns.

        Whatever ends the waiting, such as Ctrl-C, cancels the coroutine and waits for its end.

        Raises:
            TimeoutError: It took longer than ``timeout_s``; it was cancelled.
            RuntimeError: Called from an event loop.
            AntiphonError: `close` was called meanwhile.
        """
        _check_no_loop()
        done: Future[R] = Future()
        hand_over = partial(_hand_over, done)
        tasks: list[asyncio.Task[R]] = []

        def start() -> None:
            task = asyncio.ensure_future(_limited(function, timeout_s))
            tasks.append(task)
            task.add_done_callback(hand_over)

        self._calls.add(done)
        try:
            if self.ended:  # asked after the call is known: the end misses none
                raise _TooLate(_CLOSED)
            try:
                self._loop.call_soon_threadsafe(start)
            except RuntimeError:  # it died
                raise _TooLate(_CLOSED) from None
            try:
                self._threads.wait(done)
            except BaseException:
                self._loop.call_soon_threadsafe(lambda: tasks[0].cancel())  # noqa: PLW0108 not yet there
                self._threads.wait(done)
                raise
            if isinstance(done.exception(), SystemExit | KeyboardInterrupt):
                self._threads.join()  # the loop ends with that: whoever comes next begins another
            return done.result()
        finally:
            self._calls.discard(done)
            del done  # an error holds this frame: no circle through it

    def adopt(self, owner: Any) -> None:
        """Close this one too, when the loop is closed."""
        self._open.add(owner)

    def let_go(self, drop: Callable[[], None]) -> None:
        """Have the last reference to something of the loop dropped there, and nowhere else."""
        try:
            self._loop.call_soon_threadsafe(drop)
        except RuntimeError:  # the loop has ended, so that nothing else touches it
            drop()

    def close(self, timeout_s: float | None = None) -> None:
        """Close what is open, cancel what still waits, and end the thread."""
        try:
            self.call(self._close_owners, timeout_s)
        except TimeoutError:
            self.dropped = True
            logger.warning("Sessions did not close within %g s; they are dropped", timeout_s)
        self.ended = True
        self._loop.call_soon_threadsafe(self._stop, _LAST_ROUNDS)
        self._threads.join()

    def _stop(self, rounds: int) -> None:
        """Stop the loop, when who asked before had time for an answer that is there."""
        if rounds:
            self._loop.call_soon(self._stop, rounds - 1)
        else:
            self._loop.stop()

    async def _close_owners(self) -> None:
        results = await asyncio.gather(
            *[owner.close() for owner in self._open], return_exceptions=True
        )
        for result in results:
            if isinstance(result, Exception):
                logger.warning("A session did not close well: %r", result)

    def _main(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:  # cancels what is left, and waits
                loop = runner.get_loop()
                loop.call_soon(started.set_result, loop)
                loop.run_forever()
        finally:
            self.ended = True
            for done in tuple(self._calls):  # they came too late to be cancelled
                if not done.done():
                    done.set_exception(_TooLate(_CLOSED))


class Twin(Generic[A]):
    """The synchronous side of an object that lives on the loop.

    Every method that waits takes ``timeout_s``: `TimeoutError` is raised when that is over, and
    the call is cancelled as if it were a task. A twin can be used by several threads at once.
    """

    def __init__(
        self, asynchronous: A, portal: Portal | None = None, timeout_s: float | None = None
    ) -> None:
        self._portal = portal  # None: it lives on no loop, such as a model
        self._timeout_s = timeout_s
        # The one lasting reference: what lives on the loop has to die there.
        self._held = [asynchronous]
        if portal is None:
            return
        weakref.finalize(self, portal.let_go, self._held.clear).atexit = False
        if inspect.iscoroutinefunction(getattr(asynchronous, "close", None)):
            portal.adopt(asynchronous)

    @property
    def _asynchronous(self) -> A:
        return self._held[0]

    def _wait(self, function: Callable[[A], Awaitable[R]], timeout_s: float | None = None) -> R:
        """Have a coroutine run on the loop, and wait for what it returns."""
        return self._on_loop(lambda: function(self._held[0]), timeout_s)

    def _call(self, function: Callable[[A], R]) -> R:
        """Have a function called on the loop."""

        async def call() -> R:
            return function(self._held[0])

        return self._on_loop(call)

    def _on_loop(self, function: Callable[[], Awaitable[R]], timeout_s: float | None = None) -> R:
        try:
            return self._living_portal().call(function, timeout_s)
        except _TooLate:  # by a moment: what is closed can still be read, on another loop
            if self._portal is not None and self._portal.dropped:
                raise
            return self._living_portal().call(function, timeout_s)

    def _living_portal(self) -> Portal:
        if self._portal is None:
            return open_portal()
        if self._portal.process_id != os.getpid():
            raise RuntimeError(
                f"This {type(self).__name__} belongs to the process {self._portal.process_id}; "
                f"this one, {os.getpid()}, was forked from it. Connect anew after a fork."
            )
        # What is closed can still be read, on any loop: nothing in it waits any more.
        return open_portal() if self._portal.ended else self._portal


_lock = threading.Lock()
_portal: Portal | None = None


def open_portal() -> Portal:
    """The portal of this process; it begins when it is first used."""
    global _portal  # noqa: PLW0603 one for all threads
    _check_no_loop()
    with _lock:
        if _portal is None or _portal.ended:
            _portal = Portal()
        return _portal


def close(timeout_s: float | None = None) -> None:
    """Close every session of `antiphon.sync`, and end its thread.

    Programs need not call it: the thread ends with the process. The next use begins another one.
    Calls that still wait raise `AntiphonError`.

    Args:
        timeout_s: How long to wait for the sessions; after it they are dropped.
    """
    global _portal
    with _lock:
        portal, _portal = _portal, None
    if portal is not None and not portal.ended:
        portal.close(timeout_s)


def _forget() -> None:
    """After a fork the thread is not there, and the lock may be held by nobody."""
    global _lock, _portal
    _lock, _portal = threading.Lock(), None


def _check_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "antiphon.sync and antiphon.ask() wait, so they cannot be used inside an event loop. Use "
        "`async with antiphon.connect() as session` and `await session.ask(…)` there."
    )


async def _limited(function: Callable[[], Awaitable[R]], timeout_s: float | None) -> R:
    try:
        async with asyncio.timeout(timeout_s) as limit:
            return await function()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimeoutError(
            f"It took longer than timeout_s={timeout_s:g}; the call was cancelled."
        ) from error


def _hand_over(done: Future[R], task: asyncio.Task[R]) -> None:
    if task.cancelled():
        done.set_exception(AntiphonError(_CLOSED))
    elif (error := task.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(task.result())


def _threads() -> Threads:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        from antiphon.sync.gevent_threads import GeventThreads

        return GeventThreads()
    return PlainThreads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(close, _EXIT_TIMEOUT_S)
