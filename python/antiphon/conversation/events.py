"""What happens in a conversation, as values. ``at_s`` is seconds after the device's start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from antiphon.conversation.timeline import InterruptionCause

__all__ = [
    "AnswerCut",
    "AnswerDropped",
    "AudioDropped",
    "Event",
    "Interrupted",
    "ModelTranscript",
    "RecordingFailed",
    "ToolCalled",
    "TurnComplete",
    "TurnHeard",
    "TurnSounded",
    "UserStartedSpeaking",
    "UserStoppedSpeaking",
    "UserTranscript",
]


@dataclass(frozen=True)
class UserStartedSpeaking:
    """The user's voice began at ``at_s``, found here, without the service."""

    at_s: float


@dataclass(frozen=True)
class UserStoppedSpeaking:
    """The user's voice ended at ``at_s``; known only after a pause."""

    at_s: float


@dataclass(frozen=True)
class UserTranscript:
    """More words of the user, as the service understood them; ``turn`` will answer them."""

    turn: int
    text: str
    at_s: float


@dataclass(frozen=True)
class ModelTranscript:
    """More words of the model; they may run ahead of its voice."""

    turn: int
    text: str
    at_s: float


@dataclass(frozen=True)
class ToolCalled:
    """The model called a function."""

    turn: int
    name: str
    arguments: dict[str, Any]
    call_id: str
    at_s: float


@dataclass(frozen=True)
class TurnSounded:
    """The first sample of a turn's voice left for the speaker at ``at_s``.

    ``latency_ms`` is since the end of the user's speech; None if the turn answers no speech.
    """

    turn: int
    at_s: float
    latency_ms: float | None


@dataclass(frozen=True)
class TurnComplete:
    """The service has ended the turn. Its voice may still be playing: see `TurnHeard`."""

    turn: int
    at_s: float


@dataclass(frozen=True)
class TurnHeard:
    """The voice of a turn was played to its end; ``heard_ms`` is its length."""

    turn: int
    heard_ms: float
    at_s: float


@dataclass(frozen=True)
class Interrupted:
    """A turn was interrupted, and its voice has stopped.

    Attributes:
        turn: The turn that was cut.
        heard_ms: How much of its voice was played, the 5 ms fade included: exact.
        heard_text: Its words up to there: an *estimate*, by their length over audio time.
        at_s: When its last sample was played.
        silence_ms: From the arrival of the service's message to that sample.
        cause: ``speech`` of the user, found here within 2 s before the service's message;
            ``application``: something that was sent asked for it (typed words, content, a mark
            of activity, a result with INTERRUPT, `Conversation.interrupt`); ``unknown``: the
            service interrupted, and nothing here tells why.
    """

    turn: int
    heard_ms: float
    heard_text: str
    at_s: float
    silence_ms: float
    cause: InterruptionCause
    heard_text_is_estimate: bool = field(default=True, init=False)

    @property
    def phantom(self) -> bool:
        """Nobody spoke, and nobody asked for it."""
        return self.cause == "unknown"


@dataclass(frozen=True)
class AudioDropped:
    """User audio was lost because it could not be sent in time; ``frames`` in total."""

    frames: int
    at_s: float


@dataclass(frozen=True)
class AnswerCut:
    """The connection broke in the middle of an answer, or (``turn`` is None) before it began.

    What had come of it, ``received_ms``, is played: how much was heard is told by `TurnHeard`.
    With ``asked_again`` another turn will answer the same.
    """

    turn: int | None
    received_ms: float
    asked_again: bool
    at_s: float


@dataclass(frozen=True)
class AnswerDropped:
    """Audio of an answer was lost: ten minutes of sound were waiting already.

    The turn ends where the loss begins; an event comes for every lost part. One comes also for a
    part at a rate that cannot be converted, which no model sends.
    """

    turn: int
    lost_ms: float
    at_s: float


@dataclass(frozen=True)
class RecordingFailed:
    """The recording could not be continued; the conversation goes on without it."""

    reason: str
    at_s: float


Event: TypeAlias = (
    UserStartedSpeaking
    | UserStoppedSpeaking
    | UserTranscript
    | ModelTranscript
    | ToolCalled
    | TurnSounded
    | TurnComplete
    | TurnHeard
    | Interrupted
    | AnswerCut
    | AnswerDropped
    | AudioDropped
    | RecordingFailed
)
