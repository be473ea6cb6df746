"""Runs an `EmulatedSession` on a channel: one loop, woken by frames, jobs and timers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from antiphon.channel import Channel, ChannelClosed
from antiphon.emulator.core import Close, EmulatedSession
from antiphon.emulator.jobs import Job, JobResult

__all__ = ["drive"]

_SEND_TIMEOUT_S = 60.0


async def drive(
    session: EmulatedSession, channel: Channel, run_job: Callable[[Job], Awaitable[JobResult]]
) -> None:
    """Serve one connection until it ends; nothing is left behind, also when cancelled."""
    clock = asyncio.get_running_loop().time
    receiving = asyncio.ensure_future(channel.receive())
    running: dict[asyncio.Future[JobResult], int] = {}
    code, reason = 1006, ""
    try:
        while await _send_all(session, channel):
            for job in session.jobs():
                running[asyncio.ensure_future(run_job(job))] = job.id
            due = session.next_timeout()
            waiting_for: set[asyncio.Future[Any]] = {receiving, *running}
            done, _ = await asyncio.wait(
                waiting_for,
                timeout=None if due is None else max(0.0, due - clock()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for job_task in [task for task in running if task in done]:
                session.job_done(running.pop(job_task), job_task.result(), clock())
            if receiving in done:
                session.receive(receiving.result(), clock())
                receiving = asyncio.ensure_future(channel.receive())
        code, reason = session.record.close_code or 1000, session.record.close_reason
    except ChannelClosed as closed:
        code, reason = closed.code, closed.reason
    except TimeoutError:
        await channel.close(1011, "Deadline expired before operation could complete.")
    except asyncio.CancelledError:
        await channel.close(1001, "The server is shutting down.")
        raise
    finally:
        left_over: list[asyncio.Future[Any]] = [receiving, *running]
        for task in left_over:
            task.cancel()
        await asyncio.gather(*left_over, return_exceptions=True)
        session.connection_lost(clock(), code, reason)


async def _send_all(session: EmulatedSession, channel: Channel) -> bool:
    """Send what is due; False when the session has closed the connection."""
    clock = asyncio.get_running_loop().time
    while items := session.outgoing(clock()):
        for item in items:
            if isinstance(item, Close):
                await channel.close(item.code, item.reason)
                return False
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await channel.send(item)
    return True
