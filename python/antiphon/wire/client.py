"""What a client sends, as typed values; used to write and, by the local server, to read.

Names are the service's own in snake case. Free-form members (function arguments, JSON
schemas, responses) stay plain JSON values. Every type takes members that it does not list, in
``extra``: ``Setup(extra={"newMember": {…}})``. Source: the ``BidiGenerateContentClientMessage``
of the Live API.
"""

from __future__ import annotations

from typing import Any

from antiphon.wire.server import (
    Blob,
    Content,
    FunctionResponse,
    VoiceConsentSignature,
    _OpenWire,
)

__all__ = [
    "AutomaticActivityDetection",
    "AvatarConfig",
    "ClientContent",
    "ClientMessage",
    "ContextUpdate",
    "ContextWindowCompression",
    "CustomizedAvatar",
    "FunctionDeclaration",
    "FunctionResponse",
    "GenerationConfig",
    "HistoryConfig",
    "LanguageHints",
    "MultiSpeakerVoiceConfig",
    "PrebuiltVoiceConfig",
    "Proactivity",
    "RealtimeInput",
    "RealtimeInputConfig",
    "ReplicatedVoiceConfig",
    "SafetySetting",
    "SessionResumption",
    "Setup",
    "SlidingWindow",
    "SpeakerVoiceConfig",
    "SpeechConfig",
    "ThinkingConfig",
    "Tool",
    "ToolResponse",
    "ToolsUpdate",
    "TranscriptionConfig",
    "TranslationConfig",
    "VoiceConfig",
]


class PrebuiltVoiceConfig(_OpenWire):
    """One of the service's voices, by name (case-sensitive)."""

    voice_name: str = ""


class ReplicatedVoiceConfig(_OpenWire):
    """A voice cloned from a sample: a WAV of 24 kHz, in base64, with the speaker's consent.

    The consent is a recording, or the signature that `SetupComplete` gave for it before.
    """

    mime_type: str = ""
    voice_sample_audio: str = ""
    consent_audio: str | None = None
    voice_consent_signature: VoiceConsentSignature | None = None


class VoiceConfig(_OpenWire):
    """Which voice speaks: one of the members."""

    prebuilt_voice_config: PrebuiltVoiceConfig | None = None
    replicated_voice_config: ReplicatedVoiceConfig | None = None
    voice: str | None = None


class SpeakerVoiceConfig(_OpenWire):
    """The voice of one of several speakers."""

    speaker: str = ""
    voice_config: VoiceConfig | None = None


class MultiSpeakerVoiceConfig(_OpenWire):
    """Several speakers, each with a voice; it is in the schema, but Live models speak as one."""

    speaker_voice_configs: list[SpeakerVoiceConfig] = []


class SpeechConfig(_OpenWire):
    """Voice and language of the answer."""

    voice_config: VoiceConfig | None = None
    language_code: str | None = None
    multi_speaker_voice_config: MultiSpeakerVoiceConfig | None = None


class ThinkingConfig(_OpenWire):
    """How much a model thinks; which fields a model takes is in its profile."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class TranslationConfig(_OpenWire):
    """What a translating model does with speech.

    ``target_language_code`` is BCP-47. ``echo_target_language``: what is said in that language
    already is said again, instead of left out.
    """

    target_language_code: str = ""
    echo_target_language: bool | None = None


class LanguageHints(_OpenWire):
    """Deprecated by the service: ``TranscriptionConfig.language_codes`` replaces it."""

    language_codes: list[str] = []


class TranscriptionConfig(_OpenWire):
    """Present: transcribe. Fields refine it; which of them a model heeds differs.

    ``language_codes`` are hints, none: found out. ``custom_vocabulary`` are words and phrases to
    expect. ``mode`` is ``VERBATIM`` or ``SMART`` (without fillers; it may rewrite
    ``source_text``). ``word_timestamp`` and ``diarization``: when and by whom each word was said.
    The last three are deprecated by the service.
    """

    language_codes: list[str] | None = None
    custom_vocabulary: list[str] | None = None
    word_timestamp: bool | None = None
    diarization: bool | None = None
    mode: str | None = None
    source_text: str | None = None
    language_auto: dict[str, Any] | None = None
    language_hints: LanguageHints | None = None
    adaptation_phrases: list[str] | None = None


class GenerationConfig(_OpenWire):
    """Generation settings, the Live subset."""

    response_modalities: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_output_tokens: int | None = None
    candidate_count: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    media_resolution: str | None = None
    speech_config: SpeechConfig | None = None
    thinking_config: ThinkingConfig | None = None
    enable_affective_dialog: bool | None = None
    translation_config: TranslationConfig | None = None
    audio_transcription_config: TranscriptionConfig | None = None


class FunctionDeclaration(_OpenWire):
    """A function that the model may call."""

    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    behavior: str | None = None


class Tool(_OpenWire):
    """A group of functions, or one of the service's own tools."""

    function_declarations: list[FunctionDeclaration] | None = None
    google_search: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None
    google_maps: dict[str, Any] | None = None
    retrieval: dict[str, Any] | None = None
    enterprise_web_search: dict[str, Any] | None = None
    file_search: dict[str, Any] | None = None
    mcp_servers: list[dict[str, Any]] | None = None
    computer_use: dict[str, Any] | None = None


