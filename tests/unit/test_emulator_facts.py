"""Twelve facts that recordings of the real service show, on the local server in general.

They are numbered as in the table that comes with the recordings; `test_emulator_recordings` holds
the server against the recordings themselves.
"""

import json
import re
from itertools import pairwise

import pytest
from emulator_support import HALF_CASCADE, Client, Words, has, recording, silence

from antiphon.emulator import CallableBrain, Echo, Reply
from antiphon.emulator.session.brain import Call
from antiphon.emulator.session.jobs import Speech
from antiphon.emulator.speech.synthesis import Voice
from antiphon.wire import base64_to_bytes, decode_server_message

LIVE_3_8 = "models/gemini-3.8-live"
LIVE_3_1 = "models/gemini-3.1-flash-live-preview"
NATIVE_2_5 = "models/gemini-2.5-flash-native-audio-latest"
VERTEX = "publishers/google/models/gemini-live-2.5-flash"
GOOGLE_MODELS = (LIVE_3_8, LIVE_3_1, NATIVE_2_5, HALF_CASCADE)
EVERY = [("google", model) for model in GOOGLE_MODELS] + [("vertex", VERTEX)]

TRANSCRIBED = {"inputAudioTranscription": {}, "outputAudioTranscription": {}}
SPEECH = silence(0.5) + recording("cards-001") + silence(1.5)
SENTENCE = "This is a sentence with so many words that it takes a while to say them all aloud"

every = pytest.mark.parametrize(("family", "model"), EVERY)


def looks_up(turn):
    """Calls a function, and says what came of it."""
    if turn.tool_result is not None:
        return f"The answer is {turn.tool_result.response['output']}."
    return Reply(call=Call("look_up", {"city": "London"}))


def looks_up_and_talks_on(turn):
    if turn.tool_result is not None:
        return f"The answer is {turn.tool_result.response['output']}."
    return Reply("I look that up for you, and it may well take a moment.", Call("look_up"))


def tools(**members):
    return [{"functionDeclarations": [{"name": "look_up", **members}]}]


def respond(client, call, **members):
    given = {"id": call["id"], "name": call["name"], "response": {"output": "fog"}, **members}
    client.send({"toolResponse": {"functionResponses": [given]}})


def call_of(client):
    _, message = client.run_to("toolCall")
    (call,) = message["toolCall"]["functionCalls"]
    return call


def answered(family, model, text=SENTENCE, **settings):
    """A client that has asked, and got an answer in words and sound."""
    client = Client(family=family, brain=Echo(), **settings).setup(model, **TRANSCRIBED)
    client.say(text)
    client.run_to("turnComplete")
    return client


def inline(client):
    return [
        part["inlineData"]
        for message in client.all("modelTurn")
        for part in message["serverContent"]["modelTurn"]["parts"]
        if "inlineData" in part
    ]


def after_setup(client):
    """One word per message after the setup; runs of sound and of words as one."""
    kinds = client.kinds()
    runs = ("inputTranscription", "outputTranscription")
    return [
        word
        for index, word in enumerate(kinds)
        if index and not (word in runs and kinds[index - 1] == word)
    ]


# ------------------------------------------------------------------ the facts


@pytest.mark.parametrize(
    ("family", "model", "mime_type"),
    [
        ("vertex", VERTEX, "audio/pcm"),
        ("firebase-vertex", VERTEX, "audio/pcm"),
        ("google", HALF_CASCADE, "audio/pcm;rate=24000"),
        ("google", NATIVE_2_5, "audio/pcm;rate=24000"),
        ("firebase", LIVE_3_8, "audio/pcm;rate=24000"),
    ],
)
def test_fact_01_chunks_of_200_and_240_ms_and_vertex_does_not_tell_the_rate(
    family, model, mime_type
):
    blobs = inline(answered(family, model))
    assert {blob["mimeType"] for blob in blobs} == {mime_type}
    sizes = [len(base64_to_bytes(blob["data"])) for blob in blobs]
    assert len(sizes) > 5
    assert sizes[0] == 9_600
    assert set(sizes[1:-1]) == {11_520}
    # Rate or not, it is 24,000 Hz: the tone synthesizer takes 60 ms a letter.
    assert sum(sizes) == 2 * 24_000 * 60 * len(SENTENCE) // 1000


