"""What a session said and heard: kept in memory, and told to whoever listens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from antiphon.emulator.session.jobs import SPEECH_HZ, Word

__all__ = ["FaultRecord", "Observer", "SessionRecord", "ToolCallRecord", "TurnRecord"]

_MAX_TURNS = 1_000
_MAX_FAULTS = 1_000
# Texts, words, arguments and results of a session's turns.
_MAX_TURN_BYTES = 4 * 1024 * 1024
_BYTES_PER_WORD = 128

#: Called with ``(event name, fields)`` for everything that happens in a session.
Observer: TypeAlias = Callable[[str, dict[str, Any]], None]


@dataclass
class ToolCallRecord:
    """A function call of the model; ``response`` once it was answered."""

    id: str
    name: str
    args: dict[str, Any]
    response: dict[str, Any] | None = None
    cancelled: bool = False


@dataclass
class TurnRecord:
    """One turn of the model. Times are seconds since the session began, or None.

    Attributes:
        input_text: What was answered, as typed or recognized.
        spoken: Whether that input was speech.
        text: All that the model meant to say.
        text_sent: The words of it that left as text or as transcription-timed speech.
        thought: What the model thought before it answered, shown or not.
        pcm: The audio that was sent: mono int16 at 24,000 Hz.
        frames_sent: Frames of it (kept when ``pcm`` was given up).
        words: Where the words that were sent lie in ``pcm``.
        weighed_bytes: ``size_bytes`` when it was last looked at.
    """

    index: int
    input_text: str
    spoken: bool
    started_s: float
    text: str = ""
    text_sent: str = ""
    thought: str = ""
    pcm: bytearray = field(default_factory=bytearray, repr=False)
    frames_sent: int = 0
    words: list[Word] = field(default_factory=list, repr=False)
    tool_calls: list[ToolCallRecord] = field(default_factory=list)
    first_audio_s: float | None = None
    generation_complete_s: float | None = None
    ended_s: float | None = None
    interrupted: bool = False
    weighed_bytes: int = field(default=0, repr=False)

    @property
    def size_bytes(self) -> int:
        """About what it takes without the audio."""
        words = _BYTES_PER_WORD * len(self.words)
        calls = sum(len(str(vars(call))) for call in self.tool_calls)
        texts = (self.input_text, self.text, self.text_sent, self.thought)
        return words + calls + sum(map(len, texts))

    @property
    def duration_s(self) -> float:
        """Duration of the audio that was sent."""
        return self.frames_sent / SPEECH_HZ

    def summary(self) -> dict[str, Any]:
        """As plain JSON values, without the audio."""
        return {
            "turn": self.index,
            "input_text": self.input_text,
            "spoken": self.spoken,
            "text": self.text,
            "text_sent": self.text_sent,
            "frames_sent": self.frames_sent,
            "duration_s": round(self.duration_s, 6),
            "started_s": _rounded(self.started_s),
            "first_audio_s": _rounded(self.first_audio_s),
            "generation_complete_s": _rounded(self.generation_complete_s),
            "ended_s": _rounded(self.ended_s),
            "interrupted": self.interrupted,
            "words": [
                [word.text, round(word.start_s, 3), round(word.end_s, 3)] for word in self.words
            ],
            "tool_calls": [vars(call) for call in self.tool_calls],
        }


@dataclass(frozen=True)
class FaultRecord:
    """A fault that was done to a session by rule: its name, and seconds since the session began."""

    fault: str
    at_s: float


@dataclass
class SessionRecord:
    """One connection: what was set up, said and heard.

    Attributes:
        turns: The last 1,000 turns of the model, in order; fewer, if there is too much in them.
        heard: The last 1,000 transcripts of the user's speech, in order.
        video_frames: How many images came.
        faults: The last 1,000 faults, in order. Turns are recorded as the server meant them:
            what a fault did to a message is seen by the client alone.
        close_code, close_reason: How it ended; None while it is open.
    """

    index: int
    family: str
    model: str = ""
    turns: list[TurnRecord] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    video_frames: int = 0
    faults: list[FaultRecord] = field(default_factory=list)
    close_code: int | None = None
    close_reason: str = ""
    _turns_begun: int = field(default=0, repr=False)
    _with_pcm: deque[TurnRecord] = field(default_factory=deque, repr=False)
    _pcm_bytes: int = field(default=0, repr=False)
    _text_bytes: int = field(default=0, repr=False)

    def begin_turn(self, input_text: str, *, spoken: bool, started_s: float) -> TurnRecord:
        """The record of the next turn; the oldest is forgotten when there are too many."""
        turn = TurnRecord(self._turns_begun, input_text, spoken, started_s)
        self._turns_begun += 1
        self.turns.append(turn)
        self._weigh(turn)
        return turn

    def end_turn(self, turn: TurnRecord, *, max_pcm_bytes: int) -> None:
        """Keep the audio of a turn, and drop that of the oldest beyond ``max_pcm_bytes``."""
        if turn.index < self.turns[0].index:
            return  # forgotten already
        self._with_pcm.append(turn)
        self._pcm_bytes += len(turn.pcm)
        self._weigh(turn)
        while self._pcm_bytes > max_pcm_bytes:
            oldest = self._with_pcm.popleft()
            self._pcm_bytes -= len(oldest.pcm)
            oldest.pcm = bytearray()

    def add_response(self, call_id: str, response: dict[str, Any]) -> None:
        """Keep what a function returned."""
        for turn in reversed(self.turns):
            for made in turn.tool_calls:
                if made.id == call_id:
                    made.response = response
                    self._weigh(turn)
                    return

    @property
    def size_bytes(self) -> int:
        """About what the turns take; audio counts when they have ended."""
        return self._pcm_bytes + self._text_bytes

    def forget_turns(self) -> None:
        """Keep only how it ended."""
        self.turns.clear()
        self._with_pcm.clear()
        self._pcm_bytes = self._text_bytes = 0

    def _weigh(self, turn: TurnRecord) -> None:
        """Count what a turn takes by now; the oldest are forgotten when all is too much."""
        before, turn.weighed_bytes = turn.weighed_bytes, turn.size_bytes
        self._text_bytes += turn.weighed_bytes - before
        while len(self.turns) > 1 and (
            len(self.turns) > _MAX_TURNS or self._text_bytes > _MAX_TURN_BYTES
        ):
            oldest = self.turns.pop(0)
            self._text_bytes -= oldest.weighed_bytes
            if self._with_pcm and self._with_pcm[0] is oldest:
                self._pcm_bytes -= len(self._with_pcm.popleft().pcm)

    def add_heard(self, text: str) -> None:
        """Keep a transcript; the oldest is forgotten when there are too many."""
        self.heard.append(text)
        del self.heard[:-_MAX_TURNS]

    def add_fault(self, fault: FaultRecord) -> None:
        """Keep a fault; the oldest is forgotten when there are too many."""
        self.faults.append(fault)
        del self.faults[:-_MAX_FAULTS]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
