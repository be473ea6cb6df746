"""What the service sends, as typed values.

Field names are the service's own in snake case; the camelCase of the wire is mapped here and
nowhere else. Every field is optional, because proto3 JSON leaves defaults out: a false, a zero
and an empty text are absent keys. Fields that are not listed here survive in
`DecodedMessage.raw`.

Source: the ``BidiGenerateContentServerMessage`` of the Live API and frames of the real service.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any, Self

import msgspec

__all__ = [
    "EXTRA",
    "AudioPart",
    "Blob",
    "CodeExecutionResult",
    "Content",
    "DecodedMessage",
    "ExecutableCode",
    "FileData",
    "FunctionCall",
    "FunctionResponse",
    "GoAway",
    "GroundingMetadata",
    "ModalityTokens",
    "Part",
    "ServerContent",
    "ServerMessage",
    "SessionResumptionUpdate",
    "SetupComplete",
    "ToolCall",
    "ToolCallCancellation",
    "TranscribedWord",
    "Transcription",
    "UrlContextMetadata",
    "UrlMetadata",
    "UsageMetadata",
    "VoiceActivity",
    "VoiceActivityDetectionSignal",
    "VoiceConsentSignature",
    "duration_text",
    "parse_duration_s",
]


#: Where `_OpenWire.extra` stands until `encode_client_message` merges it: no member is named so.
EXTRA = "*"


class _Wire(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Base of all wire types: camelCase on the wire, defaults left out."""


class _OpenWire(_Wire):
    """Base of what clients write: ``extra`` has members that are not listed here.

    They are in the service's own spelling, and are sent beside the others. A member of a newer
    API version is used that way before it has a field.
    """

    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Blob(_OpenWire):
    """Bytes with a mime type; ``data`` is base64 (see `of` and `antiphon.wire.base64_to_bytes`)."""

    mime_type: str = ""
    data: str = ""

    @classmethod
    def of(cls, data: bytes, mime_type: str) -> Self:
        """Bytes as a file has them, such as those of an image."""
        return cls(mime_type=mime_type, data=base64.b64encode(data).decode("ascii"))


class FileData(_OpenWire):
    """A file that the service can reach."""

    mime_type: str = ""
    file_uri: str = ""


class FunctionCall(_OpenWire):
    """The model asks for a function. Vertex may leave out the id."""

    name: str = ""
    args: dict[str, Any] = {}
    id: str = ""


def _empty() -> dict[str, Any]:
    """Of `dict` itself, msgspec would know that it is the default, and leave it out."""
    return {}


class FunctionResponse(_OpenWire):
    """The result of a function call.

    ``scheduling`` (``SILENT``, ``WHEN_IDLE``, ``INTERRUPT``) is for NON_BLOCKING calls only;
    ``will_continue`` makes the call one with several results (Gemini API). ``response``
    is sent even if it is empty, because the service requires it.
    """

    id: str = ""
    name: str = ""
    response: dict[str, Any] = msgspec.field(default_factory=_empty)
    scheduling: str | None = None
    will_continue: bool | None = None
    parts: list[dict[str, Any]] | None = None


class ExecutableCode(_OpenWire):
    """Code that the model runs, or that stands for the function call that follows."""

    language: str = ""
    code: str = ""
    id: str = ""


class CodeExecutionResult(_OpenWire):
    """What came of it: ``OUTCOME_OK``, ``OUTCOME_FAILED`` or ``OUTCOME_DEADLINE_EXCEEDED``."""

    outcome: str = ""
    output: str = ""
    id: str = ""


class Part(_OpenWire):
    """One part of a `Content`; exactly one of the data fields is set."""

    text: str | None = None
    thought: bool = False
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None


class Content(_OpenWire):
    """A message of one speaker: ``role`` is ``user`` or ``model``."""

    role: str = ""
    parts: list[Part] = []


class TranscribedWord(_Wire):
    """One word with its place in the audio, as proto durations such as ``1.200s``."""

    word: str = ""
    start_offset: str = ""
    end_offset: str = ""


