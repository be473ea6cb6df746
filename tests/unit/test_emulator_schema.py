"""Whatever happens, the local server sends what the schema allows, and nothing else."""

import json

import pytest
from emulator_support import Client, Words, recording, silence
from live_schema import validate

from antiphon.emulator import CallableBrain, Reply
from antiphon.emulator.session.brain import Call
from antiphon.emulator.settings import LIVE_MODELS
from antiphon.wire import bytes_to_base64, profile_of

FAMILIES = ("google", "vertex", "firebase", "firebase-vertex")
EXTENDED = "gemini-3.8-live-extended-thinking"
SPEECH = silence(0.5) + recording("cards-001") + silence(1.5)
CASES = [
    (family, model, modality)
    for family in FAMILIES
    for model in sorted(LIVE_MODELS)
    for modality in (["AUDIO", "TEXT"] if profile_of(model).text_output else ["AUDIO"])
]


def respond(turn):
    if turn.tool_result is not None:
        return f"The answer is {turn.tool_result.response.get('output', 'nothing')}."
    if "call" in turn.text:
        talk_on = "I do that, and talk on for a while." if "talk" in turn.text else ""
        return Reply(talk_on, Call("look_up", {"city": "", "days": 0, "exact": False, "of": None}))
    return f"Umlauts are äöü, and this is not short at all: {turn.text}. It is two sentences."


def named(family, model):
    vertex = family in ("vertex", "firebase-vertex")
    return f"publishers/google/models/{model}" if vertex else f"models/{model}"


def set_up(family, model, modality="AUDIO", **members):
    """A session that asks for everything."""
    generation = {"responseModalities": [modality]}
    if model == EXTENDED:
        generation["thinkingConfig"] = {"thinkingLevel": "LOW", "includeThoughts": True}
    client = Client(
        family=family,
        brain=CallableBrain(respond),
        recognizer=Words(),
        video_session_limit_s=None,
    )
    return client.setup(
        named(family, model),
        **{
            "generationConfig": generation,
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
            "sessionResumption": {},
            "tools": [{"functionDeclarations": [{"name": "look_up"}]}],
            **members,
        },
    )


def result(client, scheduling=None):
    call = client.all("toolCall")[-1]["toolCall"]["functionCalls"][0]
    given = {"id": call["id"], "name": call["name"], "response": {"output": "fog"}}
    if scheduling:
        given["scheduling"] = scheduling
    client.send({"toolResponse": {"functionResponses": [given]}})


def live_through(client):
    """All kinds of turns, one after another."""
    client.say("hello")
    client.run_to("turnComplete")
    client.say("an answer that is interrupted")
    client.run_to("modelTurn")
    client.hear(SPEECH)
    client.run(30.0)
    client.send({"realtimeInput": {"text": "call"}})
    client.run_to("toolCall")
    result(client)
    client.run(30.0)
    client.say("call, and be interrupted")
    client.run_to("toolCall")
    client.send({"realtimeInput": {"text": "no"}})
    client.run(30.0)
    result(client)
    for scheduling in ("INTERRUPT", "WHEN_IDLE", "SILENT"):
        client.say("call, and talk on")
        client.run_to("toolCall")
        client.run(0.5)
        result(client, scheduling)
        client.run(30.0)
    client.session.empty_next_turn()
    client.send({"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AAAA"}}})
    client.say("nothing")
    client.run_to("turnComplete")
    client.session.interrupt(client.now)
    client.session.go_away(2.5, client.now)
    client.run(10.0)


@pytest.mark.parametrize(("family", "model", "modality"), CASES)
def test_every_kind_of_turn_is_within_the_schema(family, model, modality):
    client = set_up(family, model, modality)
    live_through(client)
    seen = {word for _, message in client.messages for word in members(message)}
    expected = {
        *("setupComplete", "toolCall", "sessionResumptionUpdate", "goAway"),
        *("modelTurn", "generationComplete", "turnComplete", "interrupted", "inputTranscription"),
        *(["outputTranscription"] if modality == "AUDIO" else []),
    }
    assert expected <= seen
    assert ("thought" in seen) is (model == EXTENDED or is_native_2_5(family, model))
    assert ("interactionStatus" in seen) is (model == EXTENDED)
    assert client.closed.code == 1000


