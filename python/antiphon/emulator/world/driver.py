"""Runs a session of the server on a channel: one task listens, one sends, and others do jobs.

It does not know what the channel is: a WebSocket, one end of a pair in memory, or either of them
behind a link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, runtime_checkable

from antiphon.channel import Channel, ChannelClosed
from antiphon.emulator.faults import HalfOpen, LatePongs
from antiphon.emulator.session.jobs import Job, JobResult
from antiphon.emulator.session.outlet import Close
from antiphon.emulator.session.record import SessionRecord

__all__ = ["Misbehaving", "Session", "drive"]

_SEND_TIMEOUT_S = 60.0
# With so many answers waiting, a client that does not read is not listened to either.
_MAX_UNSENT = 256


class Session(Protocol):
    """What can be driven: an `EmulatedSession`, or one to which things happen by rule."""

    @property
    def record(self) -> SessionRecord:
        """What was said."""
        ...

    @property
    def unsent(self) -> int:
        """How many messages wait to be sent."""
        ...

    def receive(self, data: bytes | str, now: float) -> None:
        """Take one message of the client."""
        ...

    def outgoing(self, now: float) -> Sequence[bytes | Close | HalfOpen | LatePongs]:
        """What to send or do now, in order; a `Close` is the last of all."""
        ...

    def jobs(self) -> list[Job]:
        """Work to run since the last call."""
        ...

    def next_timeout(self) -> float | None:
        """When to call `outgoing` again, if nothing else happens before."""
        ...

    def job_done(self, job_id: int, result: JobResult, now: float) -> None:
        """Take the result of a job."""
        ...

    def connection_lost(self, now: float, code: int = 1006, reason: str = "") -> None:
        """The connection ended."""
        ...


@runtime_checkable
class Misbehaving(Protocol):
    """A channel that can do wrong what only a connection can; others are left as they are."""

    async def misbehave(self, fault: HalfOpen | LatePongs) -> None:
        """Do it, behind what was sent before."""
        ...


async def drive(
    session: Session,
    channel: Channel,
    run_job: Callable[[Job], Awaitable[JobResult]],
    woken: asyncio.Event | None = None,
) -> None:
    """Serve one connection until it ends; nothing is left behind, also when cancelled.

    Who does something to the session from elsewhere sets ``woken`` then.

    It listens while it sends: over a slow connection an answer leaves for as long as it is, and
    the user must be able to cut it short. What is due meanwhile waits in the session.
    """
    work = _Work(session, channel, run_job, woken)
    code, reason = 1006, ""
    try:
        await work.run()
        code, reason = session.record.close_code or 1000, session.record.close_reason
    except ChannelClosed as closed:
        code, reason = closed.code, closed.reason
    except TimeoutError:
        await work.stop()
        await channel.close(1011, "Deadline expired before operation could complete.")
    except asyncio.CancelledError:
        await channel.close(1001, "The server is shutting down.")
        raise
    finally:
        # At once: the client may be resuming the session already.
        session.connection_lost(asyncio.get_running_loop().time(), code, reason)
        await work.stop()


class _Work:
    """What goes on for a session at the same time: one task listens, one sends, others do jobs.

    Fifty packets a second come from each of hundreds of sessions: none of them costs a new task.
    """

    def __init__(
        self,
        session: Session,
        channel: Channel,
        run_job: Callable[[Job], Awaitable[JobResult]],
        woken: asyncio.Event | None,
    ) -> None:
        self._session, self._channel, self._run_job = session, channel, run_job
        self._woken = woken
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # The sender waits for the first, the listener for the second.
        self._due: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: float | None = None
        self._reached = 0.0
        self._send_deadline: float | None = None
        self._watchdog: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Work until the session has closed the connection.

        Raises:
            ChannelClosed: The client has ended it.
            TimeoutError: It has taken nothing for 60 s.
        """
        self._begin(self._listen())
        self._begin(self._speak())
        if self._woken is not None:
            self._begin(self._heed(self._woken))
        await self._ended

    async def stop(self) -> None:
        """End everything."""
        for timer in (self._timer, self._watchdog):
            if timer is not None:
                timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self._ended.done():
            self._ended.set_exception(error)

    # -------------------------------------------------------------- listening

    async def _listen(self) -> None:
        while True:
            while self._session.unsent >= _MAX_UNSENT:
                self._room = self._loop.create_future()
                await self._room
            data = await self._channel.receive()
            self._session.receive(data, self._loop.time())
            self._look()

    async def _heed(self, woken: asyncio.Event) -> None:
        while True:
            await woken.wait()
            woken.clear()
            self._look()

    async def _do(self, job: Job) -> None:
        result = await self._run_job(job)
        self._session.job_done(job.id, result, self._loop.time())
        self._look()

    def _look(self) -> None:
        """After something was given to the session: begin what it wants now."""
        self._begin_jobs()
        if self._due is None:
            return  # the sender is busy, and looks itself
        if self._session.unsent:
            _wake(self._due)
        else:
            self._set_timer()

    def _begin_jobs(self) -> None:
        for job in self._session.jobs():
            self._begin(self._do(job))

    # -------------------------------------------------------------- sending

    async def _speak(self) -> None:
        while True:
            # A timer may fire a rounding error early.
            now = max(self._loop.time(), self._reached)
            items = self._session.outgoing(now)
            self._begin_jobs()
            if self._room is not None:
                _wake(self._room)
            for item in items:
                if isinstance(item, Close):
                    await self._channel.close(item.code, item.reason)
                    if not self._ended.done():
                        self._ended.set_result(None)
                    return
                await self._send(item)
            if not items:
                self._due = self._loop.create_future()
                self._set_timer()
                await self._due
                self._due = None

    async def _send(self, item: bytes | HalfOpen | LatePongs) -> None:
        if isinstance(item, HalfOpen | LatePongs):
            if isinstance(self._channel, Misbehaving):
                await self._channel.misbehave(item)
            return
        self._send_deadline = self._loop.time() + _SEND_TIMEOUT_S
        if self._watchdog is None:
            self._watchdog = self._loop.call_at(self._send_deadline, self._watch)
        await self._channel.send(item)
        self._send_deadline = None

    def _set_timer(self) -> None:
        due = self._session.next_timeout()
        if self._timer is not None:
            if due == self._timer_due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = None if due is None else self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        assert self._timer_due is not None
        self._timer = None
        self._reached = self._timer_due
        if self._due is not None:
            _wake(self._due)

    def _watch(self) -> None:
        """Look after the sends: one timer a minute instead of one for each of them."""
        self._watchdog = None
        if self._send_deadline is None:
            return
        if self._send_deadline > self._loop.time():
            self._watchdog = self._loop.call_at(self._send_deadline, self._watch)
        elif not self._ended.done():
            self._ended.set_exception(TimeoutError())


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
