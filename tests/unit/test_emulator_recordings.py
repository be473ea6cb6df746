"""The local server against frames of the real service: the same client frames, the same answers.

Each recording is played again in simulated time. The client's frames are the recorded ones. The
model is told what the recorded one thought, said and called, and how much sound there was before
each word; the recognizer hears the recorded words. All else is the server's own: which messages
there are, what is in them, and in which order they come, between the frames of the client too.

Messages are compared as shapes: names of members and kinds of values, and the value itself where
it is a flag, a name of an enumeration, a role, a mime type, a function or its arguments. Ids and
handles are compared by their form. Set aside are:

* Words, and how a run of equal shapes is cut: transcripts and text come in pieces of any size.
* How much sound is in a message, but for the two chunks that are recorded in full.
* Numbers: counts of tokens (also whether one is zero) and offsets of time.
* ``{}``: recorded from one model, and not always at once before its message. It is not known
  whether they were empty at the source. They are switched on here, and counted.
* What came after the end of a recording. Most end with a turn; the service may have sent a
  resumption handle after that, nothing else. The others were cut by the client in the middle.

The recordings are not part of the project: they lie beside it, or where ANTIPHON_SHARED says.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from emulator_support import Client, has, recording, silence
from live_schema import validate

from antiphon.emulator import Reply, Voice
from antiphon.emulator.session.brain import Call
from antiphon.emulator.session.jobs import SPEECH_HZ, Recognition, Speech, Word
from antiphon.emulator.session.pacing import TRANSCRIPT_LEAD_S
from antiphon.emulator.settings import Settings
from antiphon.wire import base64_to_bytes, bytes_to_base64

BESIDE = Path(__file__).parents[2].parent / "shared"
FOLDER = Path(os.environ.get("ANTIPHON_SHARED", BESIDE)) / "recordings"
FILES = sorted([*FOLDER.glob("*.log"), *FOLDER.glob("*.jsonl")])

pytestmark = pytest.mark.skipif(not FILES, reason="no recordings here")

SENT, RECEIVED = ">", "<"


# ------------------------------------------------------------------ reading


@dataclass
class Entry:
    """A frame; ``count`` frames of sent audio are folded into one where the source did so."""

    direction: str
    message: dict
    count: int = 1


def read(path):
    return list(read_log(path) if path.suffix == ".log" else read_jsonl(path))


def read_log(path):
    text = path.read_text()
    at = 0
    while match := re.compile(r"([<>])(\d+) ").match(text, at):
        end = match.end() + int(match[2])
        yield Entry(match[1], json.loads(text[match.end() : end]))
        at = end
        while at < len(text) and text[at] in "\r\n":
            at += 1
    assert at == len(text)


def read_jsonl(path):
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        direction = {"sent": SENT, "received": RECEIVED}[entry["dir"]]
        folded = re.search(r'"<(\d+) messages', line)
        count = int(folded[1]) if folded else entry.get("repeated", 1)
        yield Entry(direction, entry["data"], count)


# ------------------------------------------------------------------ what was said


@dataclass
class Said:
    """What the model did at one time: it thought, said something, called a function."""

    thought: str = ""
    text: str = ""
    pieces: list[tuple[int, str]] = field(default_factory=list)  # (chunks before it, words)
    chunks: int = 0
    call: Call | None = None

    def reply(self):
        return Reply(self.text, self.call, thought=self.thought)

    def speech(self):
        """As much sound as was recorded, with each word where it was transcribed."""
        frames = chunk_end(self.chunks - 1) // 2
        return Speech(bytes(2 * frames), tuple(self.words()))

    def words(self):
        """The server sends a word when the sound has come near it."""
        starts = list(itertools.accumulate((len(words) for _, words in self.pieces), initial=0))
        for match in re.finditer(r"\S+", "".join(words for _, words in self.pieces)):
            index = max(i for i, start in enumerate(starts[:-1]) if start <= match.start())
            before = self.pieces[index][0]
            start_s = chunk_end(before - 1) / 2 / SPEECH_HZ + TRANSCRIPT_LEAD_S + 0.01
            yield Word(match[0], start_s if before else 0.0, start_s + 0.01)


def chunk_end(index):
    """Bytes of all chunks up to this one."""
    chunks_ms = Settings.first_chunk_ms + index * Settings.next_chunk_ms
    return 0 if index < 0 else 2 * SPEECH_HZ * chunks_ms // 1000


def all_said(entries):
    """What the model did, in order; one for each time that it is asked."""
    said = []
    for turn in turns(entries):
        now = Said()
        began_at = len(said)
        for message in turn:
            add(now, message)
            if now.call is not None:
                said.append(now)
                now = Said()
        # A turn may be over with its call; a turn that shows nothing was said out of sight.
        if now != Said() or len(said) == began_at:
            said.append(now)
        if "thoughtsTokenCount" in turn[-1].get("usageMetadata", {}):
            first = said[began_at]
            first.thought = first.thought or "A thought that was counted, and not shown."
    for one in said:
        if not one.text and one.call is None:
            one.text = "Words that were not transcribed"
    return said


def turns(entries):
    """The messages of the model's turns; the last one may be cut."""
    turn = []
    for entry in entries:
        if entry.direction == RECEIVED and entry.message.keys() & {"serverContent", "toolCall"}:
            turn.append(entry.message)
            if entry.message.get("serverContent", {}).get("turnComplete"):
                yield turn
                turn = []
    if turn:
        yield turn


