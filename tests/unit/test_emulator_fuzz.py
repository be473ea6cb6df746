"""Whatever a client sends: no exception, no unbounded growth, and an orderly close."""

import json
import random

import pytest
from emulator_support import Client, silence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.wire import bytes_to_base64

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


def test_deep_nesting_is_refused():
    client = Client()
    client.send("[" * 100_000)
    assert client.closed.code == 1007
    client = Client()
    client.send('{"setup":' * 5_000 + "{}" + "}" * 5_000)
    assert client.closed.code == 1007