@every
def test_fact_02_3_8_tells_handles_and_voice_activity_unasked(family, model):
    client = Client(family=family, recognizer=Words()).setup(model, **TRANSCRIBED)
    unasked = model == LIVE_3_8
    client.run(1.0)
    assert after_setup(client) == (["sessionResumptionUpdate"] if unasked else [])
    client.hear(SPEECH)
    client.run(0.0)
    told = [message["voiceActivity"] for message in client.all("voiceActivity")]
    assert [activity["type"] for activity in told] == (
        ["ACTIVITY_START", "ACTIVITY_END"] if unasked else []
    )
    for activity, at_s in zip(
        told, (0.5, 0.5 + len(recording("cards-001")) / 32_000), strict=False
    ):
        assert float(activity["audioOffset"].removesuffix("s")) == pytest.approx(at_s, abs=0.35)
    if unasked:
        (update, *_) = client.all("sessionResumptionUpdate")
        assert update["sessionResumptionUpdate"]["resumable"] is True
        kinds = after_setup(client)
        assert kinds[1:4] == ["voiceActivity", "inputTranscription", "voiceActivity"]


@every
def test_fact_03_empty_content_comes_first_in_3_x_and_does_no_harm(family, model):
    client = answered(family, model)
    contents = [m["serverContent"] for _, m in client.messages if "serverContent" in m]
    assert (contents[0] == {}) is (model in (LIVE_3_8, LIVE_3_1))
    assert {} not in contents[1:]
    assert {} not in [message for _, message in client.messages]
    wanted = answered(family, model, empty_frames=True)
    messages = [message for _, message in wanted.messages]
    after = [messages[index + 1] for index, message in enumerate(messages) if message == {}]
    if model == LIVE_3_8:
        assert len(after) == 1 + len(inline(wanted))
        assert all("serverContent" in message for message in after)
    else:
        assert not after
    for empty in (b"{}", b'{"serverContent": {}}'):
        decoded = decode_server_message(empty)
        assert decoded.message.text == ""
        assert not decoded.audio


@every
def test_fact_04_the_turn_is_complete_when_it_was_played(family, model):
    client = Client(family=family, brain=Echo()).setup(model)
    client.say(SENTENCE)
    generated, _ = client.run_to("generationComplete")
    complete, _ = client.run_to("turnComplete")
    times = [at for at, message in client.messages if inline_in(message)]
    duration_s = len(client.audio()) / 48_000
    gaps_s = [later - earlier for earlier, later in pairwise(times)]
    assert 3 < duration_s / (times[-1] - times[0]) < 9
    assert max(gaps_s) > 2 * min(gaps_s)
    assert generated == pytest.approx(times[-1] + 0.004, abs=0.002)
    assert complete == pytest.approx(times[0] + duration_s, abs=0.001)
    assert complete - generated > duration_s / 2


def inline_in(message):
    parts = message.get("serverContent", {}).get("modelTurn", {}).get("parts", [])
    return any("inlineData" in part for part in parts)


@pytest.mark.parametrize("model", GOOGLE_MODELS)
def test_fact_05_a_barge_in_comes_after_the_generation(model):
    client = Client(brain=Echo(), recognizer=Words("Wait a moment")).setup(model, **TRANSCRIBED)
    client.say(f"{SENTENCE}. {SENTENCE}. {SENTENCE}.")
    client.run_to("generationComplete")
    before = len(client.messages)
    client.hear(SPEECH)
    client.run_to("turnComplete")
    unasked = ("voiceActivity", "sessionResumptionUpdate", "empty", "thought")
    kinds = [
        word
        for index, word in enumerate(client.kinds())
        if word not in unasked and index > client.kinds().index("generationComplete")
    ]
    assert kinds[:3] == ["interrupted", "turnComplete", "inputTranscription"]
    assert kinds[-3:] == ["audio", "generationComplete", "turnComplete"]
    ends = [m for _, m in client.messages[before:] if has(m, "turnComplete")]
    assert all("usageMetadata" in end for end in ends)
    assert len(client.all("interrupted")) == 1
    assert client.turns[0].interrupted
    assert client.turns[1].text == "Wait a moment"


