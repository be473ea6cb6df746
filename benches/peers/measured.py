"""Everything that one run measured, as it is kept in a file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benches.circumstances import Circumstances
from benches.peers.conversions import Conversion
from benches.peers.gil import Waits
from benches.peers.quality import Gains, Quality
from benches.peers.ratios import EveryRatio
from benches.peers.speed import Speed


class Case(msgspec.Struct, frozen=True):
    """One pair of rates. Speeds have no entry for who fell short of its floor: see `short`."""

    in_hz: int
    out_hz: int
    qualities: dict[str, Quality]
    speeds: dict[str, Speed]
    short: dict[str, list[str]]

    @property
    def name(self) -> str:
        """Such as 48→16 or 44.1→16."""
        return f"{self.in_hz / 1000:g}→{self.out_hz / 1000:g}"


class Measured(msgspec.Struct, frozen=True):
    """A whole run."""

    circumstances: Circumstances
    streams: list[Case]
    one_shots: list[Case]
    overhead: dict[str, float]
    conversions: list[Conversion]
    waits: dict[str, Waits]
    every_ratio: EveryRatio
    curves: dict[str, Gains]
    absent: dict[str, str]

    def stream(self, name: str) -> Case | None:
        """The case of this name, if it was measured."""
        return next((case for case in self.streams if case.name == name), None)

    def one_shot(self, name: str) -> Case | None:
        """Likewise, in one call."""
        return next((case for case in self.one_shots if case.name == name), None)


def load(path: Path) -> Measured:
    """Read what `save` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Measured)
