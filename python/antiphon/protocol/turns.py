"""Which message belongs to which model turn, and which audio must not be heard any more.

The service does not number its turns; it only marks their ends. So we count: a turn begins with
the first output of the model after the previous one ended, and ends with ``turnComplete``.
"""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.wire import DecodedMessage, ServerContent, ServerMessage

__all__ = ["TurnMarks", "TurnTracker"]


@dataclass(frozen=True, slots=True)
class TurnMarks:
    """What one message means for the turns.

    Attributes:
        turn: The model turn the message belongs to; None if it belongs to none, as the end of one
            that was empty.
        begins: It is the first of its turn.
        audio_ends: No more audio of the turn will come; true once per turn, for
            ``generationComplete``, ``interrupted`` or ``turnComplete``, whichever is first.
        keep_audio: False: its audio belongs to an interrupted turn.
        answer_ends: Nothing more of the answer comes unasked: a turn is complete after which no
            other follows, or the model says, in no turn, that it stays silent and waits.
    """

    turn: int | None = None
    begins: bool = False
    audio_ends: bool = False
    keep_audio: bool = True
    answer_ends: bool = False


class TurnTracker:
    """Counts the model's turns from 1.

    `observe` every message in order. ``interrupted`` marks the open turn, or, if none is open,
    the last one; from that message on (its own audio included) the turn's audio is dropped and
    counted, until ``turnComplete``.
    """

    def __init__(self) -> None:
        self.turn = 0
        """Number of the open turn, or else of the last one; 0 before the first."""
        self.open = False
        """Whether the turn has begun and not ended."""
        self.interrupted = False
        """Whether the turn was interrupted."""
        self.goes_on = False
        """Whether the last turn has ended, and another one will follow unasked."""
        self.silent = False
        """Whether the model said last that it stays silent; the end of that may still come."""
        self.user_waits = False
        """Whether the service has heard the user speak, and no turn has begun since."""
        self.may_have_ended = False
        """Whether all of the open turn had come when a message came that could not be read."""
        self.dropped_audio_frames = 0
        """Audio of interrupted turns that came too late, in frames, since the start."""
        self.speaks = False
        """Whether more came of the open or last turn than a transcript."""
        self.received_s = 0.0
        """Duration of the audio of the open or last turn that came and was kept."""
        self._audio_ended = True
        self._kept = self._dropped = TurnMarks()

    @property
    def only_words(self) -> bool:
        """Whether a transcript is all that came of the open turn.

        It runs ahead of the audio, or it is the rest of the turn before, and late: then nothing
        will end this one.
        """
        return self.open and not (self.speaks or self._audio_ended or self.interrupted)

    @property
    def generated(self) -> bool:
        """Whether all of the open turn has come; only its end has not."""
        return self.open and self._audio_ended and not self.interrupted

    def observe(self, decoded: DecodedMessage) -> TurnMarks:
        """Account for the next message."""
        message = decoded.message
        content = message.server_content or ServerContent()
        ends = content.generation_complete or content.interrupted or content.turn_complete
        output = _has_output(message)
        belongs = output or content.interrupted or (ends and self.open)
        # What comes together with `interrupted` belongs to the turn that was interrupted.
        refers_back = content.interrupted and self.turn > 0
        begins = output and not self.open and not refers_back
        if begins:
            self._begin()
        self.speaks = self.speaks or _speaks(message)
        if content.interrupted and self.turn:
            self.interrupted = True
        audio_ends = ends and not self._audio_ended
        self._audio_ended = self._audio_ended or ends
        drop = content.interrupted or (self.open and self.interrupted)
        if drop:
            self.dropped_audio_frames += sum(part.frames for part in decoded.audio)
        else:
            self.received_s += decoded.audio_s
        answer_ends = False
        more_follows = content.interaction_status.upper() == "IN_PROGRESS"
        if content.turn_complete:
            # After a silence, its end says nothing new; unless it says why.
            told = self.silent and not content.turn_complete_reason
            answer_ends = not more_follows and not told
            self.open = self.silent = self.may_have_ended = False
            self.goes_on = more_follows
        elif content.waiting_for_input and not self.open and not more_follows:
            answer_ends = self.silent = True
            self.goes_on = False
        if _speech_begins(message):
            self.user_waits = True
        return TurnMarks(
            turn=(self.turn or None) if belongs else None,
            begins=begins,
            audio_ends=audio_ends,
            keep_audio=not drop,
            answer_ends=answer_ends,
        )

    def go_on(self, decoded: DecodedMessage) -> TurnMarks:
        """Account for nothing but audio, in the middle of the open turn: `observe` in short."""
        if self.interrupted:
            self.dropped_audio_frames += sum(part.frames for part in decoded.audio)
            return self._dropped
        self.received_s += decoded.audio_s
        return self._kept

    def unreadable(self) -> None:
        """A message could not be read: the end of the open turn, perhaps."""
        self.may_have_ended = self.may_have_ended or self.generated

    def interrupt(self) -> None:
        """Stop listening to the open turn: drop what still comes of its audio."""
        if self.open:
            self.interrupted = True

    def end(self) -> TurnMarks:
        """Nothing more comes of the open turn: the connection broke, or its end was not read."""
        ends, self._audio_ended, self.open = not self._audio_ended, True, False
        self.goes_on = self.silent = self.may_have_ended = False
        return TurnMarks(turn=self.turn, audio_ends=ends, answer_ends=True)

    def _begin(self) -> None:
        self.turn += 1
        self.open = True
        self.goes_on = self.user_waits = self.silent = False
        self.interrupted = False
        self.received_s = 0.0
        self._audio_ended = self.speaks = False
        self._kept = TurnMarks(turn=self.turn)
        self._dropped = TurnMarks(turn=self.turn, keep_audio=False)


def _speech_begins(message: ServerMessage) -> bool:
    activity, signal = message.voice_activity, message.voice_activity_detection_signal
    return (activity is not None and activity.type == "ACTIVITY_START") or (
        signal is not None and signal.vad_signal_type == "VAD_SIGNAL_TYPE_SOS"
    )


def _has_output(message: ServerMessage) -> bool:
    """Whether the model said, wrote, thought or called something; empty shells do not count."""
    content = message.server_content
    spoken = content.output_transcription if content is not None else None
    return _speaks(message) or bool(spoken is not None and spoken.text)


def _speaks(message: ServerMessage) -> bool:
    """Whether there is output that is no transcript."""
    if message.tool_call is not None and message.tool_call.function_calls:
        return True
    turn = message.server_content.model_turn if message.server_content is not None else None
    return turn is not None and bool(turn.parts)
