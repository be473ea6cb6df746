"""Configurations become setups, or errors that say what to do."""

import pytest
from live_client_schema import validate
from live_script import KEY, accept_and_wait, model_for

from antiphon.errors import ToolError
from antiphon.session import VAD, VOICES, ClonedVoice, LiveGenerationConfig, LiveModel, connect
from antiphon.session.websocket import WebSocketConnector
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import (
    AvatarConfig,
    ContextWindowCompression,
    CustomizedAvatar,
    FirebaseAI,
    GoogleAI,
    LanguageHints,
    PrebuiltVoiceConfig,
    SafetySetting,
    SlidingWindow,
    TranscriptionConfig,
    TranslationConfig,
    VertexAI,
    VoiceConfig,
)


def setup_of(name="gemini-3.8-live", **settings):
    async def main():
        model = model_for(accept_and_wait, name=name, **settings)
        async with model.connect():
            pass
        sent = model._connector.servers[0].received[0]
        if model.config.extra is None:
            validate(sent)
        return sent["setup"]

    return run_in_virtual_time(main())


def test_the_defaults_ask_for_speech_and_both_transcripts():
    assert setup_of() == {
        "model": "models/gemini-3.8-live",
        "generationConfig": {"responseModalities": ["AUDIO"]},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
    }


def test_every_setting_has_its_place():
    setup = setup_of(
        system_instruction=["Be brief.", "Be kind."],
        config=LiveGenerationConfig(
            strict=False,  # no model takes all of this
            voice="Puck",
            language="de-DE",
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            max_output_tokens=100,
            presence_penalty=0.1,
            frequency_penalty=0.2,
            seed=7,
            media_resolution="low",
            thinking_budget=0,
            thinking_level="low",
            include_thoughts=True,
            input_audio_transcription=False,
            output_audio_transcription=TranscriptionConfig(language_codes=["de-DE"]),
            vad=VAD(
                start_sensitivity="high",
                end_sensitivity="low",
                prefix_padding_ms=20,
                silence_duration_ms=400,
                no_interruption=True,
            ),
            session_resumption="handle-1",
            context_window_compression=1000,
        ),
    )
    assert setup == {
        "model": "models/gemini-3.8-live",
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "maxOutputTokens": 100,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "seed": 7,
            "mediaResolution": "MEDIA_RESOLUTION_LOW",
            "speechConfig": {
                "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}},
                "languageCode": "de-DE",
            },
            "thinkingConfig": {
                "includeThoughts": True,
                "thinkingBudget": 0,
                "thinkingLevel": "LOW",
            },
        },
        "systemInstruction": {
            "role": "user",
            "parts": [{"text": "Be brief."}, {"text": "Be kind."}],
        },
        "realtimeInputConfig": {
            "automaticActivityDetection": {
                "startOfSpeechSensitivity": "START_SENSITIVITY_HIGH",
                "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
                "prefixPaddingMs": 20,
                "silenceDurationMs": 400,
            },
            "activityHandling": "NO_INTERRUPTION",
        },
        "sessionResumption": {"handle": "handle-1"},
        "contextWindowCompression": {"triggerTokens": 1000, "slidingWindow": {}},
        "outputAudioTranscription": {"languageCodes": ["de-DE"]},
    }


