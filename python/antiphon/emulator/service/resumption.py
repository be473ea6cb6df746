"""Sessions that can be resumed: what a handle stands for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from antiphon.emulator.service.context import Context

__all__ = ["Checkpoint", "Lineage", "ResumptionStore"]

_MAX_HANDLES = 1_000
# Checkpoints of one session share most of it, and are counted as if they did not.
_MAX_BYTES = 256 * 1024 * 1024


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

    @property
    def size_bytes(self) -> int:
        """About what it takes."""
        return self.context.size_bytes + len(self.heard)


class ResumptionStore:
    """Handles of all sessions of one server; the oldest are given up.

    Args:
        lifetime_s: A handle is good for so long.
    """

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._size_bytes = 0
        self._kept: OrderedDict[str, tuple[float, Checkpoint]] = OrderedDict()

    def keep(self, handle: str, checkpoint: Checkpoint, now: float) -> None:
        """Store a checkpoint under a handle."""
        self._kept[handle] = (now + self._lifetime_s, checkpoint)
        self._size_bytes += checkpoint.size_bytes
        while len(self._kept) > _MAX_HANDLES or self._size_bytes > _MAX_BYTES:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._size_bytes -= oldest.size_bytes

    def find(self, handle: str, now: float) -> Checkpoint | None:
        """What a handle stands for; None if it does not, or no longer."""
        expires_at, checkpoint = self._kept.get(handle, (now, None))
        return checkpoint if now < expires_at else None
