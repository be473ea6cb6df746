"""What is asked of the stream regime, also where ends of turns are late or never told."""

from __future__ import annotations

from collections.abc import Iterator

from benches.jitter import anchors, variants
from benches.jitter.contestants import CRATE, OURS_STREAM, fifo
from benches.jitter.limits import STREAM_LIMITS, Target, plain, plain_target
from benches.jitter.means import Values, by_class, stream_means
from benches.jitter.measured import Measured
from benches.jitter.worse_classes import no_class_is_worse

# As much worse may another end of turn make a value; and what is too little to tell.
VARIANT_MARGIN = 1.10
CANNOT_TELL: dict[str, tuple[str, float]] = {
    "ttfs_mean": ("first sound", 1.0),
    "ttfs_p95": ("first sound p95", 1.0),
    "brisk_stall_ms_min": ("stall without slow sources", 5.0),
    "stall_ms_min": ("stall", 5.0),
    "lost_media_ms_min": ("lost media", 5.0),
    "stretch_pct": ("stretch", 0.1),
    "clicks_min": ("clicks", 0.05),
    "flush_ms": ("flush", 1.0),
}


def check(measured: Measured) -> Iterator[Target]:
    """Every line."""
    classes = by_class(measured.rows, "stream", OURS_STREAM)
    ours = stream_means(classes)
    peers = {
        "fifo": stream_means(by_class(measured.rows, "stream", fifo(60))),
        "crate": stream_means(by_class(measured.rows, "stream", CRATE)),
        "cpp": {**stream_means(anchors.BY_CLASS["stream"]), **anchors.MEANS["stream"]},
    }
    for limit in STREAM_LIMITS:
        yield plain_target("stream", limit, ours, peers)
    for variant, words in (
        (variants.LATE, "every end of turn 2 s late"),
        (variants.NEVER, "no end of turn at all"),
    ):
        other = stream_means(by_class(measured.rows, "stream", OURS_STREAM, variant))
        yield _variant_target(f"the same with {words}", ours, other)
    yield no_class_is_worse(measured, "stream", classes, ("ttfs_mean", "stall_ms_min"))


def _variant_target(what: str, ours: Values, other: Values) -> Target:
    asked = ("≤ 10 % worse", "equal")
    if not ours or not other:
        return Target("stream", what, *asked, "not measured", None)
    worse, beyond = [], False
    for key, (words, cannot_tell) in CANNOT_TELL.items():
        if key not in ours or key not in other:
            continue
        # A loss below zero is none: see NO_LOSS_MS_MIN.
        before, after = max(ours[key], 0.0), max(other[key], 0.0)
        if after > before + cannot_tell:
            worse.append(f"{words} {plain(before, 1)} → {plain(after, 1)}")
            beyond |= after > VARIANT_MARGIN * before
    met = "short" if beyond else "must" if worse else "aim"
    return Target("stream", what, *asked, "; ".join(worse) or "nothing is worse", met)
