"""Let time go by, load the server, and write the table."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

from benches import rust_programs
from benches.emulator import capacity, measured, table, targets, ten_minutes
from benches.emulator.measured import Measured, Twice
from benches.peers.measured import circumstances

PACKAGES = ("websockets", "msgspec", "numpy", "pocketsphinx")
QUICK_OUT = Path("target/bench-emulator")


def main() -> None:
    """Parse the command line; measure; write; show what was asked."""
    parser = argparse.ArgumentParser(prog="python -m benches.emulator", description=__doc__)
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
    measured.save(run, out / "emulator.json")
    (out / "emulator.md").write_text(table.render(run))
    print(targets.render(targets.check(run)))
    print(f"written: {out}/emulator.md and emulator.json")


def measure(*, quick: bool, arguments: list[str]) -> Measured:
    """A whole run: some minutes, or half a minute if it has to be quick."""
    absent: dict[str, str] = {}
    simulated = []
    for plan in ten_minutes.PLANS:
        if not plan.scripted and importlib.util.find_spec("pocketsphinx") is None:
            absent[plan.name] = "pocketsphinx is not installed"
            continue
        say(f"ten simulated minutes: {plan.name}")
        simulated.append(Twice(*(ten_minutes.simulate(plan, seed=seed) for seed in (7, 7, 8))))
    loads: list[capacity.Load] = []
    idle = None
    try:
        rust_programs.two_cores()
        generator = rust_programs.build("live-load")
        say("sessions in real time")
        counts = (20, 60) if quick else range(100, 2_000, 50)
        seconds = 3 if quick else 20
        loads += capacity.ramp(generator, counts, warm_up_s=4, seconds=seconds, say=say)
        say(f"the limit is {capacity.limit(loads)} sessions")
        idle = capacity.idle(generator, 500)
    except rust_programs.NotBuiltError as error:
        absent["sessions in real time"] = str(error)
    return Measured(
        circumstances=circumstances(arguments, program="benches.emulator", packages=PACKAGES),
        simulated=simulated,
        loads=loads,
        idle=idle,
        absent=absent,
    )


def say(what: str) -> None:
    """Progress, to the error stream."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