def add(said, message):
    """Add what a message holds to what was said."""
    content = message.get("serverContent", {})
    for part in content.get("modelTurn", {}).get("parts", []):
        if part.get("thought"):
            said.thought += part["text"]
        else:
            said.text += part.get("text", "")
    words = content.get("outputTranscription", {}).get("text", "")
    said.text += words
    said.pieces += [(said.chunks, words)] if words else []
    said.chunks += has_audio(message)
    for call in message.get("toolCall", {}).get("functionCalls", []):
        said.call = Call(call["name"], call["args"])


class Model:
    """Brain and voice in one: it does what was recorded, in order."""

    grammar = None

    def __init__(self, said):
        self._said = iter(said)
        self._now = None

    def respond(self, turn):
        self._now = next(self._said)
        return self._now.reply()

    def synthesize(self, text, voice):
        if not self._now.chunks:
            return Speech(b"")  # recorded without sound
        assert text == self._now.text  # one sentence: its words have places
        return self._now.speech()


class Listener:
    """Hears what was recorded as heard."""

    def __init__(self, entries):
        heard = (
            entry.message["serverContent"]["inputTranscription"]["text"]
            for entry in entries
            if has(entry.message, "inputTranscription")
        )
        self._text = "".join(heard).strip()

    def recognize(self, pcm, grammar):
        return Recognition(self._text)


# ------------------------------------------------------------------ shapes

VALUES = {"role", "mimeType", "type", "name", "args", "language", "modality", "code"}
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FORMS = {
    "id": {"uuid": UUID, "fc": r"fc_\d{15,20}", "digits": r"function-call-\d{15,20}"},
    "newHandle": {"uuid": UUID},
    "sessionId": {"uuid": UUID},
    "audioOffset": {"seconds": r"\d+(\.\d+)?s"},
}


def shape(value, name=""):
    """A message without its words, sounds and numbers."""
    if name in VALUES or value is True:
        return value
    if name in FORMS:
        return next(form for form, pattern in FORMS[name].items() if re.fullmatch(pattern, value))
    if isinstance(value, dict):
        return {key: shape(member, key) for key, member in sorted(value.items()) if key != COUNT}
    if isinstance(value, list):
        return [shape(member) for member in value]
    return type(value).__name__


COUNT = "tokenCount"


def shapes(log):
    """The shapes of a log of (direction, message), runs as one, with the client's frames."""
    lines = [
        direction if direction == SENT else json.dumps(shape(message))
        for direction, message in log
        if message != {}
    ]
    return [line for line, _ in itertools.groupby(lines)]


def has_audio(message):
    content = message.get("serverContent", {})
    return any("inlineData" in part for part in content.get("modelTurn", {}).get("parts", []))


# ------------------------------------------------------------------ playing


