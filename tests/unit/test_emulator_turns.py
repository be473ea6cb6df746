"""Turns of the local server in simulated time: order, timing, interruption, tools, usage."""

import itertools
import random

import pytest
from emulator_support import HALF_CASCADE, Client, ToneSynthesizer, has, recording, silence

from antiphon.emulator import CallableBrain, Echo, Reply, Settings, Voice
from antiphon.emulator.session.brain import Call
from antiphon.emulator.session.pacing import split_sentences, time_words

GO = {
    "functionDeclarations": [
        {
            "name": "go_forward",
            "parameters": {"type": "OBJECT", "properties": {"distance_meters": {"type": "NUMBER"}}},
        }
    ]
}


# ------------------------------------------------------------------ the plain turn


def test_order_and_shape_of_a_spoken_answer():
    client = Client().setup(outputAudioTranscription={})
    client.say("hello")
    client.run_to("turnComplete")
    words = [word for word in client.kinds() if word != "outputTranscription"]
    assert words == [
        "setupComplete",
        "sessionResumptionUpdate",
        "empty",
        "audio",
        "generationComplete",
        "turnComplete",
        "sessionResumptionUpdate",
    ]
    sizes = [
        len(part["inlineData"]["data"]) * 3 // 4
        for message in client.all("modelTurn")
        for part in message["serverContent"]["modelTurn"]["parts"]
    ]
    assert sizes[0] == 9600
    assert set(sizes[1:-1]) == {11520}
    assert 0 < sizes[-1] <= 11520
    mime_types = {
        part["inlineData"]["mimeType"]
        for message in client.all("modelTurn")
        for part in message["serverContent"]["modelTurn"]["parts"]
    }
    assert mime_types == {"audio/pcm;rate=24000"}


def test_the_answer_comes_faster_than_real_time_and_the_turn_ends_when_it_was_played():
    client = Client().setup()
    client.say("tell me a story")
    first, _ = client.run_to("modelTurn")
    generated, _ = client.run_to("generationComplete")
    complete, _ = client.run_to("turnComplete")
    duration = len(client.audio()) / 2 / 24000
    assert duration > 20
    assert 3 < duration / (generated - first) < 8
    assert complete == pytest.approx(first + duration, abs=0.001)
    turn = client.turns[0]
    assert turn.ended_s == pytest.approx(complete - 100.0)
    assert turn.pcm == client.audio()
    assert turn.frames_sent == len(client.audio()) // 2


def test_transcription_is_the_text_and_runs_ahead_of_the_audio():
    client = Client().setup(HALF_CASCADE, outputAudioTranscription={})
    client.say("tell me a story")
    client.run_to("turnComplete")
    assert client.transcript() == client.turns[0].text == client.turns[0].text_sent
    spoken_s, ahead = 0.0, []
    written = ""
    for _, message in client.messages:
        content = message.get("serverContent", {})
        if "outputTranscription" in content:
            written += content["outputTranscription"]["text"]
            count = len(written.split())
            ahead.append(client.turns[0].words[count - 1].start_s - spoken_s)
        for part in content.get("modelTurn", {}).get("parts", []):
            spoken_s += len(part["inlineData"]["data"]) * 3 / 4 / 48000
    assert min(ahead[:-1]) > -0.1
    assert max(ahead) < 1.0


def test_3_x_bundles_audio_and_transcription_and_2_5_does_not():
    for model, bundled in (("models/gemini-3.8-live", True), (HALF_CASCADE, False)):
        client = Client().setup(model, outputAudioTranscription={})
        client.say("hello")
        client.run_to("turnComplete")
        both = [
            message
            for message in client.all("outputTranscription")
            if "modelTurn" in message["serverContent"]
        ]
        assert bool(both) is bundled


def test_no_transcription_unless_asked():
    client = Client().setup()
    client.say("hello")
    client.run_to("turnComplete")
    assert not client.all("outputTranscription")


def test_text_modality():
    client = Client().setup(HALF_CASCADE, generationConfig={"responseModalities": ["TEXT"]})
    client.say("hello")
    complete, message = client.run_to("turnComplete")
    generated = next(at for at, m in client.messages if has(m, "generationComplete"))
    assert complete == generated
    text = "".join(
        part["text"]
        for m in client.all("modelTurn")
        for part in m["serverContent"]["modelTurn"]["parts"]
    )
    assert text == client.turns[0].text == client.turns[0].text_sent
    assert len(client.all("modelTurn")) > 1
    details = message["usageMetadata"]["responseTokensDetails"]
    assert [detail["modality"] for detail in details] == ["TEXT"]


