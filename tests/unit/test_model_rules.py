"""What is checked before connecting, crossed with what the local server refuses."""

import runpy
from pathlib import Path

import pytest
from emulator_support import PATHS, Client
from live_script import KEY, accept_and_wait, model_for

from antiphon.emulator.settings import LIVE_MODELS
from antiphon.errors import AntiphonError, UnsupportedSetup
from antiphon.session import LiveGenerationConfig, LiveModel, tool
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import (
    PROFILES,
    RULES,
    VOICES,
    FirebaseAI,
    GoogleAI,
    Setup,
    VertexAI,
    check_setup,
    profile_of,
    service_of,
    to_wire,
)

MODELS = sorted(
    {model for profile in PROFILES for model in profile.models} | LIVE_MODELS | {"tomorrow"}
)
BACKENDS = {
    "google": GoogleAI(api_key=KEY),
    "vertex": VertexAI(project="p", access_token=KEY),
    "firebase": FirebaseAI(api_key=KEY, project="p"),
    "firebase-vertex": FirebaseAI(api_key=KEY, project="p", location="us-central1"),
}


def generation(**members):
    return {"generationConfig": {"responseModalities": ["AUDIO"], **members}}


def function(behavior):
    return {"tools": [{"functionDeclarations": [{"name": "f", "behavior": behavior}]}]}


def voice(name):
    return {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}


#: Setups, all of one wish each, most of which some model or backend refuses.
WISHES = {
    "nothing": {},
    "speech": generation(),
    "sampling": generation(temperature=0.5, topP=0.9, topK=40, maxOutputTokens=9, seed=7),
    "images": generation(mediaResolution="MEDIA_RESOLUTION_LOW"),
    "text": generation(responseModalities=["TEXT"]),
    "both": generation(responseModalities=["AUDIO", "TEXT"]),
    "neither": generation(responseModalities=["IMAGE"]),
    "a voice": generation(speechConfig=voice("Kore")),
    "a newer voice": generation(speechConfig=voice("Sulafat")),
    "a voice for text": generation(responseModalities=["TEXT"], speechConfig=voice("Kore")),
    "a language for text": generation(
        responseModalities=["TEXT"], speechConfig={"languageCode": "de-DE"}
    ),
    "two voices": generation(
        speechConfig={
            "multiSpeakerVoiceConfig": {
                "speakerVoiceConfigs": [{"speaker": "Ann", **voice("Kore")}],
            }
        }
    ),
    "a cloned voice": generation(
        speechConfig={
            "voiceConfig": {
                "replicatedVoiceConfig": {"mimeType": "audio/wav", "voiceSampleAudio": "AAAA"}
            }
        }
    ),
    "a schema": generation(responseSchema={"type": "STRING"}),
    "log probabilities": generation(responseLogprobs=True),
    "stop words": generation(stopSequences=["x"]),
    "no thinking": generation(thinkingConfig={"thinkingBudget": 0}),
    "thinking minimal": generation(thinkingConfig={"thinkingLevel": "MINIMAL"}),
    "thinking low": generation(thinkingConfig={"thinkingLevel": "low"}),
    "thinking xhigh": generation(thinkingConfig={"thinkingLevel": "XHIGH"}),
    "thoughts": generation(thinkingConfig={"includeThoughts": True}),
    "affective": generation(enableAffectiveDialog=True),
    "not affective": generation(enableAffectiveDialog=False),
    "translation": generation(translationConfig={"targetLanguageCode": "fr"}),
    "proactive": {"proactivity": {"proactiveAudio": True}},
    "not proactive": {"proactivity": {"proactiveAudio": False}},
    "proactive, empty": {"proactivity": {}},
    "blocking": function("BLOCKING"),
    "non-blocking": function("NON_BLOCKING"),
    "plain function": function(None),
    "search": {"tools": [{"googleSearch": {}}]},
    "code": {"tools": [{"codeExecution": {}}]},
    "instruction": {"systemInstruction": {"parts": [{"text": "Be brief."}]}},
    "resumption": {"sessionResumption": {}},
    "transparent": {"sessionResumption": {"transparent": True}},
    "signal": {"explicitVadSignal": True},
    "compression": {"contextWindowCompression": {"slidingWindow": {}}},
    "transcripts": {
        "inputAudioTranscription": {"languageCodes": ["de-DE"], "wordTimestamp": True},
        "outputAudioTranscription": {},
    },
    "detection": {
        "realtimeInputConfig": {
            "automaticActivityDetection": {"disabled": True},
            "turnCoverage": "TURN_INCLUDES_ALL_INPUT",
            "activityHandling": "NO_INTERRUPTION",
            "interimTranscriptTimestampEnabled": True,
        }
    },
    "history": {"historyConfig": {"initialHistoryInClientContent": True}},
    "face": {"avatarConfig": {"avatarName": "Ada"}},
    "safety": {
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    },
    "labels": {"labels": {"cost_center": "7"}},
    "a function by JSON Schema": {
        "tools": [
            {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}
        ]
    },
}