class Player:
    """A client that sends what was recorded, each frame when it has got what came before it."""

    def __init__(self, path):
        self.entries = read(path)
        self.model = self.entries[0].message["setup"]["model"]
        model = Model(all_said(self.entries))
        self.client = Client(
            family="vertex" if "publishers/" in self.model else "google",
            brain=model,
            voice=Voice([model]),
            recognizer=Listener(self.entries),
            empty_frames=True,
        )
        self.log = []
        self._seen = 0

    def play(self):
        for index, entry in enumerate(self.entries):
            if entry.direction == SENT:
                self._wait_for(shapes((e.direction, e.message) for e in self.entries[:index]))
                self.log.append((SENT, entry.message))
                for message in self._messages(entry):
                    self.client.send(message)
                    self.client.run(0.02 if entry.count > 1 else 0.0)
                self._take()
        self.client.run(60.0)
        self._take()
        assert self.client.closed is None
        return self.log

    def _wait_for(self, expected):
        """Let time pass until there are as many shapes as the recorded client had got."""
        self._take()
        while len(shapes(self.log)) < len(expected):
            due = self.client.session.next_timeout()
            if due is None or due > self.client.now + 60.0:
                return  # the comparison will say what is missing
            self.client.run(max(0.0, due - self.client.now))
            self._take()

    def _take(self):
        messages = self.client.messages[self._seen :]
        self._seen += len(messages)
        self.log += [(RECEIVED, message) for _, message in messages]

    def _messages(self, entry):
        """The frame as it was recorded, with speech and ids of this session."""
        if entry.count == 1:
            text = json.dumps(entry.message)
            ids = zip(call_ids(self._recorded()), call_ids(self._ours()), strict=False)
            for recorded, ours in ids:
                text = text.replace(recorded, ours)
            return [text]
        pcm = silence(0.5) + recording("cards-001") + silence(1.5)
        size = 2 * (len(pcm) // 2 // (entry.count - 1))
        return [
            {"realtime_input": {"audio": {"data": bytes_to_base64(pcm[at : at + size]), **PCM}}}
            for at in range(0, len(pcm), size)
        ]

    def _recorded(self):
        return [entry.message for entry in self.entries if entry.direction == RECEIVED]

    def _ours(self):
        return [message for direction, message in self.log if direction == RECEIVED]


PCM = {"mime_type": "audio/pcm;rate=16000"}


def call_ids(messages):
    return [
        call["id"]
        for message in messages
        for call in message.get("toolCall", {}).get("functionCalls", [])
    ]


# ------------------------------------------------------------------ the comparison


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_same_frames_get_the_same_answers(path):
    player = Player(path)
    recorded = shapes((entry.direction, entry.message) for entry in player.entries)
    ours = shapes(player.play())
    assert ours[: len(recorded)] == recorded
    if '"turnComplete": true' in recorded[-1]:
        assert all("sessionResumptionUpdate" in line for line in ours[len(recorded) :])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_frames_are_within_the_schema(path):
    """So the schema is not stricter than the service."""
    entries = read(path)
    vertex = "publishers/" in entries[0].message["setup"]["model"]
    for entry in entries:
        if entry.direction == RECEIVED:
            frame = json.dumps(entry.message).replace("<audio>", "AAA=")
            validate(frame.encode(), vertex=vertex, empty_frames=True)


def test_one_empty_frame_for_each_message_of_an_answer():
    """As many as recorded: one for the empty content, one for each piece of sound."""
    (path,) = FOLDER.glob("*3_8-live.jsonl")
    player = Player(path)
    player.play()
    for messages in (player._recorded(), player._ours()):
        wanted = [m for m in messages if has_audio(m) or m == {"serverContent": {}}]
        assert len([m for m in messages if m == {}]) == len(wanted) == 13


def test_frames_are_written_as_the_service_writes_them():
    client = Client()
    client.session.receive('{"setup": {"model": "models/gemini-live-2.5-flash"}}', 0.0)
    (frame,) = client.session.outgoing(0.0)
    recorded = [
        text[match.end() : match.end() + int(match[1])]
        for text in (path.read_text() for path in FOLDER.glob("*ML_Dev*.log"))
        for match in [re.search(r"^<(\d+) ", text, re.MULTILINE)]
    ]
    assert len(recorded) == 10
    assert {payload.strip() for payload in recorded} == {frame.decode().strip()}


def test_chunk_sizes_of_vertex():
    (path,) = FOLDER.glob("*Vertex*send_text*.log")
    player = Player(path)
    player.play()
    recorded, ours = (
        [
            len(base64_to_bytes(part["inlineData"]["data"]))
            for message in messages
            if has(message, "modelTurn")
            for part in message["serverContent"]["modelTurn"]["parts"]
        ]
        for messages in (player._recorded(), player._ours())
    )
    assert recorded == ours == [9_600, 11_520]
