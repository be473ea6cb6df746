"""How a session ended: one value for every way, and the exception that says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from antiphon.errors import (
    AuthError,
    ConnectError,
    ConsumerTooSlow,
    QuotaError,
    SessionClosed,
    SetupRejected,
)
from antiphon.wire import CloseCause, explain_close
from antiphon.wire.close_codes import TOO_LARGE_FOR_US

__all__ = ["Closure"]

_TIMEOUT = CloseCause(
    "timeout",
    "the service did not answer the setup",
    "Check the model's name and the setup, or allow more time with timeout_s=.",
    True,
)
_SLOW_CONSUMER = CloseCause(
    "slow_consumer",
    "a subscriber of receive() left too much unread",
    "Read faster, or close the iterators that are not read.",
    True,
)
_OURS = CloseCause("goodbye", "the application closed it", "Connect again to go on.", True)


@dataclass(frozen=True, slots=True)
class Closure:
    """The end of a session.

    Attributes:
        code: The WebSocket close code; 1006 for a connection that broke; None if the session
            ended for another reason than a close (a timeout).
        reason: The service's own words; may be empty.
        cause: A word of `antiphon.wire.explain_close`, or ``timeout`` or ``slow_consumer``.
        meaning: What the cause means, for people.
        hint: What to do about it.
        retry: Whether a new connection with the same setup can help.
        by: Who ended it: ``us``, the ``service``, or the ``network``.
        during_setup: It ended before the setup was accepted.
    """

    code: int | None
    reason: str
    cause: str
    meaning: str
    hint: str
    retry: bool
    by: Literal["us", "service", "network"]
    during_setup: bool

    @classmethod
    def of_close(cls, code: int | None, reason: str, *, during_setup: bool) -> Closure:
        """A close that the application did not ask for."""
        by: Literal["us", "service", "network"] = "network" if code == 1006 else "service"
        if code == 1009 and reason.startswith(TOO_LARGE_FOR_US):
            by = "us"
        return cls(code, reason, *explain_close(code, reason), by, during_setup)

    @classmethod
    def of_ours(cls, code: int | None, reason: str, *, during_setup: bool) -> Closure:
        """A close that the application asked for."""
        return cls(code, reason, *_OURS, "us", during_setup)

    @classmethod
    def of_setup_timeout(cls, waited_s: float) -> Closure:
        """The setup was not answered in time."""
        return cls(None, f"no answer within {waited_s:g} s", *_TIMEOUT, "us", True)

    @classmethod
    def of_slow_consumer(cls, unread: int, unread_bytes: int) -> Closure:
        """A subscriber did not keep up."""
        size = f"{unread_bytes / 2**20:.1f} MiB"
        reason = f"{unread} messages without audio, and {size} in all"
        return cls(1000, reason, *_SLOW_CONSUMER, "us", False)

    @classmethod
    def of_connect_error(cls, error: ConnectError) -> Closure:
        """A connection was not made. Credentials and names that were refused stay refused."""
        hopeless = error.cause in ("auth", "model", "argument", "tls")
        # A part of a sentence, which the hint follows.
        meaning = str(error).removesuffix(error.hint).rstrip(" .")
        return cls(
            error.code, error.reason, error.cause, meaning, error.hint, not hopeless,
            "network", during_setup=True,
        )  # fmt: skip

    @classmethod
    def of_no_return(cls, loss: Closure | None, last: Closure, *, attempts: int) -> Closure:
        """The connection was lost, or left, and there is no other."""
        first = loss or last
        tried = "an attempt" if attempts == 1 else f"{attempts} attempts"
        meaning = (
            f"{first.meaning}, and {tried} to go on failed, the last one because {last.meaning}"
        )
        return replace(last, meaning=meaning, during_setup=False)

    @property
    def clean(self) -> bool:
        """An end that is no error: the application closed, or the service did with 1000."""
        return (
            not self.during_setup
            and self.cause == "goodbye"
            and (self.by == "us" or self.code == 1000)
        )

    def error(self) -> SessionClosed | SetupRejected | ConnectError:
        """A new exception that says how the session ended; one for every waiter."""
        kind = self._kind()
        told = "" if self.code is None else f" with code {self.code}"
        told += f" and said {self.reason!r}" if self.reason else ""
        if self.cause == "timeout" and self.during_setup:
            text = f"The setup got {self.reason}: {self.meaning}."
        elif self.by == "us" and self.reason and not self.clean:
            text = f"The session was closed: {self.meaning} ({self.reason})."
        elif self.by == "us":
            text = f"The session is closed: {self.meaning}."
        elif self.during_setup:
            text = f"The service closed{told} instead of accepting the setup: {self.meaning}."
        else:
            who = "The connection ended" if self.by == "network" else "The service closed"
            text = f"{who}{told}: {self.meaning}."
        return kind(
            f"{text} {self.hint}",
            code=self.code,
            reason=self.reason,
            cause=self.cause,
            hint=self.hint,
        )

    def _kind(self) -> type[SessionClosed | SetupRejected | ConnectError]:
        if self.cause == "timeout" and self.during_setup:
            return ConnectError
        if self.cause == "slow_consumer":
            return ConsumerTooSlow
        if not self.during_setup:
            return SessionClosed
        return {"auth": AuthError, "quota": QuotaError}.get(self.cause, SetupRejected)
