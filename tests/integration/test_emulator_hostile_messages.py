"""Messages that mean harm, or are broken, to the session logic alone: little of them is kept."""

import gc
import json
import random
import sys
import types

import pytest
from hostile_support import MIB, PATH, SETUP, Mutator, Tones, result, spoken, typed

from antiphon.emulator import Concierge, Settings, Voice
from antiphon.emulator.service.request import route
from antiphon.emulator.session.core import EmulatedSession
from antiphon.emulator.session.jobs import Recognition, Recognize
from antiphon.emulator.session.outlet import Close
from antiphon.wire import bytes_to_base64


class Peer:
    """Holds a session by its driver's end, and does what it asks for at once."""

    def __init__(self, setup=None, brain=None, **settings):
        self.now = 0.0
        request = route(PATH, {})
        chosen = Settings(connection_limit_s=None, session_limit_s=None, **settings)
        self.session = EmulatedSession(chosen, request, brain or Concierge(), now=0.0)
        self.voice = Voice([Tones()])
        self.closed = None
        self.sent = 0
        if setup is not None:
            self.send(setup)

    def send(self, message):
        data = message if isinstance(message, str | bytes) else json.dumps(message)
        self.session.receive(data, self.now)
        self.settle()

    def wait(self, seconds):
        until = self.now + seconds
        while (due := self.session.next_timeout()) is not None and due <= until:
            self.now = max(self.now, due)
            self.settle()
        self.now = until

    def settle(self):
        while True:
            items, jobs = self.session.outgoing(self.now), self.session.jobs()
            for item in items:
                self.sent += 1
                if isinstance(item, Close):
                    self.closed = item
            for job in jobs:
                if isinstance(job, Recognize):
                    done = Recognition("go forward two meters")
                else:
                    done = self.voice.synthesize(job.text, job.voice)
                self.session.job_done(job.id, done, self.now)
            if not items and not jobs:
                return


def weight_bytes(root):
    """What an object keeps alive, code and what is common to all aside."""
    code = (type, types.ModuleType, types.FunctionType, types.CodeType, types.BuiltinFunctionType)
    seen, waiting, total = set(), [root], 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, code):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        waiting += gc.get_referents(item)
    return total


@pytest.mark.parametrize("seed", range(8))
def test_frames_of_a_mutator(seed):
    """Some 5,000 frames: no exception, and every session that ends, ends with words."""
    mutator = Mutator(seed)
    peer, frames = Peer(SETUP, strict=bool(seed % 2)), 0
    while frames < 600:
        peer.send(mutator.frame())
        frames += 1
        peer.wait(mutator.rng.choice([0, 0, 0.1, 3]))
        if peer.closed is not None:
            assert peer.closed.code in (1007, 1008)
            assert 0 < len(peer.closed.reason.encode()) <= 123
            peer = Peer(SETUP if mutator.rng.random() < 0.9 else None, strict=bool(seed % 2))


_SOUND = bytes_to_base64(random.Random(0).randbytes(MIB))
_WORDS = "word " * (MIB // 5)
_BIG = {
    "images": lambda _: typed("", complete=False, inlineData={"mimeType": "a/b", "data": _SOUND}),
    "video": lambda _: {"realtimeInput": {"video": {"mimeType": "image/png", "data": _SOUND}}},
    "model turns": lambda _: typed(_WORDS[:99_000], complete=False, role="model"),
    "content": lambda _: typed(_WORDS[:99_000], complete=False),
    "texts": lambda _: typed(_WORDS[:99_000]),
    "results": lambda _: result(_SOUND, willContinue=True, scheduling="SILENT"),
    "function parts": lambda _: typed("", complete=False, functionCall={"args": {"a": _SOUND}}),
    "sound": lambda _: {"realtimeInput": {"audio": {"mimeType": "audio/pcm", "data": _SOUND}}},
    "instructions": lambda n: {
        "contextUpdate": {"systemInstruction": {"parts": [{"text": f"{n}{_WORDS[:99_000]}"}]}}
    },
}


@pytest.mark.parametrize("kind", _BIG)
def test_much_of_everything_is_not_kept(kind):
    """More than 100 MiB of each go in."""
    peer = Peer(SETUP)
    peer.send({"realtimeInput": {"text": "go forward two meters"}})
    peer.wait(1)
    assert peer.session.record.turns[0].tool_calls  # whose results may come for ever
    for n in range(120 if kind in ("images", "results", "function parts") else 40):
        peer.send(_BIG[kind](n))
        peer.wait(0.1)
        assert peer.closed is None
    # Messages of 16 MiB, a history of 16 MiB, 8 MiB of records: what is kept may be twice there.
    assert weight_bytes(peer.session) < 64 * MIB


_SMALL = {
    "turns of a model": lambda n: typed("", complete=False, role="user" if n % 2 else "model"),
    "content": lambda n: typed("", complete=not n % 2),
    "texts": lambda _: {"realtimeInput": {"text": "hello"}},
    "results": lambda _: result("", id="nobody asked"),
    "interruptions": lambda n: {"realtimeInput": {"text": "tell me a story"}},
    "media types": lambda n: spoken(b"", f"audio/pcm;rate=16000;n={n}"),
    "ends": lambda _: {"realtimeInput": {"audioStreamEnd": True}},
    "rates": lambda n: spoken(bytes(64), f"audio/pcm;rate={8_000 + n % 400 * 100}"),
}


@pytest.mark.parametrize("kind", _SMALL)
def test_many_small_messages_are_not_kept(kind):
    peer = Peer(SETUP)
    for n in range(4_000):
        if n == 2_000:
            half = weight_bytes(peer.session)
        peer.send(_SMALL[kind](n))
        assert peer.closed is None
    # All is full at half time; a few bytes for each message would show.
    assert weight_bytes(peer.session) < half + 2_000 * 20 + half // 10


def test_one_message_of_many_turns():
    """It takes the time of its turns, not of their square."""
    peer = Peer(SETUP)
    turns = [{"role": "model" if n % 2 else "user", "parts": []} for n in range(45_000)]
    peer.send({"clientContent": {"turns": turns}})
    assert peer.closed is None
    assert len(peer.session._context.history) == 500
