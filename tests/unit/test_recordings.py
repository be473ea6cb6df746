"""Every recorded frame of the real service is read without an error and without a loss."""

import base64
import json
import os
import re
from pathlib import Path

import pytest

from antiphon.protocol import MessageReceived, Notice, SessionProtocol, State
from antiphon.wire import Setup, decode_client_message

SHARED = Path(os.environ.get("ANTIPHON_SHARED") or Path(__file__).parents[3] / "shared")
FILES = sorted((SHARED / "recordings").glob("*.*l*g")) + sorted(
    (SHARED / "recordings").glob("*.jsonl")
)

pytestmark = pytest.mark.skipif(not FILES, reason="the recordings are not here")


def frames_of(path: Path) -> tuple[list[bytes], list[bytes]]:
    """What was sent and what was received, in order."""
    if path.suffix == ".jsonl":
        sent, received = [], []
        for line in path.read_text().splitlines():
            frame = json.loads(line)
            where = sent if frame["dir"] == "sent" else received
            where.append(json.dumps(frame["data"]).encode())
        return sent, received
    # The lengths count characters, or are one too many at the end: take what lies between.
    pieces = re.split(r"^([<>])\d+ ", path.read_text(), flags=re.MULTILINE)[1:]
    pairs = list(zip(pieces[::2], pieces[1::2], strict=True))
    return (
        [text.encode() for mark, text in pairs if mark == ">"],
        [text.encode() for mark, text in pairs if mark == "<"],
    )


def audio_of(value) -> list[bytes]:
    parts = value.get("serverContent", {}).get("modelTurn", {}).get("parts", [])
    data = [part["inlineData"]["data"] for part in parts if "inlineData" in part]
    return [base64.b64decode(text) for text in data if not text.startswith("<")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_protocol_takes_a_recording(path):
    _, received = frames_of(path)
    protocol = SessionProtocol(Setup())
    protocol.start(0.0)
    for number, frame in enumerate(received):
        value = json.loads(frame)
        # The sources shortened some audio to a mark that is no base64.
        if b'"<audio>"' in frame:
            frame = frame.replace(b'"<audio>"', b'"AAAA////"')  # noqa: PLW2901
            value = json.loads(frame)
        protocol.receive(frame, float(number))
        events = protocol.events()
        assert not [event for event in events if isinstance(event, Notice)]
        messages = [event.message for event in events if isinstance(event, MessageReceived)]
        if value in ({}, {"serverContent": {}}) or "setupComplete" in value:
            assert messages == []
            continue
        (message,) = messages
        interrupted = protocol.turns.interrupted
        if not interrupted:
            assert [part.pcm for part in message.audio_parts] == audio_of(value)
        check_fields(message, value.get("serverContent", {}))
        assert (message.tool_call is not None) == ("toolCall" in value)
        assert (message.resumption is not None) == ("sessionResumptionUpdate" in value)
        assert (message.voice_activity is not None) == ("voiceActivity" in value)
        if "usageMetadata" in value:
            assert message.usage.total_token_count == int(
                value["usageMetadata"].get("totalTokenCount", 0)
            )
    assert protocol.violations == 0
    if received:
        assert protocol.state is State.READY


def check_fields(message, content):
    said = content.get("outputTranscription", {}).get("text")
    heard = content.get("inputTranscription", {}).get("text")
    assert message.output_transcription == said
    assert message.input_transcription == heard
    assert message.turn_complete == content.get("turnComplete", False)
    assert message.generation_complete == content.get("generationComplete", False)
    assert message.interrupted == content.get("interrupted", False)
    parts = content.get("modelTurn", {}).get("parts", [])
    texts = [part.get("text", "") for part in parts if not part.get("thought")]
    assert message.text == "".join(texts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_other_clients_sent_can_be_read(path):
    sent, _ = frames_of(path)
    for frame in sent:
        if b'"<audio>"' in frame:  # shortened at the source to what no client sends
            continue
        message, camel = decode_client_message(frame)
        assert camel
        assert (message.setup is not None) == ("setup" in camel)
