"""What a reply does once its turn has ended: it goes on while other turns begin."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from antiphon.emulator.faults import Fault
from antiphon.emulator.session.brain import Send, Step, Wait

__all__ = ["Agenda"]

_MAX_STEPS = 1_024


class Agenda:
    """Steps and their times. Those of one reply keep their order."""

    def __init__(self) -> None:
        self._steps: list[tuple[float, int, Send | Fault]] = []
        self._added = 0

    @property
    def due(self) -> float | None:
        """When the next step is to be taken."""
        return self._steps[0][0] if self._steps else None

    def add(self, steps: Sequence[Step], now: float) -> None:
        """Take these steps from now on; beyond 1,024 that wait, more are left out."""
        at = now
        for step in steps:
            if isinstance(step, Wait):
                at += step.seconds
            elif len(self._steps) < _MAX_STEPS:
                self._added += 1
                heapq.heappush(self._steps, (at, self._added, step))

    def pop(self) -> Send | Fault:
        """The step that is due."""
        return heapq.heappop(self._steps)[2]
