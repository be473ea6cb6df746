"""Search for the most sessions that one core carries, and write the table."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from benches import report, rust_programs
from benches.circumstances import circumstances
from benches.sessions import memory, ramp, table, targets
from benches.sessions.measured import ROWS, Measured, Memory
from benches.sessions.ramp import Run

PACKAGES = ("google-genai", "websockets", "soxr", "numpy", "msgspec")


def main() -> None:
    """Parse the command line; measure; write; show what was asked."""
    options = report.server_options("sessions", __doc__, quick="few sessions for a short time")
    out: Path = options.out
    run = measure(quick=options.quick, arguments=sys.argv[1:])
    report.save(run, out / "sessions.json")
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
        report.say("sessions in real time")
        warm_up_s, seconds = (1.0, 2.0) if quick else (3.0, 12.0)
        hold = partial(ramp.in_process, warm_up_s=warm_up_s, seconds=seconds)
        for run in ramp.ramp(ROWS, hold, at_most=50 if quick else None):
            report.say(ramp.summary(run))
            runs.append(run)
        messages = 20_000 if quick else 500_000
        for sessions in (1, 4):
            report.say(f"memory: {sessions} × {messages:,} messages each way")
            taken.append(memory.in_process(sessions, messages, warm_up=memory.WARM_UP))
            report.say(f"{taken[-1].grown_kib:+.0f} KiB per session")
    return Measured(
        circumstances=circumstances(arguments, program="benches.sessions", packages=PACKAGES),
        runs=runs,
        memory=taken,
        absent=absent,
    )


if __name__ == "__main__":
    main()
