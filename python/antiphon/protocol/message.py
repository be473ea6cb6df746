"""A message of the service, as an application sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from antiphon import _native
from antiphon.errors import AudioFormatError
from antiphon.protocol.turns import TurnMarks
from antiphon.wire import (
    AudioPart,
    DecodedMessage,
    GoAway,
    GroundingMetadata,
    ServerContent,
    ServerMessage,
    SessionResumptionUpdate,
    ToolCall,
    ToolCallCancellation,
    Transcription,
    UrlContextMetadata,
    UsageMetadata,
    VoiceActivity,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AnswerCut", "LiveServerMessage"]

_NOTHING = ServerMessage()
_NO_CONTENT = ServerContent()
_NO_MARKS = TurnMarks()


@dataclass(frozen=True, slots=True)
class AnswerCut:
    """The connection broke in the middle of an answer.

    Attributes:
        turn: Whose answer it was; None: it had not begun.
        received_s: Duration of its audio that had come; it is played to its end.
        asked_again: What it answered is sent again, so that another turn will answer it.
    """

    turn: int | None
    received_s: float
    asked_again: bool


class LiveServerMessage:
    """One message of the service. One message may carry several of these at once.

    Attributes:
        received_s: When it was received, in seconds of the session's clock.
        turn: Number of the model turn (1, 2, 3 …) it belongs to; None if it belongs to none.
        audio_parts: Audio of the model as raw bytes; what an interruption made void is left out.
        audio_duration_s: Duration of the audio, in seconds.
        size_bytes: What it holds: its JSON, and all audio that came with it.
        audio_ended: No more audio of this turn will come (true once per turn).
        answer_ended: Nothing more of the answer comes unasked: its turn is complete and no other
            follows, or, in no turn, the model is `waiting_for_input`.
        only_audio: There is nothing in it but audio.
        provoked: It says that a turn was interrupted, and something that was sent asked for it:
            content, text, a mark of activity, a result with INTERRUPT, or `interrupt`.
        answer_cut: Set if this is no message of the service, but stands where the connection
            broke in the middle of an answer.
    """

    __slots__ = (
        "_decoded",
        "_shown",
        "_speech_as_text",
        "answer_cut",
        "answer_ended",
        "audio_duration_s",
        "audio_ended",
        "audio_parts",
        "only_audio",
        "provoked",
        "received_s",
        "size_bytes",
        "turn",
    )

    def __init__(
        self,
        decoded: DecodedMessage,
        received_s: float = 0.0,
        marks: TurnMarks = _NO_MARKS,
        *,
        speech_as_text: bool = False,
    ) -> None:
        self.answer_cut: AnswerCut | None = None
        self.provoked = False
        self._decoded = decoded
        # What is nothing but audio need not be parsed to know what is not in it.
        self.only_audio = decoded.only_audio
        self._shown = _NOTHING if decoded.only_audio else decoded.message
        self._speech_as_text = speech_as_text
        self.received_s = received_s
        self.turn = marks.turn
        self.audio_ended = marks.audio_ends
        self.answer_ended = marks.answer_ends
        self.audio_parts: tuple[AudioPart, ...] = ()
        self.audio_duration_s = 0.0
        if marks.keep_audio and not speech_as_text:
            self.audio_parts, self.audio_duration_s = decoded.audio, decoded.audio_s
        self.size_bytes = decoded.size_bytes

    @property
    def message(self) -> ServerMessage:
        """The message with the service's own names."""
        return self._decoded.message

    @property
    def raw(self) -> dict[str, Any]:
        """The message as plain JSON values, fields unknown to antiphon included.

        Audio data is in `audio_parts` only. Parsed anew at each call.
        """
        return self._decoded.raw

    @property
    def _content(self) -> ServerContent:
        return self._shown.server_content or _NO_CONTENT

    @property
    def text(self) -> str:
        """Text of the answer, a delta; empty if there is none. Thoughts are never part of it.

        Where TEXT was asked of a model that only speaks, the delta of the output transcription.
        """
        if self._speech_as_text:
            return self.output_transcription or ""
        return self._shown.text

    @property
    def thought(self) -> str:
        """Text of the model's thoughts, a delta; empty if there is none."""
        turn = self._content.model_turn
        parts = turn.parts if turn is not None else ()
        return "".join(part.text for part in parts if part.text and part.thought)

    @property
    def received_audio_parts(self) -> tuple[AudioPart, ...]:
        """All audio that came with the message, also what is left out of `audio_parts`.

        None of a message whose audio was not wanted, or not read in time.
        """
        return self._decoded.audio

    @property
    def audio_frames(self) -> int:
        """How many frames of audio the message holds."""
        return sum(part.frames for part in self.audio_parts)

    @property
    def audio_rate_hz(self) -> int:
        """Rate of `audio`: 24,000, unless the service says otherwise."""
        return self.audio_parts[0].rate_hz if self.audio_parts else 24_000

    @property
    def audio(self) -> NDArray[np.int16] | None:
        """The model's audio: mono int16 at `audio_rate_hz`, shape (frames,); None if there is none.

        One array over all parts; made anew at each call.

        Raises:
            AudioFormatError: The parts are of different rates; see `audio_parts`.
        """
        parts = self.audio_parts
        if not parts:
            return None
        if len(parts) == 1:
            return _native.int16_of_bytes(parts[0].pcm)
        return _native.int16_of_bytes(joined_pcm(parts, "One message", "message"))

    @property
    def turn_complete(self) -> bool:
        """The turn is over; the service waits for input."""
        return self._content.turn_complete

    @property
    def generation_complete(self) -> bool:
        """All output of the turn was generated; `turn_complete` follows when it was played."""
        return self._content.generation_complete

    @property
    def interrupted(self) -> bool:
        """The user interrupted: stop playing at once."""
        return self._content.interrupted

    @property
    def interaction_status(self) -> str:
        """``IN_PROGRESS`` beside a `turn_complete` after which more follows; else IDLE or empty."""
        return self._content.interaction_status

    @property
    def turn_complete_reason(self) -> str:
        """Why a turn ended early, such as ``PROHIBITED_INPUT_CONTENT``; empty if it did not."""
        return self._content.turn_complete_reason

    @property
    def waiting_for_input(self) -> bool:
        """The model stays silent on purpose: it expects the user to go on."""
        return self._content.waiting_for_input

    @property
    def input_transcription(self) -> str | None:
        """What the user said, a delta to concatenate; None if this message has none."""
        return _text_of(self._content.input_transcription)

    @property
    def output_transcription(self) -> str | None:
        """What the model says, a delta to concatenate; None if this message has none."""
        return _text_of(self._content.output_transcription)

    @property
    def interim_input_transcription(self) -> str | None:
        """What the user seems to be saying: it replaces the one before. None if there is none."""
        return _text_of(self._content.interim_input_transcription)

    @property
    def grounding(self) -> GroundingMetadata | None:
        """The sources of what was searched for."""
        return self._content.grounding_metadata

    @property
    def url_context(self) -> UrlContextMetadata | None:
        """The pages that were looked up."""
        return self._content.url_context_metadata

    @property
    def tool_call(self) -> ToolCall | None:
        """Functions that the model calls."""
        return self._shown.tool_call

    @property
    def tool_call_cancellation(self) -> ToolCallCancellation | None:
        """Calls that need no answer any more."""
        return self._shown.tool_call_cancellation

    @property
    def usage(self) -> UsageMetadata | None:
        """Token counts of this report, as the service sent them; see `LiveSession.usage`."""
        return self._shown.usage_metadata

    @property
    def go_away(self) -> GoAway | None:
        """The connection will be cut soon."""
        return self._shown.go_away

    @property
    def resumption(self) -> SessionResumptionUpdate | None:
        """A handle with which the session can be resumed."""
        return self._shown.session_resumption_update

    @property
    def voice_activity(self) -> VoiceActivity | None:
        """The service heard the user begin or end to speak."""
        return self._shown.voice_activity

    @property
    def vad_signal(self) -> str:
        """``VAD_SIGNAL_TYPE_SOS`` or ``…_EOS``: speech began or ended; empty if this is none.

        The older form of `voice_activity`; asked for with ``explicit_vad_signal``.
        """
        signal = self._shown.voice_activity_detection_signal
        return signal.vad_signal_type if signal is not None else ""

    @classmethod
    def local(cls, content: ServerContent, marks: TurnMarks, *, now: float) -> LiveServerMessage:
        """A message that the service would have sent, had the connection not broken."""
        message = ServerMessage(server_content=content)
        decoded = DecodedMessage((), 0.0, b"{}", 0, message)
        return cls(decoded, received_s=now, marks=marks)

    def without_audio(self) -> LiveServerMessage | None:
        """The message with its audio left out; None if nothing is left then."""
        if self.only_audio:
            return None
        decoded = self._decoded.without_audio()
        bare = LiveServerMessage(
            decoded, received_s=self.received_s, speech_as_text=self._speech_as_text
        )
        bare.turn, bare.audio_ended = self.turn, self.audio_ended
        bare.answer_ended, bare.provoked = self.answer_ended, self.provoked
        return bare

    def __repr__(self) -> str:
        shown = {
            "turn": self.turn,
            "text": self.text or None,
            "audio_s": round(self.audio_duration_s, 3) or None,
            "input_transcription": self.input_transcription,
            "output_transcription": self.output_transcription,
            "generation_complete": self.generation_complete or None,
            "interrupted": self.interrupted or None,
            "turn_complete": self.turn_complete or None,
            "interaction_status": self.interaction_status or None,
            "waiting_for_input": self.waiting_for_input or None,
            "tool_call": self.tool_call,
            "tool_call_cancellation": self.tool_call_cancellation,
            "go_away": self.go_away,
            "voice_activity": self.voice_activity,
            "answer_cut": self.answer_cut,
        }
        told = ", ".join(f"{name}={value!r}" for name, value in shown.items() if value is not None)
        return f"LiveServerMessage({told})"


def joined_pcm(parts: Sequence[AudioPart], whose: str, name: str) -> bytes:
    """The bytes of all parts in one piece.

    Raises:
        AudioFormatError: They are of different rates; ``name`` has them apart.
    """
    if len(rates := {part.rate_hz for part in parts}) > 1:
        raise AudioFormatError(f"{whose} has audio of {sorted(rates)} Hz. Use {name}.audio_parts.")
    return b"".join([part.pcm for part in parts])


def _text_of(transcription: Transcription | None) -> str | None:
    """Its text; None where there is none, as in the empty shells that Vertex sends."""
    return (transcription.text or None) if transcription is not None else None
