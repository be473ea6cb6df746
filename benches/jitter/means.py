"""Means over traces and classes, and what lies between two settings of smoothness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from benches.jitter import variants
from benches.jitter.measured import Row

# What the light links are.
LIGHT = ("wired", "wifi", "sat_leo", "drift_pos200", "drift_neg200")
# Where a reply comes slower than it plays, whatever a buffer does.
SLOW_SOURCES = ("gen_slow", "server_pause")

Values = dict[str, float]


def by_class(
    rows: Iterable[Row], regime: str, player: str, variant: str = variants.AS_SENT
) -> dict[str, Values]:
    """Means over the traces of each class. What no trace of a class has is left out."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if (row.regime, row.player, row.variant) == (regime, player, variant):
            found.setdefault(row.cls, []).append(row)
    return {cls: _means([row.values for row in same]) for cls, same in found.items()}


def over_classes(classes: dict[str, Values], chosen: Callable[[str], bool] | None = None) -> Values:
    """Means over classes, each of which counts the same; empty of none."""
    return _means([values for cls, values in classes.items() if chosen is None or chosen(cls)])


def stream_means(classes: dict[str, Values]) -> Values:
    """Means over classes, and the stall of those alone whose source is not slow itself."""
    brisk = over_classes(classes, lambda cls: cls not in SLOW_SOURCES)
    means = over_classes(classes)
    if "stall_ms_min" in brisk:
        means["brisk_stall_ms_min"] = brisk["stall_ms_min"]
    return means


def _means(several: Sequence[dict[str, float | None]] | Sequence[Values]) -> Values:
    keys = dict.fromkeys(key for values in several for key in values)
    numbers = {key: [v for values in several if (v := values.get(key)) is not None] for key in keys}
    return {key: fmean(same) for key, same in numbers.items() if same}


@dataclass(frozen=True)
class Between:
    """Values at a given concealment. `exact` is false where every setting conceals less."""

    values: Values
    exact: bool


def at_concealment(points: Sequence[Values], conc_ms_min: float) -> Between | None:
    """Between the two neighbours in concealment, linearly; None if every point conceals more.

    Nothing is extrapolated: if every point conceals less, it is the one that conceals most.
    """
    ordered = sorted(points, key=lambda point: point["conc_ms_min"])
    below = [point for point in ordered if point["conc_ms_min"] <= conc_ms_min]
    above = ordered[len(below) :]
    if not below:
        return None
    if not above:
        return Between(below[-1], exact=below[-1]["conc_ms_min"] == conc_ms_min)
    low, high = below[-1], above[0]
    weight = (conc_ms_min - low["conc_ms_min"]) / (high["conc_ms_min"] - low["conc_ms_min"])
    both = low.keys() & high.keys()
    return Between({key: low[key] + weight * (high[key] - low[key]) for key in both}, exact=True)
