"""What each Live model accepts: one table, and how a model finds its row in it.

`antiphon.wire.model_rules` holds a setup against it; ``docs/models.md`` shows it. What the
sources do not say is None, "unknown" or the most permissive value: a model may accept more than
the table knows, so nothing is refused for it then.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

__all__ = ["AS_OF", "DEFAULT_MODEL", "PROFILES", "VOICES", "ModelProfile", "model_id", "profile_of"]

#: When the table was last compared with its sources.
AS_OF = "2026-11"
DEFAULT_MODEL = "gemini-3.8-live"

#: The service's prebuilt voices; names are case-sensitive.
VOICES = (
    "Achernar", "Achird", "Algenib", "Algieba", "Alnilam", "Aoede", "Autonoe", "Callirrhoe",
    "Charon", "Despina", "Enceladus", "Erinome", "Fenrir", "Gacrux", "Iapetus", "Kore",
    "Laomedeia", "Leda", "Orus", "Puck", "Pulcherrima", "Rasalgethi", "Sadachbia", "Sadaltager",
    "Schedar", "Sulafat", "Umbriel", "Vindemiatrix", "Zephyr", "Zubenelgenubi",
)  # fmt: skip


_HALF_CASCADE_VOICES = ("Aoede", "Charon", "Fenrir", "Kore", "Leda", "Orus", "Puck", "Zephyr")

Behavior = Literal["BLOCKING", "NON_BLOCKING"]


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a model accepts.

    Attributes:
        family: What the models have in common, in words.
        models: Their ids. A model of another id that looks like them gets the same profile, but
            nothing is refused for it.
        status: ``stable``, ``preview``, ``deprecated``, ``retired``, or ``unclear`` where no
            source describes the models; nothing is refused for those either.
        sources: Where this is from.
        backends: Where the real service serves it today: ``google`` (the Gemini API) and
            ``vertex``. The models of the Firebase guide's day are served nowhere any more.
        locations: Of Vertex AI; none: any.
        modalities: Of the answer, one per session. Speech models do not answer with TEXT: their
            text is the output transcription.
        thinking: ``budget`` (``thinking_budget``, 0 is off), ``level``, ``required`` (a level,
            always), ``none`` (must be absent), or ``unknown``.
        thinking_levels: Those it takes.
        tool_behavior: What a function declaration without a behavior means.
        tool_behaviors: Which may be declared.
        holds_input_in_call: Takes no realtime input while a BLOCKING call is open: it closes with
            1008, or takes the input for a new turn and cancels the call.
        tools: Kinds of tools, in the service's own spelling; None: not known.
        client_content: What is known of content in mid-session.
        takes_content: Goes on as before after content in mid-session that asks for no answer.
        media_chunks: Whether it takes the deprecated ``mediaChunks``.
        affective_dialog, proactivity: ``yes``, ``v1alpha`` (and Vertex AI), ``no``, ``always``,
            or ``unknown``.
        translates: It translates, by ``translation``; has no instruction and no tools.
        unasked_notices: Sends resumption handles and voice activity without being asked.
        interaction_status: Says with ``turnComplete`` whether more will come unasked.
        turn_coverage: What a turn has of the input, if the setup does not say.
        context_tokens, max_output_tokens: Sizes; of the output None where no source says.
        voices: Prebuilt ones.
    """

    family: str = "other models"
    models: tuple[str, ...] = ()
    status: Literal["stable", "preview", "deprecated", "retired", "unclear"] = "unclear"
    sources: str = ""
    backends: frozenset[str] = frozenset({"google"})
    locations: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ("AUDIO",)
    thinking: Literal["budget", "level", "required", "none", "unknown"] = "unknown"
    thinking_levels: tuple[str, ...] = ()
    tool_behavior: Behavior = "BLOCKING"
    tool_behaviors: tuple[Behavior, ...] = ("BLOCKING", "NON_BLOCKING")
    holds_input_in_call: bool = False
    tools: tuple[str, ...] | None = None
    client_content: str = "at any time"
    takes_content: bool = True
    media_chunks: bool = True
    affective_dialog: Literal["yes", "v1alpha", "no", "unknown"] = "unknown"
    proactivity: Literal["yes", "v1alpha", "no", "always", "unknown"] = "unknown"
    translates: bool = False
    unasked_notices: bool = False
    interaction_status: bool = False
    turn_coverage: str = ""
    context_tokens: int = 131_072
    max_output_tokens: int | None = None
    voices: tuple[str, ...] = VOICES

    @property
    def text_output(self) -> bool:
        """Whether it answers with TEXT modality."""
        return "TEXT" in self.modalities


