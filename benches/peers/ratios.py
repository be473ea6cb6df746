"""What ours promises for every ratio: the same output however it is cut, and the exact length."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
import numpy as np

from benches.peers.engine import Engine
from benches.peers.quality import exact_length, invariance, run

RATES_HZ = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
LENGTHS = (0, 1, 2, 3, 5, 441, 10**6 + 1)


class EveryRatio(msgspec.Struct, frozen=True):
    """How many combinations of ratio, profile and dtype were tried, and what failed."""

    combinations: int
    cut: list[str]
    length: list[str]


def measure(engines: Sequence[Engine], *, rates_hz: Sequence[int] = RATES_HZ) -> EveryRatio:
    """Try all ordered pairs of rates."""
    cut, length, combinations = [], [], 0
    for engine in engines:
        for in_hz, out_hz in itertools.permutations(rates_hz, 2):
            combinations += 1
            what = f"{engine.name} {in_hz}→{out_hz}"
            same, deviation_dbfs = invariance(engine, in_hz, out_hz)
            if not same:
                cut.append(f"{what}: {deviation_dbfs:.0f} dBFS")
            for frames in LENGTHS:
                wrong = total(engine, in_hz, out_hz, frames) - exact_length(frames, in_hz, out_hz)
                if wrong:
                    length.append(f"{what}: {frames} frames give {wrong:+d}")
    return EveryRatio(combinations=combinations, cut=cut, length=length)


def total(engine: Engine, in_hz: int, out_hz: int, frames: int) -> int:
    """Output frames of a whole input, fed by the second; nothing is fed of an empty one."""
    if frames == 0:
        return len(engine.unpack(engine.open(in_hz, out_hz)(engine.pack(np.zeros(0)), True)))
    return len(run(engine, in_hz, out_hz, np.zeros(frames), [in_hz]))
