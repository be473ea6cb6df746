"""What can be asked and done while sessions run: from tests, from the command line, by HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from antiphon.emulator.faults import Close, Fault, PhantomInterruption, faults_from
from antiphon.emulator.records.event_log import Event, EventLog
from antiphon.emulator.session.record import SessionRecord
from antiphon.emulator.world.faulty_session import FaultySession

__all__ = ["Control", "NoSuchSession", "SessionEnded"]

_MAX_SESSIONS = 1_000
_MAX_RULES = 1_024
# Those that have ended keep no messages but for the last ones.
_MAX_LOGS = 64
_MAX_TURNS_SHOWN = 50
_MAX_SUMMARY_CHARS = 1_000
_CALL_TIMEOUT_S = 5.0
_MAX_LEAD_S = 86_400.0


class NoSuchSession(LookupError):
    """There was no such session, or it was too long ago."""


class SessionEnded(LookupError):
    """Nothing can be done any more to a session that has ended."""


@dataclass
class _Known:
    """A session, and while it runs how to reach it."""

    record: SessionRecord
    log: EventLog | None
    session: FaultySession | None
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Control:
    """The sessions of one server, running and ended; methods may be called on any thread.

    Args:
        rules: What goes wrong in sessions to come.
    """

    def __init__(self, rules: Sequence[Fault] = ()) -> None:
        self._first_rules = self._rules = tuple(rules)
        self._known: dict[int, _Known] = {}

    # -------------------------------------------------------------- the server's side

    def rules_for(self, index: int) -> list[Fault]:
        """The rules of a session that begins."""
        return [rule for rule in self._rules if rule.session in (None, index)]

    def begin(self, session: FaultySession, log: EventLog | None) -> asyncio.Event:
        """A session begins, on the loop that runs; its driver heeds the event."""
        record = session.record
        known = _Known(record, log, session, asyncio.get_running_loop())
        self._known[record.index] = known
        for index in list(self._known)[:-_MAX_SESSIONS]:
            del self._known[index]
        for old in list(self._known.values())[:-_MAX_LOGS]:
            if old.session is None:
                old.log = None
        return known.woken

    def end(self, session: FaultySession) -> None:
        """A session has ended."""
        known = self._known.get(session.record.index)
        if known is not None and known.session is session:
            known.session = None

    # -------------------------------------------------------------- asking

    def sessions(self) -> list[dict[str, Any]]:
        """Every session that is known in a few JSON values, oldest first."""
        return [_summary(known) for known in list(self._known.values())]

    def session(self, index: int) -> dict[str, Any]:
        """The same of one session, with its last turns, faults and events.

        Raises:
            NoSuchSession: It is not known.
        """
        known = self._find(index)
        record = known.record
        return {
            **_summary(known),
            "turns": [turn.summary() for turn in record.turns[-_MAX_TURNS_SHOWN:]],
            "heard": record.heard[-_MAX_TURNS_SHOWN:],
            "faults": [vars(fault) for fault in record.faults[-_MAX_TURNS_SHOWN:]],
            "events": None if known.log is None else [e.summary() for e in known.log.events()],
        }

    def events(self, index: int | None = None) -> list[Event]:
        """What came and went in a session that is known, or in all of them."""
        logs = [
            known.log
            for known in list(self._known.values())
            if known.log is not None and index in (None, known.record.index)
        ]
        return [event for log in logs for event in log.events()]

    # -------------------------------------------------------------- doing

    def add_faults(
        self, rules: Sequence[Fault | Mapping[str, Any]], *, session: int | None = None
    ) -> None:
        """Let rules apply from now on in a running session, or by default in sessions to come.

        Raises:
            ValueError: A dict that is no rule, too many rules, or a rule of another session.
            NoSuchSession: It is not known.
            SessionEnded: It does not run any more.
        """
        faults = faults_from(rules)
        if session is None:
            if len(self._rules) + len(faults) > _MAX_RULES:
                raise ValueError(f"The server has {len(self._rules)} rules; {_MAX_RULES} fit.")
            self._rules += faults
            return
        for fault in faults:
            if fault.session not in (None, session):
                raise ValueError(
                    f"The rule is for session {fault.session}, and was given to {session}. Leave "
                    "`session` out of it."
                )

        def add(running: FaultySession, now: float) -> None:
            for rule in faults:
                running.add_rule(rule, now)

        self._do(session, add)

    def go_away(self, session: int, time_left_s: float = 5.0) -> None:
        """Announce the end of a connection with ``goAway``, and close it when the time is over.

        Raises:
            ValueError: A time that is none.
            NoSuchSession: It is not known.
            SessionEnded: It does not run any more.
        """
        if not 0 <= time_left_s <= _MAX_LEAD_S:
            raise ValueError(
                f"time_left_s is {time_left_s}; it must be 0 to {_MAX_LEAD_S:g} seconds."
            )
        self._do(session, lambda running, now: running.go_away(time_left_s, now))

    def close(
        self, session: int, code: int = 1011, reason: str = "Internal error occurred."
    ) -> None:
        """Close a connection at once, as the rule `Close` does; what waits is not sent."""
        self.add_faults([Close(code=code, reason=reason)], session=session)

    def interrupt(self, session: int) -> None:
        """Believe that the user spoke, as the rule `PhantomInterruption` does."""
        self.add_faults([PhantomInterruption()], session=session)

    def reset(self) -> None:
        """Forget all but the first rules; sessions that run are closed with 1001."""
        for known in list(self._known.values()):
            with contextlib.suppress(SessionEnded):
                self.close(known.record.index, 1001, "The server was reset.")
        self._known.clear()
        self._rules = self._first_rules

    # -------------------------------------------------------------- inside

    def _find(self, index: int) -> _Known:
        known = self._known.get(index)
        if known is None:
            held = list(self._known)
            there_are = f"there are {held[0]} to {held[-1]}" if held else "there was none yet"
            raise NoSuchSession(f"There is no session {index}; {there_are}.")
        return known

    def _do(self, index: int, operation: Callable[[FaultySession, float], None]) -> None:
        """Do something to a session on the loop that it runs on."""
        known = self._find(index)

        def operate() -> None:
            if known.session is None:
                raise _ended(known.record)
            operation(known.session, known.loop.time())
            known.woken.set()

        if known.session is None:
            raise _ended(known.record)
        if known.loop is _running_loop():
            operate()
            return
        done: Future[None] = Future()

        def report() -> None:
            try:
                operate()
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        try:
            known.loop.call_soon_threadsafe(report)
        except RuntimeError:  # the loop is closed
            raise _ended(known.record) from None
        done.result(_CALL_TIMEOUT_S)


def _ended(record: SessionRecord) -> SessionEnded:
    how = "" if record.close_code is None else f" with {record.close_code}"
    return SessionEnded(f"Session {record.index} has ended{how}; only what it was can be asked.")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _summary(known: _Known) -> dict[str, Any]:
    record = known.record
    return {
        "session": record.index,
        "family": record.family,
        "model": record.model,
        "open": known.session is not None,
        "turns_begun": record.turns[-1].index + 1 if record.turns else 0,
        "heard_last": record.heard[-1][:_MAX_SUMMARY_CHARS] if record.heard else "",
        "text_last": record.turns[-1].text_sent[:_MAX_SUMMARY_CHARS] if record.turns else "",
        "video_frames": record.video_frames,
        "faults_done": len(record.faults),
        "close_code": record.close_code,
        "close_reason": record.close_reason,
    }
