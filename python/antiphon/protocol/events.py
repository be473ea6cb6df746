"""What the protocol tells its driver, and what of it an application may want to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from antiphon.errors import ProtocolViolation
from antiphon.protocol.closure import Closure
from antiphon.protocol.message import AnswerCut, LiveServerMessage

__all__ = [
    "AnswerCut",
    "AttemptFailed",
    "Closed",
    "ConnectionLost",
    "Event",
    "GoingAway",
    "MessageReceived",
    "Moving",
    "Notice",
    "Ready",
    "Reconnect",
    "Resumed",
    "SessionEvent",
    "UnreadAudioDropped",
    "UserAudioDropped",
]


@dataclass(frozen=True, slots=True)
class Ready:
    """The setup was accepted: from now on, commands may be given."""

    session_id: str
    """Of Vertex; empty elsewhere."""


class MessageReceived(msgspec.Struct, frozen=True, gc=False):
    """A message for the application."""

    message: LiveServerMessage


@dataclass(frozen=True, slots=True)
class Notice:
    """The service sent something it should not have; the session goes on."""

    error: ProtocolViolation


@dataclass(frozen=True, slots=True)
class Reconnect:
    """To the driver: close the connection, make another at ``at_s``, and say `start`.

    If that fails, say `connect_failed`.
    """

    at_s: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over. Always the last event, and exactly one."""

    closure: Closure


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The service will cut the connection in ``left_s``; the session moves at a pause."""

    left_s: float


@dataclass(frozen=True, slots=True)
class Moving:
    """A pause: the session moves to a new connection before the old one is cut."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection ended; another one is tried at once."""

    closure: Closure


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """Attempt ``number`` failed because of ``reason``; the next one begins in ``wait_s``."""

    number: int
    reason: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """There is a connection again.

    Attributes:
        gap_s: How long there was none.
        attempts: How many it took.
        with_handle: The service remembers the session; else it was told what was said.
        sent_again: Messages that the lost connection had taken, and that are sent again.
        given_up: Those that are not, because all that had to be kept was more than 64 MiB; an
            answer may be to less than was asked.
    """

    gap_s: float
    attempts: int
    with_handle: bool
    sent_again: int
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class UserAudioDropped:
    """Live audio of the user had to wait for too long; ``total_s`` of it were dropped so far."""

    total_s: float


@dataclass(frozen=True, slots=True)
class UnreadAudioDropped:
    """A subscriber does not read, and the oldest of the model's audio that waits for it is dropped.

    Told once, until it has read all that waits; `MessageStream.dropped_audio_s` goes on counting.

    Attributes:
        total_s: So much of it was dropped so far, of this subscription.
    """

    total_s: float


#: What an application may want to know; `LiveSession.events` gives these.
SessionEvent: TypeAlias = (
    GoingAway
    | Moving
    | ConnectionLost
    | AttemptFailed
    | Resumed
    | AnswerCut
    | UserAudioDropped
    | UnreadAudioDropped
)

Event: TypeAlias = Ready | MessageReceived | Notice | Reconnect | Closed | SessionEvent
