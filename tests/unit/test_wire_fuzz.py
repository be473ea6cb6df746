"""Mutated frames of the service: read, or a violation; never another error."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from live_script import READY

from antiphon.errors import ProtocolViolation
from antiphon.protocol import Closed, MessageReceived, SessionProtocol
from antiphon.wire import Setup, decode_client_message, decode_server_message

FRAMES = [
    {"setupComplete": {"sessionId": "s"}},
    {
        "serverContent": {
            "modelTurn": {
                "role": "model",
                "parts": [
                    {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAD/fwAA"}},
                    {"text": "hmm", "thought": True},
                ],
            },
            "outputTranscription": {"text": "Hi", "finished": True},
        }
    },
    {"serverContent": {"interrupted": True, "turnComplete": True}},
    {"serverContent": {"generationComplete": True}, "usageMetadata": {"totalTokenCount": 3}},
    {"toolCall": {"functionCalls": [{"name": "f", "args": {"x": 1}, "id": "1"}]}},
    {"toolCallCancellation": {"ids": ["1"]}},
    {"goAway": {"timeLeft": "50s"}},
    {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
    {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1s"}},
]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places_of(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from places_of(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from places_of(member, (*path, index))


@st.composite
def mutated_frames(draw):
    frame = json.loads(json.dumps(draw(st.sampled_from(FRAMES))))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(places_of(frame))))
        fresh = draw(values)
        if not path:
            frame = fresh
            continue
        holder = frame
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = fresh
    data = json.dumps(frame).encode()
    if draw(st.booleans()):
        return data
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(max_size=4)) + data[at + draw(st.integers(0, 4)) :]


@settings(max_examples=400, deadline=None)
@given(st.lists(mutated_frames() | st.binary(max_size=60), max_size=6))
def test_the_protocol_survives_anything(frames):
    protocol = SessionProtocol(Setup())
    protocol.start(0.0)
    protocol.receive(json.dumps(READY).encode(), 0.0)
    for data in frames:
        protocol.receive(data, 1.0)
    for event in protocol.events():
        assert not isinstance(event, Closed)
        if isinstance(event, MessageReceived):
            repr(event.message)
            assert isinstance(event.message.raw, dict)
            event.message.without_audio()
    protocol.connection_lost(1006, "", 2.0)
    assert isinstance(protocol.events()[-1], Closed)


@settings(max_examples=300, deadline=None)
@given(mutated_frames() | st.binary(max_size=60))
def test_decoding_gives_a_message_or_a_violation(data):
    for decode in (decode_server_message, decode_client_message):
        with suppress(ProtocolViolation):
            decode(data)
