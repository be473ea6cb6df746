"""Stream traces with other ends of turns: the service may say late, or never, that one is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

AS_SENT = "as sent"
LATE = "ends 2 s late"
NEVER = "no ends"
ALL = (AS_SENT, LATE, NEVER)

LATE_US = 2_000_000

Turn = dict[str, Any]


def apply(variant: str, turns: Iterable[Turn]) -> list[Turn]:
    """The turns of a trace, changed. A turn that is interrupted has no end in any of them."""
    return [{**turn, "end_us": _end_us(variant, turn["end_us"])} for turn in turns]


def _end_us(variant: str, end_us: int | None) -> int | None:
    if variant not in ALL:
        raise ValueError(f"no variant {variant!r}")
    if variant == NEVER or end_us is None:
        return None
    return end_us + LATE_US if variant == LATE else end_us
