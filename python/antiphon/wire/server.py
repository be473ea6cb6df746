"""What the service sends, as typed values.

Field names are the service's own in snake case; the camelCase of the wire is mapped here and
nowhere else. Every field is optional, because proto3 JSON leaves defaults out: a false, a zero
and an empty text are absent keys. Fields that are not listed here survive in
`DecodedMessage.raw`.

Source: the ``BidiGenerateContentServerMessage`` of the Live API and frames of the real service.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

__all__ = [
    "AudioPart",
    "Blob",
    "Content",
    "DecodedMessage",
    "FunctionCall",
    "GoAway",
    "ModalityTokens",
    "Part",
    "ServerContent",
    "ServerMessage",
    "SessionResumptionUpdate",
    "SetupComplete",
    "ToolCall",
    "ToolCallCancellation",
    "Transcription",
    "UsageMetadata",
    "VoiceActivity",
    "duration_s",
    "duration_text",
    "parse_duration_s",
]


class _Wire(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Base of all wire types: camelCase on the wire, defaults left out."""


class Blob(_Wire):
    """Bytes with a mime type; ``data`` is base64 (see `antiphon.wire.base64_to_bytes`)."""

    mime_type: str = ""
    data: str = ""


class Part(_Wire):
    """One part of a `Content`; exactly one of the data fields is set."""

    text: str | None = None
    thought: bool = False
    inline_data: Blob | None = None
    file_data: dict[str, Any] | None = None
    function_call: FunctionCall | None = None
    function_response: dict[str, Any] | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None


class Content(_Wire):
    """A message of one speaker: ``role`` is ``user`` or ``model``."""

    role: str = ""
    parts: list[Part] = []


class Transcription(_Wire):
    """A piece of recognized or spoken text: a delta, to be concatenated."""

    text: str = ""
    finished: bool = False
    language_code: str = ""


class ServerContent(_Wire):
    """Model output and the marks of its turns. Several fields may come in one message."""

    model_turn: Content | None = None
    generation_complete: bool = False
    turn_complete: bool = False
    interrupted: bool = False
    waiting_for_input: bool = False
    turn_complete_reason: str = ""
    interaction_status: str = ""
    input_transcription: Transcription | None = None
    interim_input_transcription: Transcription | None = None
    output_transcription: Transcription | None = None
    grounding_metadata: dict[str, Any] | None = None
    url_context_metadata: dict[str, Any] | None = None


class SetupComplete(_Wire):
    """The setup was accepted. Vertex adds a session id."""

    session_id: str = ""


class FunctionCall(_Wire):
    """The model asks for a function. Vertex may leave out the id."""

    name: str = ""
    args: dict[str, Any] = {}
    id: str = ""


class ToolCall(_Wire):
    """One or more function calls."""

    function_calls: list[FunctionCall] = []


class ToolCallCancellation(_Wire):
    """Calls that the user's interruption made void; they must not be answered."""

    ids: list[str] = []


class ModalityTokens(_Wire):
    """Tokens of one modality (``TEXT``, ``AUDIO``, ``IMAGE``, ``VIDEO``, ``DOCUMENT``)."""

    modality: str = ""
    token_count: int = 0


class UsageMetadata(_Wire):
    """Token counts; Vertex says ``candidates`` where the Gemini API says ``response``."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    response_token_count: int = 0
    candidates_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    thoughts_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: list[ModalityTokens] = []
    response_tokens_details: list[ModalityTokens] = []
    candidates_tokens_details: list[ModalityTokens] = []


class GoAway(_Wire):
    """The connection will be cut in ``time_left``, a proto duration such as ``50s``."""

    time_left: str = ""

    @property
    def time_left_s(self) -> float:
        """The time left in seconds."""
        return parse_duration_s(self.time_left)


class SessionResumptionUpdate(_Wire):
    """A handle with which this session can be resumed; void while ``resumable`` is false."""

    new_handle: str = ""
    resumable: bool = False
    last_consumed_client_message_index: int = 0


class VoiceActivity(_Wire):
    """The service heard speech start or end, ``audio_offset`` into the audio that was sent."""

    type: str = ""
    audio_offset: str = ""


class ServerMessage(_Wire):
    """One message of the service: one of its members, with ``usage_metadata`` beside any."""

    setup_complete: SetupComplete | None = None
    server_content: ServerContent | None = None
    tool_call: ToolCall | None = None
    tool_call_cancellation: ToolCallCancellation | None = None
    usage_metadata: UsageMetadata | None = None
    go_away: GoAway | None = None
    session_resumption_update: SessionResumptionUpdate | None = None
    voice_activity: VoiceActivity | None = None
    voice_activity_detection_signal: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The answer's own text, all parts joined; thoughts are never part of it."""
        content = self.server_content
        if content is None or content.model_turn is None:
            return ""
        return "".join(p.text for p in content.model_turn.parts if p.text and not p.thought)


class AudioPart(msgspec.Struct, frozen=True, gc=False):
    """Audio of the model: ``pcm`` is mono little-endian int16 at ``rate_hz``."""

    rate_hz: int
    pcm: bytes

    @property
    def frames(self) -> int:
        """How many frames the part holds."""
        return len(self.pcm) // 2


def duration_s(parts: tuple[AudioPart, ...]) -> float:
    """Duration of all parts, in seconds."""
    total_s = 0.0
    for part in parts:
        total_s += part.frames / part.rate_hz
    return total_s


class DecodedMessage(msgspec.Struct, gc=False):
    """A received message: typed, with its audio taken out of the JSON.

    Attributes:
        audio: The decoded audio of all parts, in order.
        json: The message's JSON without that audio.
        typed: The message, if it was parsed already.
        only_audio: There is nothing but audio in it.
    """

    audio: tuple[AudioPart, ...]
    json: bytes
    typed: ServerMessage | None
    only_audio: bool = False

    @property
    def message(self) -> ServerMessage:
        """The typed message; the ``data`` of audio parts in ``audio`` is empty."""
        if self.typed is None:  # few look at what is nothing but audio
            self.typed = msgspec.json.decode(self.json, type=ServerMessage, strict=False)
        return self.typed

    @property
    def raw(self) -> dict[str, Any]:
        """The message as plain JSON values, unknown fields included; parsed at each call."""
        value: dict[str, Any]
        try:
            value = msgspec.json.decode(self.json)
        except msgspec.ValidationError:  # a number that no double holds: JSON allows it
            value = json.loads(self.json)
        return value


def parse_duration_s(text: str) -> float:
    """Seconds of a proto3 JSON duration (``"50s"``, ``"10.500s"``); 0.0 for anything else."""
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < math.inf else 0.0


def duration_text(seconds: float) -> str:
    """A proto3 JSON duration: ``50s``, or with three digits, ``10.500s``."""
    return f"{seconds:.3f}".removesuffix(".000") + "s"
