"""What a project may use: sessions at a time, and tokens a minute."""

from __future__ import annotations

from collections import deque

__all__ = ["QUOTA_EXCEEDED", "Quota"]

#: As the service closes (1011); cut where a close frame ends.
QUOTA_EXCEEDED = (
    "You exceeded your current quota, please check your plan and billing details. For more "
    "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)

_WINDOW_S = 60.0


class Quota:
    """Counts for all sessions of one server.

    Args:
        max_sessions: Sessions that are set up at the same time; None: any number.
        tokens_per_minute: Tokens of prompts and answers; None: any number.
    """

    def __init__(self, max_sessions: int | None, tokens_per_minute: int | None) -> None:
        self._max_sessions = max_sessions
        self._tokens_per_minute = tokens_per_minute
        self._sessions = 0
        self._spent: deque[tuple[float, int]] = deque()
        self._spent_tokens = 0

    def enter(self) -> bool:
        """Count one more session; False, and nothing counted, if there are too many."""
        if self._max_sessions is not None and self._sessions >= self._max_sessions:
            return False
        self._sessions += 1
        return True

    def leave(self) -> None:
        """A session that had entered has ended."""
        self._sessions -= 1

    def spend(self, tokens: int, now: float) -> None:
        """Count what a turn took."""
        if self._tokens_per_minute is not None and tokens:
            self._spent.append((now, tokens))
            self._spent_tokens += tokens

    def exhausted(self, now: float) -> bool:
        """Whether the last minute took all that a minute may."""
        if self._tokens_per_minute is None:
            return False
        while self._spent and self._spent[0][0] <= now - _WINDOW_S:
            self._spent_tokens -= self._spent.popleft()[1]
        return self._spent_tokens >= self._tokens_per_minute
