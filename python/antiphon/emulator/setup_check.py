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
from antiphon.emulator.request import Request
from antiphon.emulator.settings import Settings

__all__ = [
    "Configuration",
    "Refusal",
    "check_setup",
    "declared_functions",
    "unknown_name",
]

_INVALID = "Request contains an invalid argument."
_SENSITIVITY_DB = {"HIGH": 10.0, "LOW": 16.0}
_SILENCE_MS = {"HIGH": 500, "LOW": 900}
_PREFIX_MS = 60

# Types of which `wire` lists only some members: others are not unknown to the service.
_OPEN = (
    wire.Blob,
    wire.Content,
    wire.FunctionDeclaration,
    wire.FunctionResponse,
    wire.Tool,
    wire.TranscriptionConfig,
    wire.VoiceConfig,
)


@dataclass(frozen=True)
class Refusal:
    """A close: code and reason."""

    code: int
    reason: str


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
    history_first: bool = False

    def with_update(self, update: wire.ContextUpdate) -> Configuration:
        """After a ``contextUpdate``."""
        changed = self
        if update.system_instruction is not None:
            changed = replace(changed, system_instruction=_text_of(update.system_instruction))
        if update.tools is not None:
            functions = declared_functions(update.tools.tools, changed.model)
            changed = replace(changed, functions=functions)
        return changed


def check_setup(setup: wire.Setup, settings: Settings, request: Request) -> Configuration | Refusal:
    """Accept a setup or refuse it."""
    bare = wire.model_id(setup.model)
    if bare not in settings.models:
        return _no_such_model(setup.model, request)
    profile = wire.profile_of(bare)
    generation = setup.generation_config or wire.GenerationConfig()
    modalities = [name.upper() for name in generation.response_modalities or ["AUDIO"]]
    if refusal := _check_output(setup.model, generation, modalities, profile):
        return refusal
    if refusal := _check_by_model(bare, setup, generation):
        return refusal
    realtime = setup.realtime_input_config or wire.RealtimeInputConfig()
    detection = realtime.automatic_activity_detection or wire.AutomaticActivityDetection()
    try:
        prefix_ms, silence_ms = _padding(detection)
    except ValueError:
        return Refusal(1007, _INVALID)
    start = _level(detection.start_of_speech_sensitivity, request)
    end = _level(detection.end_of_speech_sensitivity, request)
    resumption = setup.session_resumption
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
        prefix_padding_ms=_PREFIX_MS if prefix_ms is None else prefix_ms,
        silence_duration_ms=_SILENCE_MS[end] if silence_ms is None else silence_ms,
        threshold_db=_SENSITIVITY_DB[start],
        resumable=resumption is not None,
        resume_handle=(resumption.handle or "") if resumption else "",
        history_first=bool(
            setup.history_config and setup.history_config.initial_history_in_client_content
        ),
    )


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


def _no_such_model(name: str, request: Request) -> Refusal:
    if request.is_vertex:
        words = f"Publisher Model `{name}` was not found or your project does not have access to it"
        return Refusal(1008, f"{words}. Please ensure you are using a valid model version.")
    shown = name if name.startswith("models/") else f"models/{wire.model_id(name)}"
    return Refusal(
        1008,
        f"{shown} is not found for API version {request.version}, or is not supported for "
        "bidiGenerateContent. Call ListModels to see the list of available models and their "
        "supported methods.",
    )


def _check_output(
    model: str,
    generation: wire.GenerationConfig,
    modalities: list[str],
    profile: wire.ModelProfile,
) -> Refusal | None:
    if modalities not in (["AUDIO"], ["TEXT"]):
        return Refusal(1007, _INVALID)
    if modalities == ["TEXT"]:
        if not profile.text_output:
            words = "The requested combination of response modalities (TEXT) is not supported by"
            return Refusal(1007, f"{words} the model. {model}")
        if generation.speech_config is not None:
            return Refusal(1007, "Cannot extract voices from a non-audio request.")
    voice = _voice(generation)
    if voice and voice not in wire.VOICES:
        words = f"Requested voice api_name '{voice}' is not available for model {model}."
        return Refusal(1007, words)
    return None


def _check_by_model(
    bare: str, setup: wire.Setup, generation: wire.GenerationConfig
) -> Refusal | None:
    """Rules that differ from model to model."""
    if bare.startswith("gemini-3."):
        if generation.enable_affective_dialog is not None:
            return _unknown("enable_affective_dialog", "setup.generation_config")
        if setup.proactivity is not None:
            return _unknown("proactivity", "setup")
    if not bare.startswith("gemini-3.8-live"):
        return None
    thinking = generation.thinking_config
    if bare == "gemini-3.8-live":
        return None if thinking is None else Refusal(1007, _INVALID)
    level = (thinking.thinking_level or "").upper() if thinking else ""
    functions = declared_functions(setup.tools or [], bare).values()
    blocking = any(function.behavior == "BLOCKING" for function in functions)
    fits = level in ("LOW", "MEDIUM", "HIGH") and not blocking
    return None if fits else Refusal(1007, _INVALID)


def _voice(generation: wire.GenerationConfig) -> str:
    speech = generation.speech_config
    if speech is None or speech.voice_config is None:
        return ""
    prebuilt = speech.voice_config.prebuilt_voice_config
    return prebuilt.voice_name if prebuilt else speech.voice_config.voice or ""


def _padding(detection: wire.AutomaticActivityDetection) -> tuple[int | None, int | None]:
    prefix_ms, silence_ms = detection.prefix_padding_ms, detection.silence_duration_ms
    if prefix_ms is not None and prefix_ms < 0:
        raise ValueError(prefix_ms)
    if silence_ms is not None and silence_ms < 0:
        raise ValueError(silence_ms)
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
    return {member.name: _wire_type(member.type) for member in msgspec.structs.fields(shape)}


def _wire_type(annotation: Any) -> type | None:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    if typing.get_origin(annotation) in (types.UnionType, typing.Union, list):
        for argument in typing.get_args(annotation):
            if found := _wire_type(argument):
                return found
    return None
