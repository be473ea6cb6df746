"""Many sessions of one kind in one process, on one core; the sink has another.

``python -m benches.sessions.client ROW SESSIONS WARM_UP_S SECONDS`` writes a `Run` as JSON. Every
session has two tasks, as in an application: one gives a block of 20 ms each 20 ms, the other takes
what comes. Their schedules are spread evenly over the period, so that nobody has to wait for
another. Late is a block when the call that sends it has returned: what a slow core delays, what the
session makes of it, and the write to the socket are all in it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import threading
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from antiphon import _native
from benches.cost.contestants import Antiphon, Contestant, everyone
from benches.cost.conversion import IN_HZ, TunedConversion
from benches.cost.measured import DOWN_PER_S, UP_PER_S
from benches.cost.measuring import BLOCKS
from benches.cost.server import CHUNKS, BenchServer, chunks
from benches.rust_programs import two_cores
from benches.sessions.ramp import Run

#: Later than this, it is clear: there are too many.
_GIVE_UP_S = 1.0
#: What is still under way has so long to come.
_DRAIN_S = 2.0
#: From the start of the meter to the first block that counts.
_SETTLE_S = 0.5


class TooLate(Exception):
    """There are too many."""


@dataclass(frozen=True)
class Plan:
    """How long.

    Attributes:
        start_s: When the first session's first block is due, in loop time.
        warm_up_s: Then come those that count.
    """

    start_s: float
    warm_up_s: float
    seconds: float

    def number(self, per_s: int) -> int:
        """Of blocks or chunks in all."""
        return round((self.warm_up_s + self.seconds) * per_s)

    def warm_up(self, per_s: int) -> int:
        """Of those that do not count."""
        return round(self.warm_up_s * per_s)


class Talk:
    """One session, and what it notes down.

    Attributes:
        late_s: Of each block.
        heard_s: When each chunk was heard.
        wrong: Chunks that were looked at and were not what was sent.
    """

    def __init__(self, session: Contestant, number: int) -> None:
        self.session = session
        self.late_s = array("d")
        self.heard_s = array("d")
        self.wrong = 0
        self._number = number

    async def speak(self, plan: Plan, after_s: float) -> None:
        """Give out blocks in real time.

        Raises:
            TooLate: Much.
        """
        loop = asyncio.get_running_loop()
        began_s = plan.start_s + after_s
        for at in range(plan.number(UP_PER_S)):
            due_s = began_s + at / UP_PER_S
            await asyncio.sleep(due_s - loop.time())
            await self.session.speak(BLOCKS[(at + self._number) % len(BLOCKS)])
            late_s = loop.time() - due_s
            self.late_s.append(late_s)
            if late_s > _GIVE_UP_S:
                raise TooLate

    async def listen(self, plan: Plan) -> None:
        """Take the chunks; count the samples of all, and compare those of every 32nd."""
        loop = asyncio.get_running_loop()
        for at in range(plan.number(DOWN_PER_S)):
            samples = await self.session.hear()
            self.heard_s.append(loop.time())
            which = at % CHUNKS
            if which == self._number % CHUNKS:
                self.wrong += samples.tobytes() != _SENT[which]
            else:
                self.wrong += 2 * len(samples) != len(_SENT[which])


_SENT = chunks()


async def hold(name: str, sessions: int, *, warm_up_s: float, seconds: float) -> Run:
    """Hold so many sessions, and say what came of it."""
    client_core, sink_core = two_cores()
    os.sched_setaffinity(0, {client_core})
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    kind = {type(row).name: type(row) for row in everyone()}[name]
    sink = BenchServer(sink_core)
    talks = [Talk(kind(), number) for number in range(sessions)]
    try:
        for talk in talks:
            await talk.session.open(sink.port)
        gc.collect()
        gc.freeze()
        plan = Plan(asyncio.get_running_loop().time() + 0.5, warm_up_s, seconds)
        shares = _Shares(sink)
        began_s, waited_s = time.monotonic(), _waited_s()
        gave_up = not await _talk(talks, plan, sink, shares)
        waited_share = (_waited_s() - waited_s) / (time.monotonic() - began_s)
        measured = _measured(talks, plan, gave_up=gave_up)
        up = sessions * packets(kind, plan.number(UP_PER_S))
        run = Run(
            row=name,
            sessions=sessions,
            seconds=seconds,
            gave_up=gave_up,
            up=up,
            up_missing=up - await shares.came(0 if gave_up else up),
            down=sessions * plan.number(DOWN_PER_S),
            client_share=shares.client,
            waited_share=waited_share,
            sink_share=shares.sink["busy"],
            arrived_late_p99_ms=shares.sink["late_p99_ms"],
            sink_behind_p99_ms=shares.sink["behind_p99_ms"],
            load_average=round(os.getloadavg()[0], 2),
            **measured,
        )
        await asyncio.wait([asyncio.create_task(talk.session.close()) for talk in talks], timeout=5)
    finally:
        sink.close()
    return run


async def _talk(talks: Sequence[Talk], plan: Plan, sink: BenchServer, shares: _Shares) -> bool:
    """Everything as planned; False: it was given up."""
    loop = asyncio.get_running_loop()
    ears = [asyncio.create_task(talk.listen(plan)) for talk in talks]
    for at in range(len(talks)):
        after_s = plan.start_s - loop.time() + at / len(talks) / DOWN_PER_S
        number = plan.number(DOWN_PER_S)
        sink.tell("play", at, number, DOWN_PER_S, f"{max(0.0, after_s):.6f}")
    in_time = True
    try:
        async with asyncio.TaskGroup() as mouths:
            for at, talk in enumerate(talks):
                mouths.create_task(talk.speak(plan, at / len(talks) / UP_PER_S))
            mouths.create_task(shares.measure(plan))
    except* TooLate:
        in_time = False
    _, deaf = await asyncio.wait(ears, timeout=_DRAIN_S if in_time else 0)
    for ear in deaf:
        ear.cancel()
    # An ear that failed fails the run; those that wait for what does not come are missing chunks.
    for ended in await asyncio.gather(*ears, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    return in_time


class _Shares:
    """What both processes had of their cores while it counted, and what came at the sink.

    Attributes:
        client: Share of its core.
        sink: What the sink said of that time.
    """

    def __init__(self, sink: BenchServer) -> None:
        self.client = 1.0
        self.sink: dict[str, Any] = {"busy": 0.0, "late_p99_ms": 0.0, "behind_p99_ms": 0.0}
        self._server = sink
        self._came = 0
        # A thread goes on when the one that waits for it does not.
        self._asking = threading.Lock()

    async def measure(self, plan: Plan) -> None:
        """From just before the first block that counts to the last."""
        loop = asyncio.get_running_loop()
        from_s = plan.start_s + plan.warm_up_s
        await asyncio.sleep(from_s - _SETTLE_S - loop.time())
        # In a thread: the sink has much to count, and nobody here may wait for that.
        await asyncio.to_thread(self._stats)
        began_s, cpu_s = loop.time(), time.process_time()
        await asyncio.sleep(from_s + plan.seconds - loop.time())
        self.client = (time.process_time() - cpu_s) / (loop.time() - began_s)
        self.sink = await asyncio.to_thread(self._stats)

    async def came(self, expected: int) -> int:
        """Messages in all, when no more are under way."""
        until_s = time.monotonic() + _DRAIN_S
        self._stats()
        while self._came < expected and time.monotonic() < until_s:
            await asyncio.sleep(0.1)
            self._stats()
        return self._came

    def _stats(self) -> dict[str, Any]:
        with self._asking:
            stats = self._server.stats()
        self._came += sum(each["messages"] for each in stats["connections"])
        return stats


def _waited_s() -> float:
    """How long this thread could have run so far, while something else had its core."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def packets(kind: type[Contestant], blocks: int) -> int:
    """How many messages a session makes of so many blocks: its converter holds the rest back."""
    block = BLOCKS[0]
    if kind is Antiphon:
        uplink = _native.Uplink(IN_HZ, block.shape[1])
        return sum(len(uplink.push(block, now_us=0)) for _ in range(blocks))
    convert = TunedConversion()
    return sum(len(convert(block)) for _ in range(blocks))