@pytest.mark.parametrize("scheduling", ["INTERRUPT", "WHEN_IDLE", "SILENT"])
@pytest.mark.parametrize("model", [NATIVE_2_5, LIVE_3_8])
def test_fact_06_a_function_that_does_not_block(model, scheduling):
    client = Client(brain=CallableBrain(looks_up_and_talks_on)).setup(
        model, tools=tools(behavior="NON_BLOCKING")
    )
    client.say("What is the weather?")
    call = call_of(client)
    client.run_to("generationComplete")
    order = [word for word in client.kinds() if word in ("toolCall", "audio", "generationComplete")]
    assert order == ["toolCall", "audio", "generationComplete"]
    before = len(client.messages)
    respond(client, call, scheduling=scheduling)
    client.run(30.0)
    ours = [m for _, m in client.messages[before:] if m.get("serverContent")]
    kinds = [next(iter(message["serverContent"])) for message in ours]
    answer = ["modelTurn", "generationComplete", "turnComplete"]
    expected = {
        "INTERRUPT": ["interrupted", "turnComplete", *answer],
        "WHEN_IDLE": ["turnComplete", *answer],
        "SILENT": ["turnComplete"],
    }
    assert [k for i, k in enumerate(kinds) if k != "modelTurn" or kinds[i - 1] != k] == (
        expected[scheduling]
    )
    assert all("usageMetadata" in m for m in ours if has(m, "turnComplete"))
    texts = [turn.text for turn in client.turns]
    assert texts[1:] == ([] if scheduling == "SILENT" else ["The answer is fog."])


@every
def test_fact_07_thoughts_of_2_5_are_not_the_answer(family, model):
    client = answered(family, model)
    thoughts = [
        (index, part)
        for index, (_, message) in enumerate(client.messages)
        for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", [])
        if "thought" in part
    ]
    assert len(thoughts) == (1 if model == NATIVE_2_5 else 0)
    assert client.transcript() == client.turns[0].text == client.turns[0].text_sent == SENTENCE
    usage = client.all("turnComplete")[0]["usageMetadata"]
    assert ("thoughtsTokenCount" in usage) is (model in (NATIVE_2_5, LIVE_3_8))
    for index, part in thoughts:
        first = next(i for i, (_, m) in enumerate(client.messages) if has(m, "outputTranscription"))
        assert index < first
        assert part["text"] not in client.turns[0].text
        assert part["thought"] is True
        decoded = decode_server_message(json.dumps(client.messages[index][1]))
        assert decoded.message.text == ""


@pytest.mark.parametrize(
    ("model", "thinking", "shown", "counted"),
    [
        (NATIVE_2_5, {"thinkingBudget": 0}, False, False),
        (NATIVE_2_5, {"thinkingBudget": -1}, True, True),
        (NATIVE_2_5, {"includeThoughts": False}, False, True),
        (LIVE_3_1, {"thinkingLevel": "MINIMAL"}, False, False),
        (LIVE_3_1, {"thinkingLevel": "HIGH"}, False, True),
        (LIVE_3_1, {"thinkingLevel": "HIGH", "includeThoughts": True}, True, True),
    ],
)
def test_fact_07_thoughts_as_the_setup_wants_them(model, thinking, shown, counted):
    client = Client().setup(model, generationConfig={"thinkingConfig": thinking})
    client.say("hello")
    _, message = client.run_to("turnComplete")
    assert ("thoughtsTokenCount" in message["usageMetadata"]) is counted
    parts = [m["serverContent"]["modelTurn"]["parts"][0] for m in client.all("modelTurn")]
    assert any("thought" in part for part in parts) is shown


