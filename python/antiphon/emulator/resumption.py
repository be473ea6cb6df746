"""Sessions that can be resumed: what a handle stands for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from antiphon.emulator.context import Context

__all__ = ["Checkpoint", "Lineage", "ResumptionStore"]

_MAX_HANDLES = 1_000


@dataclass
class Lineage:
    """A session over all its connections, of which one at a time may be open."""

    connected: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """Where a session can be taken up again.

    Attributes:
        lineage: Whose it is.
        context: What it knew.
        heard: The last audio before it, mono int16 at 16,000 Hz: speech may begin in it that
            is noticed only later.
    """

    lineage: Lineage
    context: Context
    heard: bytes = field(default=b"", repr=False)


class ResumptionStore:
    """Handles of all sessions of one server; the oldest are given up.

    Args:
        lifetime_s: A handle is good for so long.
    """

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._kept: OrderedDict[str, tuple[float, Checkpoint]] = OrderedDict()

    def keep(self, handle: str, checkpoint: Checkpoint, now: float) -> None:
        """Store a checkpoint under a handle."""
        self._kept[handle] = (now + self._lifetime_s, checkpoint)
        while len(self._kept) > _MAX_HANDLES:
            self._kept.popitem(last=False)

    def find(self, handle: str, now: float) -> Checkpoint | None:
        """What a handle stands for; None if it does not, or no longer."""
        expires_at, checkpoint = self._kept.get(handle, (now, None))
        return checkpoint if now < expires_at else None
