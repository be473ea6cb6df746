"""Let time go by, load the server, and write the table."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from benches import report, rust_programs
from benches.circumstances import circumstances
from benches.emulator import capacity, table, targets, ten_minutes
from benches.emulator.measured import Measured, Twice

PACKAGES = ("websockets", "msgspec", "numpy", "pocketsphinx")


def main() -> None:
    """Parse the command line; measure; write; show what was asked."""
    options = report.server_options("emulator", __doc__, quick="few sessions for a short time")
    out: Path = options.out
    run = measure(quick=options.quick, arguments=sys.argv[1:])
    report.save(run, out / "emulator.json")
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
        report.say(f"ten simulated minutes: {plan.name}")
        simulated.append(Twice(*(ten_minutes.simulate(plan, seed=seed) for seed in (7, 7, 8))))
    loads: list[capacity.Load] = []
    idle = None
    try:
        rust_programs.two_cores()
        generator = rust_programs.build("live-load")
        report.say("sessions in real time")
        counts = (20, 60) if quick else range(100, 2_000, 50)
        seconds = 3 if quick else 20
        loads += capacity.ramp(generator, counts, warm_up_s=4, seconds=seconds, say=report.say)
        report.say(f"the limit is {capacity.limit(loads)} sessions")
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


if __name__ == "__main__":
    main()