@pytest.mark.parametrize("model", GOOGLE_MODELS)
def test_fact_08_transcription_runs_ahead_and_interleaves(model):
    client = answered("google", model)
    written, spoken_s, order = "", 0.0, []
    words = client.turns[0].words
    for _, message in client.messages:
        text = message.get("serverContent", {}).get("outputTranscription", {}).get("text", "")
        written += text
        order += ["words"] if text else []
        if inline_in(message):
            order.append("audio")
            # What is said by now was written before.
            assert len(written.split()) >= sum(word.end_s <= spoken_s for word in words)
            data = message["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"]
            spoken_s += len(base64_to_bytes(data)) / 48_000
            if len(written.split()) < len(words):
                assert words[len(written.split())].start_s >= spoken_s
    assert order[0] == "words"
    assert order[-1] == "audio"
    assert "words" in order[order.index("audio") :]
    bundled = [m for m in client.all("outputTranscription") if inline_in(m)]
    apart = [m for m in client.all("outputTranscription") if not inline_in(m)]
    assert (bundled and not apart) if model in (LIVE_3_8, LIVE_3_1) else (apart and not bundled)


@every
def test_fact_08_input_is_transcribed_word_by_word_or_as_a_phrase(family, model):
    client = Client(family=family, recognizer=Words()).setup(model, **TRANSCRIBED)
    client.hear(SPEECH)
    pieces = [
        message["serverContent"]["inputTranscription"]["text"]
        for message in client.all("inputTranscription")
    ]
    if model in (NATIVE_2_5, HALF_CASCADE):
        assert pieces == [" Hello", ",", " my", " name", " is", " Marcelo."]
    else:
        assert pieces == ["Hello, my name is Marcelo."]


@pytest.mark.parametrize("family", ["vertex", "firebase-vertex"])
def test_fact_09_vertex_transcribes_first_and_adds_its_own_members(family):
    client = answered(family, VERTEX)
    contents = [m["serverContent"] for _, m in client.messages if "serverContent" in m]
    transcripts = [content.pop("outputTranscription", None) for content in contents]
    count = sum(transcript is not None for transcript in transcripts)
    assert transcripts[0] == {}
    assert transcripts[count - 1] == {"finished": True}
    assert None not in transcripts[:count]
    assert all(set(transcript) == {"text"} for transcript in transcripts[1 : count - 1])
    assert all(content["modelTurn"]["role"] == "model" for content in contents[count:-2])
    end = client.all("turnComplete")[0]
    assert end["serverContent"] == {"turnComplete": True, "groundingMetadata": {}}
    usage = end["usageMetadata"]
    assert not [name for name in usage if name.startswith("response")]
    assert usage["candidatesTokenCount"] > 0
    modalities = [detail["modality"] for detail in usage["candidatesTokensDetails"]]
    assert modalities == ["TEXT", "AUDIO"]


@pytest.mark.parametrize("family", ["vertex", "firebase-vertex"])
def test_fact_09_on_vertex_a_turn_ends_with_its_call(family):
    client = Client(family=family, brain=CallableBrain(looks_up)).setup(
        VERTEX, tools=tools(), **TRANSCRIBED
    )
    client.say("What is the weather?")
    call = call_of(client)
    client.run(1.0)
    ended = ["outputTranscription", "generationComplete", "turnComplete"]
    assert after_setup(client) == ["outputTranscription", "toolCall", *ended]
    usage = client.all("turnComplete")[0]["usageMetadata"]
    assert usage["candidatesTokensDetails"][1] == {"modality": "AUDIO"}
    respond(client, call)
    client.run_to("turnComplete")
    assert after_setup(client)[5:] == ["outputTranscription", "audio", *ended[1:]]
    assert client.turns[1].text == "The answer is fog."


