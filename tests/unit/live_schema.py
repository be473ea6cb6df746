"""What a Live server may send, written from the protocol's published messages.

A schema of its own: it shares nothing with the code that it judges. Keys outside it, values of
another type and names outside the enumerations are errors. Proto3 JSON leaves defaults out, so a
false, a zero, an empty text or a null is one as well; an empty object is a member that is set.

Source: ``BidiGenerateContentServerMessage`` in ``generative_service.proto`` of v1beta, the
reference pages of 2026, and what official clients choke on.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Literal

import msgspec

ONE_OF = frozenset(
    {
        "setupComplete",
        "serverContent",
        "toolCall",
        "toolCallCancellation",
        "goAway",
        "sessionResumptionUpdate",
        "voiceActivity",
        "voiceActivityDetectionSignal",
    }
)

Duration = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9]\d*)(\.\d{1,9})?s$")]
Int64 = Annotated[str, msgspec.Meta(pattern=r"^[1-9]\d*$")]
Count = Annotated[int, msgspec.Meta(gt=0)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$")]
AudioType = Annotated[str, msgspec.Meta(pattern=r"^audio/pcm(;rate=24000)?$")]


class _Message(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Base: nothing is required unless it says so, and nothing else is allowed."""


class VoiceConsentSignature(_Message):
    signature: str


class SetupComplete(_Message):
    session_id: str | None = None
    voice_consent_signature: VoiceConsentSignature | None = None


class Blob(_Message):
    mime_type: AudioType
    data: str


class ExecutableCode(_Message):
    language: Literal["PYTHON"]
    code: str
    id: str | None = None


class CodeExecutionResult(_Message):
    outcome: Literal["OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED"]
    output: str | None = None
    id: str | None = None


class Part(_Message):
    text: str | None = None
    thought: bool | None = None
    inline_data: Blob | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None


class ModelTurn(_Message):
    parts: Annotated[list[Part], msgspec.Meta(min_length=1)]
    role: Literal["model"] | None = None


class TranscribedWord(_Message):
    word: str
    start_offset: Duration | None = None
    end_offset: Duration | None = None


class Transcription(_Message):
    text: str | None = None
    finished: bool | None = None
    language_code: str | None = None
    speaker_label: str | None = None
    words: list[TranscribedWord] | None = None
    start_offset: Duration | None = None
    end_offset: Duration | None = None


class GroundingMetadata(_Message):
    web_search_queries: list[str] | None = None
    grounding_chunks: list[dict[str, Any]] | None = None
    grounding_supports: list[dict[str, Any]] | None = None
    search_entry_point: dict[str, Any] | None = None
    retrieval_metadata: dict[str, Any] | None = None


class UrlMetadata(_Message):
    retrieved_url: str
    url_retrieval_status: str


class UrlContextMetadata(_Message):
    url_metadata: list[UrlMetadata]


class ServerContent(_Message):
    model_turn: ModelTurn | None = None
    generation_complete: bool | None = None
    turn_complete: bool | None = None
    interrupted: bool | None = None
    turn_complete_reason: str | None = None
    waiting_for_input: bool | None = None
    interaction_status: Literal["IN_PROGRESS", "IDLE", "REQUIRES_ACTION"] | None = None
    input_transcription: Transcription | None = None
    output_transcription: Transcription | None = None
    interim_input_transcription: Transcription | None = None
    grounding_metadata: GroundingMetadata | None = None
    url_context_metadata: UrlContextMetadata | None = None


class FunctionCall(_Message):
    name: Name
    args: dict[str, Any]
    id: str | None = None


class ToolCall(_Message):
    function_calls: Annotated[list[FunctionCall], msgspec.Meta(min_length=1)]


class ToolCallCancellation(_Message):
    ids: Annotated[list[str], msgspec.Meta(min_length=1)]


class GoAway(_Message):
    time_left: Duration


class SessionResumptionUpdate(_Message):
    new_handle: str | None = None
    resumable: bool | None = None
    last_consumed_client_message_index: Int64 | None = None


class VoiceActivity(_Message):
    type: Literal["ACTIVITY_START", "ACTIVITY_END"]
    audio_offset: Duration


