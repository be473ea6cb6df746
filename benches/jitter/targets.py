"""What the jitter buffer must show, beside what it showed.

``python -m benches.jitter.targets`` checks the last full run again; it fails if something is short.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from benches import report
from benches.jitter import anchors, packet_targets, stream_targets
from benches.jitter.limits import Target
from benches.jitter.measured import Measured, load

LONGEST_PULL_US = 20.0


def check(measured: Measured) -> list[Target]:
    """Every line, in the order in which they are asked."""
    return [
        *packet_targets.check(measured),
        *stream_targets.check(measured),
        *_pulls(measured),
    ]


def render(targets: Iterable[Target]) -> str:
    """As Markdown."""
    verdicts = {"aim": "aim", "must": "ok", "short": "**short**", None: "–"}
    header = ("regime", "what", anchors.NAME, "FIFO 60 ms", "neteq crate")
    return report.table(
        (*header, "must be", "aim", "**antiphon**", ""),
        (
            (t.regime, t.what, t.cpp, t.fifo, t.crate, t.must, t.aim, t.measured, verdicts[t.met])
            for t in targets
        ),
    )


def _pulls(measured: Measured) -> Iterator[Target]:
    if not measured.pulls:
        yield Target("packet", "`pull` in Rust, median", "≤ 1.0 × crate", "", "not measured", None)
        yield Target("packet", "`pull` in Rust, p99.9", "≤ 20 µs", "", "not measured", None)
    for times in measured.pulls:
        where = times.trace.removeprefix("packet_")
        ours, neteq = times.ours, times.neteq
        yield Target(
            "packet",
            f"`pull` in Rust, median, {where}",
            "≤ 1.0 × crate",
            "",
            f"{ours.median_us / neteq.median_us:.2f} × ({ours.median_us:.2f} µs)",
            "aim" if ours.median_us <= neteq.median_us else "short",
            crate=f"{neteq.median_us:.2f} µs",
        )
        yield Target(
            "packet",
            f"`pull` in Rust, p99.9, {where}",
            f"≤ {LONGEST_PULL_US:g} µs",
            "",
            f"{ours.p999_us:.2f} µs",
            "aim" if ours.p999_us <= LONGEST_PULL_US else "short",
            crate=f"{neteq.p999_us:.2f} µs",
        )


def main() -> int:
    """Check the last full run."""
    found = check(load(report.RESULTS / "jitter.json"))
    print(render(found))
    return int(any(target.met == "short" for target in found))


if __name__ == "__main__":
    sys.exit(main())
