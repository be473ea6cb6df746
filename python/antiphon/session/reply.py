"""A finished turn of the model, put together from its messages."""

from __future__ import annotations

import math
import wave
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import TYPE_CHECKING

from antiphon.errors import RecordingError
from antiphon.protocol import LiveServerMessage
from antiphon.protocol.message import joined_pcm
from antiphon.session.subscription import MessageStream
from antiphon.wire import AudioPart, FunctionCall, UsageMetadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_REPLY_BYTES", "Reply", "TurnStream", "first_reply"]

# Of the messages that make a reply: 23 minutes of speech, and a turn may go on for ever.
MAX_REPLY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One turn of the model, whole up to 64 MiB: 23 minutes of speech.

    Of a turn that goes on, such as that of a translating model, the messages of
    `LiveSession.receive` can be read for as long as it takes.

    Attributes:
        turn: Its number; None if the turn was empty.
        text: The answer in words: its text, or, if it was spoken only, its transcription.
        output_transcription: What the model said.
        input_transcription: What the user said before and during the turn.
        tool_calls: Functions that were called.
        interrupted: The user cut it short; audio that came later is not in here.
        cut: The connection broke in the middle of it, and it will not be given again.
        truncated: It was longer than a reply may be: all that came later, audio, words and
            calls, is left out.
        waiting_for_input: The model is silent on purpose, and expects the user to go on; then the
            turn may be empty.
        reason: Why the service ended it early; empty if it did not.
        usage: Tokens of the turn, if reported.
        audio_parts: The audio as raw bytes, in pieces as it came.
    """

    turn: int | None
    text: str = ""
    output_transcription: str = ""
    input_transcription: str = ""
    tool_calls: tuple[FunctionCall, ...] = ()
    interrupted: bool = False
    cut: bool = False
    truncated: bool = False
    waiting_for_input: bool = False
    reason: str = ""
    usage: UsageMetadata | None = None
    audio_parts: tuple[AudioPart, ...] = field(default=(), repr=False)

    @property
    def audio_rate_hz(self) -> int:
        """Rate of `audio`: 24,000, unless the service says otherwise."""
        return self.audio_parts[0].rate_hz if self.audio_parts else 24_000

    @property
    def pcm(self) -> bytes:
        """The audio as little-endian int16 bytes, mono; made anew at each call.

        Raises:
            AudioFormatError: The parts are of different rates; see `audio_parts`.
        """
        return joined_pcm(self.audio_parts, "The turn", "reply")

    @property
    def audio(self) -> NDArray[np.int16]:
        """The audio: mono int16, shape (frames,); of length 0 if there was none.

        Made anew at each call.

        Raises:
            AudioFormatError: The parts are of different rates; see `audio_parts`.
        """
        import numpy as np

        return np.frombuffer(self.pcm, dtype="<i2").astype(np.int16)

    @property
    def audio_s(self) -> float:
        """Duration of the audio in seconds."""
        return math.fsum(part.frames / part.rate_hz for part in self.audio_parts)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the audio as a WAV file: mono, 16 bits.

        Raises:
            AudioFormatError: The parts are of different rates; see `audio_parts`.
            RecordingError: The file cannot be written.
        """
        pcm = self.pcm
        try:
            with wave.open(fspath(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(self.audio_rate_hz)
                file.writeframes(pcm)
        except OSError as error:
            raise RecordingError(
                f"The audio cannot be saved as {fspath(path)!r}: {error}"
            ) from error


class ReplyBuilder:
    """Collects the messages of one turn."""

    def __init__(self) -> None:
        self._turn: int | None = None
        self._parts = _Parts()

    def add(self, message: LiveServerMessage) -> Reply | None:
        """Add a message; returns the turn when it is complete.

        A turn that the broken connection cut, and that will be answered again, is forgotten.
        """
        cut = message.answer_cut
        if cut is not None and cut.asked_again:
            self._parts = _Parts()
            return None
        parts = self._parts
        if message.turn is not None and not (message.interrupted and self._turn is None):
            self._turn = message.turn  # an interruption may be of the turn before
        parts.size_bytes += message.size_bytes
        parts.truncated = parts.truncated or parts.size_bytes > MAX_REPLY_BYTES
        if not parts.truncated:
            parts.take(message)
        parts.interrupted = parts.interrupted or message.interrupted
        parts.waiting = parts.waiting or message.waiting_for_input
        if not message.answer_ended and cut is None:
            return None
        said = "".join(parts.said)
        return Reply(
            turn=self._turn,
            text="".join(parts.text) or said,
            output_transcription=said,
            input_transcription="".join(parts.heard),
            tool_calls=tuple(parts.calls),
            interrupted=parts.interrupted,
            cut=cut is not None,
            truncated=parts.truncated,
            waiting_for_input=parts.waiting,
            reason=message.turn_complete_reason,
            usage=message.usage,
            audio_parts=tuple(parts.audio),
        )


@dataclass
class _Parts:
    """What has come of a turn."""

    text: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    calls: list[FunctionCall] = field(default_factory=list)
    audio: list[AudioPart] = field(default_factory=list)
    size_bytes: int = 0
    truncated: bool = False
    interrupted: bool = False
    waiting: bool = False

    def take(self, message: LiveServerMessage) -> None:
        self.text.append(message.text)
        self.said.append(message.output_transcription or "")
        self.heard.append(message.input_transcription or "")
        if message.tool_call is not None:
            self.calls += message.tool_call.function_calls
        self.audio += message.audio_parts


class TurnStream:
    """The turns of a session, each when it is complete. Ends as `MessageStream` does."""

    def __init__(self, messages: MessageStream) -> None:
        self._messages = messages
        self._builder = ReplyBuilder()

    def __aiter__(self) -> TurnStream:
        return self

    async def __anext__(self) -> Reply:
        while True:
            message = await anext(self._messages)
            if (reply := self._builder.add(message)) is not None:
                self._builder = ReplyBuilder()
                return reply

    def close(self) -> None:
        """Give up the subscription."""
        self._messages.close()


async def first_reply(
    messages: MessageStream, *, after: int, unfinished: bool, late_words: bool = False
) -> Reply | None:
    """The first turn whose number is above ``after``; None: the session ended before.

    Args:
        messages: Read up to the end of that turn.
        after: Number of an earlier turn.
        unfinished: The end of that one is still to come.
        late_words: Words are all that came of it. If they were late, and of the turn before,
            it is this one that goes on; if not, it will be interrupted.
    """
    builder = ReplyBuilder()
    if late_words:
        after, unfinished = after - 1, False
    async for message in messages:
        if late_words and message.interrupted:
            after, unfinished, late_words = after + 1, True, False
            builder = ReplyBuilder()
        turn = message.turn
        if turn is None and (message.interrupted or message.turn_complete):
            turn = 0  # it was empty: which one it was, nobody can tell
        of_earlier = turn is not None and turn <= after
        if message.answer_cut is not None:
            unfinished = False  # whatever was open is over, and what was asked may be lost
        elif of_earlier and (unfinished or message.interrupted or not message.answer_ended):
            unfinished = (unfinished or message.interrupted) and not message.turn_complete
            continue
        if (reply := builder.add(message)) is not None:
            return reply
    return None
