"""Whether a setup message is acceptable, and what it asks for.

Refusals are closes with the service's own words, where users published them.
"""

from __future__ import annotations

import functools
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from antiphon import wire
from antiphon.emulator.service.request import Request
from antiphon.emulator.service.usage import text_tokens
from antiphon.emulator.settings import Settings

__all__ = [
    "Compression",
    "Configuration",
    "Refusal",
    "check_setup",
    "declared_functions",
    "fits",
    "unknown_name",
]

_INVALID = "Request contains an invalid argument."
_SENSITIVITY_DB = {"HIGH": 10.0, "LOW": 16.0}
# Vertex (LOW by default) was recorded to answer after 0.88 s of silence.
_SILENCE_MS = {"HIGH": 500, "LOW": 800}
_PREFIX_MS = 60
# Vertex documents this many. What is declared and instructed has to fit the context as well.
_MAX_FUNCTIONS = 512
_TURN_COVERAGES = (
    "TURN_INCLUDES_ONLY_ACTIVITY",
    "TURN_INCLUDES_ALL_INPUT",
    "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
)

# Types of which `wire` lists only some members: others are not unknown to the service.
_OPEN = (
    wire.Blob,
    wire.Content,
    wire.FunctionDeclaration,
    wire.FunctionResponse,
    wire.Tool,
)


@dataclass(frozen=True)
class Refusal:
    """A close: code and reason."""

    code: int
    reason: str


@dataclass(frozen=True)
class Compression:
    """When the context is cut, and to what, in tokens."""

    trigger_tokens: int
    target_tokens: int


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What an accepted setup asks for, with the defaults filled in."""

    model: str
    text_output: bool = False
    voice: str = "Puck"
    system_instruction: str = ""
    functions: dict[str, wire.FunctionDeclaration] = field(default_factory=dict)
    transcribe_input: bool = False
    transcribe_output: bool = False
    manual_activity: bool = False
    interruptible: bool = True
    prefix_padding_ms: int = _PREFIX_MS
    silence_duration_ms: int = _SILENCE_MS["HIGH"]
    threshold_db: float = _SENSITIVITY_DB["HIGH"]
    resumable: bool = False
    resume_handle: str = ""
    transparent: bool = False
    turn_coverage: str = "TURN_INCLUDES_ONLY_ACTIVITY"
    explicit_vad_signal: bool = False
    context_tokens: int = 131_072
    compression: Compression | None = None
    history_first: bool = False
    thinks: bool | None = None
    include_thoughts: bool | None = None

    def with_update(self, update: wire.ContextUpdate) -> Configuration:
        """After a ``contextUpdate``."""
        changed = self
        if update.system_instruction is not None:
            changed = replace(changed, system_instruction=_text_of(update.system_instruction))
        if update.tools is not None:
            functions = declared_functions(update.tools.tools or [], changed.model)
            changed = replace(changed, functions=functions)
        return changed


class _Refused(Exception):
    """Ends the check of a setup."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def check_setup(setup: wire.Setup, settings: Settings, request: Request) -> Configuration | Refusal:
    """Accept a setup or refuse it."""
    try:
        checked = _configuration(setup, settings, request)
        return checked if fits(checked) else Refusal(1007, _INVALID)
    except _Refused as refused:
        return refused.refusal


