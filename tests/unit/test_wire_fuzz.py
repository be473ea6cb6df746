"""Mutated frames of the service: read, or a violation; never another error, and in bounds.

Frames of the real service are mutated where the recordings are there.
"""

import json
import math
import random
import sys
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_script import READY
from test_recordings import FILES, frames_of

from antiphon.errors import ProtocolViolation
from antiphon.protocol import Closed, Continuity, MessageReceived, Notice, SessionProtocol, State
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


def recorded_frames():
    """One frame of each shape that the real service was seen to send."""
    shapes = {}
    for path in FILES:
        for data in frames_of(path)[1]:
            with suppress(ValueError):
                frame = json.loads(data)
                shapes.setdefault(repr(list(places_of(frame))), frame)
    return sorted(shapes.values(), key=lambda frame: len(json.dumps(frame)))[:150]


SHAPES = FRAMES + recorded_frames()


@st.composite
def mutated_frames(draw):
    frame = json.loads(json.dumps(draw(st.sampled_from(SHAPES))))
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


def opened():
    """A session as an application has it: it outlives its connections."""
    protocol = SessionProtocol(Setup(), continuity=Continuity())
    protocol.start(0.0)
    protocol.receive(json.dumps(READY).encode(), 0.0)
    protocol.data_to_send()
    protocol.events()
    return protocol


def take(protocol, data, now=1.0):
    """Feed a message, look at all that came of it, and see that the session goes on."""
    protocol.receive(data, now)
    events = protocol.events()
    for event in events:
        assert not isinstance(event, Closed)
        if isinstance(event, Notice):
            assert isinstance(event.error, ProtocolViolation)
            assert len(str(event.error)) < 2_000
        if isinstance(event, MessageReceived):
            look_at(event.message)
    due = protocol.next_timeout()
    assert due is None or math.isfinite(due)
    assert protocol.state in (State.READY, State.RECONNECTING)
    return events


def look_at(message):
    assert isinstance(message.raw, dict)
    assert len(repr(message)) < 100_000
    _ = message.text, message.thought, message.output_transcription, message.tool_call
    _ = message.usage, message.resumption, message.interaction_status, message.turn
    assert message.audio_duration_s >= 0
    if message.go_away is not None:
        assert message.go_away.time_left_s >= 0
    with suppress(ValueError):  # audio of several rates is not one array
        _ = message.audio
    message.without_audio()


def goes_on(protocol):
    """It can still be talked with, over this connection or the next."""
    if protocol.state is State.RECONNECTING:
        protocol.start(2.0)
        protocol.receive(json.dumps(READY).encode(), 2.0)
    protocol.events()
    protocol.send_text("hello")
    assert protocol.data_to_send()
    protocol.receive(b'{"serverContent":{"modelTurn":{"parts":[{"text":"yes"}]}}}', 2.0)
    # Before it, perhaps, the end of a turn: what was unreadable may have been that.
    *_, received = [e for e in protocol.events() if isinstance(e, MessageReceived)]
    assert received.message.text == "yes"


@settings(max_examples=300, deadline=None)
@given(st.lists(mutated_frames() | st.binary(max_size=60), max_size=6), st.booleans())
def test_a_session_of_several_connections_survives_anything(frames, cut):
    protocol = opened()
    for number, data in enumerate(frames):
        take(protocol, data, now=float(number))
        protocol.handle_timeout(number + 0.5)
        if protocol.state is State.RECONNECTING or cut:
            protocol.connection_lost(1006, "", number + 0.5)
            protocol.start(number + 0.6)
            # The connection may end with the attempts in it; a setup is still a setup.
            protocol.receive(json.dumps(READY).encode(), number + 0.6)
            protocol.data_to_send()
            protocol.events()
            if protocol.state is State.CLOSED:
                return
    goes_on(protocol)


WRONG = [
    *(None, True, 0, -1, 1.5, 10**30, -(10**30), "", "x", "\ud800", "\0", "9" * 400, [], [[]]),
    *({}, {"": None}, [None], [{}], ["x"], {"a": {"b": []}}, "NaN", "1e999", "nans", "infs", "-5s"),
]


def test_every_member_may_have_every_wrong_type():
    protocol = opened()
    for shape in SHAPES:
        for path in places_of(shape):
            if not path:
                continue
            for wrong in WRONG:
                frame = json.loads(json.dumps(shape))
                holder = frame
                for step in path[:-1]:
                    holder = holder[step]
                holder[path[-1]] = wrong
                if protocol.state is not State.READY:
                    protocol = opened()
                take(protocol, json.dumps(frame).encode())
    goes_on(opened())


