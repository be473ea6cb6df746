"""How the cost is taken: CPU time of this process, every row in every round, on one core."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np

from benches.cost.contestants import Block, Contestant
from benches.cost.measured import DOWN_PER_S, UP_PER_S

PACED_S = 2.0
# A session that has lasted so long keeps no more of what was said than before.
SETTLED_S = 32.0


def blocks() -> list[Block]:
    """Two seconds of a microphone: a voice-like sum of tones, not the same on both sides."""
    at_s = np.arange(2 * 48_000) / 48_000
    tones = [np.sin(2 * np.pi * hz * at_s) / hz**0.5 for hz in (150, 450, 1_100, 2_600, 3_900)]
    voice = np.sum(tones, axis=0)
    both = np.stack([voice, 0.7 * voice], axis=1) * 0.3 / np.abs(voice).max()
    return [np.ascontiguousarray(block, np.float32) for block in both.reshape(-1, 960, 2)]


BLOCKS = blocks()


async def speak_burst(row: Contestant, number: int) -> None:
    """Blocks as fast as they are taken."""
    for at in range(number):
        await row.speak(BLOCKS[at % len(BLOCKS)])


async def hear(row: Contestant, number: int) -> None:
    """Messages as they come."""
    for _ in range(number):
        await row.hear()


async def in_real_time(row: Sequence[Contestant], seconds: float = PACED_S) -> None:
    """Each session speaks and hears for so long in real time, all of them evenly apart."""
    apart_s = 1 / UP_PER_S / len(row)
    async with asyncio.TaskGroup() as tasks:
        for at, session in enumerate(row):
            tasks.create_task(_paced(session.speak, at * apart_s, seconds))
            tasks.create_task(hear(session, int(seconds * DOWN_PER_S)))


async def pacing(sessions: int) -> None:
    """The clock of `in_real_time` by itself."""

    async def nothing(block: Block) -> None:
        pass

    apart_s = 1 / UP_PER_S / sessions
    async with asyncio.TaskGroup() as tasks:
        for at in range(sessions):
            tasks.create_task(_paced(nothing, at * apart_s, PACED_S))


async def _paced(
    speak: Callable[[Block], Coroutine[Any, Any, None]], after_s: float, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time() + after_s
    for at in range(int(seconds * UP_PER_S)):
        await asyncio.sleep(began_s + at / UP_PER_S - loop.time())
        await speak(BLOCKS[at % len(BLOCKS)])


async def cpu_s(work: Coroutine[Any, Any, None]) -> float:
    """What the process spent on it."""
    gc.collect()
    begun = time.process_time_ns()
    await work
    return (time.process_time_ns() - begun) / 1e9