_GOOGLE = frozenset({"google"})
_VERTEX = frozenset({"vertex"})
_NOWHERE: frozenset[str] = frozenset()
_FUNCTIONS_AND_SEARCH = ("functionDeclarations", "googleSearch")
_VIDEO_ALL = "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"

#: Newest first. Sources are the model pages of the Live API unless they say otherwise.
PROFILES: tuple[ModelProfile, ...] = (
    ModelProfile(
        family="3.8 live",
        models=("gemini-3.8-live",),
        status="stable",
        sources="model page of 2026-09-15; frames recorded from the service; js-genai#1953",
        thinking="none",
        tool_behavior="NON_BLOCKING",
        tools=_FUNCTIONS_AND_SEARCH,
        client_content="at any time; with turnComplete it interrupts",
        media_chunks=False,
        affective_dialog="no",
        proactivity="always",
        unasked_notices=True,
        turn_coverage=_VIDEO_ALL,
        max_output_tokens=65_536,
    ),
    ModelProfile(
        family="3.8 live, thinking",
        models=("gemini-3.8-live-extended-thinking",),
        status="stable",
        sources="model page of 2026-09-15; tests of users on the service (aiden-firmware#708)",
        thinking="required",
        thinking_levels=("LOW", "MEDIUM", "HIGH"),
        tool_behavior="NON_BLOCKING",
        tool_behaviors=("NON_BLOCKING",),
        tools=_FUNCTIONS_AND_SEARCH,
        media_chunks=False,
        affective_dialog="no",
        proactivity="always",
        unasked_notices=True,
        interaction_status=True,
        turn_coverage=_VIDEO_ALL,
        max_output_tokens=65_536,
    ),
    ModelProfile(
        family="3.5 live translate",
        models=("gemini-3.5-live-translate-preview",),
        status="preview",
        sources="guide to live translation",
        backends=_GOOGLE | _VERTEX,
        tools=(),
        translates=True,
    ),
    ModelProfile(
        family="3.5 transcribe",
        models=("gemini-3.5-transcribe-live",),
        status="preview",
        sources="guide to live transcription",
        backends=_GOOGLE | _VERTEX,
        modalities=("TEXT",),
    ),
    ModelProfile(
        family="3.5 flash live",
        models=("gemini-3.5-flash-live-preview", "gemini-3.5-flash-lite-live-preview"),
        status="unclear",
        sources="named in a benchmark only (tau2-bench#447)",
        holds_input_in_call=True,
    ),
    ModelProfile(
        family="3.1 flash live",
        models=("gemini-3.1-flash-live-preview",),
        status="preview",
        sources="model page; frames recorded from the service; adk-python#5075, agents#5251",
        thinking="level",
        thinking_levels=("MINIMAL", "LOW", "MEDIUM", "HIGH"),
        tool_behaviors=("BLOCKING",),
        holds_input_in_call=True,
        tools=_FUNCTIONS_AND_SEARCH,
        client_content="at any time; closed with 1007 in spring 2026",
        media_chunks=False,
        affective_dialog="no",
        proactivity="no",
        turn_coverage=_VIDEO_ALL,
        max_output_tokens=65_536,
    ),
    ModelProfile(
        family="2.5 native audio",
        models=(
            "gemini-2.5-flash-native-audio-preview-12-2025",
            "gemini-2.5-flash-native-audio-preview-09-2025",
            "gemini-2.5-flash-native-audio-latest",
        ),
        status="deprecated",
        sources="model page; frames recorded from the service; cookbook#775, js-genai#696",
        thinking="budget",
        holds_input_in_call=True,
        affective_dialog="v1alpha",
        proactivity="v1alpha",
        turn_coverage="TURN_INCLUDES_ONLY_ACTIVITY",
    ),
    ModelProfile(
        family="2.5 native audio on Vertex AI",
        models=("gemini-live-2.5-flash-native-audio",),
        status="stable",
        sources="model page of Vertex AI; its sources disagree on NON_BLOCKING functions",
        backends=_VERTEX,
        locations=("us-central1", "us-east5", "europe-west4"),
        thinking="budget",
        holds_input_in_call=True,
        affective_dialog="yes",
        proactivity="yes",
        turn_coverage="TURN_INCLUDES_ALL_INPUT",
    ),
    ModelProfile(
        family="2.5 native audio, retired",
        models=(
            "gemini-2.5-flash-preview-native-audio-dialog",
            "gemini-live-2.5-flash-preview-native-audio-09-2025",
        ),
        status="retired",
        sources="model pages of 2025",
        backends=_NOWHERE,
        thinking="budget",
        holds_input_in_call=True,
        affective_dialog="v1alpha",
        proactivity="v1alpha",
    ),
    ModelProfile(
        family="2.5 half-cascade on Vertex AI",
        models=("gemini-live-2.5-flash",),
        status="deprecated",
        sources="model page of Vertex AI; frames recorded from the service",
        backends=_VERTEX,
        modalities=("TEXT", "AUDIO"),
        context_tokens=32_768,
        turn_coverage="TURN_INCLUDES_ALL_INPUT",
        voices=_HALF_CASCADE_VOICES,
    ),
    ModelProfile(
        family="half-cascade, retired 2025-12-09",
        models=(
            "gemini-live-2.5-flash-preview",
            "gemini-2.0-flash-live-001",
            "gemini-2.0-flash-live-preview-04-09",
            "gemini-2.0-flash-exp",
        ),
        status="retired",
        sources="model pages of 2025; frames recorded from the service",
        backends=_NOWHERE,
        modalities=("TEXT", "AUDIO"),
        client_content="at any time; no speech was answered after it",
        takes_content=False,
        context_tokens=32_768,
        voices=_HALF_CASCADE_VOICES,
    ),
)

