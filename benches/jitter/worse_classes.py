"""No class of links may be much worse than with C++ NetEQ."""

from __future__ import annotations

from benches.jitter import anchors
from benches.jitter.limits import Target
from benches.jitter.means import Values
from benches.jitter.measured import Measured

# A class is worse if both of its numbers are worse by more than this.
CLASS_MARGIN = 1.15


def no_class_is_worse(
    measured: Measured, regime: str, ours: dict[str, Values], keys: tuple[str, str]
) -> Target:
    """Than C++ NetEQ, in both at once."""
    words = {"packet": "delay and concealment", "stream": "first sound and stall"}[regime]
    what = f"classes worse than C++ NetEQ by more than 15 % in {words}"
    if not ours or measured.seeds:
        where = "published for the public traces only" if measured.seeds else "not measured"
        return Target(regime, what, "none", "none", where, None)
    theirs = anchors.BY_CLASS[regime]
    worse = [
        cls
        for cls, values in ours.items()
        if all(values[key] > CLASS_MARGIN * theirs[cls][key] for key in keys)
    ]
    shown = ", ".join(worse) or "none"
    return Target(regime, what, "none", "none", shown, "short" if worse else "aim")
