"""What a client sends, as typed values; used to write and, by the local server, to read.

Names are the service's own in snake case. Free-form members (function arguments, JSON
schemas, responses) stay plain JSON values. Source: the ``BidiGenerateContentClientMessage`` of
the Live API.
"""

from __future__ import annotations

from typing import Any

from antiphon.wire.server import Blob, Content, _Wire

__all__ = [
    "AutomaticActivityDetection",
    "ClientContent",
    "ClientMessage",
    "ContextUpdate",
    "ContextWindowCompression",
    "FunctionDeclaration",
    "FunctionResponse",
    "GenerationConfig",
    "HistoryConfig",
    "PrebuiltVoiceConfig",
    "RealtimeInput",
    "RealtimeInputConfig",
    "SessionResumption",
    "Setup",
    "SlidingWindow",
    "SpeechConfig",
    "ThinkingConfig",
    "Tool",
    "ToolResponse",
    "ToolsUpdate",
    "TranscriptionConfig",
    "VoiceConfig",
]


class PrebuiltVoiceConfig(_Wire):
    """One of the service's voices, by name (case-sensitive)."""

    voice_name: str = ""


class VoiceConfig(_Wire):
    """Which voice speaks."""

    prebuilt_voice_config: PrebuiltVoiceConfig | None = None
    replicated_voice_config: dict[str, Any] | None = None
    voice: str | None = None


class SpeechConfig(_Wire):
    """Voice and language of the answer."""

    voice_config: VoiceConfig | None = None
    language_code: str | None = None
    multi_speaker_voice_config: dict[str, Any] | None = None


class ThinkingConfig(_Wire):
    """How much a model thinks; which fields a model takes is in its profile."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(_Wire):
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
    translation_config: dict[str, Any] | None = None
    audio_transcription_config: dict[str, Any] | None = None


class FunctionDeclaration(_Wire):
    """A function that the model may call."""

    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    behavior: str | None = None


class Tool(_Wire):
    """A group of functions, or one of the service's own tools."""

    function_declarations: list[FunctionDeclaration] | None = None
    google_search: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None


class AutomaticActivityDetection(_Wire):
    """The service's voice activity detection."""

    disabled: bool | None = None
    start_of_speech_sensitivity: str | None = None
    end_of_speech_sensitivity: str | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class RealtimeInputConfig(_Wire):
    """What the service does with realtime input."""

    automatic_activity_detection: AutomaticActivityDetection | None = None
    activity_handling: str | None = None
    turn_coverage: str | None = None
    interim_transcript_timestamp_enabled: bool | None = None


class SessionResumption(_Wire):
    """Empty: make this session resumable. With a handle: resume that one."""

    handle: str | None = None
    transparent: bool | None = None


class SlidingWindow(_Wire):
    """Keep this many tokens when the context is compressed."""

    target_tokens: int | None = None


class ContextWindowCompression(_Wire):
    """Let the service drop old context instead of ending the session."""

    trigger_tokens: int | None = None
    sliding_window: SlidingWindow | None = None


class TranscriptionConfig(_Wire):
    """Present: transcribe. Fields refine it."""

    language_codes: list[str] | None = None
    custom_vocabulary: list[str] | None = None


class HistoryConfig(_Wire):
    """How the history is given."""

    initial_history_in_client_content: bool | None = None


class Setup(_Wire):
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
    proactivity: dict[str, Any] | None = None
    explicit_vad_signal: bool | None = None
    history_config: HistoryConfig | None = None
    avatar_config: dict[str, Any] | None = None
    safety_settings: list[dict[str, Any]] | None = None
    labels: dict[str, str] | None = None


class ClientContent(_Wire):
    """Ordered content: history, or a typed turn. It interrupts a running generation."""

    turns: list[Content] = []
    turn_complete: bool = False


class RealtimeInput(_Wire):
    """Low-latency input; clients send one member per message."""

    audio: Blob | None = None
    video: Blob | None = None
    text: str | None = None
    audio_stream_end: bool | None = None
    activity_start: dict[str, Any] | None = None
    activity_end: dict[str, Any] | None = None
    media_chunks: list[Blob] | None = None


class FunctionResponse(_Wire):
    """The result of a function call."""

    id: str = ""
    name: str = ""
    response: dict[str, Any] = {}
    scheduling: str | None = None
    will_continue: bool | None = None
    parts: list[dict[str, Any]] | None = None


class ToolResponse(_Wire):
    """Results of function calls."""

    function_responses: list[FunctionResponse] = []


class ToolsUpdate(_Wire):
    """New tools; an empty list clears them."""

    tools: list[Tool] = []


class ContextUpdate(_Wire):
    """Replaces the system instruction or the tools in mid-session."""

    system_instruction: Content | None = None
    tools: ToolsUpdate | None = None


class ClientMessage(_Wire):
    """One message of a client: exactly one member is set."""

    setup: Setup | None = None
    client_content: ClientContent | None = None
    realtime_input: RealtimeInput | None = None
    tool_response: ToolResponse | None = None
    context_update: ContextUpdate | None = None
