"""What the local server accepts and refuses before a session begins."""

import pytest
from emulator_support import HALF_CASCADE, PATHS, Client

from antiphon.emulator.service.request import route
from antiphon.emulator.speech.voices import espeak_voice
from antiphon.wire import VOICES


def test_setup_is_acknowledged():
    client = Client().setup(HALF_CASCADE)
    assert [message for _, message in client.messages] == [{"setupComplete": {}}]


def test_3_8_offers_a_handle_unasked():
    client = Client().setup("models/gemini-3.8-live")
    assert client.kinds() == ["setupComplete", "sessionResumptionUpdate"]
    assert client.messages[1][1]["sessionResumptionUpdate"]["resumable"] is True


@pytest.mark.parametrize("family", ["vertex", "firebase-vertex"])
def test_vertex_gives_a_session_id(family):
    client = Client(family=family).setup("publishers/google/models/gemini-live-2.5-flash")
    assert len(client.messages[0][1]["setupComplete"]["sessionId"]) == 36


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (
            {"setup": {"model": "models/gemini-2.5-flash"}},
            1008,
            (
                "models/gemini-2.5-flash is not found for API version v1beta, or is not supported "
                "for bidiGenerateContent. Call ListMod"
            ),
        ),
        ({"setup": {}}, 1008, "models/ is not found for API version v1beta"),
        (
            {
                "setup": {
                    "model": "models/gemini-3.8-live",
                    "generationConfig": {"responseModalities": ["TEXT"]},
                }
            },
            1007,
            "The requested combination of response modalities (TEXT) is not supported by the model",
        ),
        (
            {
                "setup": {
                    "model": HALF_CASCADE,
                    "generationConfig": {"responseModalities": ["TEXT"], "speechConfig": {}},
                }
            },
            1007,
            "Cannot extract voices from a non-audio request.",
        ),
        (
            {"setup": {"model": HALF_CASCADE}, "settings": 1},
            1007,
            'Invalid JSON payload received. Unknown name "settings": Cannot find field.',
        ),
        (
            {"setup": {"model": HALF_CASCADE, "generation_config": {"enable_magic": True}}},
            1007,
            "Unknown name \"enable_magic\" at 'setup.generation_config': Cannot find field.",
        ),
        (
            {"setup": {"model": HALF_CASCADE, "inputAudioTranscription": {"languages": ["de"]}}},
            1007,
            "Unknown name \"languages\" at 'setup.input_audio_transcription': Cannot find field.",
        ),
        (
            {"setup": {"model": "models/gemini-3.8-live", "proactivity": {}}},
            1007,
            "Unknown name \"proactivity\" at 'setup'",
        ),
        (
            {
                "setup": {
                    "model": "models/gemini-3.8-live",
                    "generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}},
                }
            },
            1007,
            "Request contains an invalid argument.",
        ),
        (
            {
                "setup": {
                    "model": HALF_CASCADE,
                    "generationConfig": {
                        "speechConfig": {
                            "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "puck"}}
                        }
                    },
                }
            },
            1007,
            "Requested voice api_name 'puck' is not available",
        ),
        ({"clientContent": {}}, 1007, "setup must be the first message and only the first"),
        ({"setup": 3}, 1007, "Request contains an invalid argument."),
        ("{nonsense", 1007, "Invalid JSON payload received."),
        ("[]", 1007, "Invalid JSON payload received."),
        (b"\xff\xfe", 1007, "Invalid JSON payload received."),
    ],
)
def test_refusals(message, code, words):
    client = Client()
    client.send(message)
    assert client.closed is not None
    assert client.closed.code == code
    assert words in client.closed.reason
    assert len(client.closed.reason.encode()) <= 123
    assert client.messages == []


def test_refusal_of_an_unknown_vertex_model():
    name = "projects/p/locations/l/publishers/google/models/nothing"
    client = Client(family="vertex").setup(name)
    assert client.closed.code == 1008
    assert client.closed.reason.startswith("Publisher Model `projects/p/")


