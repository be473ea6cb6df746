"""The shapes of the local server's messages against frames of the real service.

The recordings are not part of the project; set ANTIPHON_SHARED to the folder that holds them.
"""

import json
import os
import re
from pathlib import Path

import pytest
from emulator_support import Client, silence

from antiphon.wire import base64_to_bytes

BESIDE = Path(__file__).parents[2].parent / "shared"
FOLDER = Path(os.environ.get("ANTIPHON_SHARED", BESIDE)) / "recordings"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no recordings here")

# Members that the local server does not imitate.
NOT_OURS = {
    "usageMetadata.thoughtsTokenCount",
    "serverContent.modelTurn.parts.thought",
    "serverContent.interactionStatus",
}


def read_log(path):
    """(direction, raw payload) of a js-genai log."""
    text = path.read_text()
    at = 0
    while match := re.compile(r"([<>])(\d+) ").match(text, at):
        end = match.end() + int(match[2])
        yield match[1], text[match.end() : end]
        at = end
        while at < len(text) and text[at] in "\r\n":
            at += 1


def read_jsonl(path):
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        yield ("<" if entry["dir"] == "received" else ">"), json.dumps(entry["data"])


def recordings():
    if not FOLDER.is_dir():
        return []
    return sorted([*FOLDER.glob("*.log"), *FOLDER.glob("*.jsonl")])


def members(value, path=""):
    """The paths of all members, with the JSON types of the leaves."""
    if isinstance(value, dict):
        for name, member in value.items():
            inside = f"{path}.{name}".lstrip(".")
            if name in ("args", "response"):
                yield inside, "object"
            else:
                yield from members(member, inside)
        if not value and path:
            yield path, "object"
    elif isinstance(value, list):
        for item in value:
            yield from members(item, path)
    else:
        yield path, type(value).__name__


def messages_of(path):
    reader = read_log if path.suffix == ".log" else read_jsonl
    return list(reader(path))


def ours():
    """Every shape that the local server sends, over all kinds of turns."""
    shapes = set()
    runs = [
        ("google", "models/gemini-3.8-live", "AUDIO"),
        ("google", "models/gemini-3.1-flash-live-preview", "AUDIO"),
        ("google", "models/gemini-2.5-flash-native-audio-latest", "AUDIO"),
        ("google", "models/gemini-live-2.5-flash-preview", "TEXT"),
        ("vertex", "publishers/google/models/gemini-live-2.5-flash", "AUDIO"),
        ("vertex", "publishers/google/models/gemini-live-2.5-flash", "TEXT"),
    ]
    tool = {"name": "get_weather", "parameters": {"properties": {"city": {"type": "STRING"}}}}
    for family, model, modality in runs:
        client = Client(family=family, recognizer=Words()).setup(
            model,
            generationConfig={"responseModalities": [modality]},
            inputAudioTranscription={},
            outputAudioTranscription={},
            tools=[{"functionDeclarations": [tool]}],
        )
        client.say("What is the weather in London?")
        client.run_to("toolCall")
        call = client.all("toolCall")[0]["toolCall"]["functionCalls"][0]
        answer = {"id": call["id"], "name": call["name"], "response": {"output": "foggy"}}
        client.send({"toolResponse": {"functionResponses": [answer]}})
        client.run(30)
        client.hear(silence(0.5) + LOUD + silence(1.5))
        client.run(30)
        client.say("tell a story")
        client.run_to("modelTurn")
        client.say("hello")
        client.run(30)
        for _, message in client.messages:
            shapes.update(members(message))
    return shapes


LOUD = bytes(range(256)) * 125


class Words:
    """A recognizer that always hears the same."""

    def recognize(self, pcm, grammar):
        from antiphon.emulator.jobs import Recognition

        return Recognition("hello there", command=True)


def test_every_recorded_member_is_one_that_the_local_server_sends_too():
    sent = ours()
    missing = {}
    for path in recordings():
        for direction, payload in messages_of(path):
            if direction == "<":
                for member in members(json.loads(payload)):
                    if member not in sent and member[0] not in NOT_OURS:
                        missing.setdefault(member, path.name)
    assert missing == {}


def test_frames_are_written_as_the_service_writes_them():
    client = Client()
    client.session.receive('{"setup": {"model": "models/gemini-live-2.5-flash"}}', 0.0)
    (frame,) = client.session.outgoing(0.0)
    recorded = [
        payload
        for path in FOLDER.glob("*ML_Dev*.log")
        for direction, payload in messages_of(path)
        if direction == "<" and "setupComplete" in payload
    ]
    assert recorded
    assert {payload.strip() for payload in recorded} == {frame.decode().strip()}


def test_recorded_clients_are_understood():
    """What real clients sent is accepted, and answered where the service answered."""
    count = 0
    for path in FOLDER.glob("*.log"):
        family = "vertex" if "Vertex" in path.name else "google"
        client = Client(family=family, recognizer=Words())
        sent = [payload for direction, payload in messages_of(path) if direction == ">"]
        for payload in sent:
            # The redacted projects and locations are no part of a model's name.
            client.send(payload)
            client.run(1.0)
            count += 1
        client.run(30)
        assert client.closed is None, (path.name, client.closed)
        if any(word in sent[-1] for word in ("turnComplete", "activityEnd", "Are you there")):
            assert client.turns, path.name
    assert count > 30


def test_chunk_sizes_and_mime_type_of_vertex():
    sizes = [
        len(base64_to_bytes(part["inlineData"]["data"]))
        for path in FOLDER.glob("*Vertex*send_text*.log")
        for direction, payload in messages_of(path)
        if direction == "<"
        for part in json.loads(payload)
        .get("serverContent", {})
        .get("modelTurn", {"parts": []})["parts"]
    ]
    client = Client(family="vertex")
    client.setup("publishers/google/models/gemini-2.0-flash-live-preview-04-09")
    client.say("Hello what should we talk about?")
    client.run_to("turnComplete")
    ours = [
        len(
            base64_to_bytes(message["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"])
        )
        for message in client.all("modelTurn")
    ]
    assert sizes == ours[: len(sizes)]
    assert len(sizes) >= 2
