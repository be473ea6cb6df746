"""What a client may send to the Live API, written from the protocol's published messages.

Like `live_schema`, a schema of its own: it shares nothing with the code that it judges. Keys
outside it, values of another type and names outside the enumerations are errors.

Source: ``BidiGenerateContentClientMessage`` in ``generative_service.proto`` of v1beta and the
reference pages of 2026. Each setup is given in the one spelling that every backend reads.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Base64 = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$")]
Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")]
Natural = Annotated[int, msgspec.Meta(ge=0)]


class _Message(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Base: nothing is required unless it says so, and nothing else is allowed."""


class Empty(_Message):
    pass


class Blob(_Message):
    mime_type: str
    data: Base64


class FileData(_Message):
    mime_type: str
    file_uri: str


class FunctionCall(_Message):
    name: Name
    args: dict[str, Any] | None = None
    id: str | None = None


class FunctionResponse(_Message):
    name: Name
    response: dict[str, Any]
    id: str | None = None
    scheduling: Literal["SILENT", "WHEN_IDLE", "INTERRUPT"] | None = None
    will_continue: bool | None = None
    parts: list[dict[str, Any]] | None = None


class Part(_Message):
    text: str | None = None
    thought: bool | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None


class Content(_Message):
    parts: Annotated[list[Part], msgspec.Meta(min_length=1)]
    role: Literal["user", "model", "system"] | None = None


class PrebuiltVoiceConfig(_Message):
    voice_name: str


class VoiceConsentSignature(_Message):
    signature: str


class ReplicatedVoiceConfig(_Message):
    mime_type: Literal["audio/wav"]
    voice_sample_audio: Base64
    consent_audio: Base64 | None = None
    voice_consent_signature: VoiceConsentSignature | None = None


class VoiceConfig(_Message):
    prebuilt_voice_config: PrebuiltVoiceConfig | None = None
    replicated_voice_config: ReplicatedVoiceConfig | None = None
    voice: str | None = None


class SpeakerVoiceConfig(_Message):
    speaker: str
    voice_config: VoiceConfig


class MultiSpeakerVoiceConfig(_Message):
    speaker_voice_configs: list[SpeakerVoiceConfig]


class SpeechConfig(_Message):
    voice_config: VoiceConfig | None = None
    language_code: Language | None = None
    multi_speaker_voice_config: MultiSpeakerVoiceConfig | None = None


class ThinkingConfig(_Message):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: Literal["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"] | None = None


class TranslationConfig(_Message):
    target_language_code: Language
    echo_target_language: bool | None = None


class LanguageHints(_Message):
    language_codes: list[Language]


class TranscriptionConfig(_Message):
    language_codes: list[Language] | None = None
    custom_vocabulary: list[str] | None = None
    word_timestamp: bool | None = None
    diarization: bool | None = None
    mode: Literal["VERBATIM", "SMART"] | None = None
    source_text: str | None = None
    language_auto: Empty | None = None
    language_hints: LanguageHints | None = None
    adaptation_phrases: list[str] | None = None


class GenerationConfig(_Message):
    response_modalities: Annotated[list[Literal["AUDIO", "TEXT"]], msgspec.Meta(max_length=1)]
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_output_tokens: Natural | None = None
    candidate_count: Natural | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    media_resolution: (
        Literal["MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"] | None
    ) = None
    speech_config: SpeechConfig | None = None
    thinking_config: ThinkingConfig | None = None
    enable_affective_dialog: bool | None = None
    translation_config: TranslationConfig | None = None
    audio_transcription_config: TranscriptionConfig | None = None


class FunctionDeclaration(_Message):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    behavior: Literal["BLOCKING", "NON_BLOCKING"] | None = None


class Tool(_Message):
    function_declarations: list[FunctionDeclaration] | None = None
    google_search: dict[str, Any] | None = None
    code_execution: Empty | None = None
    url_context: Empty | None = None
    google_maps: dict[str, Any] | None = None
    retrieval: dict[str, Any] | None = None
    enterprise_web_search: dict[str, Any] | None = None
    file_search: dict[str, Any] | None = None
    mcp_servers: list[dict[str, Any]] | None = None
    computer_use: dict[str, Any] | None = None


