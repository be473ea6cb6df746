"""Search for the most sessions that one core carries, and write the table."""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path

from benches import rust_programs
from benches.peers.measured import circumstances
from benches.sessions import measured, memory, ramp, table, targets
from benches.sessions.measured import ROWS, Measured, Memory
from benches.sessions.ramp import Run

PACKAGES = ("google-genai", "websockets", "soxr", "numpy", "msgspec")
QUICK_OUT = Path("target/bench-sessions")


def main() -> None:
    """Parse the command line; measure; write; show what was asked."""
    parser = argparse.ArgumentParser(prog="python -m benches.sessions", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"few sessions for a short time, into {QUICK_OUT}: to see whether it works",
    )
    parser.add_argument(
        "--alone",
        action="store_true",
        help="ahead of everything else on the machine, as root: where others work on it, too",
    )
    parser.add_argument("--out", type=Path, default=None, help="where the results go")
    options = parser.parse_args()
    out = options.out or (QUICK_OUT if options.quick else targets.RESULTS)
    out.mkdir(parents=True, exist_ok=True)
    if options.alone:  # the processes that are started inherit it
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    run = measure(quick=options.quick, arguments=sys.argv[1:])
    measured.save(run, out / "sessions.json")
    (out / "sessions.md").write_text(table.render(run))
    print(targets.render(targets.check(run)))
    print(f"written: {out}/sessions.md and sessions.json")


def measure(*, quick: bool, arguments: list[str]) -> Measured:
    """A whole run: a quarter of an hour, or a minute if it has to be quick."""
    runs: list[Run] = []
    taken: list[Memory] = []
    absent: dict[str, str] = {}
    try:
        rust_programs.two_cores()
        rust_programs.build("live-sink")
    except rust_programs.NotBuiltError as error:
        absent["sessions in real time, and their memory"] = str(error)
    else:
        say("sessions in real time")
        warm_up_s, seconds = (1.0, 2.0) if quick else (3.0, 12.0)
        hold = partial(ramp.in_process, warm_up_s=warm_up_s, seconds=seconds)
        for run in ramp.ramp(ROWS, hold, at_most=50 if quick else None):
            say(ramp.summary(run))
            runs.append(run)
        messages = 20_000 if quick else 500_000
        for sessions in (1, 4):
            say(f"memory: {sessions} × {messages:,} messages each way")
            taken.append(memory.in_process(sessions, messages, warm_up=memory.WARM_UP))
            say(f"{taken[-1].grown_kib:+.0f} KiB per session")
    return Measured(
        circumstances=circumstances(arguments, program="benches.sessions", packages=PACKAGES),
        runs=runs,
        memory=taken,
        absent=absent,
    )


def say(what: str) -> None:
    """Progress, to the error stream."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
