"""What the local server must show, beside what it showed.

``python -m benches.emulator.targets`` checks the last full run again, and fails if something is
short.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benches.emulator import ten_minutes
from benches.emulator.capacity import MAX_LATE_MS, limit
from benches.emulator.measured import Measured, Twice, load
from benches.report import RESULTS
from benches.targets import Target, render

WALL_S = {plan.name: at_most for plan, at_most in zip(ten_minutes.PLANS, (1.0, 10.0), strict=True)}
SESSIONS = 200
IDLE_KIB = 200


def check(measured: Measured) -> list[Target]:
    """Every line, in the order in which they are asked."""
    return [
        *(target for twice in measured.simulated for target in _simulated(twice)),
        _capacity(measured),
        _idle(measured),
    ]


def _simulated(twice: Twice) -> Iterator[Target]:
    run = twice.first
    at_most = WALL_S[run.name]
    what = f"{run.simulated_s / 60:g} simulated minutes, {run.name}"
    yield Target(what, f"≤ {at_most:g} s", f"{twice.wall_s:.2f} s", twice.wall_s <= at_most)
    shown = f"{run.turns_heard} turns, {run.go_aways} goAway, {run.resumptions} resumptions"
    # The result of a call may be answered in a turn of its own.
    turns = min(run.turns_heard, run.turns_answered)
    met = turns >= 40 and min(run.go_aways, run.resumptions) >= 1
    yield Target("of them", "40 turns, goAway, resumption", shown, met)
    word = "equal, and others for another seed" if twice.reproducible else "not so"
    yield Target("their bytes", "equal for equal seeds", word, twice.reproducible)


def _capacity(measured: Measured) -> Target:
    what = f"real-time sessions on one core, p99 ≤ {MAX_LATE_MS:g} ms"
    if not measured.loads:
        return Target(what, f"≥ {SESSIONS}", "not measured", None)
    held = limit(measured.loads)
    tried = max(run.sessions for run in measured.loads)
    shown = f"{held} ({tried} were tried)"
    return Target(what, f"≥ {SESSIONS}", shown, held >= SESSIONS)


def _idle(measured: Measured) -> Target:
    what, asked = "memory of an idle session", f"≤ {IDLE_KIB} KiB"
    if measured.idle is None:
        return Target(what, asked, "not measured", None)
    kib = measured.idle.bytes_per_session / 1024
    return Target(
        what, asked, f"{kib:.0f} KiB ({measured.idle.sessions} sessions)", kib <= IDLE_KIB
    )


def main() -> int:
    """Check the last full run."""
    found = check(load(RESULTS / "emulator.json"))
    print(render(found))
    return int(any(target.met is False for target in found))


if __name__ == "__main__":
    sys.exit(main())