def test_fact_09_vertex_answers_a_result_that_nobody_asked_for():
    client = Client(family="vertex", brain=CallableBrain(looks_up)).setup(VERTEX)
    respond(client, {"id": "1", "name": "getStatus"})
    client.run_to("turnComplete")
    assert client.turns[0].text == "The answer is fog."


@every
def test_fact_10_usage_rides_on_turn_complete_and_may_lack_the_response(family, model):
    client = answered(family, model)
    part = "candidates" if family == "vertex" else "response"
    assert f"{part}TokenCount" in client.all("turnComplete")[0]["usageMetadata"]
    client.session.empty_next_turn()
    client.say("hello")
    _, message = client.run_to("turnComplete")
    usage = message["usageMetadata"]
    assert f"{part}TokenCount" not in usage
    assert usage["totalTokenCount"] == usage["promptTokenCount"] > 0
    client.say(SENTENCE)
    client.run_to("modelTurn")
    client.say("stop")
    client.run_to("turnComplete")
    for _, message in client.messages:
        assert ("usageMetadata" in message) is has(message, "turnComplete")
    assert len(client.all("turnComplete")) == 4


class SilentSynthesizer:
    def synthesize(self, text, voice):
        return Speech(b"")


@every
def test_fact_10_an_answer_without_sound_has_its_words(family, model):
    client = Client(family=family, brain=Echo(), voice=Voice([SilentSynthesizer()]))
    client.setup(model, **TRANSCRIBED)
    client.say("Your name is Alice.")
    _, message = client.run_to("turnComplete")
    assert client.transcript() == client.turns[0].text_sent == "Your name is Alice."
    assert not inline(client)
    kinds = [word for word in after_setup(client) if word != "sessionResumptionUpdate"]
    assert kinds[-3:] == ["outputTranscription", "generationComplete", "turnComplete"]
    # Half-cascade counts what it wrote, the others what they spoke.
    assert ("responseTokenCount" in message["usageMetadata"]) is (model == HALF_CASCADE)


@pytest.mark.parametrize(
    ("family", "model", "form"),
    [
        ("google", HALF_CASCADE, r"function-call-\d{19}"),
        ("google", NATIVE_2_5, r"function-call-\d{19}"),
        ("google", LIVE_3_1, r"fc_\d{19}"),
        ("google", LIVE_3_8, r"fc_\d{19}"),
        ("vertex", VERTEX, r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    ],
)
def test_fact_11_ids_of_function_calls(family, model, form):
    ids = set()
    for seed in range(5):
        client = Client(family=family, brain=CallableBrain(looks_up), seed=seed)
        client.setup(model, tools=tools())
        client.say("What is the weather?")
        ids.add(call_of(client)["id"])
    assert len(ids) == 5
    assert all(re.fullmatch(form, id_) for id_ in ids)


def test_fact_11_the_round_of_3_1_with_its_handle():
    client = Client(brain=CallableBrain(looks_up)).setup(LIVE_3_1, tools=tools())
    client.say("What is the weather?")
    respond(client, call_of(client))
    client.run_to("turnComplete")
    assert after_setup(client) == [
        *("empty", "toolCall", "sessionResumptionUpdate", "empty"),
        *("audio", "generationComplete", "turnComplete"),
    ]
    (update,) = client.all("sessionResumptionUpdate")
    assert update["sessionResumptionUpdate"]["resumable"] is True


@every
def test_fact_12_history_then_the_question(family, model):
    past = [
        {"role": "user", "parts": [{"text": "My favorite color is teal."}]},
        {"role": "model", "parts": [{"text": "Nice to meet you."}]},
    ]

    def remembers(turn):
        return f"{turn.history[0].parts[0].text} {len(turn.history)} {turn.text}"

    client = Client(family=family, brain=CallableBrain(remembers)).setup(model)
    client.send({"clientContent": {"turns": past, "turnComplete": False}})
    client.run(10.0)
    assert not client.all("serverContent")
    client.say("What is it?")
    client.run_to("turnComplete")
    assert client.turns[0].text == "My favorite color is teal. 3 What is it?"
    assert client.closed is None
