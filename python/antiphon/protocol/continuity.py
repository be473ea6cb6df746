"""When a session goes on over another connection, and how.

Rules without I/O and without a clock: which closes can be mended, when to move before the
service cuts the connection, and how long to wait between attempts.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from antiphon.protocol.closure import Closure

__all__ = [
    "DEFAULT_CONTINUITY",
    "MOVING_MARGIN_S",
    "Attempts",
    "Continuity",
    "EndNotice",
    "can_be_mended",
]

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 8.0
_MAX_DOUBLINGS = 10  # long enough for the longest wait; a power of all attempts has no float
# Half of a wait is the same for everyone, the other half is not: clients that were cut at the
# same moment do not come back at the same moment.
_JITTER = 0.5
# A connection that ends sooner than that counts as a failed attempt.
_SHORT_S = 10.0
# Between two notices, for the second to say anything.
_TELLING_S = 2.0
#: Moving takes less than that.
MOVING_MARGIN_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Continuity:
    """How a session outlives its connections.

    Attributes:
        give_up_after_s: Without a connection for so long, the session ends.
        max_attempts: … or after so many attempts in a row that failed.
        connect_timeout_s: One attempt may take so long, the acceptance of the setup included.
        move_after_s: Move to a new connection at the first pause after this time, before the
            service cuts it (at about 600 s; `goAway`, where it comes, moves sooner). None: only
            when the service says so.
        send_again: After a break, send again what the resumed session may not have heard: the
            question that was not answered to its end, and what followed, of live audio the last
            ``live_again_s`` and of images the last ten. A word may then be heard twice (at least
            once); False: never twice, but what was on the way is lost (at most once). In Vertex's
            transparent mode, and for what had not left this machine, nothing is lost or doubled
            either way. Nor is the history that `connect` was given: a session that does not know
            it is told.
        live_again_s: How much live audio is sent again at most, the question apart; a file, which
            comes faster than it is spoken, is not live. Less of it
            makes a slow link ready sooner; a connection that was dead for longer before that
            was noticed loses more.
        history: Where there is no handle, tell the new session what was said, as text.
        seed: Of the jitter between attempts, for tests; None: every session has its own.
    """

    give_up_after_s: float = 60.0
    max_attempts: int = 8
    connect_timeout_s: float = 10.0
    move_after_s: float | None = 540.0
    send_again: bool = True
    live_again_s: float = 30.0
    history: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts is {self.max_attempts}; it must be 1 or more.")
        if not self.live_again_s >= 0:
            raise ValueError(f"live_again_s is {self.live_again_s!r}; it must be 0 s or more.")
        for name in ("give_up_after_s", "connect_timeout_s", "move_after_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}; it must be more than 0 s.")


DEFAULT_CONTINUITY = Continuity()


class Attempts:
    """Attempts in a row to get a connection back.

    Args:
        policy: Its limits.
    """

    def __init__(self, policy: Continuity) -> None:
        self.policy = policy
        self.number = 0
        """Of the attempt that is next or under way; 0 while the connection stands."""
        self.lost_at_s: float | None = None
        """When the last good connection ended."""
        self._rng = random.Random(policy.seed)  # noqa: S311 - not for secrets
        self._succeeded_at_s = -math.inf
        self._streak = 0

    def when_to_move(self, now: float, left_s: float) -> float:
        """The connection will be cut in ``left_s``: from when on a pause is good for moving.

        One that is new is used for a while, if there is time: moving has its price.
        """
        begun_s = now if self.number else self._succeeded_at_s  # now: it is not accepted yet
        return max(now, min(begun_s + _SHORT_S, now + left_s - MOVING_MARGIN_S))

    def begin(self, now: float) -> float | None:
        """The connection is gone, or given up.

        Returns when to connect: at once. A connection that did not last, though, was hardly
        better than an attempt that failed, and counts as one.
        """
        self.lost_at_s = now
        if now - self._succeeded_at_s < _SHORT_S:
            self.number = self._streak
            return self.next(now)
        self.number = 1
        return now

    def next(self, now: float) -> float | None:
        """The attempt failed. Returns when to try again; None: no more."""
        assert self.lost_at_s is not None
        doublings = min(self.number - 1, _MAX_DOUBLINGS)
        wait_s = min(_FIRST_WAIT_S * 2.0**doublings, _LONGEST_WAIT_S)
        wait_s *= 1 - _JITTER * self._rng.random()
        too_late = now + wait_s - self.lost_at_s > self.policy.give_up_after_s
        if too_late or self.number >= self.policy.max_attempts:
            return None
        self.number += 1
        return now + wait_s

    def succeed(self, now: float) -> float:
        """There is a connection again; returns how long there was none."""
        assert self.lost_at_s is not None
        gap_s = now - self.lost_at_s
        self._streak, self._succeeded_at_s = self.number, now
        self.number, self.lost_at_s = 0, None
        return gap_s


@dataclass(frozen=True, slots=True)
class EndNotice:
    """The service said at ``told_s`` that it will cut the connection at ``due_s``."""

    told_s: float
    due_s: float

    def is_of_the_same_end(self, later: EndNotice) -> bool:
        """Whether a notice on a later connection means the end that this one meant.

        It does if it leaves less time: then it is no limit of connections. Notices that follow
        each other at once say nothing, because the time left is told in whole seconds.
        """
        elapsed_s = later.told_s - self.told_s
        return elapsed_s >= _TELLING_S and later.due_s - self.due_s < elapsed_s / 2


def can_be_mended(closure: Closure) -> bool:
    """Whether another connection with the same setup can go on after this end."""
    wanted = closure.by == "us" and closure.cause in ("goodbye", "slow_consumer")
    return closure.retry and not wanted
