"""What sessions must show on one core, beside what they showed.

``python -m benches.sessions.targets`` checks the last full run again, and fails if something is
short.
"""

from __future__ import annotations

import sys

from benches.report import RESULTS
from benches.sessions.measured import ROWS, Measured, Memory, load
from benches.sessions.ramp import MAX_LATE_MS, Ramp, replayed
from benches.targets import Target, render

GROWN_KIB = 1024
_MESSAGES = 1_000_000


def check(measured: Measured) -> list[Target]:
    """Every line, in the order in which they are asked."""
    return [*_sessions(measured), *(_memory(each) for each in measured.memory)]


def _sessions(measured: Measured) -> list[Target]:
    what = f"real-time sessions on one core, p99 ≤ {MAX_LATE_MS:g} ms"
    if not measured.runs:
        return [Target(what, "told", "not measured", None)]
    ours, theirs = (replayed(measured.runs, row) for row in ROWS)
    found = [Target(f"{each.row}: {what}", "told", _limit(each), None) for each in (ours, theirs)]
    what = "ours beside theirs"
    if ours.next is not None or theirs.next is not None or not theirs.held:
        return [*found, Target(what, "more", "the search is not over", None)]
    shown = f"{ours.held / theirs.held:.1f} times as many"
    return [*found, Target(what, "more", shown, ours.held > theirs.held)]


def _limit(ramp: Ramp) -> str:
    more = "more were not tried" if ramp.failed is None else f"{ramp.failed} are too many"
    if ramp.sink_was_short:
        more = f"of {ramp.failed}, the sink would be what is measured"
    return f"{ramp.held} ({more})"


def _memory(memory: Memory) -> Target:
    what = f"memory of {memory.sessions} × {memory.messages:,} messages"
    enough = memory.messages >= _MESSAGES * 0.999
    return Target(
        what,
        f"flat within {GROWN_KIB / 1024:g} MiB per session over 10⁶",
        f"{memory.grown_kib:+.0f} KiB per session",
        memory.grown_kib <= GROWN_KIB if enough else None,
    )


def main() -> int:
    """Check the last full run."""
    found = check(load(RESULTS / "sessions.json"))
    print(render(found))
    return int(any(target.met is False for target in found))


if __name__ == "__main__":
    sys.exit(main())
