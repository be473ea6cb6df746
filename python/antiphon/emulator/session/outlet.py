"""The way out of a session: messages and the close, each seen by the observer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from antiphon import wire
from antiphon.emulator import faults
from antiphon.emulator.session.record import FaultRecord, Observer, SessionRecord, TurnRecord

__all__ = ["MAX_REASON_BYTES", "Close", "Outlet", "OutletItem", "cut_reason"]

#: What a close frame has room for.
MAX_REASON_BYTES = 123


@dataclass(frozen=True)
class Close:
    """The server ends the connection; the reason is at most 123 bytes.

    1006 stands for a connection that breaks without a close.
    """

    code: int
    reason: str


#: What a session sends. A rule stands where it begins to apply: see `faulty_session`.
OutletItem: TypeAlias = bytes | Close | faults.Fault


def cut_reason(reason: str) -> str:
    """The part of a reason that a close frame has room for."""
    return reason.encode()[:MAX_REASON_BYTES].decode("utf-8", "ignore")


class Outlet:
    """Collects what a session sends; after a close, nothing more.

    Args:
        record: Where closes and faults are noted.
        epoch: When the session began; the observer is told seconds since then.
        observer: Told of everything that happens.
        on_end: Called once with the time, when the session ends from either side.
    """

    def __init__(
        self,
        record: SessionRecord,
        epoch: float,
        observer: Observer | None,
        *,
        on_end: Callable[[float], None],
    ) -> None:
        self.closed = False
        self._on_end = on_end
        self._record = record
        self._epoch = epoch
        self._observer = observer
        self._outbox: list[OutletItem] = []

    def elapsed_s(self, now: float) -> float:
        """Seconds since the session began."""
        return now - self._epoch

    @property
    def unsent(self) -> int:
        """How many messages wait."""
        return len(self._outbox)

    def take(self) -> list[OutletItem]:
        """What waits, in order; a `Close` is the last of all."""
        out, self._outbox = self._outbox, []
        return out

    def send(self, message: dict[str, Any], now: float) -> None:
        """Send one message; nothing if the session is closed."""
        if self.closed:
            return
        self._outbox.append(wire.encode_server_message(message))
        self.observe("sent", now, message=message)

    def close(self, code: int, reason: str, now: float) -> None:
        """End the connection from the server's side; nothing if it has ended."""
        if self.closed:
            return
        self._end(now)
        cut = cut_reason(reason)
        self._record.close_code, self._record.close_reason = code, cut
        self._outbox.append(Close(code, cut))
        self.observe("closed", now, code=code, reason=cut, by="server")

    def fail(self, rule: faults.Fault, now: float) -> None:
        """Let something go wrong from here on, as the brain wants it."""
        if isinstance(rule, faults.Close) and rule.is_immediate:
            self.close(rule.code, rule.reason, now)
        elif isinstance(rule, faults.Drop) and rule.is_immediate:
            self.close(1006, "", now)
        elif not self.closed:
            self._outbox.append(rule)

    def lost(self, code: int, reason: str, now: float) -> None:
        """The connection ended from the client's side, or after our close."""
        self._end(now)
        if self._record.close_code is None:
            self._record.close_code, self._record.close_reason = code, reason
            self.observe("closed", now, code=code, reason=reason, by="client")

    def _end(self, now: float) -> None:
        if not self.closed:
            self.closed = True
            self._on_end(now)

    @property
    def observed(self) -> bool:
        """Whether anybody is told."""
        return self._observer is not None

    def observe(self, event: str, now: float, **fields: Any) -> None:
        """Tell the observer."""
        if self._observer is not None:
            self._observer(event, {"at_s": round(self.elapsed_s(now), 6), **fields})

    def observe_turn(self, turn: TurnRecord, now: float) -> None:
        """Tell the observer of a turn that has ended."""
        self.observe("turn_ended", now, turn=turn)

    def note_fault(self, name: str, now: float) -> None:
        """Keep in the record that something was done to this session on purpose."""
        self._record.add_fault(FaultRecord(name, round(self.elapsed_s(now), 6)))
        self.observe("fault", now, fault=name)