def _configuration(setup: wire.Setup, settings: Settings, request: Request) -> Configuration:
    bare = wire.model_id(setup.model)
    profile = wire.profile_of(bare)
    _check_served(setup.model, settings, request)
    generation = setup.generation_config or wire.GenerationConfig()
    modalities = [name.upper() for name in generation.response_modalities or ["AUDIO"]]
    _check_output(setup.model, generation, modalities, profile)
    _check_by_model(bare, setup, generation)
    context_tokens = settings.context_tokens or profile.context_tokens
    resumption = setup.session_resumption or wire.SessionResumption()
    if resumption.transparent and not request.is_vertex:
        raise _Refused(_unknown("transparent", "setup.session_resumption"))
    realtime = setup.realtime_input_config or wire.RealtimeInputConfig()
    detection = realtime.automatic_activity_detection or wire.AutomaticActivityDetection()
    prefix_ms, silence_ms = _padding(detection)
    start = _level(detection.start_of_speech_sensitivity, request)
    end = _level(detection.end_of_speech_sensitivity, request)
    thinking = generation.thinking_config or wire.ThinkingConfig()
    return Configuration(
        model=setup.model,
        text_output=modalities == ["TEXT"],
        voice=_voice(generation) or "Puck",
        system_instruction=_text_of(setup.system_instruction),
        functions=declared_functions(setup.tools or [], bare),
        transcribe_input=setup.input_audio_transcription is not None,
        transcribe_output=setup.output_audio_transcription is not None,
        manual_activity=detection.disabled is True,
        interruptible=(realtime.activity_handling or "").upper() != "NO_INTERRUPTION",
        turn_coverage=_turn_coverage(realtime.turn_coverage, bare, request),
        explicit_vad_signal=setup.explicit_vad_signal is True,
        prefix_padding_ms=_PREFIX_MS if prefix_ms is None else prefix_ms,
        silence_duration_ms=_SILENCE_MS[end] if silence_ms is None else silence_ms,
        threshold_db=_SENSITIVITY_DB[start],
        resumable=setup.session_resumption is not None,
        resume_handle=resumption.handle or "",
        transparent=resumption.transparent is True,
        context_tokens=context_tokens,
        compression=_compression(setup.context_window_compression, context_tokens),
        history_first=bool(
            setup.history_config and setup.history_config.initial_history_in_client_content
        ),
        thinks=_thinks(thinking),
        include_thoughts=thinking.include_thoughts,
    )


def fits(configuration: Configuration) -> bool:
    """Whether what is instructed and declared leaves room in the context, and is not too much."""
    functions = configuration.functions
    if len(functions) > _MAX_FUNCTIONS:
        return False
    declared = len(msgspec.json.encode(functions)) // 4 if functions else 0
    instructed = text_tokens(configuration.system_instruction)
    return declared + instructed < configuration.context_tokens


def declared_functions(
    tools: Iterable[wire.Tool], model: str
) -> dict[str, wire.FunctionDeclaration]:
    """The declared functions by name, each with the behavior that the model gives it."""
    default = wire.profile_of(model).tool_behavior
    return {
        declaration.name: msgspec.structs.replace(
            declaration, behavior=(declaration.behavior or default).upper()
        )
        for tool in tools
        for declaration in tool.function_declarations or []
    }


def _thinks(thinking: wire.ThinkingConfig) -> bool | None:
    """Whether the setup wants thoughts; None: as the model likes."""
    if thinking.thinking_budget is not None:
        return thinking.thinking_budget != 0
    if thinking.thinking_level is not None:
        return thinking.thinking_level.upper() != "MINIMAL"
    return None


def _compression(
    wanted: wire.ContextWindowCompression | None, context_tokens: int
) -> Compression | None:
    """By default it begins at 80 % of the window, and leaves half of that."""
    if wanted is None:
        return None
    trigger = wanted.trigger_tokens or context_tokens * 4 // 5
    window = wanted.sliding_window or wire.SlidingWindow()
    target = trigger // 2 if window.target_tokens is None else window.target_tokens
    if not 0 <= target < trigger <= context_tokens:
        raise _Refused(Refusal(1007, _INVALID))
    return Compression(trigger, target)


def _turn_coverage(wanted: str | None, model: str, request: Request) -> str:
    """What a turn includes of the input; by default it depends on who answers."""
    if wanted:
        if wanted.upper() not in _TURN_COVERAGES:
            raise _Refused(Refusal(1007, _INVALID))
        return wanted.upper()
    if request.is_vertex:
        return "TURN_INCLUDES_ALL_INPUT"
    if model.startswith("gemini-3."):
        return "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"
    return "TURN_INCLUDES_ONLY_ACTIVITY"


def _check_served(name: str, settings: Settings, request: Request) -> None:
    bare = wire.model_id(name)
    served = settings.as_of == "guide" or request.backend in wire.profile_of(bare).backends
    if bare in settings.models and served:
        return
    if request.is_vertex:
        words = f"Publisher Model `{name}` was not found or your project does not have access to it"
        raise _Refused(
            Refusal(1008, f"{words}. Please ensure you are using a valid model version.")
        )
    shown = name if name.startswith("models/") else f"models/{bare}"
    raise _Refused(
        Refusal(
            1008,
            f"{shown} is not found for API version {request.version}, or is not supported for "
            "bidiGenerateContent. Call ListModels to see the list of available models and their "
            "supported methods.",
        )
    )