def _measured(talks: Sequence[Talk], plan: Plan, *, gave_up: bool) -> dict[str, Any]:
    # Of a run that was given up, all that there is: it may not have come further than the warm-up.
    up_from, down_from = (0, 0) if gave_up else (plan.warm_up(UP_PER_S), plan.warm_up(DOWN_PER_S))
    late_ms = 1e3 * np.concatenate([np.asarray(talk.late_s)[up_from:] for talk in talks])
    heard_late_ms = 1e3 * np.concatenate([_late_s(talk.heard_s, down_from) for talk in talks])
    heard = sum(len(talk.heard_s) for talk in talks)
    return {
        "late_p50_ms": _percentile(late_ms, 50),
        "late_p99_ms": _percentile(late_ms, 99),
        "late_max_ms": _percentile(late_ms, 100),
        "heard_late_p99_ms": _percentile(heard_late_ms, 99),
        "down_missing": len(talks) * plan.number(DOWN_PER_S) - heard,
        "down_wrong": sum(talk.wrong for talk in talks),
    }


def _late_s(at_s: array[float], first: int) -> NDArray[np.float64]:
    """Beside even times through the earliest."""
    beside_s = np.asarray(at_s) - np.arange(len(at_s)) / DOWN_PER_S
    counted = beside_s[first:]
    return counted - counted.min(initial=np.inf)


def _percentile(values: NDArray[np.float64], percent: int) -> float:
    return round(float(np.percentile(values, percent)), 3) if len(values) else 0.0


if __name__ == "__main__":
    _, who, count, *durations = sys.argv
    before_s, for_s = map(float, durations)
    held = asyncio.run(hold(who, int(count), warm_up_s=before_s, seconds=for_s))
    sys.stdout.buffer.write(msgspec.json.encode(held))