class VoiceActivityDetectionSignal(_Message):
    vad_signal_type: Literal["VAD_SIGNAL_TYPE_SOS", "VAD_SIGNAL_TYPE_EOS"]


class ModalityTokens(_Message):
    modality: Literal["TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"]
    token_count: Count | None = None


class UsageMetadata(_Message):
    prompt_token_count: Count | None = None
    cached_content_token_count: Count | None = None
    response_token_count: Count | None = None
    candidates_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    thoughts_token_count: Count | None = None
    total_token_count: Count | None = None
    prompt_tokens_details: list[ModalityTokens] | None = None
    cache_tokens_details: list[ModalityTokens] | None = None
    response_tokens_details: list[ModalityTokens] | None = None
    candidates_tokens_details: list[ModalityTokens] | None = None
    tool_use_prompt_tokens_details: list[ModalityTokens] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


class ServerMessage(_Message):
    setup_complete: SetupComplete | None = None
    server_content: ServerContent | None = None
    tool_call: ToolCall | None = None
    tool_call_cancellation: ToolCallCancellation | None = None
    usage_metadata: UsageMetadata | None = None
    go_away: GoAway | None = None
    session_resumption_update: SessionResumptionUpdate | None = None
    voice_activity: VoiceActivity | None = None
    voice_activity_detection_signal: VoiceActivityDetectionSignal | None = None


def validate(frame: bytes, *, vertex: bool, empty_frames: bool = False) -> dict[str, Any]:
    """The message of a frame.

    Args:
        frame: As it was sent.
        vertex: Vertex counts ``candidates`` where the Gemini API counts a ``response``.
        empty_frames: Whether ``{}`` is allowed.

    Raises:
        ValueError: It is none; with the frame, and what is wrong with it.
    """
    try:
        msgspec.json.decode(frame, type=ServerMessage)
        message: dict[str, Any] = msgspec.json.decode(frame)
        _check_members(message, empty_frames)
        _check_values(message, "")
        _check_content(message.get("serverContent", {}))
        _check_usage(message.get("usageMetadata", {}), vertex)
    except (ValueError, binascii.Error) as error:
        raise ValueError(f"{error}: {frame[:500]!r}") from error
    return message


def _check_members(message: dict[str, Any], empty_frames: bool) -> None:
    if not message and empty_frames:
        return
    members = message.keys() & ONE_OF
    if len(members) != 1:
        raise ValueError(f"exactly one member besides usageMetadata, not {sorted(members)}")
    if "usageMetadata" in message and "serverContent" not in message:
        raise ValueError("usageMetadata rides on serverContent")


def _check_values(value: Any, where: str) -> None:
    """No default is written out, except in what the model and the client made up."""
    if value is None or value is False or (value in ("", 0, [])):
        raise ValueError(f"{where} is a default: {value!r}")
    if isinstance(value, dict):
        for name, member in value.items():
            if name != "args":
                _check_values(member, f"{where}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_values(item, f"{where}[{index}]")


def _check_content(content: dict[str, Any]) -> None:
    if content.get("interrupted") and content.get("generationComplete"):
        raise ValueError("an interrupted generation is not complete")
    for part in content.get("modelTurn", {}).get("parts", []):
        kinds = part.keys() - {"thought"}
        if len(kinds) != 1:
            raise ValueError(f"a part is one of its kinds, not {sorted(part)}")
        if "thought" in part and "text" not in part:
            raise ValueError("only text is a thought")
        if "inlineData" in part:
            _check_pcm(part["inlineData"]["data"])


def _check_pcm(data: str) -> None:
    """Standard alphabet, padded, and whole samples."""
    if not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", data) or len(data) % 4:
        raise ValueError("base64 is of the standard alphabet and padded")
    if len(base64.b64decode(data, validate=True)) % 2:
        raise ValueError("audio is whole 16-bit samples")


def _check_usage(usage: dict[str, Any], vertex: bool) -> None:
    other = "response" if vertex else "candidates"
    if foreign := [name for name in usage if name.startswith(other)]:
        raise ValueError(f"{foreign} is of the other backend")
