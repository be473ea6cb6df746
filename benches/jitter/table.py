"""A run as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benches import report
from benches.jitter import anchors, targets, variants
from benches.jitter.contestants import BY_REGIME, OURS, OURS_STREAM
from benches.jitter.limits import plain
from benches.jitter.means import (
    LIGHT,
    SLOW_SOURCES,
    Values,
    by_class,
    over_classes,
    stream_means,
)
from benches.jitter.measured import Measured

NOTES = f"""\
* Every number is the judge's, found from the output audio alone. A class is the mean of its traces;
  every class counts the same.
* **added delay at so much concealment**: the means of delay and of concealment over the classes at
  smoothness 0.3, 0.5 and 0.7, and then a straight line between the two neighbours in concealment.
  Nothing is extrapolated: if all three conceal less, it is the delay of the one that conceals most.
  Light links are {", ".join(LIGHT)}.
* **stall without slow sources**: without {" and ".join(SLOW_SOURCES)}, which stop by themselves.
* **lost media** about -10 is none: the judge's edges are 1 ms wide. **flush** is the longest of a
  trace, up to the end of a window of 10 ms: a hard cut measures 14.
* **worse**, of other ends of turns: beyond what the judge can tell (1 ms, 5 ms/min, 0.1 % stretch).
* **{anchors.NAME}**: WebRTC's own, out of process at 16 kHz, on the public traces. Not run here: a
  column of constants from the judge's reference, where its limits are told.
* **neteq crate**: 0.9.1, its default settings, on a clock that is set. In the stream regime it gets
  packets of 20 ms; *without its flush*: without the one that throws away what comes early.
