"""The user's input, while a model works on a call and must not be sent any."""

from __future__ import annotations

from antiphon.protocol.calls import Calls
from antiphon.protocol.journal import Journal

__all__ = ["HeldInput"]

# The longest that the user's voice waits for the result of a function: as long as a function may
# take, if nobody says otherwise.
_LONGEST_HOLD_S = 60.0


class HeldInput:
    """Realtime input that waits for the result of a function.

    Args:
        calls: Say whether it has to wait.
        journal: Where it waits.
    """

    def __init__(self, calls: Calls, journal: Journal) -> None:
        self.ends_at_s: float | None = None
        """When it goes out at the latest; None: nothing is held back."""
        self._calls = calls
        self._journal = journal

    def follow(self, now: float) -> None:
        """The calls have changed: hold input back, or let it go."""
        if not self._calls.hold_input:
            self.release()
        elif self.ends_at_s is None:
            self.ends_at_s = now + _LONGEST_HOLD_S
            self._journal.hold()

    def handle_timeout(self, now: float) -> None:
        """Time passed: the user is not kept waiting for ever."""
        if self.ends_at_s is not None and now >= self.ends_at_s:
            self._calls.stop_holding()
            self.release()

    def release(self) -> None:
        """Let it go, after what else waits."""
        self.ends_at_s = None
        self._journal.release()
