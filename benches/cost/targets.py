"""What a session may cost, beside what it costs.

``python -m benches.cost.targets`` checks the last full run again, and fails if something is short.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

from benches.cost.measured import Measured, Row, load, ratio
from benches.report import RESULTS
from benches.targets import Target, render

GOOGLE, BEST_PLAIN = 4.0, 1.3
OURS, OFFICIAL = "antiphon", "google-genai"
ENCODE_US, DECODE_US = 6.0, 3.0


def check(measured: Measured) -> list[Target]:
    """Every line, in the order in which they are asked."""
    rows = {row.name: row for row in measured.rows}
    ours, official = rows.pop(OURS), rows.pop(OFFICIAL)
    targets = []
    ways: list[tuple[str, Callable[[Row], list[float]]]] = [
        ("in bursts", lambda row: row.burst_us),
        (f"paced, {measured.together} sessions", measured.together_us),
        ("paced, one session", measured.alone_us),
    ]
    for what, taken_us in ways:
        medians = {name: statistics.median(taken_us(row)) for name, row in rows.items()}
        best = rows[min(medians, key=medians.__getitem__)]
        for theirs, at_least in ((official, GOOGLE), (best, BEST_PLAIN)):
            times = ratio(taken_us(theirs), taken_us(ours))
            what_beside = f"session-second, {what}: beside {theirs.name}"
            asked, shown = f"≥ {at_least:g} ×", f"{times:.2f} ×"
            targets.append(Target(what_beside, asked, shown, times >= at_least))
    encode_us, decode_us = measured.parts_us["encode"], measured.parts_us["decode"]
    targets += [
        Target(
            "encode 20 ms", f"≤ {ENCODE_US:g} µs", f"{encode_us:.1f} µs", encode_us <= ENCODE_US
        ),
        Target(
            "decode 40 ms", f"≤ {DECODE_US:g} µs", f"{decode_us:.1f} µs", decode_us <= DECODE_US
        ),
    ]
    return targets


def _call(what: str, taken_us: float, at_most_us: float) -> Target:
    met = taken_us <= at_most_us
    return Target(f"{what}, median", f"≤ {at_most_us:g} µs", f"{taken_us:.1f} µs", met)


if __name__ == "__main__":
    found = check(load(RESULTS / "cost.json"))
    print(render(found))
    sys.exit(not all(target.met for target in found))