def _check_output(
    model: str,
    generation: wire.GenerationConfig,
    modalities: list[str],
    profile: wire.ModelProfile,
) -> None:
    if modalities not in (["AUDIO"], ["TEXT"]):
        raise _Refused(Refusal(1007, _INVALID))
    if modalities == ["TEXT"]:
        if not profile.text_output:
            words = "The requested combination of response modalities (TEXT) is not supported by"
            raise _Refused(Refusal(1007, f"{words} the model. {model}"))
        if generation.speech_config is not None:
            raise _Refused(Refusal(1007, "Cannot extract voices from a non-audio request."))
    voice = _voice(generation)
    if voice and voice not in wire.VOICES:
        words = f"Requested voice api_name '{voice}' is not available for model {model}."
        raise _Refused(Refusal(1007, words))


def _check_by_model(bare: str, setup: wire.Setup, generation: wire.GenerationConfig) -> None:
    """Rules that differ from model to model."""
    if bare.startswith("gemini-3."):
        if generation.enable_affective_dialog is not None:
            raise _Refused(_unknown("enable_affective_dialog", "setup.generation_config"))
        if setup.proactivity is not None:
            raise _Refused(_unknown("proactivity", "setup"))
    thinking = generation.thinking_config
    if bare == "gemini-3.8-live" and thinking is not None:
        raise _Refused(Refusal(1007, _INVALID))
    if bare == "gemini-3.8-live-extended-thinking":
        level = (thinking.thinking_level or "").upper() if thinking else ""
        functions = declared_functions(setup.tools or [], bare).values()
        blocking = any(function.behavior == "BLOCKING" for function in functions)
        if level not in ("LOW", "MEDIUM", "HIGH") or blocking:
            raise _Refused(Refusal(1007, _INVALID))


def _voice(generation: wire.GenerationConfig) -> str:
    speech = generation.speech_config
    if speech is None or speech.voice_config is None:
        return ""
    prebuilt = speech.voice_config.prebuilt_voice_config
    return prebuilt.voice_name if prebuilt else speech.voice_config.voice or ""


def _padding(detection: wire.AutomaticActivityDetection) -> tuple[int | None, int | None]:
    prefix_ms, silence_ms = detection.prefix_padding_ms, detection.silence_duration_ms
    if min(prefix_ms or 0, silence_ms or 0) < 0:
        raise _Refused(Refusal(1007, _INVALID))
    # The detector's own bounds.
    return (
        None if prefix_ms is None else min(prefix_ms, 2_000),
        None if silence_ms is None else min(max(silence_ms, 10), 10_000),
    )


def _level(name: str | None, request: Request) -> str:
    """HIGH or LOW; the Gemini API is sensitive by default, Vertex is not."""
    upper = (name or "").upper()
    for level in ("HIGH", "LOW"):
        if upper.endswith(level):
            return level
    return "LOW" if request.is_vertex else "HIGH"


def _text_of(content: wire.Content | None) -> str:
    parts = content.parts if content else []
    return "\n".join(part.text for part in parts if part.text)


def _unknown(name: str, where: str) -> Refusal:
    at = f" at '{where}'" if where else ""
    return Refusal(
        1007, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
    )


# ------------------------------------------------------------------ unknown names


def unknown_name(message: dict[str, Any]) -> Refusal | None:
    """The refusal of a client message (as it was sent) that holds a name nobody knows."""
    found = _find_unknown(message, wire.ClientMessage, ())
    if found is None:
        return None
    *where, name = found
    return _unknown(name, ".".join(where))


def _find_unknown(value: Any, shape: type, where: tuple[str, ...]) -> tuple[str, ...] | None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            at = (*where[:-1], f"{where[-1]}[{index}]") if where else where
            if found := _find_unknown(item, shape, at):
                return found
        return None
    if not isinstance(value, dict) or shape in _OPEN:
        return None
    members = _members(shape)
    for key, member in value.items():
        snake = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: f"_{match[1].lower()}", key)
        if snake not in members:
            return (*where, key)
        inner = members[snake]
        if inner is not None and (found := _find_unknown(member, inner, (*where, snake))):
            return found
    return None


@functools.cache
def _members(shape: type) -> dict[str, type | None]:
    """The members of a wire type in snake case; with their own wire type, if they have one."""
    fields = msgspec.structs.fields(shape)
    return {
        member.name: _wire_type(member.type)
        for member in fields
        if member.encode_name != wire.EXTRA  # a client's own bag, and no name of the service
    }


def _wire_type(annotation: Any) -> type | None:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    if typing.get_origin(annotation) in (types.UnionType, typing.Union, list):
        for argument in typing.get_args(annotation):
            if found := _wire_type(argument):
                return found
    return None
