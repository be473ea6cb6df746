"""What a session is asked for, in the words of a person; made into the wire's `Setup`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from antiphon.wire import (
    VOICES,
    AutomaticActivityDetection,
    AvatarConfig,
    Content,
    ContextWindowCompression,
    GenerationConfig,
    HistoryConfig,
    MultiSpeakerVoiceConfig,
    PrebuiltVoiceConfig,
    Proactivity,
    RealtimeInputConfig,
    ReplicatedVoiceConfig,
    SafetySetting,
    SessionResumption,
    Setup,
    SlidingWindow,
    SpeakerVoiceConfig,
    SpeechConfig,
    ThinkingConfig,
    Tool,
    TranscriptionConfig,
    TranslationConfig,
    VoiceConfig,
    VoiceConsentSignature,
    bytes_to_base64,
    profile_of,
)

__all__ = ["VAD", "VOICES", "ClonedVoice", "LiveGenerationConfig", "SetupPlan"]

Level = Literal["low", "high"]
TurnCoverage = Literal["activity", "all_input", "activity_and_video"]

_TURN_COVERAGE = {
    "activity": "TURN_INCLUDES_ONLY_ACTIVITY",
    "all_input": "TURN_INCLUDES_ALL_INPUT",
    "activity_and_video": "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
}


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


@dataclass(frozen=True, kw_only=True)
class ClonedVoice:
    """A voice made from a sample of somebody's speech, with their recorded consent.

    Attributes:
        sample: A WAV of 24 kHz.
        consent: The recording of the consent, the same way; or
        consent_signature: `LiveSession.voice_consent_signature` of a session that was given it.

    Raises:
        ValueError: No consent.
    """

    sample: bytes = field(repr=False)
    consent: bytes | None = field(default=None, repr=False)
    consent_signature: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.consent is None) == (self.consent_signature is None):
            raise ValueError(
                "A ClonedVoice needs its speaker's consent in one form: consent= the recording, or "
                "consent_signature= what LiveSession.voice_consent_signature was for it."
            )

    def to_wire(self) -> VoiceConfig:
        """As the service takes it."""
        signature = self.consent_signature
        return VoiceConfig(
            replicated_voice_config=ReplicatedVoiceConfig(
                mime_type="audio/wav",
                voice_sample_audio=bytes_to_base64(self.sample),
                consent_audio=None if self.consent is None else bytes_to_base64(self.consent),
                voice_consent_signature=None
                if signature is None
                else VoiceConsentSignature(signature=signature),
            )
        )


#: One of `VOICES`, a cloned one, or one in the service's own form.
Voice: TypeAlias = str | ClonedVoice | VoiceConfig


class SetupPlan(NamedTuple):
    """A setup, and what had to be changed to make it fit the model."""

    setup: Setup
    speech_as_text: bool
    """TEXT was asked of a model that only speaks: its transcription is the text."""
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LiveGenerationConfig:
    """How the model should answer. What is None is left to the service.

    What a model takes differs, and is checked by `LiveModel`: see ``docs/models.md``. Types that
    are named here without a place are in `antiphon.wire`.

    Attributes:
        response_modalities: ``["AUDIO"]`` or ``["TEXT"]``. TEXT of a model that only speaks is
            its output transcription; its audio is not delivered then, and `LiveModel.notes`
            says so. With ``strict=False``, whatever is here is sent.
        voice: One of `VOICES`, such as ``Puck``; a `ClonedVoice`; a ``VoiceConfig`` of the wire;
            or several speakers' voices by their names, ``{"Ann": "Kore", "Bob": "Puck"}``.
        language: A BCP-47 code, such as ``de-DE``; current models find it out themselves.
        temperature, top_p, top_k, max_output_tokens, candidate_count, presence_penalty,
            frequency_penalty, seed: As everywhere.
        media_resolution: Of images: ``low`` (64 tokens), ``medium`` or ``high`` (256).
        thinking_budget, thinking_level, include_thoughts: How much a model thinks: in tokens (0:
            not at all), or ``minimal``, ``low``, ``medium``, ``high``, ``xhigh``; and whether it
            shows what. Which of them a model takes differs.
        affective_dialog: Whether to answer in the mood of the user.
        proactive_audio, proactive_video: Whether the model decides itself if it answers.
        translation: Of a translating model: the language to speak, or a ``TranslationConfig``.
        transcription: Of a transcribing model: how, as a ``TranscriptionConfig``.
        input_audio_transcription, output_audio_transcription: Whether to transcribe the user
            and the model; or a ``TranscriptionConfig`` with details, such as languages to expect,
            words to expect, times of words, and speakers.
        vad: How the service finds speech.
        turn_coverage: What a turn has of the input: ``activity`` (speech only), ``all_input``, or
            ``activity_and_video``. The service's own default differs.
        interim_transcript_timestamps: Whether provisional transcripts have times.
        explicit_vad_signal: Whether to tell when speech begins and ends
            (``message.voice_activity``, ``message.vad_signal``).
        session_resumption: True: send handles; a handle: resume that session.
        context_window_compression: True: drop old context instead of ending the session; a
            number: when that many tokens are reached; or a ``ContextWindowCompression``.
        initial_history: The history that is given to ``connect`` is told as such: it may end
            with a turn of the model, and nothing in it is answered. Without a history there, the
            content up to the first with ``turn_complete`` is taken for it.
        avatar: The face of the answer.
        safety_settings: What is blocked.
        tool_config: Of the tools, in the service's own form.
        labels: For the bill.
        extra: Members of the setup that antiphon does not know, in the service's own form and
            spelling: ``{"generationConfig": {"newMember": 1}}``. They are merged into it.
        strict: Check names and what the model takes here; False leaves it to the service.
    """

    response_modalities: Sequence[str] = field(default_factory=lambda: ["AUDIO"])
    voice: Voice | Mapping[str, Voice] | None = None
    language: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_output_tokens: int | None = None
    candidate_count: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    media_resolution: Literal["low", "medium", "high"] | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None
    include_thoughts: bool | None = None
    affective_dialog: bool | None = None
    proactive_audio: bool | None = None
    proactive_video: bool | None = None
    translation: str | TranslationConfig | None = None
    transcription: TranscriptionConfig | None = None
    input_audio_transcription: bool | TranscriptionConfig = True
    output_audio_transcription: bool | TranscriptionConfig = True
    vad: VAD | None = None
    turn_coverage: TurnCoverage | None = None
    interim_transcript_timestamps: bool | None = None
    explicit_vad_signal: bool | None = None
    session_resumption: bool | str | None = None
    context_window_compression: bool | int | ContextWindowCompression | None = None
    initial_history: bool = False
    avatar: AvatarConfig | None = None
    safety_settings: Sequence[SafetySetting] = ()
    tool_config: Mapping[str, Any] | None = None
    labels: Mapping[str, str] | None = None
    extra: Mapping[str, Any] | None = None
    strict: bool = True

    def __post_init__(self) -> None:
        wanted = self.response_modalities
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        names = [name.upper() for name in names]
        if self.strict and names not in (["AUDIO"], ["TEXT"]):
            raise ValueError(
                f"response_modalities is {wanted!r}; it must be ['AUDIO'] or ['TEXT']: a session "
                "answers in one modality. Text beside speech is its output transcription. "
                "strict=False sends others."
            )
        object.__setattr__(self, "response_modalities", names)
        _one_of("media_resolution", self.media_resolution, ("low", "medium", "high"))
        _one_of("turn_coverage", self.turn_coverage, tuple(_TURN_COVERAGE))
        if self.strict:
            for voice in _voices(self.voice):
                _check_voice(voice)

    def plan(
        self, model: str, *, system_instruction: Content | None, tools: list[Tool]
    ) -> SetupPlan:
        """The setup for a model; its ``model`` member is left to the caller."""
        text = self.response_modalities == ["TEXT"]
        notes = []
        speech_as_text = text and self.strict and not profile_of(model).text_output
        if speech_as_text:
            notes.append(
                f"{model} answers in speech only: text is the transcription of its speech."
            )
        sends_text = text and not speech_as_text
        if sends_text and (self.voice or self.language):
            notes.append("TEXT has no voice: voice and language are not sent.")
        transcribe = True if speech_as_text else self.output_audio_transcription
        setup = Setup(
            generation_config=self._generation_config(
                ["AUDIO"] if speech_as_text else list(self.response_modalities)
            ),
            system_instruction=system_instruction,
            tools=tools or None,
            tool_config=None if self.tool_config is None else dict(self.tool_config),
            realtime_input_config=self._realtime_input_config(),
            session_resumption=_resumption(self.session_resumption),
            context_window_compression=_compression(self.context_window_compression),
            input_audio_transcription=_transcription(self.input_audio_transcription),
            output_audio_transcription=None if sends_text else _transcription(transcribe),
            proactivity=self._proactivity(),
            explicit_vad_signal=self.explicit_vad_signal,
            history_config=HistoryConfig(initial_history_in_client_content=True)
            if self.initial_history
            else None,
            avatar_config=self.avatar,
            safety_settings=list(self.safety_settings) or None,
            labels=None if self.labels is None else dict(self.labels),
            extra=None if self.extra is None else dict(self.extra),
        )
        return SetupPlan(setup, speech_as_text, tuple(notes))

    def _realtime_input_config(self) -> RealtimeInputConfig | None:
        if (self.vad, self.turn_coverage, self.interim_transcript_timestamps) == (None, None, None):
            return None
        config = RealtimeInputConfig() if self.vad is None else self.vad.to_wire()
        config.turn_coverage = self.turn_coverage and _TURN_COVERAGE[self.turn_coverage]
        config.interim_transcript_timestamp_enabled = self.interim_transcript_timestamps
        return config

    def _proactivity(self) -> Proactivity | None:
        if (self.proactive_audio, self.proactive_video) == (None, None):
            return None
        return Proactivity(
            proactive_audio=self.proactive_audio, proactive_video=self.proactive_video
        )

    def _generation_config(self, modalities: list[str]) -> GenerationConfig:
        size, target = self.media_resolution, self.translation
        return GenerationConfig(
            response_modalities=modalities,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            max_output_tokens=self.max_output_tokens,
            candidate_count=self.candidate_count,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            seed=self.seed,
            media_resolution=size and f"MEDIA_RESOLUTION_{size.upper()}",
            speech_config=None if modalities == ["TEXT"] else self._speech_config(),
            thinking_config=self._thinking_config(),
            enable_affective_dialog=self.affective_dialog,
            translation_config=TranslationConfig(target_language_code=target)
            if isinstance(target, str)
            else target,
            audio_transcription_config=self.transcription,
        )

    def _speech_config(self) -> SpeechConfig | None:
        if self.voice is None and self.language is None:
            return None
        config = SpeechConfig(language_code=self.language)
        if isinstance(self.voice, Mapping):
            config.multi_speaker_voice_config = MultiSpeakerVoiceConfig(
                speaker_voice_configs=[
                    SpeakerVoiceConfig(speaker=speaker, voice_config=_voice_config(voice))
                    for speaker, voice in self.voice.items()
                ]
            )
        elif self.voice is not None:
            config.voice_config = _voice_config(self.voice)
        return config

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


def _voices(wish: Voice | Mapping[str, Voice] | None) -> Sequence[Voice]:
    if wish is None:
        return ()
    return tuple(wish.values()) if isinstance(wish, Mapping) else (wish,)


def _check_voice(voice: Voice) -> None:
    config = _voice_config(voice)
    prebuilt = config.prebuilt_voice_config
    name = prebuilt.voice_name if prebuilt is not None else VOICES[0]
    if name not in VOICES:
        similar = [known for known in VOICES if known.lower() == name.lower()]
        meant = f" Did you mean {similar[0]!r}?" if similar else ""
        raise ValueError(
            f"{name!r} is not a voice of the service.{meant} The voices (case counts) "
            f"are {', '.join(VOICES)}. strict=False sends another name."
        )


def _voice_config(voice: Voice) -> VoiceConfig:
    if isinstance(voice, str):
        return VoiceConfig(prebuilt_voice_config=PrebuiltVoiceConfig(voice_name=voice))
    return voice if isinstance(voice, VoiceConfig) else voice.to_wire()


def _transcription(wish: bool | TranscriptionConfig) -> TranscriptionConfig | None:
    if isinstance(wish, TranscriptionConfig):
        return wish
    return TranscriptionConfig() if wish else None


def _resumption(wish: bool | str | None) -> SessionResumption | None:
    if isinstance(wish, str):
        return SessionResumption(handle=wish)
    return SessionResumption() if wish else None


def _compression(
    wish: bool | int | ContextWindowCompression | None,
) -> ContextWindowCompression | None:
    if isinstance(wish, ContextWindowCompression):
        return wish
    if wish is None or wish is False:
        return None
    trigger = None if wish is True else wish
    return ContextWindowCompression(trigger_tokens=trigger, sliding_window=SlidingWindow())
