"""Everything that one run measured, as it is kept in a file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benches.circumstances import Circumstances
from benches.emulator.capacity import Idle, Load
from benches.emulator.ten_minutes import Simulated


class Twice(msgspec.Struct, frozen=True):
    """A plan with one seed, again with the same, and with another."""

    first: Simulated
    again: Simulated
    other: Simulated

    @property
    def wall_s(self) -> float:
        """The slower of the two."""
        return max(self.first.wall_s, self.again.wall_s)

    @property
    def reproducible(self) -> bool:
        """Whether equal seeds gave equal bytes, and another seed gave others."""
        return self.first.sha256 == self.again.sha256 != self.other.sha256


class Measured(msgspec.Struct, frozen=True):
    """A whole run."""

    circumstances: Circumstances
    simulated: list[Twice]
    loads: list[Load]
    idle: Idle | None
    absent: dict[str, str]


def load(path: Path) -> Measured:
    """Read what `save` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Measured)
