"""Writes what happens in the sessions of a server to a folder, as it happens.

``session-N.jsonl`` has one line per event, with ``at_s`` since the session began; the messages
are there in shape: base64 is replaced by its byte count. ``session-N/turn-M.wav`` is the PCM
that was really sent. Files of an earlier run in the same folder are replaced. Credentials are
not part of messages, so none can get here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import wave
from pathlib import Path
from typing import Any, TextIO

from antiphon.emulator.records.shapes import audio_bytes, shape
from antiphon.emulator.session.jobs import SPEECH_HZ
from antiphon.emulator.session.record import TurnRecord
from antiphon.errors import RecordingError

__all__ = ["SessionRecorder", "recording_folder"]

_log = logging.getLogger("antiphon.emulator")

_MAX_BYTES = 256 * 1024 * 1024


def recording_folder(path: Path) -> Path:
    """Make the folder.

    Raises:
        RecordingError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f"The recording folder {path} cannot be made: {error.strerror}. Choose another one."
        ) from error
    return path


class SessionRecorder:
    """The observer of one session.

    A full disk ends the recording, and so do 256 MiB of one session; never the session.

    Args:
        folder: Exists already.
        index: N of the file names.
    """

    def __init__(self, folder: Path, index: int) -> None:
        self._lines = folder / f"session-{index}.jsonl"
        self._turns = folder / f"session-{index}"
        self._file: TextIO | None = None
        self._done = False
        self._written_bytes = 0
        self._audio_in = {"messages": 0, "bytes": 0}

    def __call__(self, event: str, fields: dict[str, Any]) -> None:
        """Write one event."""
        if self._done:
            return
        try:
            self._record(event, fields)
        except OSError as error:
            self._done = True
            _log.warning("Recording to %s stopped: %s", self._lines, error)
            with contextlib.suppress(OSError):
                self._close()

    def _record(self, event: str, fields: dict[str, Any]) -> None:
        message = fields.get("message")
        heard = audio_bytes(message) if event == "received" and message is not None else None
        if heard is not None:
            # A microphone sends fifty messages a second: they are counted, not listed.
            self._audio_in["messages"] += 1
            self._audio_in["bytes"] += heard
            return
        if self._audio_in["messages"]:
            self._write({"event": "audio_received", "at_s": fields["at_s"], **self._audio_in})
            self._audio_in = {"messages": 0, "bytes": 0}
        turn = fields.get("turn")
        if isinstance(turn, TurnRecord):
            wav = self._write_wav(turn)
            fields = {**fields, **turn.summary(), "wav": wav}
        elif message is not None:
            fields = {**fields, "message": shape(message)}
        self._write({"event": event, **fields})
        if event == "closed":
            self._done = True
            self._close()

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            for old in self._turns.glob("turn-*.wav"):
                old.unlink()
            self._file = self._lines.open("w", encoding="utf-8")
        self._written_bytes += self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._written_bytes > _MAX_BYTES:
            raise OSError(f"it has {self._written_bytes:,} bytes; a session gets no more")

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _write_wav(self, turn: TurnRecord) -> str | None:
        if not turn.pcm:
            return None
        self._written_bytes += len(turn.pcm)
        self._turns.mkdir(exist_ok=True)
        path = self._turns / f"turn-{turn.index}.wav"
        with path.open("wb") as file, wave.open(file) as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(SPEECH_HZ)
            writer.writeframes(bytes(turn.pcm))
        return f"{self._turns.name}/{path.name}"