def test_a_second_setup_ends_the_session():
    client = Client().setup(HALF_CASCADE).setup(HALF_CASCADE)
    assert (client.closed.code, client.closed.reason) == (
        1007,
        "Request contains an invalid argument.",
    )


@pytest.mark.parametrize("family", sorted(PATHS))
def test_retired_models_answer_in_text_or_audio_everywhere(family):
    for modality in ("TEXT", "audio"):
        client = Client(family=family)
        client.setup(
            "models/gemini-2.0-flash-live-001", generationConfig={"responseModalities": [modality]}
        )
        client.say("hello")
        client.run_to("turnComplete")
        assert ("audio" if modality == "audio" else "text") in client.kinds()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (PATHS["google"], {"X-Goog-Api-Key": "sesame"}),
        (PATHS["google"] + "?key=sesame", {}),
        (PATHS["google"] + "?alt=x&access_token=sesame", {}),
        (PATHS["vertex"], {"authorization": "Bearer sesame"}),
        (PATHS["google"] + "Constrained", {"Authorization": "Token sesame"}),
    ],
)
def test_the_key_is_taken_from_wherever_clients_put_it(path, headers):
    assert Client(path=path, headers=headers, api_key="sesame").setup(HALF_CASCADE).closed is None
    client = Client(path=path, headers=headers, api_key="other").setup(HALF_CASCADE)
    assert client.closed.code == 1007
    assert client.closed.reason == "API key not valid. Please pass a valid API key."


def test_credentials_are_never_shown():
    request = route(PATHS["google"] + "?key=sesame", {"x-goog-api-key": "barley"})
    assert "sesame" not in repr(request)
    assert "barley" not in repr(request)


@pytest.mark.parametrize(
    ("path", "family"),
    [
        *((path, family) for family, path in PATHS.items()),
        ("/" + PATHS["google"], "google"),
        (PATHS["google"].replace("v1beta", "v1"), "google"),
        (PATHS["google"].replace("v1beta", "v1alpha") + "Constrained", "google"),
        ("//ws//google.cloud.aiplatform.v9.LlmBidiService/BidiGenerateContent", "vertex"),
        ("/", None),
        ("", None),
        ("/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateMusic", None),
        (PATHS["google"] + "/more", None),
    ],
)
def test_routes(path, family):
    request = route(path, {})
    assert (request.family if request else None) == family


def test_setup_in_the_mixed_case_of_the_official_python_client():
    client = Client()
    client.send(
        {
            "setup": {
                "model": "models/gemini-3.1-flash-live-preview",
                "generationConfig": {
                    "responseModalities": ["AUDIO"],
                    "speechConfig": {
                        "voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}
                    },
                },
                "realtimeInputConfig": {"automatic_activity_detection": {"disabled": True}},
                "sessionResumption": {},
                "context_window_compression": {"trigger_tokens": "1000"},
            }
        }
    )
    assert client.kinds() == ["setupComplete", "sessionResumptionUpdate"]


def test_resumption_brings_back_what_was_said_and_only_known_handles():
    first = Client().setup()
    first.say("remember the word lighthouse")
    first.run_to("sessionResumptionUpdate")
    handle = first.messages[-1][1]["sessionResumptionUpdate"]["newHandle"]
    shared = first.session._shared
    first.hang_up()
    again = Client(shared=shared).setup(sessionResumption={"handle": handle})
    again.say("what word did I ask you to remember")
    again.run_to("turnComplete")
    assert "lighthouse" in again.turns[0].text
    again.hang_up()
    unknown = Client(shared=shared).setup(sessionResumption={"handle": "no such"})
    assert unknown.closed.code == 1008


def test_every_voice_of_the_service_sounds_like_none_other():
    voices = {name: espeak_voice(name) for name in VOICES}
    assert len(voices) == 30
    assert len(set(voices.values())) == 30
