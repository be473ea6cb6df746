"""Everything that one run measured, as it is kept in a file."""

from __future__ import annotations

import statistics
from pathlib import Path

import msgspec

from benches.circumstances import Circumstances

UP_PER_S = 50
DOWN_PER_S = 25


class Row(msgspec.Struct, frozen=True):
    """One contestant: microseconds of processor time, one value per round.

    Attributes:
        up_us, down_us: Of a message, as many as can be at once.
        alone_us, together_us: Of a session-second in real time: one session in the process, and
            several. The pacing of the bench is among it.
    """

    name: str
    up_us: list[float]
    down_us: list[float]
    alone_us: list[float]
    together_us: list[float]

    @property
    def burst_us(self) -> list[float]:
        """A session-second of messages, round by round, if they come at once."""
        both = zip(self.up_us, self.down_us, strict=True)
        return [UP_PER_S * up + DOWN_PER_S * down for up, down in both]


class Measured(msgspec.Struct, frozen=True):
    """A whole run.

    Attributes:
        pacing_alone_us, pacing_together_us: Of a session-second of the bench's clock by itself.
        parts_us: Median calls by themselves: of the core, and of what the peers convert with.
    """

    circumstances: Circumstances
    rounds: int
    together: int
    rows: list[Row]
    pacing_alone_us: list[float]
    pacing_together_us: list[float]
    parts_us: dict[str, float]

    def alone_us(self, row: Row) -> list[float]:
        """A session-second in real time of one session, without the bench's clock."""
        return _less(row.alone_us, self.pacing_alone_us)

    def together_us(self, row: Row) -> list[float]:
        """Likewise, of several sessions."""
        return _less(row.together_us, self.pacing_together_us)


def _less(gross_us: list[float], pacing_us: list[float]) -> list[float]:
    pacing = statistics.median(pacing_us)
    return [gross - pacing for gross in gross_us]


def ratio(theirs: list[float], ours: list[float]) -> float:
    """The median over the rounds of how many times as much they take."""
    return statistics.median(their / our for their, our in zip(theirs, ours, strict=True))


def load(path: Path) -> Measured:
    """Read what `save` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Measured)
