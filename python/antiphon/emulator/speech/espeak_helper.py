"""Speak one text with the espeak-ng library, in a process of its own.

Run by path, never imported: ``python espeak_helper.py LIBRARY DATA VOICE RATE PITCH``. The text
comes on standard input. The answer on standard output is one line of JSON (``rate_hz``,
``words`` as ``[[start_s, length in characters], …]``, ``bytes``), then the PCM: mono int16.

espeak-ng is GPL-3; this process is the only one that loads it.
"""

from __future__ import annotations

import ctypes
import json
import sys

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_END, _WORD = 0, 1  # espeakEVENT_LIST_TERMINATED, espeakEVENT_WORD
_RATE, _PITCH = 1, 3  # espeakRATE, espeakPITCH


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


def main() -> int:
    """Speak standard input."""
    library, data, voice, rate, pitch = sys.argv[1:6]
    espeak = ctypes.CDLL(library)
    rate_hz = espeak.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), 0)
    if rate_hz <= 0 or espeak.espeak_SetVoiceByName(voice.encode()) != 0:
        return 1
    espeak.espeak_SetParameter(_RATE, int(rate), 0)
    espeak.espeak_SetParameter(_PITCH, int(pitch), 0)
    pcm = bytearray()
    words: list[tuple[float, int]] = []

    def collect(samples: int, count: int, events: ctypes._Pointer[_Event]) -> int:
        if samples and count > 0:
            pcm.extend(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].type != _END:
            if events[index].type == _WORD:
                words.append((events[index].audio_position_ms / 1000, events[index].length))
            index += 1
        return 0

    callback = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event)
    )(collect)
    espeak.espeak_SetSynthCallback(callback)
    text = sys.stdin.buffer.read() + b"\0"
    if espeak.espeak_Synth(text, len(text), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None):
        return 1
    head = {"rate_hz": rate_hz, "words": words, "bytes": len(pcm)}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + pcm)
    return 0


if __name__ == "__main__":
    sys.exit(main())
