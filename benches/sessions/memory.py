"""Whether a session needs more memory the longer it lasts: as many messages as an hour-long talk.

``python -m benches.sessions.memory SESSIONS MESSAGES WARM_UP`` lets each of our sessions send so
many messages and hear so many, both at once and as fast as they go, and writes a `Memory` as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from benches.cost.contestants import Antiphon
from benches.cost.measuring import BLOCKS
from benches.cost.server import CHUNKS, BenchServer, chunks
from benches.rust_programs import ROOT, two_cores
from benches.sessions.measured import Memory

#: With 70,000 messages each way, what a session keeps for a broken connection is full: 64 MiB.
WARM_UP = 400_000
# But Python takes memory by the MiB, and each beginning has a wave of its own: all that is played
# waits to be read at once.
_BEGINNINGS = 2
_SAMPLE_S = 0.25
_BREATH_BLOCKS = 16


class Wrong(Exception):
    """Not everything came, or not as it was sent."""


async def lasting(sessions: int, messages: int, *, warm_up: int) -> Memory:
    """Send and hear ``messages`` each way, after a warm-up.

    Raises:
        Wrong: What was heard is not what was sent, or the sink has not got everything.
    """
    own_core, sink_core = two_cores()
    os.sched_setaffinity(0, {own_core})
    sink = BenchServer(sink_core)
    rows = [Antiphon() for _ in range(sessions)]
    try:
        for row in rows:
            await row.open(sink.port)
        part = warm_up // _BEGINNINGS
        for beginning in range(_BEGINNINGS):
            await _both_ways(rows, sink, part, heard=beginning * part)
        before = _rss_bytes()
        samples = [before]
        sampling = asyncio.create_task(_sample(samples))
        got = await _both_ways(rows, sink, messages, heard=_BEGINNINGS * part)
        sampling.cancel()
        after = _rss_bytes()
        for row in rows:
            await row.close()
    finally:
        sink.close()
    return Memory(
        sessions=sessions,
        messages=got // sessions + messages,
        before_bytes=before,
        after_bytes=after,
        most_bytes=max(samples),
    )


async def _both_ways(rows: list[Antiphon], sink: BenchServer, messages: int, *, heard: int) -> int:
    """Each has heard so many before; returns how many messages came at the sink."""
    async with asyncio.TaskGroup() as tasks:
        for at, row in enumerate(rows):
            tasks.create_task(_speak(row, messages))
            tasks.create_task(_listen(row, range(heard, heard + messages)))
            sink.tell("play", at, messages, 0)
    await asyncio.sleep(0.5)
    came: int = sum(each["messages"] for each in sink.stats()["connections"])
    # The resampler holds back the first few milliseconds, and so the last packet.
    if not len(rows) * (messages - 1) <= came <= len(rows) * messages:
        raise Wrong(f"{came} messages came at the sink of {len(rows)} times {messages}")
    return came


async def _speak(row: Antiphon, messages: int) -> None:
    for at in range(messages):
        await row.speak(BLOCKS[at % len(BLOCKS)])
        if at % _BREATH_BLOCKS == 0:
            await asyncio.sleep(0)  # sending need not wait, and others want to be heard


async def _listen(row: Antiphon, numbers: range) -> None:
    sent = chunks()
    for at in numbers:
        if (await row.hear()).tobytes() != sent[at % CHUNKS]:
            raise Wrong(f"chunk {at} is another than was sent")


async def _sample(samples: list[int]) -> None:
    while True:
        await asyncio.sleep(_SAMPLE_S)
        samples.append(_rss_bytes(collect=False))


def _rss_bytes(*, collect: bool = True) -> int:
    if collect:
        gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def in_process(sessions: int, messages: int, *, warm_up: int) -> Memory:
    """In a process of its own, where nothing was before."""
    command = [sys.executable, "-m", "benches.sessions.memory"]
    command += map(str, (sessions, messages, warm_up))
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Memory)


if __name__ == "__main__":
    count, each_way, before_that = map(int, sys.argv[1:])
    sys.stdout.buffer.write(
        msgspec.json.encode(asyncio.run(lasting(count, each_way, warm_up=before_that)))
    )