INVALID = "Request contains an invalid argument."
#: What the service says to each refusal, and to a doubt.
REASONS = {
    "one modality": INVALID,
    "no TEXT from speech models": "The requested combination of response modalities (TEXT)",
    "TEXT has no voice": "Cannot extract voices from a non-audio request.",
    "not in Live": "Invalid JSON payload received. Unknown name",
    "no thinking settings": INVALID,
    "a thinking level": INVALID,
    "NON_BLOCKING functions only": INVALID,
    "no affective dialog": 'Unknown name "enable_affective_dialog"',
    "no proactivity": 'Unknown name "proactivity"',
    "always proactive": 'Unknown name "proactivity"',
    "transparent resumption": 'Unknown name "transparent"',
    "proactivity without need": 'Unknown name "proactivity"',
}

#: What is let pass though the local server refuses it: why, and for which models and wishes.
STRICTER = {
    "one user's report about the object; that `false` is an error is documented": lambda m, wish: (
        profile_of(m).proactivity == "always" and wish in ("proactive", "proactive, empty")
    ),
    "no source says so of these models: the local server takes them for what they look like": (
        lambda m, wish: (
            (m.startswith("gemini-3.5") and wish.endswith(("affective", "proactive", "empty")))
            or (m.startswith(("gemini-3.5-flash", "tomorrow")) and wish.endswith("text"))
        )
    ),
    "the close is known of a voice for TEXT; a language alone is not known": lambda m, wish: (
        wish == "a language for text" and profile_of(m).text_output
    ),
}


def asked(wish, *, thinking):
    """The setup of a wish; some models want a level of thinking with everything."""
    setup = {"generationConfig": {}, **WISHES[wish]}
    if thinking and "thinkingConfig" not in setup["generationConfig"]:
        level = {"thinkingConfig": {"thinkingLevel": "LOW"}}
        setup["generationConfig"] = {**setup["generationConfig"], **level}
    return setup


def checked(model, backend, setup):
    return check_setup(
        to_wire(setup, Setup),
        model,
        service=service_of(BACKENDS[backend]),
        api_version="v1beta",
    )


def refusal(model, backend, setup, **settings):
    client = Client(family=backend, models=frozenset(MODELS), **settings)
    client.send({"setup": {"model": BACKENDS[backend].model_name(model), **setup}})
    return client.closed


@pytest.mark.parametrize("backend", PATHS)
@pytest.mark.parametrize("model", MODELS)
def test_what_is_refused_here_the_service_refuses_and_the_other_way_round(model, backend):
    for wish in WISHES:
        for thinking in (False, True):
            setup = asked(wish, thinking=thinking)
            problems = checked(model, backend, setup)
            ours = [problem for problem in problems if problem.refused]
            theirs = refusal(model, backend, setup)
            stricter = any(applies(model, wish) for applies in STRICTER.values())
            case = (model, backend, wish, thinking, ours, theirs)
            if ours:
                assert theirs is not None, case
                reasons = [REASONS.get(problem.rule, INVALID) for problem in problems]
                assert any(reason in theirs.reason for reason in reasons), case
            elif theirs is not None:
                assert stricter, case


def test_every_exception_is_needed():
    for applies in STRICTER.values():
        assert any(
            applies(model, wish)
            and refusal(model, "google", asked(wish, thinking=False)) is not None
            and not any(problem.refused for problem in checked(model, "google", WISHES[wish]))
            for model in MODELS
            for wish in WISHES
        )


@pytest.mark.parametrize("backend", PATHS)
@pytest.mark.parametrize("model", sorted(LIVE_MODELS))
def test_a_model_that_is_not_served_is_told_as_a_doubt(model, backend):
    setup = asked("speech", thinking=profile_of(model).thinking == "required")
    closed = refusal(model, backend, setup, as_of="today")
    doubts = [problem.rule for problem in checked(model, backend, setup)]
    if profile_of(model).status == "unclear":
        assert doubts == []
    else:
        assert ("served" in doubts) == (closed is not None)


def test_every_rule_is_broken_by_some_setup_and_every_refusal_has_its_reason():
    broken = {
        problem.rule
        for model in MODELS
        for backend in PATHS
        for wish in WISHES
        for problem in checked(model, backend, asked(wish, thinking=False))
    }
    assert broken | {"location"} == {rule.name for rule in RULES}
    assert {rule.name for rule in RULES if rule.refused} <= set(REASONS)


def test_newer_members_of_older_models_are_no_doubt_in_their_version():
    model, setup = "gemini-2.5-flash-native-audio-latest", to_wire(WISHES["affective"], Setup)
    for service, version, doubted in (
        ("google", "", True),
        ("google", "v1beta", True),
        ("google", "v1alpha", False),
        ("vertex", "v1beta1", False),
    ):
        problems = check_setup(setup, model, service=service, api_version=version)
        assert ("v1alpha" in [problem.rule for problem in problems]) == doubted