class AutomaticActivityDetection(_Message):
    disabled: bool | None = None
    start_of_speech_sensitivity: (
        Literal["START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW"] | None
    ) = None
    end_of_speech_sensitivity: Literal["END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW"] | None = None
    prefix_padding_ms: Natural | None = None
    silence_duration_ms: Natural | None = None


class RealtimeInputConfig(_Message):
    automatic_activity_detection: AutomaticActivityDetection | None = None
    activity_handling: Literal["START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION"] | None = None
    turn_coverage: (
        Literal[
            "TURN_INCLUDES_ONLY_ACTIVITY",
            "TURN_INCLUDES_ALL_INPUT",
            "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
        ]
        | None
    ) = None
    interim_transcript_timestamp_enabled: bool | None = None


class SessionResumption(_Message):
    handle: str | None = None
    transparent: bool | None = None


class SlidingWindow(_Message):
    target_tokens: Natural | None = None


class ContextWindowCompression(_Message):
    sliding_window: SlidingWindow
    trigger_tokens: Natural | None = None


class Proactivity(_Message):
    proactive_audio: bool | None = None
    proactive_video: bool | None = None


class HistoryConfig(_Message):
    initial_history_in_client_content: bool


class CustomizedAvatar(_Message):
    image_mime_type: str
    image_data: Base64


class AvatarConfig(_Message):
    avatar_name: str | None = None
    customized_avatar: CustomizedAvatar | None = None
    audio_bitrate_bps: Natural | None = None
    video_bitrate_bps: Natural | None = None


class SafetySetting(_Message):
    category: Annotated[str, msgspec.Meta(pattern=r"^HARM_CATEGORY_[A-Z_]+$")]
    threshold: str
    method: Literal["SEVERITY", "PROBABILITY"] | None = None


class Setup(_Message):
    model: str
    generation_config: GenerationConfig | None = None
    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    tool_config: dict[str, Any] | None = None
    realtime_input_config: RealtimeInputConfig | None = None
    session_resumption: SessionResumption | None = None
    context_window_compression: ContextWindowCompression | None = None
    input_audio_transcription: TranscriptionConfig | None = None
    output_audio_transcription: TranscriptionConfig | None = None
    proactivity: Proactivity | None = None
    explicit_vad_signal: bool | None = None
    history_config: HistoryConfig | None = None
    avatar_config: AvatarConfig | None = None
    safety_settings: list[SafetySetting] | None = None
    labels: dict[str, str] | None = None


class ClientContent(_Message):
    turns: list[Content] | None = None
    turn_complete: bool | None = None


class RealtimeInput(_Message):
    audio: Blob | None = None
    video: Blob | None = None
    text: str | None = None
    audio_stream_end: bool | None = None
    activity_start: Empty | None = None
    activity_end: Empty | None = None
    media_chunks: list[Blob] | None = None


class ToolResponse(_Message):
    function_responses: Annotated[list[FunctionResponse], msgspec.Meta(min_length=1)]


class ToolsUpdate(_Message):
    tools: list[Tool] | None = None


class ContextUpdate(_Message):
    system_instruction: Content | None = None
    tools: ToolsUpdate | None = None


class ClientMessage(_Message):
    setup: Setup | None = None
    client_content: ClientContent | None = None
    realtime_input: RealtimeInput | None = None
    tool_response: ToolResponse | None = None
    context_update: ContextUpdate | None = None


def validate(message: dict[str, Any]) -> dict[str, Any]:
    """The message, if a client may send it.

    Raises:
        ValueError: It may not; with the message, and what is wrong with it.
    """
    try:
        msgspec.convert(message, ClientMessage)
        if len(message) != 1:
            raise ValueError(f"exactly one member, not {sorted(message)}")
        if len(message.get("realtimeInput", {"": 0})) != 1:
            raise ValueError("one kind of realtime input per message")
    except ValueError as error:
        raise ValueError(f"{error}: {message!r}") from error
    return message
