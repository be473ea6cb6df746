"""Whatever a client sends: no exception, no unbounded growth, and an orderly close."""

import json
import random

import msgspec
import pytest
from emulator_support import Client, silence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.emulator import Echo
from antiphon.emulator.service.context import Context
from antiphon.emulator.service.resumption import Checkpoint, Lineage, ResumptionStore
from antiphon.emulator.session.jobs import Recognize, Synthesize
from antiphon.emulator.session.record import SessionRecord, ToolCallRecord
from antiphon.errors import ProtocolViolation
from antiphon.wire import Content, Part, bytes_to_base64, decode_client_message

KEYS = [
    *("setup", "model", "generationConfig", "clientContent", "client_content", "turns", "parts"),
    *("text", "turnComplete", "realtimeInput", "realtime_input", "audio", "video", "mimeType"),
    *("data", "activityStart", "activityEnd", "audioStreamEnd", "mediaChunks", "toolResponse"),
    *("functionResponses", "id", "name", "response", "contextUpdate", "tools", "role"),
    *("functionDeclarations", "systemInstruction", "sessionResumption", "handle", "", "x_"),
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["models/gemini-3.8-live", "audio/pcm", "AAAA", "AUDIO", "user"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
frames = (
    st.binary(max_size=40)
    | st.text(max_size=40)
    | st.dictionaries(st.sampled_from(KEYS), values, max_size=3).map(json.dumps)
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.booleans(), st.lists(frames, max_size=6))
def test_random_frames(set_up, sent):
    client = Client()
    if set_up:
        client.setup()
    for frame in sent:
        if client.closed:
            break
        client.send(frame)
        client.run(0.3)
    check_bounds(client)
    if client.closed:
        assert client.closed.code in (1007, 1008)
        assert 0 < len(client.closed.reason.encode()) <= 123


@pytest.mark.parametrize("seed", range(25))
def test_random_sessions(seed):
    """Well-formed messages in any order; the turns still end one by one."""
    rng = random.Random(seed)
    manual = rng.random() < 0.5
    client = Client(seed=seed, connection_limit_s=None, session_limit_s=None).setup(
        outputAudioTranscription={},
        realtimeInputConfig={"automaticActivityDetection": {"disabled": manual}},
        tools=[{"functionDeclarations": [{"name": "go_forward"}]}],
    )
    loud = bytes(rng.randrange(256) for _ in range(640))

    def act():
        audio = rng.choice([loud, loud, silence(0.02)])
        calls = [call.id for turn in client.turns for call in turn.tool_calls] or ["none"]
        choices = [
            {"clientContent": {"turns": [{"parts": [{"text": "hello"}]}], "turnComplete": True}},
            {"clientContent": {"turns": [{"parts": [{"text": "hm"}]}]}},
            {"clientContent": {"turnComplete": True}},
            {"realtimeInput": {"text": "go forward two meters"}},
            {"realtimeInput": {"text": "tell a story"}},
            {"realtimeInput": {"audioStreamEnd": True}},
            {
                "toolResponse": {
                    "functionResponses": [{"id": rng.choice(calls), "name": "go_forward"}]
                }
            },
            *([{"realtimeInput": {"audio": {"data": bytes_to_base64(audio)}}}] * 10),
        ]
        if manual:
            choices += [
                {"realtimeInput": {"activityStart": {}}},
                {"realtimeInput": {"activityEnd": {}}},
            ]
        return rng.choice(choices)

    for _ in range(400):
        client.send(act())
        client.run(rng.choice([0.0, 0.02, 0.5, 5.0]))
        assert client.closed is None
        check_bounds(client)
    client.run(600)
    kinds = client.kinds()
    started = len(client.turns)
    answering = client.session._answering
    waiting = answering is not None and answering.answering
    assert kinds.count("turnComplete") == started - waiting
    for at, word in enumerate(kinds):
        if word == "interrupted":
            assert kinds[at + 1] == "turnComplete"
    assert [turn.ended_s for turn in client.turns[: started - waiting]] == sorted(
        turn.ended_s for turn in client.turns[: started - waiting]
    )


def check_bounds(client):
    session = client.session
    assert session.unsent == 0
    if session._answering is not None:
        assert len(session._answering._waiting) <= 16
        assert len(session._answering._late_calls) <= 64
        assert len(session._ear._kept) <= 2 * 16000 * 62
        assert len(session._context.history) <= 500
        assert session._context.size_bytes <= 8 * 1024 * 1024
        assert session._desk.under_way <= 12 + 8
        assert len(session._recognizing) <= 8
        assert session.record.size_bytes <= (64 + 4) * 1024 * 1024


def test_deep_nesting_is_refused():
    client = Client()
    client.send("[" * 100_000)
    assert client.closed.code == 1007
    client = Client()
    client.send('{"setup":' * 5_000 + "{}" + "}" * 5_000)
    assert client.closed.code == 1007


@pytest.mark.parametrize("turns", [100_001, 3_000_000])
def test_a_message_of_too_many_values_is_refused(turns):
    client = Client().setup()
    message = '{"clientContent":{"turns":[' + "{}," * turns + "{}]}}"
    client.send(message)
    assert client.closed.code == 1007
    with pytest.raises(ProtocolViolation, match=rf"has {turns:,} commas; at most 100,000"):
        decode_client_message(message)


def test_a_result_may_have_a_hundred_levels_and_no_more():
    def result(levels):
        value = '{"a":' * levels + "1" + "}" * levels
        responses = f'[{{"id":"1","name":"f","response":{value}}}]'
        return f'{{"toolResponse":{{"functionResponses":{responses}}}}}'

    client = Client().setup()
    client.send(result(96))
    assert client.closed is None
    client.send(result(97))
    assert client.closed.code == 1007


class Idle(Client):
    """Nobody does its jobs."""

    def __init__(self, **options):
        self.jobs = []
        super().__init__(**options)

    def _settle(self):
        self.jobs += self.session.jobs()
        self.session.outgoing(self.now)


def test_utterances_wait_for_a_recognizer_that_is_not_done_but_not_all_of_them():
    detection = {"automaticActivityDetection": {"disabled": True}}
    client = Idle().setup(realtimeInputConfig=detection)
    audio = {"realtimeInput": {"audio": {"data": bytes_to_base64(silence(0.1))}}}
    for _ in range(50):
        for message in ({"activityStart": {}}, None, {"activityEnd": {}}):
            client.send({"realtimeInput": message} if message else audio)
    assert sum(isinstance(job, Recognize) for job in client.jobs) == 8
    assert client.session.record.heard == [""] * 42  # those were turns without words
    check_bounds(client)


def test_sentences_of_turns_that_were_cut_count_until_they_are_spoken():
    client = Idle(brain=Echo()).setup()
    for number in range(200):
        client.say(f"This is {number}. And so on. And on. And on. And on. And on. And on.")
    assert len(client.jobs) == 12
    check_bounds(client)


@pytest.mark.parametrize("text", ["a" * 400_000, "word. " * 60_000])
def test_an_answer_without_end_ends_and_is_not_spoken_ahead_of_its_time(text):
    client = Idle(brain=Echo(), connection_limit_s=None, session_limit_s=None).setup()
    client.say(text)
    assert len(client.jobs) == 6
    assert all(isinstance(job, Synthesize) and len(job.text) <= 1_000 for job in client.jobs)
    spoken = 0
    while client.jobs:
        job = client.jobs.pop(0)
        client.session.job_done(job.id, client.voice.synthesize("a word", "Puck"), client.now)
        spoken += len(job.text)
        client.run(1)
        if (generation := client.session._answering._generation) is not None:
            assert generation.unsent_bytes < 2_000_000
    assert 27_000 < spoken <= 32_768  # a space between sentences is not spoken


@pytest.mark.parametrize(
    "members",
    [
        {"systemInstruction": {"parts": [{"text": "a" * 10 * 1024 * 1024}]}},
        {"tools": [{"functionDeclarations": [{"name": f"f{n}"} for n in range(513)]}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "description": "a" * 2**20}]}]},
    ],
)
def test_a_setup_that_leaves_no_room_is_refused_and_so_is_an_update(members):
    assert Client().setup(**members).closed.code == 1007