def test_every_truncation_is_a_notice():
    for shape in SHAPES:
        data = json.dumps(shape).encode()
        ends = range(1, len(data))
        if len(data) > 400:
            ends = random.Random(0).sample(ends, 100)
        protocol = opened()
        for end in ends:
            (notice,) = take(protocol, data[:end])
            assert isinstance(notice, Notice)
        goes_on(protocol)


def blob(data, mime_type="audio/pcm;rate=24000"):
    inline = {"mimeType": mime_type, "data": data}
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": inline}]}}}


@pytest.mark.parametrize(
    "data", ["A", "AAA", "AAA=A", "====", "AA=A", "A A A A", "AA\nAA", "Ä" * 4, "AAA\0", "<audio>"]
)
def test_bad_base64_is_a_notice_or_whole_samples(data):
    protocol = opened()
    (event,) = take(protocol, json.dumps(blob(data)).encode())
    if isinstance(event, MessageReceived):
        assert event.message.audio_frames <= len(data)
    goes_on(protocol)


@pytest.mark.parametrize("rate", ["0", "-1", "384001", "9" * 400, "24000.5", "x", "", "1e5"])
def test_an_absurd_rate_is_a_notice(rate):
    protocol = opened()
    (event,) = take(protocol, json.dumps(blob("AAAA" * 2, f"audio/pcm;rate={rate}")).encode())
    assert isinstance(event, Notice)


@pytest.mark.parametrize("depth", [101, 500, 900, 5_000, 1_000_000])
@pytest.mark.parametrize(
    ("before", "opening", "closing"),
    [
        (b'{"x":', b"[", b"]"),
        (b'{"x":', b'{"a":', b"}"),
        (b'{"toolCall":{"functionCalls":[{"id":"1","args":', b'{"a":', b"}"),
        (b'{"serverContent":{"groundingMetadata":', b'{"a":', b"}"),
    ],
)
def test_deep_nesting_is_a_notice(depth, before, opening, closing):
    ends = {b"{": b"}", b"[": b"]"}
    outer = b"".join(
        ends[bytes([c])] for c in reversed(before.replace(b'[{"id"', b"[{")) if c in b"{["
    )
    data = before + opening * depth + b"1" + closing * depth + outer
    if depth < 900:
        json.loads(data)  # it is JSON
    protocol = opened()
    (notice,) = take(protocol, data)
    assert isinstance(notice, Notice)
    goes_on(protocol)


def test_nesting_of_a_hundred_is_read_even_from_a_deep_stack():
    protocol = opened()
    data = b'{"x":' + b"[" * 99 + b"]" * 99 + b"}"

    def from_below(frames):
        return from_below(frames - 1) if frames else take(protocol, data)

    (event,) = from_below(sys.getrecursionlimit() - 400)
    assert isinstance(event, MessageReceived)


SIZE = 16 * 1024 * 1024


def filled(before, piece, after):
    return before + piece * ((SIZE - len(before) - len(after)) // len(piece)) + after


@pytest.mark.parametrize(
    ("data", "times"),
    [
        (filled(b'{"serverContent":{"outputTranscription":{"text":"', b"word ", b'"}}}'), 8),
        (filled(b'{"serverContent":{"modelTurn":{"parts":[{"text":"', b"word ", b'"}]}}}'), 8),
        (filled(b'{"x":"', b"\\u0000", b'"}'), 8),
        (filled(b'{"x":[', b"{},", b"1]}"), 3),
        (filled(b'{"toolCall":{"functionCalls":[', b"{},", b'{"id":"1"}]}}'), 3),
        (filled(b'{"toolCallCancellation":{"ids":[', b'"",', b'""]}}'), 3),
        (filled(b'{"serverContent":{"modelTurn":{"parts":[', b"{},", b"{}]}}}"), 3),
        (filled(b'{"x":', b"[", b""), 3),
        (filled(b'{"goAway":{"timeLeft":"', b"9", b's"}}'), 8),
        (filled(b'{"usageMetadata":{"totalTokenCount":', b"9", b"}}"), 8),
        (filled(b"{", b" ", b"}"), 3),
        (filled(b"", b"\xff", b""), 3),
        (
            filled(
                b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":'
                b'"audio/pcm;rate=24000","data":"',
                b"AAAA" * 2,
                b'"}}]}}}',
            ),
            4,
        ),
        (
            filled(
                b'{"serverContent":{"modelTurn":{"parts":[',
                b'{"inlineData":{"mimeType":"audio/pcm","data":"AAAAAAAA"}},',
                b"{}]}}}",
            ),
            12,
        ),
    ],
    ids=lambda value: bytes(value[:34]).decode("latin-1") if isinstance(value, bytes) else "",
)
def test_sixteen_mebibytes_take_memory_in_proportion_and_leave_little(data, times):
    protocol = opened()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(2):
            protocol.receive(data, 1.0)
            protocol.events()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < times * SIZE
    assert after - before < SIZE // 8
    goes_on(protocol)