_BY_ID = {model: profile for profile in PROFILES for model in profile.models}

# What other ids are taken for: those of a date or a version to come.
_LIKENESS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"gemini-3\.8-live-extended-thinking"), "gemini-3.8-live-extended-thinking"),
    (re.compile(r"gemini-3\.8-live"), "gemini-3.8-live"),
    (re.compile(r"gemini-3\.\d+-live-translate"), "gemini-3.5-live-translate-preview"),
    (re.compile(r"gemini-3\.\d+-transcribe-live"), "gemini-3.5-transcribe-live"),
    (re.compile(r"gemini-3\.\d+-.*live"), "gemini-3.5-flash-live-preview"),
    (
        re.compile(r"gemini-(live-2\.5-flash|2\.5-flash)-preview-native-audio"),
        "gemini-2.5-flash-preview-native-audio-dialog",
    ),
    (re.compile(r".*native-audio.*"), "gemini-2.5-flash-native-audio-latest"),
    (
        re.compile(r"gemini-(live-2\.5-flash|2\.0-flash-(live|exp)|2\.5-flash-live)"),
        "gemini-2.0-flash-live-001",
    ),
)


def model_id(name: str) -> str:
    """The bare id of a model: what stands after the last slash of any of its forms."""
    return name.rsplit("/", 1)[-1]


def profile_of(name: str) -> ModelProfile:
    """The profile of a model, by any form of its name; an unknown one is a speech model."""
    bare = model_id(name)
    if (profile := _BY_ID.get(bare)) is not None:
        return profile
    for pattern, like in _LIKENESS:
        if pattern.match(bare):
            return _BY_ID[like]
    return ModelProfile()
