"""What can go wrong, as rules: each says when, and what.

A rule is a value, or a plain dict of a scenario file, with the rule's name as ``fault``::

    Emulator(faults=[Drop(session=0, kind="audio", number=3)])
    Emulator(faults=[{"fault": "drop", "session": 0, "kind": "audio", "number": 3}])

Both mean: the first connection breaks instead of its fourth message with audio. The rules say what
the server does, so they are the same on a socket, in memory, and behind any link.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from antiphon.emulator.kinds import CLIENT_KINDS, SERVER_KINDS

__all__ = [
    "AnyFault",
    "Close",
    "Drop",
    "Duplicate",
    "EmptyTurn",
    "Fault",
    "HalfOpen",
    "LatePongs",
    "Malformed",
    "Oversized",
    "PhantomInterruption",
    "RefusedResume",
    "Stall",
    "WithheldHandle",
    "faults_from",
]

_MAX_OVERSIZE_BYTES = 256 * 1024 * 1024
_MAX_REASON_BYTES = 123


class Fault(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"
):
    """When a rule applies; the kinds of rules say what it does. Without any of these: at once.

    Attributes:
        session: Only in this connection to the server, counted from 0; None: in each.
        direction: Whose messages are looked at, the ``server``'s or the ``client``'s.
        kind: Only messages of this kind: see `SERVER_KINDS` and `CLIENT_KINDS`.
        number: Not before this message of those, counted from 0 in each connection.
        at_s: Not before this time, in seconds since the connection was made. Without a kind and a
            number a rule that needs no message applies at that moment.
        times: To how many messages of a connection it applies; None: to all from there on.

    Raises:
        ValueError: A number out of its range, or a kind that this direction does not have.
    """

    needs_message: ClassVar[bool] = False

    session: int | None = None
    direction: Literal["server", "client"] = "server"
    kind: str | None = None
    number: int | None = None
    at_s: float | None = None
    times: int | None = 1

    def __post_init__(self) -> None:
        kinds = SERVER_KINDS if self.direction == "server" else CLIENT_KINDS
        if self.kind is not None and self.kind not in kinds:
            raise ValueError(
                f"kind is {self.kind!r}, which the {self.direction} does not send; use one of "
                f"{', '.join(sorted(kinds))}."
            )
        for name in ("session", "number", "times", "at_s"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value}; it must be 0 or more, or be left out.")

    @property
    def is_timed(self) -> bool:
        """Whether it waits for a moment and not for a message."""
        return (
            self.at_s is not None
            and self.kind is None
            and self.number is None
            and not self.needs_message
        )

    @property
    def is_immediate(self) -> bool:
        """Whether it waits neither for a message nor for a moment."""
        waits = self.kind is not None or self.number is not None or self.at_s is not None
        return not (waits or self.needs_message or self.direction == "client")


class Close(Fault, frozen=True, kw_only=True, tag="close"):
    """The server closes the connection; the message is not sent, or not looked at.

    Attributes:
        code: Of the close, such as 1011. To break a connection without a close, use `Drop`.
        reason: At most 123 bytes.
    """

    code: int = 1011
    reason: str = "Internal error occurred."

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range = 1000 <= self.code <= 1014 or 3000 <= self.code <= 4999
        if not in_range or self.code in {1004, 1005, 1006}:
            raise ValueError(
                f"code is {self.code}; a close frame may hold 1000 to 1003, 1007 to 1014 and 3000 "
                "to 4999. To break the connection without one (1006), use the fault drop."
            )
        if len(self.reason.encode()) > _MAX_REASON_BYTES:
            raise ValueError(f"reason has {len(self.reason.encode())} bytes; 123 fit into a close.")


class RefusedResume(Close, frozen=True, kw_only=True, tag="refused_resume"):
    """The server knows nothing of the resumption handle, and closes instead of accepting it."""

    direction: Literal["client"] = "client"
    kind: Literal["resume"] = "resume"
    code: int = 1008
    reason: str = "BidiGenerateContent session not found"


class Drop(Fault, frozen=True, kw_only=True, tag="drop"):
    """The connection breaks without a close: the client sees 1006."""


class HalfOpen(Fault, frozen=True, kw_only=True, tag="half_open"):
    """Nothing more comes in either direction, no pong either, and the connection stays open."""


class Stall(Fault, frozen=True, kw_only=True, tag="stall"):
    """The server sends nothing for a while; then what it had to say comes at once.

    Attributes:
        duration_s: Of the pause.
    """

    duration_s: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_duration("duration_s", self.duration_s)


class LatePongs(Fault, frozen=True, kw_only=True, tag="late_pongs"):
    """From here on pings are answered late. In memory nobody pings, so there it changes nothing.

    Attributes:
        delay_s: Of each answer; users of the service have measured 8 to 30 s.
    """

    delay_s: float = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_duration("delay_s", self.delay_s)


class Malformed(Fault, frozen=True, kw_only=True, tag="malformed"):
    """The message ends in the middle: it is no JSON."""

    needs_message: ClassVar[bool] = True


class Oversized(Fault, frozen=True, kw_only=True, tag="oversized"):
    """The message is filled up with spaces: valid JSON, but more than a client may accept.

    Attributes:
        size_bytes: Of the whole message, at most 256 MiB. antiphon accepts 16 MiB by default,
            other clients 1 MiB.
    """

    needs_message: ClassVar[bool] = True

    direction: Literal["server"] = "server"
    size_bytes: int = 16 * 1024 * 1024 + 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.size_bytes <= _MAX_OVERSIZE_BYTES:
            raise ValueError(f"size_bytes is {self.size_bytes}; it must be 1 to 256 MiB.")


class Duplicate(Fault, frozen=True, kw_only=True, tag="duplicate"):
    """The message comes twice."""

    needs_message: ClassVar[bool] = True


class WithheldHandle(Fault, frozen=True, kw_only=True, tag="withheld_handle"):
    """Resumption handles are not sent, so the session cannot be resumed."""

    needs_message: ClassVar[bool] = True

    direction: Literal["server"] = "server"
    kind: Literal["handle"] = "handle"
    times: int | None = None


class EmptyTurn(Fault, frozen=True, kw_only=True, tag="empty_turn"):
    """The next turn that begins after the message has no content, only its end."""


class PhantomInterruption(Fault, frozen=True, kw_only=True, tag="phantom_interruption"):
    """After the message, the server believes that the user spoke: ``interrupted``, by nobody.

    It does not apply to an ``interrupted``.
    """


#: Every kind of rule.
AnyFault: TypeAlias = (
    Close
    | RefusedResume
    | Drop
    | HalfOpen
    | Stall
    | LatePongs
    | Malformed
    | Oversized
    | Duplicate
    | WithheldHandle
    | EmptyTurn
    | PhantomInterruption
)


def faults_from(scenario: Sequence[Fault | Mapping[str, Any]]) -> tuple[Fault, ...]:
    """Rules from values or from the dicts of a scenario file; values are taken as they are.

    Raises:
        ValueError: A dict that is no rule: an unknown name, a member too many, a wrong value.
    """
    rules: list[Fault] = []
    for number, rule in enumerate(scenario):
        try:
            rules.append(rule if isinstance(rule, Fault) else msgspec.convert(rule, AnyFault))
        except msgspec.ValidationError as error:
            raise ValueError(
                f"Rule {number} of the faults cannot be used: {error}. "
                "`antiphon.emulator.faults` describes the rules and their members."
            ) from error
    return tuple(rules)


def _check_duration(name: str, seconds: float) -> None:
    if not 0 < seconds < math.inf:
        raise ValueError(f"{name} is {seconds}; it must be a positive number of seconds.")
