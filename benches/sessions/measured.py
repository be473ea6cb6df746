"""Everything that one run measured, as it is kept in a file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benches.circumstances import Circumstances
from benches.sessions.ramp import Run

#: Whose sessions; ours first.
ROWS = ("antiphon", "google-genai")


class Memory(msgspec.Struct, frozen=True):
    """What a process with sessions took that last.

    Attributes:
        messages: Of each session, both ways together.
        before_bytes, after_bytes: Resident, after a warm-up and at the end.
        most_bytes: In between, looked at four times a second.
    """

    sessions: int
    messages: int
    before_bytes: int
    after_bytes: int
    most_bytes: int

    @property
    def grown_kib(self) -> float:
        """Of one session, at the worst moment."""
        return (max(self.most_bytes, self.after_bytes) - self.before_bytes) / 1024 / self.sessions


class Measured(msgspec.Struct, frozen=True):
    """A whole run."""

    circumstances: Circumstances
    runs: list[Run]
    memory: list[Memory]
    absent: dict[str, str]


def load(path: Path) -> Measured:
    """Read what `save` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Measured)
