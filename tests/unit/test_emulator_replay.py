"""A session that was recorded, played to another client."""

import json

import pytest
from emulator_support import Client, ToneSynthesizer

from antiphon.emulator import CallableBrain, Echo, Replay, Reply, Voice, Wait
from antiphon.emulator.faults import Close
from antiphon.emulator.records.recorder import SessionRecorder
from antiphon.emulator.service.shared import Shared
from antiphon.emulator.session.brain import Call
from antiphon.emulator.settings import Settings
from antiphon.errors import RecordingError

PLAIN = "models/gemini-2.5-flash-native-audio-preview-12-2025"
GO = {
    "functionDeclarations": [
        {
            "name": "go_forward",
            "parameters": {"type": "OBJECT", "properties": {"distance_meters": {"type": "NUMBER"}}},
        }
    ]
}


def recorded(tmp_path, talk, *, model=PLAIN, index=0, **options):
    """Record ``talk(client)``; returns the client and the file."""
    client = Client(observer=SessionRecorder(tmp_path, index), **options)
    client.setup(model, tools=[GO])
    talk(client)
    if client.closed is None:
        client.hang_up()
    return client, tmp_path / f"session-{index}.jsonl"


class Mute:
    """No voice at all: whatever sounds comes from the recording."""

    def synthesize(self, text, voice):
        raise AssertionError(f"asked to say {text!r}")


def replayed(talk, *files, model=PLAIN, **options):
    options.setdefault("voice", Voice([Mute()]))
    client = Client(brain=Replay(*files), **options).setup(model, tools=[GO])
    talk(client)
    return client


def answer_call(client):
    (call,) = client.all("toolCall")[-1]["toolCall"]["functionCalls"]
    response = {"id": call["id"], "name": call["name"], "response": {"output": "done"}}
    client.send({"toolResponse": {"functionResponses": [response]}})


def walk(client):
    client.say("hello")
    client.run_to("turnComplete")
    client.say("go forward ten meters")
    client.run_to("toolCall")
    client.run(1)
    answer_call(client)
    client.run(30)


@pytest.mark.parametrize("model", [PLAIN, "models/gemini-3.8-live"])
def test_words_sound_and_calls_come_again_in_their_order(tmp_path, model):
    first, file = recorded(tmp_path, walk, model=model)
    second = replayed(walk, file, model=model, speed=(20, 20))
    assert second.audio() == first.audio()
    assert [turn.text for turn in second.turns] == [turn.text for turn in first.turns]
    for ours, theirs in zip(second.turns, first.turns, strict=True):
        assert [(call.name, call.args) for call in ours.tool_calls] == [
            (call.name, call.args) for call in theirs.tool_calls
        ]
        assert [word.text for word in ours.words] == [word.text for word in theirs.words]
        for word, before in zip(ours.words, theirs.words, strict=True):
            assert word.start_s == pytest.approx(before.start_s, abs=2e-3)


def test_an_answer_that_was_cut_is_as_long_again(tmp_path):
    def cut(client):
        client.say("tell me a story")
        client.run(1.5)
        client.say("hello")
        client.run(60)

    def patient(client):
        for text in ("tell me a story", "hello"):
            client.say(text)
            client.run(60)

    first, file = recorded(tmp_path, cut)
    assert first.turns[0].interrupted
    second = replayed(patient, file)
    assert second.turns[0].text == first.turns[0].text_sent
    assert second.audio() == first.audio()


def test_what_follows_in_a_turn_follows_again(tmp_path):
    def respond(turn):
        if turn.tool_result is not None:
            return Reply("There.", then=Reply("At last.", before=(Wait(2),)))
        return Reply("Wait.", then=Reply(call=Call("go_forward", {"distance_meters": 3})))

    def talk(client):
        client.say("go")
        client.run_to("toolCall")
        answer_call(client)
        client.run(60)

    first, file = recorded(tmp_path, talk, brain=CallableBrain(respond))
    second = replayed(talk, file)
    assert second.kinds() == first.kinds()
    assert second.audio() == first.audio()
    assert second.turns[0].text == "Wait. There. At last."


@pytest.mark.parametrize("number", [None, 1])
def test_a_close_of_the_server_comes_again(tmp_path, number):
    end = Close(code=1011, reason="Internal error occurred.")
    reply = Reply("All is well.", after=(Wait(3), end))
    if number:
        reply = Reply("All is", then=Reply("", before=(end,), completes=False))

    def talk(client):
        client.say("a")
        client.run(60)

    first, file = recorded(tmp_path, talk, brain=CallableBrain(lambda turn: reply))
    second = replayed(talk, file)
    assert second.closed == first.closed
    assert second.audio() == first.audio()
    assert second.kinds() == first.kinds()


def test_behind_the_last_answer_is_nothing(tmp_path):
    def one(client):
        client.say("hello")
        client.run(30)

    def two(client):
        one(client)
        one(client)

    _, file = recorded(tmp_path, one)
    client = replayed(two, file)
    assert client.closed.reason == "The recording has no more answers."
    assert len(client.turns) == 2


def test_a_resumed_session_goes_on_in_the_next_recording(tmp_path):
    def say(*texts):
        def talk(client):
            for text in texts:
                client.say(text)
                client.run(30)

        return talk

    _, one = recorded(tmp_path, say("a"), brain=Echo(), model="models/gemini-3.8-live")
    _, two = recorded(tmp_path, say("b"), brain=Echo(), model="models/gemini-3.8-live", index=1)
    brain, shared = Replay(one, two), Shared(Settings())
    first = Client(brain=brain, shared=shared).setup("models/gemini-3.8-live")
    say("x")(first)
    handle = first.all("sessionResumptionUpdate")[-1]["sessionResumptionUpdate"]["newHandle"]
    first.hang_up()
    second = Client(brain=brain, shared=shared, now=first.now)
    second.setup(sessionResumption={"handle": handle})
    say("y")(second)
    assert [client.turns[0].text for client in (first, second)] == ["a", "b"]


def test_a_recording_in_text_is_spoken_by_the_voice(tmp_path):
    client = Client(observer=SessionRecorder(tmp_path, 0), brain=Echo())
    client.setup(
        "models/gemini-live-2.5-flash-preview", generationConfig={"responseModalities": ["TEXT"]}
    )
    client.say("abc")
    client.run(30)
    client.hang_up()
    tone = ToneSynthesizer()
    again = Client(brain=Replay(tmp_path / "session-0.jsonl"), voice=Voice([tone])).setup(PLAIN)
    again.say("x")
    again.run(30)
    assert again.audio() == tone.synthesize("abc", "").pcm


def test_files_that_cannot_be_replayed(tmp_path):
    _, file = recorded(tmp_path, lambda client: (client.say("hello"), client.run(30)))
    with pytest.raises(RecordingError, match=r"nowhere\.jsonl cannot be read: No such file"):
        Replay(tmp_path / "nowhere.jsonl")
    wav = tmp_path / "session-0" / "turn-0.wav"
    sound = wav.read_bytes()
    wav.write_bytes(sound[:-2])
    with pytest.raises(RecordingError, match=r"turn-0\.wav does not hold the"):
        Replay(file)
    wav.write_bytes(b"RIFF")
    with pytest.raises(RecordingError, match=r"turn-0\.wav is no WAV file"):
        Replay(file)
    wav.unlink()
    with pytest.raises(RecordingError, match="Keep the folder of sound"):
        Replay(file)
    for bad in ('{"event": ', '["reply"]', json.dumps({"event": "turn_ended"})):
        file.write_text(bad)
        with pytest.raises(RecordingError, match="is no recording of a session"):
            Replay(file)
