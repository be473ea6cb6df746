"""Recognize utterances with pocketsphinx, in a process of its own.

pocketsphinx keeps the interpreter locked while it decodes, so it does not run beside the event
loop. Run by path, never imported by the server. Frames on standard input and output are a 4-byte
little-endian length and that many bytes: a JSON header, then (input only) the PCM. The process
ends when its input ends.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pocketsphinx

HEARING_HZ = 16_000
_PEAK = 0.6 * 32767
_MIN_LEAD_S = 0.2
_FRAMES_PER_S = 100


class Decoder:
    """Keyphrases decide whether it is a command; then a grammar parses; else free text."""

    def __init__(self) -> None:
        pocketsphinx.set_loglevel("FATAL")
        self._decoder = pocketsphinx.Decoder(samprate=HEARING_HZ)
        self._free = self._decoder.current_search()
        self._loaded: dict[str, Any] | None = None

    def recognize(self, pcm: bytes, grammar: dict[str, Any] | None) -> tuple[str, bool]:
        """The words, and whether the grammar gave them."""
        level = normalize(pcm)
        if grammar is not None:
            if grammar != self._loaded:
                self._load(grammar)
            if self._decode("keyphrases", level):
                words = self._decode("grammar", level)
                if words := without_short_lead(words, grammar):
                    return " ".join(word for word, _ in words), True
        return " ".join(word for word, _ in self._decode(self._free, level)), False

    def _load(self, grammar: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            phrases = Path(folder) / "keyphrases.txt"
            lines = (f"{phrase} /{threshold:g}/\n" for phrase, threshold in grammar["keyphrases"])
            phrases.write_text("".join(lines), encoding="utf-8")
            self._decoder.add_kws("keyphrases", str(phrases))
        self._decoder.add_jsgf_string("grammar", grammar["jsgf"])
        self._loaded = grammar

    def _decode(self, search: str, pcm: bytes) -> list[tuple[str, float]]:
        """Words and their durations in seconds."""
        decoder = self._decoder
        decoder.activate_search(search)
        decoder.start_utt()
        decoder.process_raw(pcm, no_search=False, full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return []
        return [
            (part.word.split("(")[0], (part.end_frame - part.start_frame + 1) / _FRAMES_PER_S)
            for part in decoder.seg()
            if part.word[:1] not in ("<", "(", "[")
        ]


def normalize(pcm: bytes) -> bytes:
    """Bring the loudest sample to -4.4 dBFS."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    peak = np.abs(samples).max(initial=0.0)
    return np.rint(samples * (_PEAK / peak if peak else 1.0)).astype("<i2").tobytes()


def without_short_lead(
    words: list[tuple[str, float]], grammar: dict[str, Any]
) -> list[tuple[str, float]]:
    """Drop a first word that is no word: see `antiphon.emulator.session.jobs.Grammar`."""
    if len(words) < 2:
        return words
    (first, duration_s), (second, _) = words[:2]
    noise = first in grammar["lead"] and second in grammar["heads"] and duration_s < _MIN_LEAD_S
    return words[1:] if noise else words


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame; None at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    return stream.read(struct.unpack("<I", head)[0])


def write_frame(stream: BinaryIO, data: bytes) -> None:
    """Write one frame."""
    stream.write(struct.pack("<I", len(data)) + data)
    stream.flush()


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends us
    decoder = Decoder()
    while (head := read_frame(sys.stdin.buffer)) is not None:
        pcm = read_frame(sys.stdin.buffer) or b""
        text, command = decoder.recognize(pcm, json.loads(head)["grammar"])
        write_frame(sys.stdout.buffer, json.dumps({"text": text, "command": command}).encode())


if __name__ == "__main__":
    main()