class AutomaticActivityDetection(_OpenWire):
    """The service's voice activity detection."""

    disabled: bool | None = None
    start_of_speech_sensitivity: str | None = None
    end_of_speech_sensitivity: str | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class RealtimeInputConfig(_OpenWire):
    """What the service does with realtime input."""

    automatic_activity_detection: AutomaticActivityDetection | None = None
    activity_handling: str | None = None
    turn_coverage: str | None = None
    interim_transcript_timestamp_enabled: bool | None = None


class SessionResumption(_OpenWire):
    """Empty: make this session resumable. With a handle: resume that one."""

    handle: str | None = None
    transparent: bool | None = None


class SlidingWindow(_OpenWire):
    """Keep this many tokens when the context is compressed."""

    target_tokens: int | None = None


class ContextWindowCompression(_OpenWire):
    """Let the service drop old context instead of ending the session."""

    trigger_tokens: int | None = None
    sliding_window: SlidingWindow | None = None


class HistoryConfig(_OpenWire):
    """How the history is given."""

    initial_history_in_client_content: bool | None = None


class Proactivity(_OpenWire):
    """Whether the model may speak, or stay silent, of its own accord."""

    proactive_audio: bool | None = None
    proactive_video: bool | None = None


class CustomizedAvatar(_OpenWire):
    """A face of one's own: an image in base64."""

    image_mime_type: str = ""
    image_data: str = ""


class AvatarConfig(_OpenWire):
    """The face of the answer, where a model has one."""

    avatar_name: str | None = None
    customized_avatar: CustomizedAvatar | None = None
    audio_bitrate_bps: int | None = None
    video_bitrate_bps: int | None = None


class SafetySetting(_OpenWire):
    """What is blocked; ``method`` is Vertex AI's only."""

    category: str = ""
    threshold: str = ""
    method: str | None = None


class Setup(_OpenWire):
    """The first message of a connection, and only the first."""

    model: str = ""
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


class ClientContent(_OpenWire):
    """Ordered content: history, or a typed turn. It interrupts a running generation."""

    turns: list[Content] = []
    turn_complete: bool = False


class RealtimeInput(_OpenWire):
    """Low-latency input; clients send one member per message."""

    audio: Blob | None = None
    video: Blob | None = None
    text: str | None = None
    audio_stream_end: bool | None = None
    activity_start: dict[str, Any] | None = None
    activity_end: dict[str, Any] | None = None
    media_chunks: list[Blob] | None = None


class ToolResponse(_OpenWire):
    """Results of function calls."""

    function_responses: list[FunctionResponse] = []


class ToolsUpdate(_OpenWire):
    """New tools; an empty list clears them."""

    tools: list[Tool] | None = None


class ContextUpdate(_OpenWire):
    """Replaces the system instruction or the tools in mid-session."""

    system_instruction: Content | None = None
    tools: ToolsUpdate | None = None


class ClientMessage(_OpenWire):
    """One message of a client: exactly one member is set."""

    setup: Setup | None = None
    client_content: ClientContent | None = None
    realtime_input: RealtimeInput | None = None
    tool_response: ToolResponse | None = None
    context_update: ContextUpdate | None = None
