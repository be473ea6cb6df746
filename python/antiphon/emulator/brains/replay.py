"""A brain that answers as a recorded session did, so that what was seen once can be seen again.

``Emulator(record_dir=…)`` makes the recordings. Each answer has the words, the sound and the
function calls of the recorded one, in their order, whatever the client says; where the server
ended the connection, it does so again. The pauses and the sizes of the messages are those of the
session that it is played to.
"""

from __future__ import annotations

import math
import wave
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from antiphon.emulator.faults import Close, Drop
from antiphon.emulator.session.brain import Call, Reply, Step, Turn, Wait
from antiphon.emulator.session.jobs import SPEECH_HZ, Grammar, Speech, Word
from antiphon.errors import RecordingError

__all__ = ["Replay"]

_POSITION = "replay"
_EXHAUSTED = "The recording has no more answers."
_MAX_LINE_BYTES = 1024 * 1024

_Event: TypeAlias = Mapping[str, Any]


class Replay:
    """Gives each session the answers of a recording, from the first one on.

    Behind the last one the server closes with 1011.

    Args:
        recordings: Files such as ``session-0.jsonl``, with their folders of sound beside them.
            Those of several connections are played one after the other: a resumed session goes
            on where it was.

    Raises:
        RecordingError: A file that cannot be read, or is no such recording.
    """

    grammar: Grammar | None = None

    def __init__(self, *recordings: str | Path) -> None:
        self._replies = [
            reply for recording in recordings for reply in _replies_of(Path(recording))
        ]

    def respond(self, turn: Turn) -> Reply:
        """Give the next answer."""
        position: int = turn.memory.get(_POSITION, 0)
        if position >= len(self._replies):
            return Reply(before=(Close(code=1011, reason=_EXHAUSTED),), completes=False)
        turn.memory[_POSITION] = position + 1
        return self._replies[position]


def _replies_of(path: Path) -> list[Reply]:
    """The answers of one connection, in order."""
    replies: list[Reply] = []
    of_turn: list[_Event] = []
    turn: _Event | None = None
    try:
        for event in _events(path):
            match event["event"]:
                case "reply":
                    of_turn.append(event)
                case "turn_ended":
                    replies += _of_turn(path, event, of_turn)
                    turn, of_turn = event, []
                case "closed" if event["by"] == "server" and turn is not None and replies:
                    replies[-1] = _with_close(replies[-1], event, turn)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(
            f"{path} is no recording of a session ({type(error).__name__}: {error}). Record one "
            "with Emulator(record_dir=…) of this version."
        ) from error
    return replies


def _events(path: Path) -> Iterator[_Event]:
    try:
        with path.open("rb") as file:
            while line := file.readline(_MAX_LINE_BYTES):
                yield msgspec.json.decode(line, type=dict[str, Any])
    except OSError as error:
        raise RecordingError(f"The recording {path} cannot be read: {error.strerror}.") from error


def _of_turn(path: Path, turn: _Event, events: list[_Event]) -> list[Reply]:
    """The answers of one turn, built from the last one: one may hold what follows it."""
    pcm = _pcm(path, turn) if turn["frames_sent"] else b""
    ends = [*(event["first_frame"] for event in events[1:]), turn["frames_sent"]]
    replies: list[Reply] = []
    then: Reply | None = None
    for event, end in zip(reversed(events), reversed(ends), strict=True):
        reply = replace(_reply(event, end, turn, pcm), then=then)
        then = reply if event["follows"] else None
        if then is None:
            replies.append(reply)
    return replies[::-1]


def _reply(event: _Event, end: int, turn: _Event, pcm: bytes) -> Reply:
    """One answer: its sound is the turn's from its first frame to ``end``."""
    first: int = event["first_frame"]
    first_s = first / SPEECH_HZ
    # Words run ahead of their sound: of a turn that was cut, some never sounded.
    end_s = end / SPEECH_HZ if end < turn["frames_sent"] else math.inf
    words = [
        Word(text, start_s - first_s, word_end_s - first_s)
        for text, start_s, word_end_s in turn["words"]
        if first_s <= start_s < end_s
    ]
    text = event["text"]
    if turn["interrupted"]:  # as far as it was said
        text = " ".join(word.text for word in words) or turn["text_sent"]
    sound = pcm[2 * first : 2 * end]
    called = event["call"]
    return Reply(
        text,
        None if called is None else Call(called["name"], called["args"]),
        speech=Speech(sound, tuple(words)) if sound else None,
    )


def _with_close(reply: Reply, closed: _Event, turn: _Event) -> Reply:
    """An answer during which, or after which, the server ended the connection."""
    end: Step = Drop()
    if closed["code"] != 1006:
        end = Close(code=closed["code"], reason=closed["reason"])
    if reply.then is not None:
        return replace(reply, then=_with_close(reply.then, closed, turn))
    if turn["ended_s"] is not None:
        return replace(reply, after=(Wait(closed["at_s"] - turn["ended_s"]), end))
    if reply.holds_open:
        return replace(reply, after=(end,))
    return replace(reply, then=Reply(before=(end,), completes=False))


def _pcm(path: Path, turn: _Event) -> bytes:
    """The sound of a turn, from its place beside the recording."""
    wav = path.with_suffix("") / f"turn-{int(turn['turn'])}.wav"
    try:
        with wav.open("rb") as file, wave.open(file) as reader:
            pcm: bytes = reader.readframes(reader.getnframes())
            shape = reader.getnchannels(), reader.getsampwidth(), reader.getframerate()
    except OSError as error:
        raise RecordingError(
            f"{wav} cannot be read: {error.strerror}. Keep the folder of sound beside {path.name}."
        ) from error
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{wav.name} is no WAV file: {error}") from error
    if shape != (1, 2, SPEECH_HZ) or len(pcm) != 2 * turn["frames_sent"]:
        raise ValueError(f"{wav.name} does not hold the {turn['frames_sent']} frames of its turn")
    return pcm
