"""Sessions that can be resumed: what a handle stands for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from antiphon.emulator.usage import Tokens
from antiphon.wire import Content

__all__ = ["Memory", "ResumptionStore"]

_MAX_HANDLES = 1_000
_MAX_HISTORY = 500


@dataclass
class Memory:
    """What a session knows: what was said, the brain's notes, and the context's tokens."""

    history: list[Content] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    context: Tokens = field(default_factory=Tokens)

    def remember(self, content: Content) -> None:
        """Append to the history; the oldest is forgotten when there is too much."""
        self.history.append(content)
        del self.history[:-_MAX_HISTORY]

    def snapshot(self) -> Memory:
        """A copy that later turns do not change."""
        tokens = Tokens(self.context.text, self.context.audio, self.context.image)
        return Memory(list(self.history), dict(self.notes), tokens)


class ResumptionStore:
    """Handles and their memories, of all sessions of one server; the oldest are given up."""

    def __init__(self) -> None:
        self._memories: OrderedDict[str, Memory] = OrderedDict()

    def keep(self, handle: str, memory: Memory) -> None:
        """Store a snapshot under a handle."""
        self._memories[handle] = memory.snapshot()
        while len(self._memories) > _MAX_HANDLES:
            self._memories.popitem(last=False)

    def find(self, handle: str) -> Memory | None:
        """The memory of a handle, to go on with."""
        memory = self._memories.get(handle)
        return memory.snapshot() if memory else None