def is_native_2_5(family, model):
    return "2.5" in model and "native-audio" in model and "vertex" not in family


def members(value):
    """The names of all members, at any depth."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from members(member)
    elif isinstance(value, list):
        for item in value:
            yield from members(item)


@pytest.mark.parametrize("family", ["vertex", "firebase-vertex"])
def test_a_transparent_session_with_voice_activity_is_within_the_schema(family):
    client = set_up(
        family,
        "gemini-live-2.5-flash",
        sessionResumption={"transparent": True},
        explicitVadSignal=True,
        contextWindowCompression={"triggerTokens": "500", "slidingWindow": {"targetTokens": "100"}},
    )
    for _ in range(4):
        client.hear(SPEECH)
        client.run(30.0)
    seen = {word for _, message in client.messages for word in members(message)}
    assert {"voiceActivity", "lastConsumedClientMessageIndex", "finished"} <= seen


def test_a_cancelled_call_is_within_the_schema():
    client = set_up("google", "gemini-3.1-flash-live-preview")
    client.say("call")
    client.run_to("toolCall")
    client.say("stop")
    assert client.kinds()[-4:-1] == ["toolCallCancellation", "interrupted", "turnComplete"]


PCM = bytes_to_base64(b"\1\2\3\4")
USAGE = {"promptTokenCount": 1, "totalTokenCount": 1}


def content(**members):
    return {"serverContent": members}


def part(**members):
    return content(modelTurn={"parts": [members]})


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"usageMetadata": USAGE},
        {"usageMetadata": USAGE, "toolCall": {"functionCalls": [{"name": "f", "args": {}}]}},
        {"setupComplete": {}, "serverContent": {}},
        {"setupComplete": {"session_id": "x"}},
        {"error": {"code": 3}},
        content(turnComplete=False),
        content(turn_complete=True),
        content(turnComplete=1),
        content(turnComplete=None),
        content(interrupted=True, generationComplete=True),
        content(outputTranscription={"text": ""}),
        content(interactionStatus="WAITING"),
        content(speechState="X"),
        content(modelTurn={"parts": []}),
        content(modelTurn={"role": "user", "parts": [{"text": "x"}]}),
        part(),
        part(text="x", inlineData={"mimeType": "audio/pcm", "data": PCM}),
        part(thought=True),
        part(inlineData={"mimeType": "audio/wav", "data": PCM}),
        part(inlineData={"mimeType": "audio/pcm", "data": PCM.rstrip("=")}),
        part(inlineData={"mimeType": "audio/pcm", "data": "__-_"}),
        part(inlineData={"mimeType": "audio/pcm", "data": bytes_to_base64(b"\1\2\3")}),
        {"toolCall": {"functionCalls": []}},
        {"toolCall": {"functionCalls": [{"name": "1 f", "args": {}}]}},
        {"toolCallCancellation": {"functionIds": ["x"]}},
        {"goAway": {"timeLeft": 50}},
        {"goAway": {"timeLeft": "1e1s"}},
        {"sessionResumptionUpdate": {"resumable": False}},
        {"sessionResumptionUpdate": {"lastConsumedClientMessageIndex": 3}},
        {"sessionResumptionUpdate": {"lastConsumedClientMessageIndex": "0"}},
        {"voiceActivity": {"voiceActivityType": "ACTIVITY_START"}},
        {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "soon"}},
        {"serverContent": {}, "usageMetadata": {"promptTokenCount": 0}},
        {"serverContent": {}, "usageMetadata": {"candidatesTokenCount": 1}},
        {"serverContent": {}, "usageMetadata": {"promptTokensDetails": [{"modality": "SMELL"}]}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses(message):
    with pytest.raises(ValueError, match=r"\{"):
        validate(json.dumps(message).encode(), vertex=False)


def test_the_schema_knows_the_backend():
    usage = {"responseTokenCount": 1}
    frame = json.dumps({"serverContent": {}, "usageMetadata": usage}).encode()
    assert validate(frame, vertex=False)
    with pytest.raises(ValueError, match="other backend"):
        validate(frame, vertex=True)