def test_every_setting_of_the_newer_api_has_its_place():
    spoken = TranscriptionConfig(
        language_codes=["de-DE"],
        custom_vocabulary=["antiphon"],
        word_timestamp=True,
        diarization=True,
        mode="SMART",
        source_text="a draft",
        language_auto={},
        language_hints=LanguageHints(language_codes=["de-DE"]),
        adaptation_phrases=["one voice"],
    )
    as_sent = {
        "languageCodes": ["de-DE"],
        "customVocabulary": ["antiphon"],
        "wordTimestamp": True,
        "diarization": True,
        "mode": "SMART",
        "sourceText": "a draft",
        "languageAuto": {},
        "languageHints": {"languageCodes": ["de-DE"]},
        "adaptationPhrases": ["one voice"],
    }
    setup = setup_of(
        config=LiveGenerationConfig(
            strict=False,
            voice={"Ann": "Kore", "Bob": ClonedVoice(sample=b"RIFF", consent_signature="sig")},
            candidate_count=1,
            affective_dialog=True,
            proactive_audio=True,
            proactive_video=False,
            translation=TranslationConfig(target_language_code="fr", echo_target_language=True),
            transcription=spoken,
            input_audio_transcription=spoken,
            turn_coverage="activity_and_video",
            interim_transcript_timestamps=True,
            explicit_vad_signal=True,
            context_window_compression=ContextWindowCompression(
                trigger_tokens=1000, sliding_window=SlidingWindow(target_tokens=500)
            ),
            initial_history=True,
            avatar=AvatarConfig(
                avatar_name="Ada",
                customized_avatar=CustomizedAvatar(image_mime_type="image/png", image_data="AAAA"),
                audio_bitrate_bps=64_000,
                video_bitrate_bps=500_000,
            ),
            safety_settings=[
                SafetySetting(
                    category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE", method="SEVERITY"
                )
            ],
            tool_config={"functionCallingConfig": {"mode": "ANY"}},
            labels={"cost_center": "7"},
        ),
    )
    assert setup == {
        "model": "models/gemini-3.8-live",
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "candidateCount": 1,
            "speechConfig": {
                "multiSpeakerVoiceConfig": {
                    "speakerVoiceConfigs": [
                        {
                            "speaker": "Ann",
                            "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}},
                        },
                        {
                            "speaker": "Bob",
                            "voiceConfig": {
                                "replicatedVoiceConfig": {
                                    "mimeType": "audio/wav",
                                    "voiceSampleAudio": "UklGRg==",
                                    "voiceConsentSignature": {"signature": "sig"},
                                }
                            },
                        },
                    ]
                }
            },
            "enableAffectiveDialog": True,
            "translationConfig": {"targetLanguageCode": "fr", "echoTargetLanguage": True},
            "audioTranscriptionConfig": as_sent,
        },
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "realtimeInputConfig": {
            "turnCoverage": "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
            "interimTranscriptTimestampEnabled": True,
        },
        "contextWindowCompression": {
            "triggerTokens": 1000,
            "slidingWindow": {"targetTokens": 500},
        },
        "inputAudioTranscription": as_sent,
        "outputAudioTranscription": {},
        "proactivity": {"proactiveAudio": True, "proactiveVideo": False},
        "explicitVadSignal": True,
        "historyConfig": {"initialHistoryInClientContent": True},
        "avatarConfig": {
            "avatarName": "Ada",
            "customizedAvatar": {"imageMimeType": "image/png", "imageData": "AAAA"},
            "audioBitrateBps": 64_000,
            "videoBitrateBps": 500_000,
        },
        "safetySettings": [
            {
                "category": "HARM_CATEGORY_HARASSMENT",
                "threshold": "BLOCK_NONE",
                "method": "SEVERITY",
            }
        ],
        "labels": {"cost_center": "7"},
    }


def test_voices_of_every_kind():
    cloned = ClonedVoice(sample=b"RIFF", consent=b"WAVE")
    assert b"RIFF" not in repr(cloned).encode()
    by_name = VoiceConfig(prebuilt_voice_config=PrebuiltVoiceConfig(voice_name="Kore"))
    for voice, sent in [
        (cloned, {"voiceSampleAudio": "UklGRg==", "consentAudio": "V0FWRQ=="}),
        (by_name, {"voiceName": "Kore"}),
    ]:
        setup = setup_of(config=LiveGenerationConfig(voice=voice, language="de-DE"))
        speech = setup["generationConfig"]["speechConfig"]
        assert speech["languageCode"] == "de-DE"
        (config,) = speech["voiceConfig"].values()
        assert config.items() >= sent.items()
    assert setup_of(config=LiveGenerationConfig(voice=VoiceConfig(voice="name")))[
        "generationConfig"
    ]["speechConfig"] == {"voiceConfig": {"voice": "name"}}
    with pytest.raises(ValueError, match="consent"):
        ClonedVoice(sample=b"RIFF")
    wrong = VoiceConfig(prebuilt_voice_config=PrebuiltVoiceConfig(voice_name="kore"))
    for voice in (wrong, {"Ann": "Puck", "Bob": wrong}):
        with pytest.raises(ValueError, match="Did you mean 'Kore'"):
            LiveGenerationConfig(voice=voice)


def test_members_that_nobody_knows_yet_are_merged_into_the_setup():
    setup = setup_of(
        config=LiveGenerationConfig(
            temperature=0.5,
            extra={"generationConfig": {"newMember": {"a": 1}}, "otherMember": True},
        )
    )
    assert setup["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "temperature": 0.5,
        "newMember": {"a": 1},
    }
    assert setup["otherMember"] is True


def test_switches():
    setup = setup_of(
        config=LiveGenerationConfig(
            vad=VAD(disabled=True), session_resumption=True, context_window_compression=True
        )
    )
    assert setup["realtimeInputConfig"] == {"automaticActivityDetection": {"disabled": True}}
    assert setup["sessionResumption"] == {}
    assert setup["contextWindowCompression"] == {"slidingWindow": {}}


def test_voice_on_a_text_model_is_noted_and_left_out():
    config = LiveGenerationConfig(response_modalities=["TEXT"], voice="Kore")
    model = LiveModel("gemini-2.0-flash-live-001", backend=GoogleAI(api_key=KEY), config=config)
    assert "voice" in model.notes[0]


