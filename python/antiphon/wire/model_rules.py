"""Is a setup what its model accepts? One table of rules, held against `antiphon.wire.models`.

Only what the service is known to refuse is a refusal; what is merely not documented, or refused
to one user, is a doubt. So a setup that the service accepts is never held back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from antiphon.wire.client import ClientMessage, Setup
from antiphon.wire.codec import encode_client_message
from antiphon.wire.models import AS_OF, ModelProfile, model_id, profile_of

__all__ = ["RULES", "Rule", "SetupProblem", "check_setup"]

_NOT_IN_LIVE = (
    "responseLogprobs", "logprobs", "responseMimeType", "responseSchema", "responseJsonSchema",
    "stopSequence", "stopSequences", "routingConfig", "audioTimestamp",
)  # fmt: skip


class SetupProblem(NamedTuple):
    """One member of a setup that its model does not accept, or may not.

    Attributes:
        rule: Name of the rule.
        member: The way to the member in the setup, in the service's own spelling.
        value: What it is.
        model: The id of the model.
        words: What the rule says.
        fix: What to do.
        refused: The service is known to refuse it; else it is a doubt.
    """

    rule: str
    member: str
    value: Any
    model: str
    words: str
    fix: str
    refused: bool

    def __str__(self) -> str:
        return f"{self.member} is {_short(self.value)}, but {self.words}. {self.fix}"


class _Case(NamedTuple):
    """What rules look at."""

    setup: Mapping[str, Any]
    model: str
    profile: ModelProfile
    service: str
    api_version: str
    location: str

    def at(self, *way: str) -> Any:
        """A member of the setup as it is sent; None if it is absent."""
        value: Any = self.setup
        for name in way:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def tools(self) -> list[Mapping[str, Any]]:
        return _objects(self.at("tools"))

    def declarations(self) -> Iterator[Mapping[str, Any]]:
        for tool in self.tools():
            yield from _objects(tool.get("functionDeclarations"))

    def functions(self) -> Iterator[tuple[str, str]]:
        """The name and the behavior of every declared function."""
        for function in self.declarations():
            yield str(function.get("name")), str(function.get("behavior") or "").upper()

    @property
    def modalities(self) -> list[str]:
        wanted = self.at("generationConfig", "responseModalities") or ["AUDIO"]
        return [str(name).upper() for name in (wanted if isinstance(wanted, list) else [wanted])]


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


class _Broken(NamedTuple):
    """How a rule is broken: where, by what; in words, where they depend on the model."""

    member: str
    value: Any
    words: str = ""
    fix: str = ""


class Rule(NamedTuple):
    """A rule, and the check of it.

    Attributes:
        name: For tests and for programs.
        find: How a setup breaks it; None: not at all.
        words: What it says.
        fix: What to do about it.
        refused: Whether the service refuses what breaks it.
        of_model: It is about one model: for models without a source of their own it is a doubt.
    """

    name: str
    find: Callable[[_Case], _Broken | None]
    words: str = ""
    fix: str = ""
    refused: bool = True
    of_model: bool = True


def check_setup(
    setup: Setup, model: str, *, service: str = "", api_version: str = "", location: str = ""
) -> list[SetupProblem]:
    """What is wrong with a setup, refusals first; nothing: it is fine as far as is known.

    Args:
        setup: With everything in it, ``extra`` members too.
        model: In any form of its name.
        service: ``google`` or ``vertex``: who is behind the backend; empty: not known.
        api_version: Such as ``v1beta``, which is meant by none.
        location: Of Vertex AI; empty: not known.
    """
    message = encode_client_message(ClientMessage(setup=setup))
    plain = msgspec.json.decode(message).get("setup", {})
    bare, profile = model_id(model), profile_of(model)
    known = bare in profile.models and profile.status != "unclear"
    case = _Case(plain, bare, profile, service, api_version, location)
    problems = [
        SetupProblem(
            rule=rule.name,
            member=broken.member,
            value=broken.value,
            model=bare,
            words=(broken.words or rule.words).format(model=bare, profile=profile, as_of=AS_OF),
            fix=(broken.fix or rule.fix).format(model=bare, profile=profile),
            refused=rule.refused and (known or not rule.of_model),
        )
        for rule in RULES
        if (broken := rule.find(case)) is not None
    ]
    return sorted(problems, key=lambda problem: not problem.refused)


# ------------------------------------------------------------------ refusals


def _one_modality(case: _Case) -> _Broken | None:
    if case.modalities in (["AUDIO"], ["TEXT"]):
        return None
    return _Broken("generationConfig.responseModalities", case.modalities)


def _text_of_speech_model(case: _Case) -> _Broken | None:
    if case.modalities != ["TEXT"] or case.profile.text_output:
        return None
    return _Broken("generationConfig.responseModalities", ["TEXT"])


def _voice_of_text(case: _Case) -> _Broken | None:
    voice = case.at("generationConfig", "speechConfig", "voiceConfig")
    if voice is None or case.modalities != ["TEXT"]:
        return None
    return _Broken("generationConfig.speechConfig.voiceConfig", voice)


def _not_in_live(case: _Case) -> _Broken | None:
    for name in _NOT_IN_LIVE:
        if (value := case.at("generationConfig", name)) is not None:
            return _Broken(f"generationConfig.{name}", value)
    return None


def _thinking_absent(case: _Case) -> _Broken | None:
    thinking = case.at("generationConfig", "thinkingConfig")
    if thinking is None or case.profile.thinking != "none":
        return None
    return _Broken("generationConfig.thinkingConfig", thinking)


def _thinking_required(case: _Case) -> _Broken | None:
    level = case.at("generationConfig", "thinkingConfig", "thinkingLevel")
    if case.profile.thinking != "required":
        return None
    if str(level).upper() in case.profile.thinking_levels:
        return None
    return _Broken("generationConfig.thinkingConfig.thinkingLevel", level)


def _never_blocking(case: _Case) -> _Broken | None:
    if case.profile.tool_behaviors != ("NON_BLOCKING",):
        return None
    for name, behavior in case.functions():
        if behavior == "BLOCKING":
            return _Broken(f"tools: behavior of {name}", behavior)
    return None


def _affective_dialog(case: _Case) -> _Broken | None:
    wanted = case.at("generationConfig", "enableAffectiveDialog")
    if wanted is None or case.profile.affective_dialog != "no":
        return None
    return _Broken("generationConfig.enableAffectiveDialog", wanted)


def _no_proactivity(case: _Case) -> _Broken | None:
    wanted = case.at("proactivity")
    if wanted is None or case.profile.proactivity != "no":
        return None
    return _Broken("proactivity", wanted)


def _always_proactive(case: _Case) -> _Broken | None:
    wanted = case.at("proactivity", "proactiveAudio")
    if wanted is not False or case.profile.proactivity != "always":
        return None
    return _Broken("proactivity.proactiveAudio", wanted)


def _transparent(case: _Case) -> _Broken | None:
    wanted = case.at("sessionResumption", "transparent")
    if wanted is None or case.service != "google":
        return None
    return _Broken("sessionResumption.transparent", wanted)


# ------------------------------------------------------------------ doubts


def _served(case: _Case) -> _Broken | None:
    profile = case.profile
    if case.model not in profile.models or profile.status == "unclear":
        return None
    if profile.status == "retired":
        return _Broken("model", case.model, "the service has retired it")
    if not case.service or case.service in profile.backends:
        return None
    names = {"google": "the Gemini API", "vertex": "Vertex AI"}
    where = " and ".join(names[backend] for backend in sorted(profile.backends))
    return _Broken("model", case.model, f"it was found on {where} only")


def _location(case: _Case) -> _Broken | None:
    where = case.profile.locations
    if not where or not case.location or case.location in where or case.service != "vertex":
        return None
    words = f"the model was found in {', '.join(where)} only"
    return _Broken("location", case.location, words)


def _thinking_kind(case: _Case) -> _Broken | None:
    for kind, name, words in (
        ("level", "thinkingBudget", "{model} is documented with thinking_level (minimal to high)"),
        ("budget", "thinkingLevel", "{model} is documented with thinking_budget (0: off)"),
    ):
        value = case.at("generationConfig", "thinkingConfig", name)
        if case.profile.thinking == kind and value is not None:
            return _Broken(f"generationConfig.thinkingConfig.{name}", value, words)
    return None


def _always_blocking(case: _Case) -> _Broken | None:
    if case.profile.tool_behaviors != ("BLOCKING",):
        return None
    for name, behavior in case.functions():
        if behavior == "NON_BLOCKING":
            return _Broken(f"tools: behavior of {name}", behavior)
    return None


def _json_schema(case: _Case) -> _Broken | None:
    if case.profile.tool_behaviors != ("NON_BLOCKING",):
        return None
    for function in case.declarations():
        if (schema := function.get("parametersJsonSchema")) is not None:
            return _Broken(f"tools: parametersJsonSchema of {function.get('name')}", schema)
    return None


def _tools(case: _Case) -> _Broken | None:
    if case.profile.tools is None:
        return None
    for tool in case.tools():
        for kind in tool:
            if kind not in case.profile.tools:
                return _Broken("tools", kind)
    return None


def _newer_version(case: _Case) -> _Broken | None:
    """Fields of 2.5 native audio that the Gemini API knew in v1alpha only."""
    if case.service != "google" or case.api_version == "v1alpha":
        return None
    for name, way, known in (
        ("proactivity", ("proactivity",), case.profile.proactivity),
        (
            "generationConfig.enableAffectiveDialog",
            ("generationConfig", "enableAffectiveDialog"),
            case.profile.affective_dialog,
        ),
    ):
        if known == "v1alpha" and case.at(*way) is not None:
            return _Broken(name, case.at(*way))
    return None


def _proactivity_said(case: _Case) -> _Broken | None:
    wanted = case.at("proactivity")
    if wanted is None or case.profile.proactivity != "always":
        return None
    return None if _always_proactive(case) else _Broken("proactivity", wanted)


def _vad_signal(case: _Case) -> _Broken | None:
    wanted = case.at("explicitVadSignal")
    if wanted is None or case.service != "google":
        return None
    return _Broken("explicitVadSignal", wanted)


def _many_speakers(case: _Case) -> _Broken | None:
    config = case.at("generationConfig", "speechConfig", "multiSpeakerVoiceConfig")
    if config is None:
        return None
    return _Broken("generationConfig.speechConfig.multiSpeakerVoiceConfig", config)


def _voice_of_the_model(case: _Case) -> _Broken | None:
    way = ("generationConfig", "speechConfig", "voiceConfig", "prebuiltVoiceConfig", "voiceName")
    name = case.at(*way)
    if name is None or name in case.profile.voices:
        return None
    return _Broken(".".join(way), name, f"its voices are {', '.join(case.profile.voices)}")


def _text_only(case: _Case) -> _Broken | None:
    if case.modalities != ["AUDIO"] or "AUDIO" in case.profile.modalities:
        return None
    return _Broken("generationConfig.responseModalities", ["AUDIO"])


def _translation(case: _Case) -> _Broken | None:
    wanted = case.at("generationConfig", "translationConfig")
    if case.profile.translates == (wanted is not None):
        return None
    if case.profile.translates:
        words, fix = "{model} needs to know a language", "Pass translation='de', for example."
    else:
        words, fix = "{model} is not documented to translate", "Leave out translation."
    return _Broken("generationConfig.translationConfig", wanted, words, fix)


def _translators_instruction(case: _Case) -> _Broken | None:
    if not case.profile.translates or case.at("systemInstruction") is None:
        return None
    return _Broken("systemInstruction", case.at("systemInstruction"))


_TRY = "Expect a refusal (close 1007 or 1008), or that it is ignored."

#: Refusals and doubts, in the order of the setup's members.
RULES: tuple[Rule, ...] = (
    Rule(
        "one modality",
        _one_modality,
        "a session answers in one modality, AUDIO or TEXT",
        "Text beside speech is its output transcription.",
        of_model=False,
    ),
    Rule(
        "no TEXT from speech models",
        _text_of_speech_model,
        "{model} answers in speech only",
        "Use response_modalities=['TEXT'] of LiveGenerationConfig, which is served by output "
        "transcription, or ['AUDIO'].",
    ),
    Rule(
        "TEXT has no voice",
        _voice_of_text,
        "an answer in TEXT has no voice",
        "Leave out the voice, or ask for AUDIO.",
        of_model=False,
    ),
    Rule(
        "not in Live",
        _not_in_live,
        "the Live API does not take it",
        "Leave it out; a function's parameters are the way to an answer of a given shape.",
        of_model=False,
    ),
    Rule(
        "no thinking settings",
        _thinking_absent,
        "{model} takes no thinkingConfig",
        "Leave out thinking_budget, thinking_level and include_thoughts, or use "
        "gemini-3.8-live-extended-thinking.",
    ),
    Rule(
        "a thinking level",
        _thinking_required,
        "{model} requires one of low, medium, high",
        "Pass thinking_level='low', for example.",
    ),
    Rule(
        "NON_BLOCKING functions only",
        _never_blocking,
        "{model} goes on talking while functions run",
        "Declare it with tool(behavior='NON_BLOCKING'), or without a behavior.",
    ),
    Rule(
        "no affective dialog",
        _affective_dialog,
        "{model} does not know it",
        "Leave out affective_dialog.",
    ),
    Rule(
        "no proactivity",
        _no_proactivity,
        "{model} does not know it",
        "Leave out proactive_audio and proactive_video.",
    ),
    Rule(
        "always proactive",
        _always_proactive,
        "{model} is always proactive",
        "Leave out proactive_audio.",
    ),
    Rule(
        "transparent resumption",
        _transparent,
        "only Vertex AI resumes transparently",
        "Leave it out: the session sends again what the service cannot have heard.",
        of_model=False,
    ),
    Rule("served", _served, fix="docs/models.md says which models are.", refused=False),
    Rule("location", _location, fix=_TRY, refused=False),
    Rule("kind of thinking settings", _thinking_kind, fix=_TRY, refused=False),
    Rule(
        "BLOCKING functions only",
        _always_blocking,
        "{model} is documented to wait for its functions",
        "Expect it to wait all the same.",
        refused=False,
    ),
    Rule(
        "OpenAPI parameters",
        _json_schema,
        "{model} was found never to call a function that is declared so",
        "Declare its parameters as an OpenAPI schema, in parameters; Python functions are.",
        refused=False,
    ),
    Rule("kinds of tools", _tools, "{model} is documented without this tool", _TRY, refused=False),
    Rule(
        "v1alpha",
        _newer_version,
        "older API versions closed with 1007 on it",
        "Pass GoogleAI(api_version='v1alpha') if it is refused.",
        refused=False,
    ),
    Rule(
        "proactivity without need",
        _proactivity_said,
        "{model} is always proactive, and closed with 1007 on the word for one user",
        "Leave out proactive_audio and proactive_video.",
        refused=False,
    ),
    Rule(
        "explicit VAD signal",
        _vad_signal,
        "official clients send it to Vertex AI only",
        _TRY,
        refused=False,
        of_model=False,
    ),
    Rule(
        "one speaker",
        _many_speakers,
        "Live models are documented to speak with one voice",
        _TRY,
        refused=False,
        of_model=False,
    ),
    Rule("voices of the model", _voice_of_the_model, fix=_TRY, refused=False),
    Rule(
        "TEXT only",
        _text_only,
        "{model} is documented to answer in TEXT only",
        "Pass response_modalities=['TEXT'].",
        refused=False,
    ),
    Rule("translation", _translation, refused=False),
    Rule(
        "no instruction for translators",
        _translators_instruction,
        "{model} takes no instruction",
        _TRY,
        refused=False,
    ),
)


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:119]}…"