def test_vertex_shapes():
    client = Client(family="vertex")
    client.setup("publishers/google/models/gemini-live-2.5-flash", outputAudioTranscription={})
    client.say("hello")
    _, message = client.run_to("turnComplete")
    transcripts = [
        m["serverContent"]["outputTranscription"] for m in client.all("outputTranscription")
    ]
    assert transcripts[0] == {}
    assert transcripts[-1] == {"finished": True}
    assert client.transcript() == client.turns[0].text
    kinds = client.kinds()
    assert kinds.index("audio") > max(i for i, k in enumerate(kinds) if k == "outputTranscription")
    for turn in (m["serverContent"]["modelTurn"] for m in client.all("modelTurn")):
        assert turn["role"] == "model"
        assert turn["parts"][0]["inlineData"]["mimeType"] == "audio/pcm"
    assert message["serverContent"] == {"turnComplete": True, "groundingMetadata": {}}
    usage = message["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert "responseTokenCount" not in usage


def test_usage_counts_the_growing_context():
    client = Client().setup()
    prompts = []
    for _ in range(2):
        client.say("hello")
        _, message = client.run_to("turnComplete")
        usage = message["usageMetadata"]
        prompts.append(usage["promptTokenCount"])
        assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["responseTokenCount"]
        assert usage["responseTokensDetails"] == [
            {"modality": "AUDIO", "tokenCount": usage["responseTokenCount"]}
        ]
    assert prompts[1] > prompts[0] + 50


def test_same_seed_same_messages_at_the_same_times():
    def run(seed):
        client = Client(seed=seed).setup(outputAudioTranscription={})
        client.say("tell me a story")
        client.run_to("turnComplete")
        return client.messages

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_chunks_may_be_small_and_leave_at_even_times():
    client = Client(first_chunk_ms=40, next_chunk_ms=40, speed=(2, 2), even_gaps=True).setup()
    client.say("hello")
    client.run_to("turnComplete")
    sent = [(at, message) for at, message in client.messages if has(message, "modelTurn")]
    parts = [message["serverContent"]["modelTurn"]["parts"][0] for _, message in sent]
    sizes = {len(part["inlineData"]["data"]) * 3 // 4 for part in parts[:-1]}
    assert sizes == {1920}
    gaps = [later - at for (at, _), (later, _) in itertools.pairwise(sent)]
    assert gaps == pytest.approx([0.02] * len(gaps))


@pytest.mark.parametrize("name", ["first_chunk_ms", "next_chunk_ms"])
def test_a_chunk_has_a_duration(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        Settings(**{name: 0})


def test_chunks_run_on_over_the_ends_of_sentences():
    brain = CallableBrain(lambda turn: "One. Two and three. Four!")
    client = Client(brain=brain).setup()
    client.say("hello")
    client.run_to("turnComplete")
    voice = Voice([ToneSynthesizer()])
    spoken = [voice.synthesize(text, "Puck").pcm for text in ("One.", "Two and three.", "Four!")]
    assert client.audio() == b"".join(spoken)
    assert bytes(client.session.record.turns[0].pcm) == client.audio()


def test_max_speed_of_a_reply():
    brain = CallableBrain(lambda turn: Reply("a sentence of some length " * 8, max_speed=1.0))
    client = Client(brain=brain).setup()
    client.say("x")
    first, _ = client.run_to("modelTurn")
    generated, _ = client.run_to("generationComplete")
    duration = len(client.audio()) / 2 / 24000
    assert generated - first >= duration - 0.25


def test_never_two_members_and_usage_only_beside_server_content():
    client = Client().setup(outputAudioTranscription={}, tools=[GO])
    for text in ("hello", "go forward 3 meters"):
        client.say(text)
        client.run(20)
    assert client.all("toolCall")
    for _, message in client.messages:
        members = set(message) - {"usageMetadata"}
        assert len(members) == 1
        assert "usageMetadata" not in message or members == {"serverContent"}


def test_history_then_a_question():
    client = Client(brain=Echo()).setup()
    past = [
        {"role": "user", "parts": [{"text": "My name is Alice."}]},
        {"role": "model", "parts": [{"text": "Nice to meet you."}]},
    ]
    client.send({"client_content": {"turns": past, "turn_complete": False}})
    client.run(5)
    assert not client.turns
    client.say("What is my name?")
    client.run_to("turnComplete")
    assert client.turns[0].text == "What is my name?"


def test_initial_history_triggers_nothing():
    client = Client().setup(historyConfig={"initialHistoryInClientContent": True})
    client.say("hello")
    client.run(5)
    assert not client.turns
    client.send({"realtimeInput": {"text": "hello"}})
    client.run_to("turnComplete")
    assert len(client.turns) == 1


def test_a_brain_that_fails_ends_the_session_with_1011():
    client = Client(brain=CallableBrain(lambda turn: 1 / 0)).setup()
    client.say("hello")
    assert (client.closed.code, client.closed.reason) == (1011, "Internal error occurred.")


def test_go_away_comes_before_the_end():
    client = Client(connection_limit_s=90.0, go_away_lead_s=50.0).setup()
    at, message = client.run_to("goAway")
    assert at == pytest.approx(140.0)
    assert message == {"goAway": {"timeLeft": "50s"}}
    client.run(50.0)
    assert client.closed.code == 1000


# ------------------------------------------------------------------ interruption


def interrupt_with_text(client):
    client.send({"realtimeInput": {"text": "stop"}})


def interrupt_with_content(client):
    client.say("stop")


def interrupt_with_activity(client):
    client.send({"realtimeInput": {"activityStart": {}}})


def interrupt_with_voice(client):
    client.hear(recording("cards-001"))


@pytest.mark.parametrize("after", ["modelTurn", "generationComplete"])
@pytest.mark.parametrize(
    "interrupt",
    [interrupt_with_text, interrupt_with_content, interrupt_with_activity, interrupt_with_voice],
)
def test_the_user_interrupts(after, interrupt):
    manual = interrupt is interrupt_with_activity
    client = Client().setup(
        realtimeInputConfig={"automaticActivityDetection": {"disabled": manual}}
    )
    if not manual:
        client.hear(silence(0.5))
    client.send({"realtimeInput": {"text": "tell me a story"}})
    client.run_to(after)
    client.run(0.05)
    before = len(client.messages)
    interrupt(client)
    kinds = [word for word in client.kinds() if word not in ("voiceActivity", "empty")]
    at = kinds.index("interrupted")
    assert kinds[at + 1] == "turnComplete"
    assert ("generationComplete" in kinds[:at]) is (after == "generationComplete")
    ends = [message for message in client.all("turnComplete") if "usageMetadata" in message]
    assert len(ends) == 1
    turn = client.turns[0]
    assert turn.interrupted
    assert turn.frames_sent == len(turn.pcm) // 2
    if after == "modelTurn":
        assert len(turn.text_sent) < len(turn.text)
        late = [
            m for _, m in client.messages[before:] if m.get("serverContent", {}).get("interrupted")
        ]
        assert len(late) == 1


def test_no_interruption_is_respected_and_the_words_are_answered_later():
    client = Client(brain=Echo()).setup(realtimeInputConfig={"activityHandling": "NO_INTERRUPTION"})
    client.send({"realtimeInput": {"text": "a first thing to say, and a long one at that"}})
    client.run_to("modelTurn")
    client.send({"realtimeInput": {"text": "second"}})
    client.run_to("turnComplete")
    assert not client.all("interrupted")
    client.run_to("turnComplete")
    assert [turn.text for turn in client.turns] == [
        "a first thing to say, and a long one at that",
        "second",
    ]


def test_after_the_turn_is_complete_nothing_is_interrupted():
    client = Client().setup()
    client.say("hello")
    client.run_to("turnComplete")
    client.say("hello")
    client.run_to("turnComplete")
    assert not client.all("interrupted")


# ------------------------------------------------------------------ tools


@pytest.mark.parametrize(
    ("family", "model", "id_starts"),
    [
        ("google", HALF_CASCADE, "function-call-"),
        ("google", "models/gemini-3.1-flash-live-preview", "fc_"),
        ("vertex", "publishers/google/models/gemini-live-2.5-flash", ""),
    ],
)
def test_a_tool_round(family, model, id_starts):
    client = Client(family=family).setup(model, tools=[GO], outputAudioTranscription={})
    client.say("go forward ten meters")
    _, message = client.run_to("toolCall")
    (call,) = message["toolCall"]["functionCalls"]
    assert call["name"] == "go_forward"
    assert call["args"] == {"distance_meters": 10}
    assert call["id"].startswith(id_starts)
    assert len(call["id"]) > 15
    client.run(5.0)
    # Vertex ends the turn of the call, and says the result in another one.
    assert len(client.all("turnComplete")) == (1 if family == "vertex" else 0)
    response = {"id": call["id"], "name": call["name"], "response": {"output": "arrived"}}
    client.send({"toolResponse": {"functionResponses": [response]}})
    client.run_to("turnComplete")
    assert len(client.all("turnComplete")) == (2 if family == "vertex" else 1)
    assert "Certainly. We went forward ten meters. arrived." in client.transcript()
    assert client.turns[0].tool_calls[0].response == {"output": "arrived"}
    assert ("executableCode" in client.kinds()) is (model == HALF_CASCADE)


def test_interrupting_a_blocking_call_cancels_it():
    client = Client().setup("models/gemini-3.1-flash-live-preview", tools=[GO])
    client.say("go forward ten meters")
    _, message = client.run_to("toolCall")
    call_id = message["toolCall"]["functionCalls"][0]["id"]
    client.send({"realtimeInput": {"text": "hello"}})
    assert client.all("toolCallCancellation") == [{"toolCallCancellation": {"ids": [call_id]}}]
    assert client.turns[0].tool_calls[0].cancelled
    answer = {"id": call_id, "name": "go_forward", "response": {}}
    client.send({"toolResponse": {"functionResponses": [answer]}})
    client.run(30)
    assert len(client.turns) == 2


def test_a_non_blocking_call_survives_the_interruption_and_is_told_when_idle():
    client = Client().setup("models/gemini-3.8-live", tools=[GO])
    client.say("go forward ten meters")
    _, message = client.run_to("toolCall")
    call_id = message["toolCall"]["functionCalls"][0]["id"]
    client.send({"realtimeInput": {"text": "hello"}})
    assert not client.all("toolCallCancellation")
    client.run_to("modelTurn")
    answer = {"id": call_id, "name": "go_forward", "response": {"output": "arrived"}}
    client.send({"toolResponse": {"functionResponses": [answer]}})
    client.run(60)
    assert [turn.text[:9] for turn in client.turns] == ["Here we g", "Good day,", "Certainly"]


@pytest.mark.parametrize(
    ("scheduling", "interrupted", "turns"),
    [("INTERRUPT", 1, 2), ("WHEN_IDLE", 0, 2), ("SILENT", 0, 1)],
)
def test_the_model_talks_on_while_a_non_blocking_call_runs(scheduling, interrupted, turns):
    def respond(turn):
        if turn.tool_result is not None:
            return f"The answer is {turn.tool_result.response['output']}."
        return Reply("Let me look that up for you, one moment please.", Call("go_forward"))

    client = Client(brain=CallableBrain(respond)).setup(tools=[GO])
    client.say("x")
    _, message = client.run_to("toolCall")
    client.run_to("modelTurn")
    call_id = message["toolCall"]["functionCalls"][0]["id"]
    answer = {
        "id": call_id,
        "name": "go_forward",
        "response": {"output": "42"},
        "scheduling": scheduling,
    }
    client.send({"toolResponse": {"functionResponses": [answer]}})
    client.run(60)
    assert len(client.all("interrupted")) == interrupted
    assert len(client.turns) == len(client.all("turnComplete")) == turns


def test_a_function_that_is_not_done_may_answer_again_and_nobody_can_resume_meanwhile():
    def respond(turn):
        if turn.tool_result is not None:
            return f"It is {turn.tool_result.response['output']}."
        return Reply("One moment please.", Call("go_forward"))

    client = Client(brain=CallableBrain(respond)).setup(tools=[GO])
    client.say("x")
    _, message = client.run_to("toolCall")
    call_id = message["toolCall"]["functionCalls"][0]["id"]
    client.run(30)
    handles = len(client.all("sessionResumptionUpdate"))
    for output, more in (("half way", True), ("there", False), ("too late", False)):
        answer = {"id": call_id, "name": "go_forward", "response": {"output": output}}
        client.send({"toolResponse": {"functionResponses": [{**answer, "willContinue": more}]}})
        client.run(30)
        handles += output == "there"
        assert len(client.all("sessionResumptionUpdate")) == handles
    assert [turn.text for turn in client.turns][1:] == ["It is half way.", "It is there."]


def test_an_undeclared_function_is_never_called():
    client = Client(brain=CallableBrain(lambda turn: Reply(call=Call("launch")))).setup()
    client.say("x")
    client.run_to("turnComplete")
    assert not client.all("toolCall")
    assert "launch" in client.turns[0].text


def test_context_update_changes_the_tools():
    client = Client().setup(tools=[GO])
    client.send({"contextUpdate": {"tools": {"tools": []}}})
    client.say("go forward ten meters")
    client.run_to("turnComplete")
    assert not client.all("toolCall")
    assert "no function" in client.turns[0].text


def test_responses_nobody_asked_for_are_ignored():
    client = Client().setup()
    client.send({"toolResponse": {"functionResponses": [{"id": "x", "name": "f", "response": {}}]}})
    client.run(5)
    assert not client.turns
    assert client.closed is None


# ------------------------------------------------------------------ small parts


def test_sentences_are_the_text_again():
    rng = random.Random(5)
    for _ in range(200):
        words = [
            "word" * rng.randrange(1, 9) + rng.choice(["", ".", ",", "!", ":"])
        ] * rng.randrange(90)
        text = " ".join(words)
        sentences = split_sentences(text)
        assert " ".join(sentences) == text
        assert all(sentences)


def test_words_share_the_duration():
    words = time_words("one two three", 2.0)
    assert [word.text for word in words] == ["one", "two", "three"]
    assert words[0].start_s == 0
    assert words[-1].end_s == pytest.approx(2.0)
