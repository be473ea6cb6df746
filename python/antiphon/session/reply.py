"""A finished turn of the model, put together from its messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from antiphon.protocol import LiveServerMessage
from antiphon.session.subscription import MessageStream
from antiphon.wire import FunctionCall, UsageMetadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Reply", "TurnStream"]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One turn of the model.

    Attributes:
        turn: Its number; None if the turn was empty.
        text: The answer in words: its text, or, if it was spoken only, its transcription.
        output_transcription: What the model said.
        input_transcription: What the user said before and during the turn.
        tool_calls: Functions that were called.
        interrupted: The user cut it short; audio that came later is not in here.
        reason: Why the service ended it early; empty if it did not.
        usage: Tokens of the turn, if reported.
        audio_rate_hz: Rate of `audio`.
    """

    turn: int | None
    text: str = ""
    output_transcription: str = ""
    input_transcription: str = ""
    tool_calls: tuple[FunctionCall, ...] = ()
    interrupted: bool = False
    reason: str = ""
    usage: UsageMetadata | None = None
    audio_rate_hz: int = 24_000
    pcm: bytes = field(default=b"", repr=False)
    """The audio as little-endian int16 bytes, mono."""

    @property
    def audio(self) -> NDArray[np.int16]:
        """The audio: mono int16, shape (frames,); of length 0 if there was none."""
        import numpy as np

        return np.frombuffer(self.pcm, dtype="<i2").astype(np.int16)

    @property
    def audio_s(self) -> float:
        """Duration of the audio in seconds."""
        return len(self.pcm) / 2 / self.audio_rate_hz


class ReplyBuilder:
    """Collects the messages of one turn."""

    def __init__(self) -> None:
        self._turn: int | None = None
        self._text: list[str] = []
        self._said: list[str] = []
        self._heard: list[str] = []
        self._calls: list[FunctionCall] = []
        self._pcm: list[bytes] = []
        self._rate_hz = 24_000
        self._interrupted = False

    def add(self, message: LiveServerMessage) -> Reply | None:
        """Add a message; returns the turn when it is complete."""
        self._turn = self._turn if message.turn is None else message.turn
        self._text.append(message.text)
        self._said.append(message.output_transcription or "")
        self._heard.append(message.input_transcription or "")
        if message.tool_call is not None:
            self._calls += message.tool_call.function_calls
        if message.audio_parts:
            self._rate_hz = message.audio_rate_hz
            self._pcm += [part.pcm for part in message.audio_parts]
        self._interrupted = self._interrupted or message.interrupted
        if not message.turn_complete or message.interaction_status.upper() == "IN_PROGRESS":
            return None
        said = "".join(self._said)
        return Reply(
            turn=self._turn,
            text="".join(self._text) or said,
            output_transcription=said,
            input_transcription="".join(self._heard),
            tool_calls=tuple(self._calls),
            interrupted=self._interrupted,
            reason=message.turn_complete_reason,
            usage=message.usage,
            audio_rate_hz=self._rate_hz,
            pcm=b"".join(self._pcm),
        )


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
