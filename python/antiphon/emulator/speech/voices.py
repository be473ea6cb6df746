"""The service's voices, each as an espeak-ng voice of its own."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.wire import VOICES

__all__ = ["EspeakVoice", "espeak_voice"]


@dataclass(frozen=True)
class EspeakVoice:
    """Arguments for espeak-ng: a voice with a variant, words per minute, pitch 0 to 99."""

    name: str
    words_per_minute: int
    pitch: int


# The voices that people ask for first, by hand; the others share the variants out. British English
# is ``en``: the library knows voices by the names of their files, not by their languages.
_CHOSEN = {
    "Puck": EspeakVoice("en-us+m3", 165, 52),
    "Charon": EspeakVoice("en-us+m1", 150, 30),
    "Kore": EspeakVoice("en-us+f2", 160, 55),
    "Fenrir": EspeakVoice("en-us+m7", 170, 42),
    "Aoede": EspeakVoice("en-us+f3", 155, 60),
    "Leda": EspeakVoice("en-us+f4", 165, 66),
    "Orus": EspeakVoice("en+m2", 155, 38),
    "Zephyr": EspeakVoice("en+f1", 165, 62),
}
_VARIANTS = ("m1", "f1", "m2", "f2", "m3", "f3", "m4", "f4", "m5", "f5", "m6", "m7")


def espeak_voice(name: str) -> EspeakVoice:
    """The espeak-ng voice of one of the service's voices; no two are alike."""
    if name in _CHOSEN or name not in VOICES:
        return _CHOSEN.get(name, _CHOSEN["Puck"])
    number = VOICES.index(name)
    accent = "en" if number % 2 else "en-us"
    variant = _VARIANTS[number % len(_VARIANTS)]
    return EspeakVoice(f"{accent}+{variant}", 148 + number, 30 + 47 * number % 45)
