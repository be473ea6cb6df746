"""When a session leaves its connection, what it asks of the next one, and when it gives up."""

from __future__ import annotations

import msgspec

from antiphon.protocol.closure import Closure
from antiphon.protocol.continuity import (
    DEFAULT_CONTINUITY,
    MOVING_MARGIN_S,
    Attempts,
    Continuity,
    EndNotice,
    can_be_mended,
)
from antiphon.protocol.events import Resumed
from antiphon.wire import SessionResumption, SessionResumptionUpdate, Setup

__all__ = ["Reconnecting"]

# How the service refuses a handle that is not good any more, or never was.
_REFUSED_HANDLE = (1007, 1008)
# A session that made the service fail (1011) may do so whenever it is resumed.
_MAX_FAILURES = 3


class Reconnecting:
    """Decides about the connections of one session, of which it has one at a time.

    What it returns as a number is when to connect again, and as a `Closure` that the session
    ends with it. All times are seconds of the session's clock.

    Args:
        policy: None: there is no other connection.
        wish: What the first connection is asked for; its handle is good until there is another.
    """

    def __init__(self, policy: Continuity | None, wish: SessionResumption | None = None) -> None:
        self.resumption: SessionResumptionUpdate | None = None
        """The last handle that was usable."""
        if wish is not None and wish.handle:
            self.resumption = SessionResumptionUpdate(new_handle=wish.handle, resumable=True)
        self.go_away_s: float | None = None
        """When the service said it will cut the connection; None if it did not."""
        self.move_at_s: float | None = None
        """From when on a pause is good for moving to another connection; None: not yet."""
        self._policy = policy
        self._attempts = Attempts(policy or DEFAULT_CONTINUITY)
        self._handle = ""
        self._failures = 0  # of the service, in a row, over the present handle
        self._loss: Closure | None = None
        self._notice: EndNotice | None = None
        self._notice_before: EndNotice | None = None
        self._session_ends = False

    @property
    def attempt(self) -> int:
        """Number of the attempt that is next or under way; 0 while the connection stands."""
        return self._attempts.number

    @property
    def attempt_timeout_s(self) -> float:
        """How long the acceptance of a setup may take."""
        return self._attempts.policy.connect_timeout_s

    @property
    def latest_move_s(self) -> float | None:
        """When moving cannot wait any longer; None: it can wait."""
        if self.move_at_s is None or self.go_away_s is None:
            return None
        return max(self.move_at_s, self.go_away_s - MOVING_MARGIN_S)

    @property
    def will_resume(self) -> bool:
        """Whether the next connection will be asked to go on with the session."""
        return self.resumption is not None and not self._session_ends

    # ------------------------------------------------------------------ while it stands

    def accepted(self, now: float) -> None:
        """The setup was accepted."""
        if self._policy is not None and self._policy.move_after_s is not None:
            at_s = now + self._policy.move_after_s
            # The service may have told before that it will cut this connection.
            self.move_at_s = at_s if self.move_at_s is None else min(at_s, self.move_at_s)

    def going_away(self, left_s: float, now: float) -> None:
        """The service will cut the connection in ``left_s``."""
        self.go_away_s = now + left_s
        if self._policy is not None:
            self.move_at_s = self._attempts.when_to_move(now, left_s)
        self._notice = EndNotice(now, self.go_away_s)
        if self._handle and self._notice_before is not None:
            # It is the session whose time is up: the next one begins anew.
            self._session_ends = self._notice_before.is_of_the_same_end(self._notice)

    # ------------------------------------------------------------------ to the next one

    def move(self, now: float) -> float | None:
        """Leave the connection; None: no attempt is left, so it is used to its end."""
        at_s = self._attempts.begin(now)
        if at_s is None:
            self.move_at_s = None
        else:
            self._leave()
        return at_s

    def lost(self, closure: Closure, now: float) -> float | Closure:
        """The connection ended by itself."""
        if self._policy is None or not can_be_mended(closure):
            return closure
        self._loss = closure
        if closure.cause == "limit":
            self.resumption = None  # the limit is that of the session it stands for
        return self._again(self._attempts.begin(now), closure)

    def failed(self, closure: Closure, now: float) -> float | Closure:
        """Another connection was not made, or refused the setup."""
        handle_refused = bool(self._handle) and closure.code in _REFUSED_HANDLE
        self._failures += bool(self._handle) and closure.cause == "unavailable"
        if handle_refused or self._failures >= _MAX_FAILURES:
            self.resumption = None  # begin anew with what was said
        again = handle_refused or can_be_mended(closure)
        return self._again(self._attempts.next(now) if again else None, closure)

    def setup(self, setup: Setup) -> Setup:
        """The first message on another connection, now that it is open.

        Args:
            setup: It was that on the first one, but for what has changed since.
        """
        if self._session_ends:
            self.resumption, self._session_ends = None, False
        self._handle = self.resumption.new_handle if self.resumption else ""
        before = setup.session_resumption
        wish = SessionResumption(
            handle=self._handle or None, transparent=(before and before.transparent) or None
        )
        # What was said before is told in another way, if at all.
        return msgspec.structs.replace(setup, session_resumption=wish, history_config=None)

    @property
    def with_handle(self) -> bool:
        """Whether the present connection was asked to go on with the session."""
        return bool(self._handle)

    def resumed(self, now: float, *, sent_again: int, given_up: int) -> Resumed:
        """The setup was accepted, and ``sent_again`` messages go out another time."""
        attempts = self._attempts.number
        gap_s = self._attempts.succeed(now)
        self._loss, self._failures = None, 0
        return Resumed(gap_s, attempts, self.with_handle, sent_again, given_up)

    def _again(self, at_s: float | None, last: Closure) -> float | Closure:
        if at_s is None:
            return Closure.of_no_return(self._loss, last, attempts=self._attempts.number)
        self._leave()
        return at_s

    def _leave(self) -> None:
        self.move_at_s = self.go_away_s = None
        self._notice_before = self._notice or self._notice_before
        self._notice = None