* **FIFO**: a fixed delay after the first packet; in the stream regime, a cushion to start with.
"""

PULL_NOTE = """\
10 ms at 24 kHz, both in one process on the same packets, changing turns; the crate without the
conversion to int16. *dearest*: the largest of the pulls' medians over the rounds, so without the
machine's disturbances, which p99.9 has.
"""

PACKET_CELL = (("delay_mean", 0), ("conc_ms_min", 0), ("gaps_min", 0), ("mos", 2))
STREAM_CELL = (("ttfs_mean", 0), ("stall_ms_min", 0), ("gaps_min", 1), ("lost_media_ms_min", 0))

PACKET_MEANS = {
    "delay_mean": ("delay ms", 1),
    "delay_p95": ("p95", 1),
    "conc_ms_min": ("concealed ms/min", 0),
    "gaps_min": ("gaps/min", 1),
    "stretch_pct": ("stretch %", 2),
    "mos": ("MOS-E", 2),
    "clicks_min": ("clicks/min", 2),
    "lsd_bad": ("mel-LSD dB", 1),
    "lost_media_ms_min": ("lost media ms/min", 0),
}
STREAM_MEANS = {
    "ttfs_mean": ("first sound ms", 1),
    "ttfs_p95": ("p95", 1),
    "brisk_stall_ms_min": ("stall without slow sources ms/min", 0),
    "stall_ms_min": ("stall ms/min", 0),
    "gaps_min": ("gaps/min", 1),
    "excess_end": ("end after hindsight's ms", 0),
    "stretch_pct": ("stretch %", 2),
    "lost_media_ms_min": ("lost media ms/min", 0),
    "flush_ms": ("flush ms", 1),
    "clicks_min": ("clicks/min", 2),
    "missing_turns": ("turns not found", 2),
}

Classes = dict[str, dict[str, Values]]


def render(measured: Measured) -> str:
    """The whole document."""
    packet, stream = _everyone(measured, "packet"), _everyone(measured, "stream")
    parts = [
        *report.heading("The jitter buffer, beside NetEQ and FIFOs", measured.circumstances),
        _which_traces(measured),
        f"![Delay against concealment](jitter{'-held-out' if measured.seeds else ''}.png)\n",
        "## Asked and measured\n",
        targets.render(targets.check(measured)),
        NOTES,
        "## Packet regime\n",
        _means_table(
            PACKET_MEANS,
            {name: over_classes(classes) for name, classes in packet.items()},
            "packet",
        ),
        "Added delay ms / concealed ms per minute / gaps per minute / MOS-E:\n",
        _class_table(PACKET_CELL, packet),
        "## Stream regime\n",
        _means_table(
            STREAM_MEANS,
            {name: stream_means(classes) for name, classes in stream.items()},
            "stream",
        ),
        "First sound ms / stall ms per minute / gaps per minute / lost media ms per minute:\n",
        _class_table(STREAM_CELL, stream),
    ]
    if measured.pulls:
        parts += ["## `pull` inside Rust\n", PULL_NOTE, _pulls_table(measured)]
    if measured.absent:
        parts += ["## Not measured\n", report.table(("what", "why"), measured.absent.items())]
    return "\n".join(part for part in parts if part)


def _which_traces(measured: Measured) -> str:
    count = len({row.trace for row in measured.rows})
    if measured.seeds:
        seeds = ", ".join(map(str, measured.seeds))
        said = f"{count} fresh traces of the judge's classes, drawn with the seeds {seeds}."
        said += " The limits and C++ NetEQ are of the public ones."
    else:
        said = f"{count} public traces of the judge."
    played = {(row.regime, row.cls) for row in measured.rows}
    if len(played) < sum(map(len, anchors.BY_CLASS.values())):
        said += " Not every class was played: means are of those that were, C++ NetEQ's of all."
    return said + "\n"


def _everyone(measured: Measured, regime: str) -> Classes:
    """Who has played, with the variants of ours, and the anchor at the end."""
    found: Classes = {}
    for name in BY_REGIME[regime]:
        found[name] = by_class(measured.rows, regime, name)
        if name == OURS_STREAM:
            for variant in (variants.LATE, variants.NEVER):
                found[f"{name}, {variant}"] = by_class(measured.rows, regime, name, variant)
    return {name: classes for name, classes in found.items() if classes} | {
        anchors.NAME: anchors.BY_CLASS[regime]
    }


def _means_table(columns: dict[str, tuple[str, int]], means: dict[str, Values], regime: str) -> str:
    anchor = {**means.pop(anchors.NAME), **anchors.MEANS[regime]}
    rows = [
        (_name(name), *(_cell(values, key, digits) for key, (_, digits) in columns.items()))
        for name, values in (means | {anchors.NAME: anchor}).items()
    ]
    return report.table(("mean over classes", *(title for title, _ in columns.values())), rows)


def _class_table(cell: Sequence[tuple[str, int]], everyone: Classes) -> str:
    names = dict.fromkeys(cls for classes in everyone.values() for cls in classes)
    played = [name for name in everyone if name != anchors.NAME]
    rows = [
        (
            cls,
            *(
                " / ".join(_cell(classes.get(cls, {}), key, digits) for key, digits in cell)
                for classes in everyone.values()
            ),
        )
        for cls in names
        if any(cls in everyone[name] for name in played)
    ]
    return report.table(("class", *map(_name, everyone)), rows)


def _pulls_table(measured: Measured) -> str:
    rows = [
        (
            times.trace,
            name,
            *(f"{us:.2f}" for us in (of.median_us, of.mean_us, of.p999_us, of.dearest_us)),
        )
        for times in measured.pulls
        for name, of in (("**antiphon**", times.ours), ("neteq crate", times.neteq))
    ]
    return report.table(("trace", "", "median µs", "mean µs", "p99.9 µs", "dearest µs"), rows)


def _cell(values: Values, key: str, digits: int) -> str:
    value = values.get(key)
    return "–" if value is None else plain(value, digits)


def _name(name: str) -> str:
    return f"**{name}**" if any(name.startswith(ours) for ours in OURS) else name