def test_nothing_is_refused_for_models_that_the_table_only_resembles():
    setup = to_wire(WISHES["thinking low"], Setup)
    assert [problem.refused for problem in check_setup(setup, "gemini-3.8-live")] == [True]
    assert [problem.refused for problem in check_setup(setup, "gemini-3.8-live-002")] == [False]
    assert check_setup(setup, "tomorrow") == []


def test_a_place_where_a_model_was_not_found_is_a_doubt():
    model = "gemini-live-2.5-flash-native-audio"
    for location, rules in (("us-east5", []), ("global", ["location"]), ("", [])):
        problems = check_setup(Setup(), model, service="vertex", location=location)
        assert [problem.rule for problem in problems] == rules


@pytest.mark.parametrize(
    "extra",
    [{"generationConfig": 3}, {"tools": 3}, {"tools": [3, {"functionDeclarations": [1]}]}],
)
def test_members_of_any_shape_are_looked_at_without_an_error(extra):
    for model in MODELS:
        check_setup(Setup(extra=extra), model, service="google", api_version="v1beta")


# ---------------------------------------------------------------------- before connecting


def test_a_refusal_names_the_rule_the_value_the_model_and_the_fix():
    config = LiveGenerationConfig(thinking_budget=128, affective_dialog=True)
    with pytest.raises(UnsupportedSetup) as caught:
        LiveModel("models/gemini-3.8-live", backend=GoogleAI(api_key=KEY), config=config)
    error = caught.value
    assert isinstance(error, AntiphonError)
    assert isinstance(error, ValueError)
    assert (error.rule, error.model) == ("no thinking settings", "gemini-3.8-live")
    assert error.member == "generationConfig.thinkingConfig"
    assert error.value == {"thinkingBudget": 128}
    for words in (error.hint, "128", "enableAffectiveDialog", "strict=False", "2026-11", "docs/"):
        assert words in str(error)


def test_without_strict_it_is_sent_and_noted():
    async def main():
        config = LiveGenerationConfig(thinking_budget=128, strict=False)
        model = model_for(accept_and_wait, config=config)
        async with model.connect() as session:
            assert "thinkingConfig" in session.notes[0]
        return model._connector.servers[0].received[0]["setup"]["generationConfig"]

    assert run_in_virtual_time(main())["thinkingConfig"] == {"thinkingBudget": 128}


def test_every_doubt_is_a_note_and_is_sent():
    @tool(behavior="NON_BLOCKING")
    def look() -> str:
        """Look."""
        return ""

    model = LiveModel(
        "gemini-3.1-flash-live-preview",
        backend=GoogleAI(api_key=KEY),
        config=LiveGenerationConfig(thinking_budget=0, explicit_vad_signal=True),
        tools=[look],
    )
    assert len(model.notes) == 3
    assert "behavior of look is 'NON_BLOCKING'" in " ".join(model.notes)


def test_the_fixes_are_good():
    @tool(behavior="BLOCKING")
    def look() -> str:
        """Look."""
        return ""

    name = "gemini-3.8-live-extended-thinking"
    backend = GoogleAI(api_key=KEY)
    with pytest.raises(UnsupportedSetup, match="thinking_level='low'"):
        LiveModel(name, backend=backend)
    low = LiveGenerationConfig(thinking_level="low")
    with pytest.raises(UnsupportedSetup, match=r"behavior of look .*NON_BLOCKING"):
        LiveModel(name, backend=backend, config=low, tools=[look])
    assert LiveModel(name, backend=backend, config=low, tools=[look.function]).notes == ()


def test_text_of_a_speech_model_is_served_and_not_refused():
    for model in MODELS:
        config = LiveGenerationConfig(
            response_modalities=["TEXT"],
            thinking_level="low" if profile_of(model).thinking == "required" else None,
        )
        notes = LiveModel(model, backend=GoogleAI(api_key=KEY), config=config).notes
        speech = f"{model} answers in speech only: text is the transcription of its speech."
        assert (speech in notes) == (not profile_of(model).text_output)


# ---------------------------------------------------------------------- the table


def test_the_published_table_is_the_one_that_is_checked():
    root = Path(__file__).parents[2]
    made = runpy.run_path(str(root / "tools" / "write_models.py"))["page"]()
    published = (root / "docs" / "models.md").read_text(encoding="utf-8")
    assert published == made, "run: python tools/write_models.py"


def test_every_model_is_in_the_table_once_and_has_a_source():
    models = [model for profile in PROFILES for model in profile.models]
    assert len(models) == len(set(models))
    assert set(models) >= LIVE_MODELS
    assert all(profile.sources for profile in PROFILES)
    assert all(set(profile.voices) <= set(VOICES) for profile in PROFILES)
    assert all(profile.tool_behavior in profile.tool_behaviors for profile in PROFILES)