def test_words_in_which_a_pattern_could_search_for_ever():
    client = Client().setup()
    client.say("call " + "." * 300_000 + "\nx")
    client.run_to("turnComplete")
    client.say("what is the weather" + " of" * 60_000 + "\nx")
    client.run_to("turnComplete")
    check_bounds(client)


def test_a_turn_that_is_forgotten_is_forgotten_with_its_sound():
    record = SessionRecord(0, "google")
    for number in range(30):
        turn = record.begin_turn(f"{number} " + "a" * 2**20, spoken=False, started_s=0.0)
        turn.pcm += bytes(1_000)
        record.end_turn(turn, max_pcm_bytes=2**30)
    assert [turn.index for turn in record.turns] == [27, 28, 29]
    assert [turn.index for turn in record._with_pcm] == [27, 28, 29]
    assert 3 * 2**20 < record.size_bytes < 3 * 2**20 + 4_000
    turn.tool_calls.append(ToolCallRecord("1", "f", {}))
    record.add_response("1", {"output": "a" * 2**22})
    assert [turn.index for turn in record.turns] == [29]  # the last one is never forgotten
    record.forget_turns()
    assert record.size_bytes == 0


def test_a_media_type_that_is_a_book():
    client = Client().setup()
    kind = "audio/pcm;rate=16000;" + "x" * 2**20
    client.send({"realtimeInput": {"audio": {"mimeType": kind, "data": "AAAA"}}})
    assert client.closed.code == 1007
    assert client.closed.reason == "Unsupported audio format of 1048597 characters."


def test_what_is_remembered_is_bounded_in_bytes():
    context = Context()
    for _ in range(40):
        context.remember(Content(role="user", parts=[Part(text="a" * 2**20)]))
    assert 1 <= len(context.history) <= 8
    assert len(msgspec.json.encode(context.history)) <= 8 * 1024 * 1024
    store = ResumptionStore(60.0)
    for number in range(100):
        store.keep(str(number), Checkpoint(Lineage(), context.snapshot()), 0.0)
    assert len(store._kept) == 256 * 1024 * 1024 // context.size_bytes
    assert store.find("0", 0.0) is None
    assert store.find("99", 0.0) is not None
