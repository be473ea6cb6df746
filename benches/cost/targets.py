"""What a session may cost, beside what it costs.

``python -m benches.cost.targets`` checks the last full run again, and fails if something is short.
"""

from __future__ import annotations

import sys

from benches.cost.measured import Measured, Row, load, ratio
from benches.peers.targets import RESULTS, Target, render

GOOGLE, BEST_PLAIN = 4.0, 1.3
OURS, OFFICIAL = "antiphon", "google-genai"
ENCODE_US, DECODE_US = 6.0, 3.0


def check(measured: Measured) -> list[Target]:
    """Every line, in the order in which they are asked."""
    rows = {row.name: row for row in measured.rows}
    ours, official = rows.pop(OURS), rows.pop(OFFICIAL)
    targets = []
    for what, way in (
        ("session-second, in bursts", "burst_us"),
        (f"session-second, paced, {measured.together} sessions", "together_us"),
        ("session-second, paced, one session", "alone_us"),
    ):
        best = min(rows.values(), key=lambda row, way=way: sum(getattr(row, way)))
        targets.append(_target(f"{what}: beside {OFFICIAL}", official, ours, way, GOOGLE))
        targets.append(_target(f"{what}: beside {best.name}", best, ours, way, BEST_PLAIN))
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


def _target(what: str, theirs: Row, ours: Row, way: str, at_least: float) -> Target:
    times = ratio(getattr(theirs, way), getattr(ours, way))
    return Target(what, f"≥ {at_least:g} ×", f"{times:.2f} ×", times >= at_least)


if __name__ == "__main__":
    found = check(load(RESULTS / "cost.json"))
    print(render(found))
    sys.exit(not all(target.met for target in found))
