"""Measure what a session costs beside others, and write the table."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from benches import report
from benches.circumstances import circumstances
from benches.cost import parts, table, targets
from benches.cost.awake import kept_awake
from benches.cost.checking import Wrong, check_downlink, check_uplink
from benches.cost.contestants import Contestant, everyone
from benches.cost.measured import DOWN_PER_S, UP_PER_S, Measured, Row
from benches.cost.measuring import (
    BLOCKS,
    PACED_S,
    SETTLED_S,
    cpu_s,
    hear,
    in_real_time,
    pacing,
    speak_burst,
)
from benches.cost.server import BenchServer, chunks
from benches.rust_programs import two_cores

PACKAGES = ("google-genai", "websockets", "orjson", "pybase64", "soxr", "numpy", "msgspec")
ROUNDS = 11
TOGETHER = 40
# The server's core must have time to spare, or it is what is measured.
MAX_BUSY = 0.7


def main() -> None:
    """Parse the command line; measure; write; show what was asked."""
    options = report.server_options(
        "cost",
        __doc__,
        quick="two rounds",
        flags={"--sleep": "both cores may sleep between messages, and waking them is counted"},
    )
    out: Path = options.out
    run = asyncio.run(measure(rounds=2 if options.quick else ROUNDS, awake=not options.sleep))
    report.save(run, out / "cost.json")
    (out / "cost.md").write_text(table.render(run))
    print(targets.render(targets.check(run)))
    print(f"written: {out}/cost.md and cost.json")


async def measure(*, rounds: int, awake: bool) -> Measured:
    """A whole run: some twenty seconds for each round."""
    ours_core, servers_core = two_cores()
    os.sched_setaffinity(0, {ours_core})
    server = BenchServer(servers_core, awake=awake)
    # The first session of each row is the one that is alone.
    rows = [[row, *(type(row)() for _ in range(TOGETHER - 1))] for row in everyone()]
    taken = {row[0].name: Row(row[0].name, [], [], [], []) for row in rows}
    alone_us: list[float] = []
    together_us: list[float] = []
    try:
        for row in rows:
            for session in row:
                await session.open(server.port)
        for at, row in enumerate(rows):
            await _check(row[0], server, at * TOGETHER)
        await _settle(rows, server)
        dice = random.Random(7)
        with kept_awake(ours_core) if awake else contextlib.nullcontext():
            for number in range(rounds):
                report.say(f"round {number + 1} of {rounds}")
                for at in dice.sample(range(len(rows)), len(rows)):
                    await _round(rows[at], server, at * TOGETHER, taken[rows[at][0].name])
                alone_us.append(1e6 * await cpu_s(pacing(1)) / PACED_S)
                together_us.append(1e6 * await cpu_s(pacing(TOGETHER)) / PACED_S / TOGETHER)
    finally:
        server.close()
        await asyncio.gather(*(session.close() for row in rows for session in row))
    return Measured(
        circumstances=circumstances(sys.argv[1:], program="benches.cost", packages=PACKAGES),
        rounds=rounds,
        together=TOGETHER,
        rows=list(taken.values()),
        pacing_alone_us=alone_us,
        pacing_together_us=together_us,
        parts_us=parts.measure(),
    )


async def _settle(rows: Sequence[Sequence[Contestant]], server: BenchServer) -> None:
    """Let all sessions last for a while: what they keep of it takes fresh memory until then."""
    report.say(f"{SETTLED_S:g} s until all have settled")
    sessions = [session for row in rows for session in row]
    for connection in range(len(sessions)):
        server.tell("play", connection, int(SETTLED_S * DOWN_PER_S), DOWN_PER_S)
    await in_real_time(sessions, SETTLED_S)


_BURST = 1_000


async def _round(row: Sequence[Contestant], server: BenchServer, first: int, taken: Row) -> None:
    """Everything once, of one row, whose first session is the server's connection ``first``."""
    server.stats()
    up_s = await cpu_s(speak_burst(row[0], _BURST))
    server.tell("play", first, _BURST, 0)
    down_s = await cpu_s(hear(row[0], _BURST))
    server.stats()  # in a burst, a busy server is none that slows us down
    taken.up_us.append(1e6 * up_s / _BURST)
    taken.down_us.append(1e6 * down_s / _BURST)
    for sessions, into in ((row[:1], taken.alone_us), (row, taken.together_us)):
        for at in range(len(sessions)):
            server.tell("play", first + at, int(PACED_S * DOWN_PER_S), DOWN_PER_S)
        spent_s = await cpu_s(in_real_time(sessions))
        if (busy := server.stats()["busy"]) > MAX_BUSY:
            raise Wrong(f"the server's core was {busy:.0%} busy, so it is what was measured")
        into.append(1e6 * spent_s / PACED_S / len(sessions))


async def _check(row: Contestant, server: BenchServer, connection: int) -> None:
    """Two seconds both ways, looked at as they are.

    Raises:
        Wrong: They are not right.
    """
    server.tell("keep", connection, UP_PER_S * 2)
    await asyncio.sleep(0.2)  # it reads that beside its sockets, in no order
    await speak_burst(row, len(BLOCKS))
    await asyncio.sleep(0.5)
    kept = server.stats()["connections"][connection]["kept"]
    snr_db = check_uplink(row.name, kept, BLOCKS)
    sent = chunks()
    server.tell("play", connection, len(sent), 0)
    check_downlink(row.name, [await row.hear() for _ in sent], sent)
    report.say(f"{row.name}: {len(kept)} packets, {snr_db:.0f} dB; {len(sent)} chunks as sent")


if __name__ == "__main__":
    main()
