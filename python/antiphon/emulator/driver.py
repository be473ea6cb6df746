"""Runs a session of the server on a channel: one loop, woken by messages, jobs and timers.

It does not know what the channel is: a WebSocket, one end of a pair in memory, or either of them
behind a link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from antiphon.channel import Channel, ChannelClosed
from antiphon.emulator.faults import HalfOpen, LatePongs
from antiphon.emulator.jobs import Job, JobResult
from antiphon.emulator.outlet import Close
from antiphon.emulator.record import SessionRecord

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
    clock = asyncio.get_running_loop().time
    work = _Work(session, channel, run_job, woken or asyncio.Event())
    code, reason = 1006, ""
    try:
        while not work.closed:
            work.start(clock())
            due = work.next_timeout()
            await work.wait(None if due is None else max(0.0, due - clock()))
            work.take(clock())
        code, reason = session.record.close_code or 1000, session.record.close_reason
    except ChannelClosed as closed:
        code, reason = closed.code, closed.reason
    except TimeoutError:
        await channel.close(1011, "Deadline expired before operation could complete.")
    except asyncio.CancelledError:
        await channel.close(1001, "The server is shutting down.")
        raise
    finally:
        await work.stop()
        session.connection_lost(clock(), code, reason)


class _Work:
    """What goes on for a session at the same time: one send, one receive, any number of jobs."""

    def __init__(
        self,
        session: Session,
        channel: Channel,
        run_job: Callable[[Job], Awaitable[JobResult]],
        woken: asyncio.Event,
    ) -> None:
        self.closed = False
        self._woken = woken
        self._waking = asyncio.ensure_future(woken.wait())
        self._session, self._channel, self._run_job = session, channel, run_job
        self._sending: asyncio.Future[bool] | None = None
        self._receiving: asyncio.Future[bytes] | None = None
        self._running: dict[asyncio.Future[JobResult], int] = {}

    def start(self, now: float) -> None:
        """Begin what can be begun."""
        if self._sending is None and (items := self._session.outgoing(now)):
            self._sending = asyncio.ensure_future(self._send(items))
        if self._receiving is None and self._session.unsent < _MAX_UNSENT:
            self._receiving = asyncio.ensure_future(self._channel.receive())
        for job in self._session.jobs():
            self._running[asyncio.ensure_future(self._run_job(job))] = job.id

    def next_timeout(self) -> float | None:
        """When to `start` again if nothing ends before; None: then only."""
        return None if self._sending is not None else self._session.next_timeout()

    async def wait(self, timeout_s: float | None) -> None:
        """Wait until something has ended."""
        await asyncio.wait(self._tasks(), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)

    def take(self, now: float) -> None:
        """Give the session what has ended.

        Raises:
            ChannelClosed: The client has ended the connection.
            TimeoutError: It has taken nothing for 60 s.
        """
        for job in [job for job in self._running if job.done()]:
            self._session.job_done(self._running.pop(job), job.result(), now)
        if self._receiving is not None and self._receiving.done():
            data, self._receiving = self._receiving.result(), None
            self._session.receive(data, now)
        if self._sending is not None and self._sending.done():
            self.closed, self._sending = self._sending.result(), None
        if self._waking.done():
            self._woken.clear()
            self._waking = asyncio.ensure_future(self._woken.wait())

    async def stop(self) -> None:
        """End everything."""
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tasks(self) -> list[asyncio.Future[Any]]:
        tasks = (self._sending, self._receiving, self._waking, *self._running)
        return [task for task in tasks if task is not None]

    async def _send(self, items: Sequence[bytes | Close | HalfOpen | LatePongs]) -> bool:
        """Send what is due; True when the session has closed the connection."""
        for item in items:
            if isinstance(item, Close):
                await self._channel.close(item.code, item.reason)
                return True
            if isinstance(item, HalfOpen | LatePongs):
                if isinstance(self._channel, Misbehaving):
                    await self._channel.misbehave(item)
                continue
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await self._channel.send(item)
        return False
