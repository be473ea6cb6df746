"""When everything was: the material for a report and a picture.

All times are seconds after the device's start, on the one timeline that the recording has too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import InitVar, asdict, dataclass, field
from itertools import takewhile
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from antiphon.conversation.transcript import KEPT_TURNS

__all__ = ["Interruption", "InterruptionCause", "Span", "Timeline", "ToolUse", "TurnTiming"]


#: Why a turn was interrupted: see `antiphon.conversation.Interrupted`.
InterruptionCause: TypeAlias = Literal["speech", "application", "unknown"]

# From the first sound of a word to the service's message about it: its detection of speech, and two
# ways through a slow network.
_SPEECH_BEFORE_S = 2.0
_MAX_NAME_CHARACTERS = 128
_MAX_ARGUMENTS_BYTES = 4_096

T = TypeVar("T")


@dataclass
class Span:
    """From a moment to another."""

    start_s: float
    end_s: float | None = None


@dataclass
class TurnTiming:
    """One turn of the model.

    Attributes:
        turn: Its number.
        sound: From its first sample at the speaker to its last; None if nothing was heard.
        received_ms: Audio that came.
        heard_ms: Audio that was played.
        interrupted: The user spoke into it.
        latency_ms: From the end of the user's speech to the first sample; None if the turn
            answers no speech.
        generation_complete_s, complete_s: When the service said so.
        gaps: Underruns: (somewhere from, to, how many) milliseconds of the turn's audio.
    """

    turn: int
    sound: Span | None = None
    received_ms: float = 0.0
    heard_ms: float = 0.0
    interrupted: bool = False
    latency_ms: float | None = None
    generation_complete_s: float | None = None
    complete_s: float | None = None
    gaps: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass
class ToolUse:
    """A call of a function by the model.

    ``arguments`` are left out where they are more than 4,096 bytes of JSON; the event
    `ToolCalled` has them all.
    """

    turn: int
    name: str
    arguments: dict[str, Any]
    at_s: float


@dataclass
class Interruption:
    """A turn was interrupted, for ``cause``."""

    turn: int
    message_s: float
    silent_s: float
    heard_ms: float
    cause: InterruptionCause = "speech"

    @property
    def silence_ms(self) -> float:
        """From the service's message to the last sample."""
        return (self.silent_s - self.message_s) * 1000


@dataclass
class Timeline:
    """All of a conversation's times, or, of one that goes on for days, the latest.

    Args:
        keep_turns: So many turns are kept, and as many of each list.

    Attributes:
        user_speech: Where the user spoke, found by level in what the microphone captured.
        turns: By number.
        tools, interruptions: In order.
        buffer_fill: (at_s, milliseconds of audio waiting in the playout), 20 times a second; the
            last hour.
    """

    user_speech: list[Span] = field(default_factory=list)
    turns: dict[int, TurnTiming] = field(default_factory=dict)
    tools: list[ToolUse] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    buffer_fill: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=72_000))
    keep_turns: InitVar[int] = KEPT_TURNS

    def __post_init__(self, keep_turns: int) -> None:
        self._keep_turns = keep_turns

    def turn(self, turn: int) -> TurnTiming:
        """The timing of a turn; made at the first call."""
        if (timing := self.turns.get(turn)) is None:
            timing = self.turns[turn] = TurnTiming(turn)
            if len(self.turns) > self._keep_turns:
                del self.turns[min(self.turns)]
        return timing

    def speech_started(self, at_s: float) -> None:
        """The user began to speak."""
        self._add(self.user_speech, Span(at_s))

    def speech_stopped(self, at_s: float) -> None:
        """The user has ended."""
        if self.user_speech:
            self.user_speech[-1].end_s = at_s

    def tool_called(self, turn: int, name: str, arguments: dict[str, Any], at_s: float) -> None:
        """The model called a function."""
        size_bytes = len(msgspec.json.encode(arguments))
        kept = arguments if size_bytes <= _MAX_ARGUMENTS_BYTES else {}
        self._add(self.tools, ToolUse(turn, name[:_MAX_NAME_CHARACTERS], kept, at_s))

    def turn_interrupted(self, interruption: Interruption) -> None:
        """A turn was interrupted."""
        self._add(self.interruptions, interruption)

    def speech_after(self, start_s: float) -> list[Span]:
        """Where the user spoke since a speech that began at ``start_s``."""
        later = list(takewhile(lambda span: span.start_s > start_s, reversed(self.user_speech)))
        return later[::-1]

    def last_speech_end_s(self, before_s: float) -> float | None:
        """Where the user's last speech before a moment ended; None if it goes on, or none was."""
        earlier = (s.end_s for s in reversed(self.user_speech) if s.start_s < before_s)
        return next(earlier, None)

    def user_spoke_before(self, message_s: float) -> bool:
        """Whether the user spoke so shortly before a message that it may be about that."""
        return any(
            span.end_s is None or span.end_s >= message_s - _SPEECH_BEFORE_S
            for span in self.user_speech[-1:]
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        value = asdict(self)
        value["turns"] = list(value["turns"].values())
        for plain, cut in zip(value["interruptions"], self.interruptions, strict=True):
            plain["silence_ms"] = cut.silence_ms
        value["buffer_fill"] = list(value["buffer_fill"])
        return value

    def _add(self, items: list[T], item: T) -> None:
        items.append(item)
        del items[: -self._keep_turns]
