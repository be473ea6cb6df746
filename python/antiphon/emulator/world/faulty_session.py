"""An `EmulatedSession` to which things happen by rule. Like it, without I/O and without a clock.

It stands between the session and the driver, which is the one place that every message of either
direction passes, over a socket and in memory alike. Rules of the brain come among the messages, and
apply from there on. What only the connection itself can do wrong (`HalfOpen`, `LatePongs`) it hands
to the driver, in its place among the messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal

from antiphon.emulator import faults
from antiphon.emulator.kinds import kinds_of_client_message, kinds_of_server_message
from antiphon.emulator.session.core import EmulatedSession
from antiphon.emulator.session.jobs import Job, JobResult
from antiphon.emulator.session.outlet import Close, OutletItem
from antiphon.emulator.session.record import SessionRecord

__all__ = ["FaultySession", "Outgoing"]

#: What the driver sends or does, in order.
Outgoing = bytes | Close | faults.HalfOpen | faults.LatePongs


# What is done instead of looking at a message of the client.
_SWALLOWING = (faults.Close, faults.Drop, faults.HalfOpen)
# Of a session; rules may be added for as long as it lasts.
_MAX_RULES = 1_024


class FaultySession:
    """See `EmulatedSession` for what a driver has to do: it is the same.

    Args:
        session: To which things happen; nobody else may feed it.
        rules: Those that apply to this session, in the order in which they act on one message.
        now: The time of the upgrade.
    """

    def __init__(
        self, session: EmulatedSession, rules: Sequence[faults.Fault], *, now: float
    ) -> None:
        self._session = session
        self._watches = [_Watch(rule, now) for rule in rules]
        # Of the session, still to be looked at; and what may go out when nothing stalls.
        self._fresh: deque[OutletItem] = deque()
        self._ready: deque[Outgoing] = deque()
        self._stalled_until = now
        self._silent = False

    @property
    def record(self) -> SessionRecord:
        """What was said in the session, and which faults there were."""
        return self._session.record

    @property
    def unsent(self) -> int:
        """Messages that `outgoing` will return, now or after a stall."""
        return self._session.unsent + len(self._fresh) + len(self._ready)

    def receive(self, data: bytes | str, now: float) -> None:
        """Take one message of the client."""
        self._fire_timers(now)
        if self._silent:
            return
        if not self._watches:
            self._session.receive(data, now)
            return
        hits = self._hits("client", kinds_of_client_message(data), now)
        if any(isinstance(rule, _SWALLOWING) for rule in hits):
            self._session.overlook(data, now)
        for message in self._act(hits, data, now):
            self._session.receive(message, now)
        self._interrupt_if_asked(hits, now)

    def outgoing(self, now: float) -> Sequence[Outgoing]:
        """What to send or do now, in order; a `Close` is the last of all."""
        if not self._watches:  # then nothing waits here, either
            items = self._session.outgoing(now)
            plain = [item for item in items if not isinstance(item, faults.Fault)]
            if len(plain) == len(items):
                return plain
            self._fresh.extend(items)
        self._fire_timers(now)
        out: list[Outgoing] = []
        while self._stalled_until <= now:
            if self._ready:
                out.append(self._ready.popleft())
                continue
            if not self._fresh and not self._silent:
                self._fresh.extend(self._session.outgoing(now))
            if not self._fresh:
                break
            self._decide(self._fresh.popleft(), now)
        return out

    def jobs(self) -> list[Job]:
        """Work to run since the last call."""
        return self._session.jobs()

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`, if nothing else happens before."""
        if not self._watches:
            return self._session.next_timeout()
        if self._silent:
            return None
        times = [watch.at for watch in self._watches if watch.is_armed_timer]
        if self.unsent:
            times.append(self._stalled_until)
        # During a stall the session waits as well: it makes up for it afterwards.
        if (own := self._session.next_timeout()) is not None:
            times.append(max(own, self._stalled_until))
        return min(times, default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due; harmless if nothing is."""
        self._fire_timers(now)
        if not self._silent and self._stalled_until <= now:
            self._session.handle_timeout(now)

    def job_done(self, job_id: int, result: JobResult, now: float) -> None:
        """Take the result of a job."""
        self._session.job_done(job_id, result, now)

    def connection_lost(self, now: float, code: int = 1006, reason: str = "") -> None:
        """The connection ended; also call it after a `Close` was sent."""
        self._session.connection_lost(now, code, reason)

    def add_rule(self, rule: faults.Fault, now: float) -> None:
        """Let a rule apply as well; it counts messages and seconds from here."""
        watch = _Watch(rule, now)
        self._watches = [old for old in self._watches if old.left != 0][-_MAX_RULES:]
        self._watches.append(watch)
        if rule.is_immediate and not self._silent:
            self._fire(watch, now)

    def go_away(self, lead_s: float, now: float) -> None:
        """Send ``goAway`` now, and close ``lead_s`` later."""
        self._session.note_fault("go_away", now)
        self._session.go_away(lead_s, now)

    # -------------------------------------------------------------- inside

    def _decide(self, item: OutletItem, now: float) -> None:
        """Look at one message of the server, and make ready what becomes of it."""
        if isinstance(item, faults.Fault):
            self.add_rule(item, now)
            return
        if isinstance(item, Close) or not self._watches:
            self._ready.append(item)
            return
        hits = self._hits("server", kinds_of_server_message(item), now)
        self._ready.extend(self._act(hits, item, now))
        self._interrupt_if_asked(hits, now)

    def _fire_timers(self, now: float) -> None:
        for watch in self._watches:
            if watch.is_armed_timer and watch.at <= now and not self._silent:
                self._fire(watch, now)

    def _fire(self, watch: _Watch, now: float) -> None:
        """Apply a rule that waits for no message."""
        watch.left = 0
        self._session.note_fault(watch.name, now)
        self._act([watch.rule], b"", now)
        self._interrupt_if_asked([watch.rule], now)

    def _hits(
        self, direction: Literal["server", "client"], kinds: frozenset[str], now: float
    ) -> list[faults.Fault]:
        """The rules that apply to a message."""
        hits = []
        for watch in self._watches:
            if watch.hits(direction, kinds, now):
                self._session.note_fault(watch.name, now)
                hits.append(watch.rule)
        return hits

    def _act(self, hits: Sequence[faults.Fault], data: bytes | str, now: float) -> list[bytes]:
        """Do what rules say; returns what is left of the message, as often as it is to come."""
        messages = [data.encode() if isinstance(data, str) else data]
        for rule in hits:
            match rule:
                case faults.Close():
                    self._end(rule.code, rule.reason, now)
                    messages = []
                case faults.Drop():
                    self._end(1006, "", now)
                    messages = []
                case faults.HalfOpen():
                    self._forget_unsent(now)
                    self._ready.append(rule)
                    self._silent = True
                    messages = []
                case faults.LatePongs():
                    self._ready.append(rule)
                case faults.Stall():
                    self._stalled_until = max(self._stalled_until, now + rule.duration_s)
                case faults.EmptyTurn():
                    self._session.empty_next_turn()
                case faults.WithheldHandle():
                    messages = []
                case faults.Malformed():
                    messages = [message[: len(message) // 2] for message in messages]
                case faults.Oversized():
                    messages = [message.ljust(rule.size_bytes) for message in messages]
                case faults.Duplicate():
                    messages *= 2
        return messages

    def _interrupt_if_asked(self, hits: Sequence[faults.Fault], now: float) -> None:
        # After the message, so that it may be the first of the turn that is cut.
        if any(isinstance(rule, faults.PhantomInterruption) for rule in hits):
            self._session.interrupt(now)

    def _end(self, code: int, reason: str, now: float) -> None:
        """End the connection here: what waited to be sent is lost, a close of the session too."""
        self._session.close(code, reason, now)
        self._forget_unsent(now)
        self._ready.append(Close(code, reason))

    def _forget_unsent(self, now: float) -> None:
        self._session.outgoing(now)
        self._fresh.clear()
        self._ready.clear()
        self._stalled_until = now


class _Watch:
    """One rule in one session: what it has seen, and how often it may still apply."""

    def __init__(self, rule: faults.Fault, since: float) -> None:
        self.rule = rule
        self.name = str(rule.__struct_config__.tag)
        self.at = since + (rule.at_s or 0.0)
        self.left = rule.times
        self._seen = 0

    @property
    def is_armed_timer(self) -> bool:
        """Whether it waits for a moment that was not yet there."""
        return self.rule.is_timed and self.left != 0

    def hits(self, direction: str, kinds: frozenset[str], now: float) -> bool:
        """Whether it applies to this message; counts it."""
        rule = self.rule
        if rule.is_timed or direction != rule.direction:
            return False
        if rule.kind is not None and rule.kind not in kinds:
            return False
        if isinstance(rule, faults.PhantomInterruption) and "interrupted" in kinds:
            return False  # its own, perhaps: it would never end
        number, self._seen = self._seen, self._seen + 1
        if self.left == 0 or number < (rule.number or 0) or now < self.at:
            return False
        if self.left is not None:
            self.left -= 1
        return True