class Transcription(_Wire):
    """A piece of recognized or spoken text: a delta, to be concatenated.

    Only an ``interim_input_transcription`` replaces the one before. Offsets are proto durations
    (see `parse_duration_s`); who speaks and when is told only if `TranscriptionConfig` asks.
    """

    text: str = ""
    finished: bool = False
    language_code: str = ""
    speaker_label: str = ""
    words: list[TranscribedWord] = []
    start_offset: str = ""
    end_offset: str = ""


class GroundingMetadata(_Wire):
    """Where an answer comes from; chunks and supports are plain JSON values."""

    web_search_queries: list[str] = []
    grounding_chunks: list[dict[str, Any]] = []
    grounding_supports: list[dict[str, Any]] = []
    search_entry_point: dict[str, Any] | None = None
    retrieval_metadata: dict[str, Any] | None = None


class UrlMetadata(_Wire):
    """A page that was looked up."""

    retrieved_url: str = ""
    url_retrieval_status: str = ""


class UrlContextMetadata(_Wire):
    """The pages that were looked up."""

    url_metadata: list[UrlMetadata] = []


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
    grounding_metadata: GroundingMetadata | None = None
    url_context_metadata: UrlContextMetadata | None = None
    speech_state: str = ""  # deprecated by the service, its values unpublished


class VoiceConsentSignature(_OpenWire):
    """Stands for the recorded consent to a cloned voice: it is sent instead from then on."""

    signature: str = ""


class SetupComplete(_Wire):
    """The setup was accepted. Vertex adds a session id, a cloned voice the consent to it."""

    session_id: str = ""
    voice_consent_signature: VoiceConsentSignature | None = None


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
    """Token counts; Vertex says ``candidates`` where the Gemini API says ``response``.

    `antiphon.protocol.Usage` has one vocabulary for both, and the sums.
    """

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    response_token_count: int = 0
    candidates_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    thoughts_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: list[ModalityTokens] = []
    cache_tokens_details: list[ModalityTokens] = []
    response_tokens_details: list[ModalityTokens] = []
    candidates_tokens_details: list[ModalityTokens] = []
    tool_use_prompt_tokens_details: list[ModalityTokens] = []
    service_tier: str = ""
    traffic_type: str = ""


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

    @property
    def audio_offset_s(self) -> float:
        """The offset in seconds."""
        return parse_duration_s(self.audio_offset)


class VoiceActivityDetectionSignal(_Wire):
    """Speech began (``VAD_SIGNAL_TYPE_SOS``) or ended (``…_EOS``); for allow-listed projects."""

    vad_signal_type: str = ""


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
    voice_activity_detection_signal: VoiceActivityDetectionSignal | None = None
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


class DecodedMessage(msgspec.Struct, gc=False):
    """A received message: typed, with its audio taken out of the JSON.

    Attributes:
        audio: The decoded audio of all parts, in order.
        audio_s: Its duration.
        json: The message's JSON without that audio.
        size_bytes: Of that JSON and the audio.
        typed: The message, if it was parsed already.
        only_audio: There is nothing but audio in it.
    """

    audio: tuple[AudioPart, ...]
    audio_s: float
    json: bytes
    size_bytes: int
    typed: ServerMessage | None
    only_audio: bool = False

    @property
    def message(self) -> ServerMessage:
        """The typed message; the ``data`` of audio parts in ``audio`` is empty."""
        if self.typed is None:  # few look at what is nothing but audio
            self.typed = msgspec.json.decode(self.json, type=ServerMessage, strict=False)
        return self.typed

    def without_audio(self) -> DecodedMessage:
        """The same message, holding none of its audio."""
        return DecodedMessage((), 0.0, self.json, len(self.json), self.typed)

    @property
    def raw(self) -> dict[str, Any]:
        """The message as plain JSON values, unknown fields included; parsed at each call."""
        value: dict[str, Any]
        try:
            value = msgspec.json.decode(self.json)
        except msgspec.ValidationError:  # a number that no double holds: JSON allows it
            value = json.loads(self.json, parse_int=_number)
        return value


def _number(digits: str) -> int | float:
    """An integer; one of thousands of digits, which Python refuses to read, as a float."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


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
