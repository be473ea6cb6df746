"""What a session is asked for, in the words of a person; made into the wire's `Setup`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from antiphon.wire import (
    VOICES,
    AutomaticActivityDetection,
    Content,
    ContextWindowCompression,
    GenerationConfig,
    PrebuiltVoiceConfig,
    RealtimeInputConfig,
    SessionResumption,
    Setup,
    SlidingWindow,
    SpeechConfig,
    ThinkingConfig,
    Tool,
    TranscriptionConfig,
    VoiceConfig,
    profile_of,
)

__all__ = ["VAD", "VOICES", "LiveGenerationConfig", "SetupPlan"]

Level = Literal["low", "high"]


@dataclass(frozen=True, kw_only=True)
class VAD:
    """How the service finds out when the user speaks; None everywhere: its own defaults.

    Attributes:
        disabled: No detection: mark speech with ``start_activity`` and ``end_activity``.
        start_sensitivity: ``high`` finds more beginnings of speech, ``low`` fewer.
        end_sensitivity: ``high`` ends speech sooner, ``low`` later.
        prefix_padding_ms: Speech needed before a start counts.
        silence_duration_ms: Silence needed before an end counts.
        no_interruption: Speech does not interrupt the model.
    """

    disabled: bool = False
    start_sensitivity: Level | None = None
    end_sensitivity: Level | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    no_interruption: bool = False

    def __post_init__(self) -> None:
        for name in ("start_sensitivity", "end_sensitivity"):
            _one_of(f"VAD.{name}", getattr(self, name), ("low", "high"))
        for name in ("prefix_padding_ms", "silence_duration_ms"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"VAD.{name} is {value}; it must be 0 ms or more.")

    def to_wire(self) -> RealtimeInputConfig:
        """As the service takes it."""
        start, end = self.start_sensitivity, self.end_sensitivity
        return RealtimeInputConfig(
            automatic_activity_detection=AutomaticActivityDetection(
                disabled=True if self.disabled else None,
                start_of_speech_sensitivity=start and f"START_SENSITIVITY_{start.upper()}",
                end_of_speech_sensitivity=end and f"END_SENSITIVITY_{end.upper()}",
                prefix_padding_ms=self.prefix_padding_ms,
                silence_duration_ms=self.silence_duration_ms,
            ),
            activity_handling="NO_INTERRUPTION" if self.no_interruption else None,
        )


class SetupPlan(NamedTuple):
    """A setup, and what had to be changed to make it fit the model."""

    setup: Setup
    speech_as_text: bool
    """TEXT was asked of a model that only speaks: its transcription is the text."""
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LiveGenerationConfig:
    """How the model should answer. What is None is left to the service.

    Attributes:
        response_modalities: ``["AUDIO"]`` or ``["TEXT"]``. TEXT of a model that only speaks is
            its output transcription; its audio is not delivered then.
        voice: One of `VOICES`, such as ``Puck``.
        language: A BCP-47 code, such as ``de-DE``; current models find it out themselves.
        temperature, top_p, top_k, max_output_tokens, presence_penalty, frequency_penalty, seed:
            As everywhere.
        media_resolution: Of images: ``low``, ``medium`` or ``high``.
        thinking_budget, thinking_level, include_thoughts: How much a model thinks; which of
            them a model takes differs.
        input_audio_transcription, output_audio_transcription: Whether to transcribe the user
            and the model; or a `TranscriptionConfig` with details.
        vad: How the service finds speech.
        session_resumption: True: send handles; a handle: resume that session.
        context_window_compression: True: drop old context instead of ending the session; a
            number: when that many tokens are reached.
        strict: Check names here; False leaves it to the service.
    """

    response_modalities: Sequence[str] = field(default_factory=lambda: ["AUDIO"])
    voice: str | None = None
    language: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_output_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    media_resolution: Literal["low", "medium", "high"] | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None
    include_thoughts: bool | None = None
    input_audio_transcription: bool | TranscriptionConfig = True
    output_audio_transcription: bool | TranscriptionConfig = True
    vad: VAD | None = None
    session_resumption: bool | str | None = None
    context_window_compression: bool | int | None = None
    strict: bool = True

    def __post_init__(self) -> None:
        wanted = self.response_modalities
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        names = [name.upper() for name in names]
        if len(names) != 1 or names[0] not in ("AUDIO", "TEXT"):
            raise ValueError(
                f"response_modalities is {wanted!r}; it must be ['AUDIO'] or ['TEXT']: a session "
                "answers in one modality. Text beside speech is its output transcription."
            )
        object.__setattr__(self, "response_modalities", names)
        _one_of("media_resolution", self.media_resolution, ("low", "medium", "high"))
        if self.strict and self.voice is not None and self.voice not in VOICES:
            similar = [name for name in VOICES if name.lower() == self.voice.lower()]
            meant = f" Did you mean {similar[0]!r}?" if similar else ""
            raise ValueError(
                f"{self.voice!r} is not a voice of the service.{meant} The voices (case counts) "
                f"are {', '.join(VOICES)}. strict=False sends another name."
            )

    def plan(
        self, model: str, *, system_instruction: Content | None, tools: list[Tool]
    ) -> SetupPlan:
        """The setup for a model; its ``model`` member is left to the caller."""
        text = self.response_modalities == ["TEXT"]
        notes = []
        speech_as_text = text and not profile_of(model).text_output
        if speech_as_text:
            notes.append(
                f"{model} answers in speech only: text is the transcription of its speech."
            )
        sends_text = text and not speech_as_text
        if sends_text and (self.voice or self.language):
            notes.append("TEXT has no voice: voice and language are not sent.")
        transcribe = True if speech_as_text else self.output_audio_transcription
        compress = self.context_window_compression
        resume = self.session_resumption
        setup = Setup(
            generation_config=self._generation_config(sends_text=sends_text),
            system_instruction=system_instruction,
            tools=tools or None,
            realtime_input_config=None if self.vad is None else self.vad.to_wire(),
            session_resumption=_resumption(resume),
            context_window_compression=_compression(compress),
            input_audio_transcription=_transcription(self.input_audio_transcription),
            output_audio_transcription=None if sends_text else _transcription(transcribe),
        )
        return SetupPlan(setup, speech_as_text, tuple(notes))

    def _generation_config(self, *, sends_text: bool) -> GenerationConfig:
        size = self.media_resolution
        return GenerationConfig(
            response_modalities=["TEXT" if sends_text else "AUDIO"],
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            max_output_tokens=self.max_output_tokens,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            seed=self.seed,
            media_resolution=size and f"MEDIA_RESOLUTION_{size.upper()}",
            speech_config=None if sends_text else self._speech_config(),
            thinking_config=self._thinking_config(),
        )

    def _speech_config(self) -> SpeechConfig | None:
        if self.voice is None and self.language is None:
            return None
        voice = self.voice and VoiceConfig(
            prebuilt_voice_config=PrebuiltVoiceConfig(voice_name=self.voice)
        )
        return SpeechConfig(voice_config=voice or None, language_code=self.language)

    def _thinking_config(self) -> ThinkingConfig | None:
        if (self.thinking_budget, self.thinking_level, self.include_thoughts) == (None, None, None):
            return None
        return ThinkingConfig(
            include_thoughts=self.include_thoughts,
            thinking_budget=self.thinking_budget,
            thinking_level=self.thinking_level and self.thinking_level.upper(),
        )


def _one_of(name: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(known)}, or None.")


def _transcription(wish: bool | TranscriptionConfig) -> TranscriptionConfig | None:
    if isinstance(wish, TranscriptionConfig):
        return wish
    return TranscriptionConfig() if wish else None


def _resumption(wish: bool | str | None) -> SessionResumption | None:
    if isinstance(wish, str):
        return SessionResumption(handle=wish)
    return SessionResumption() if wish else None


def _compression(wish: bool | int | None) -> ContextWindowCompression | None:
    if wish is None or wish is False:
        return None
    trigger = None if wish is True else wish
    return ContextWindowCompression(trigger_tokens=trigger, sliding_window=SlidingWindow())