def test_an_unknown_voice_is_refused_with_all_thirty_names():
    with pytest.raises(ValueError, match="Did you mean 'Puck'") as caught:
        LiveGenerationConfig(voice="puck")
    assert len(VOICES) == 30
    assert all(voice in str(caught.value) for voice in VOICES)
    assert LiveGenerationConfig(voice="Newcomer", strict=False).voice == "Newcomer"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"response_modalities": []}, "response_modalities"),
        ({"response_modalities": ["AUDIO", "TEXT"]}, "one modality"),
        ({"response_modalities": ["IMAGE"]}, "IMAGE"),
        ({"media_resolution": "tiny"}, "media_resolution"),
        ({"turn_coverage": "all"}, "turn_coverage"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, named):
    with pytest.raises(ValueError, match=named):
        LiveGenerationConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"temperature": float("nan")}, "setup.generationConfig.temperature is nan"),
        ({"top_k": float("inf")}, "topK is inf"),
        ({"extra": {"news": [1, float("-inf")]}}, r"setup.news\[1\] is -inf"),
    ],
)
def test_numbers_that_json_does_not_have_are_refused(settings, named):
    config = LiveGenerationConfig(**settings)
    with pytest.raises(ValueError, match=named):
        LiveModel(backend=GoogleAI(api_key=KEY), config=config)


@pytest.mark.parametrize(
    ("key", "environment", "noted"),
    [
        (KEY, "", True),
        (KEY, "v1alpha", False),
        ("auth_tokens/one", "", False),
        (lambda: KEY, "", True),
        (lambda: KEY, "v1alpha", False),
        (None, "", True),
    ],
)
def test_what_a_version_of_the_api_does_not_know_is_noted_of_the_version_that_is_used(
    key, environment, noted, monkeypatch
):
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", environment)
    model = LiveModel(
        "gemini-2.5-flash-native-audio-latest",
        backend=GoogleAI(api_key=key),
        config=LiveGenerationConfig(proactive_audio=True),
    )
    assert any("v1alpha" in note for note in model.notes) is noted


def test_without_strict_modalities_are_sent_as_they_are():
    for wish in ("TEXT", "VIDEO"):
        config = LiveGenerationConfig(response_modalities=[wish], strict=False)
        model = LiveModel("gemini-3.8-live", backend=GoogleAI(api_key=KEY), config=config)
        assert model.setup.generation_config.response_modalities == [wish]
        (note,) = [note for note in model.notes if "responseModalities" in note]
        assert wish in note


def test_vertex_is_asked_to_resume_transparently_whatever_else_is_said_of_resumption():
    backend = VertexAI(project="p", access_token="t")
    for wish, handle in ((None, None), (True, None), ("mine", "mine")):
        model = LiveModel(
            "gemini-live-2.5-flash-native-audio",
            backend=backend,
            config=LiveGenerationConfig(session_resumption=wish),
        )
        resumption = model.setup.session_resumption
        assert (resumption.handle, resumption.transparent) == (handle, True)
    alone = LiveModel("gemini-live-2.5-flash-native-audio", backend=backend, continuity=None)
    assert alone.setup.session_resumption is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"start_sensitivity": "huge"}, "start_sensitivity"),
        ({"end_sensitivity": "HIGH"}, "end_sensitivity"),
        ({"prefix_padding_ms": -1}, "prefix_padding_ms"),
        ({"silence_duration_ms": -5}, "-5"),
    ],
)
def test_vad_settings_that_cannot_be_are_refused(settings, named):
    with pytest.raises(ValueError, match=named):
        VAD(**settings)


def test_models_check_their_settings_at_once():
    with pytest.raises(ValueError, match="packet_ms"):
        LiveModel(backend=GoogleAI(api_key=KEY), packet_ms=5)
    with pytest.raises(ToolError):
        LiveModel(backend=GoogleAI(api_key=KEY), tools=[lambda x: x])
    with pytest.raises(TypeError):
        LiveModel(backend=GoogleAI(api_key=KEY), system_instruction=5)


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        (GoogleAI(api_key=KEY), "models/m"),
        (
            VertexAI(project="p", location="l", access_token=KEY),
            "projects/p/locations/l/publishers/google/models/m",
        ),
        (VertexAI(api_key=KEY), "publishers/google/models/m"),
        (FirebaseAI(api_key=KEY, project="p"), "projects/p/models/m"),
    ],
)
def test_each_backend_names_the_model_its_way(backend, name):
    model = model_for(accept_and_wait, name="m", backend=backend)

    async def main():
        async with model.connect():
            return model._connector.servers[0].received[0]["setup"]

    assert run_in_virtual_time(main())["model"] == name
    assert KEY not in repr(model.__dict__)


def test_the_short_way_takes_the_fields_of_the_configuration():
    connecting = connect("m", backend=GoogleAI(api_key=KEY), voice="Kore", temperature=1.0)
    assert "Connecting" in repr(connecting)
    with pytest.raises(TypeError, match="tempo"):
        connect(backend=GoogleAI(api_key=KEY), tempo=1)


def test_the_default_connector_is_a_websocket():
    assert isinstance(LiveModel(backend=GoogleAI(api_key=KEY))._get_connector(), WebSocketConnector)
