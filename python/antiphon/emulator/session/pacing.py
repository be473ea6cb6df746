"""When the chunks of an answer leave, and which words go with them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from antiphon.emulator.session.jobs import SPEECH_HZ, Word
from antiphon.emulator.settings import Settings

__all__ = ["TRANSCRIPT_LEAD_S", "Pace", "split_sentences", "time_words"]

#: Transcription runs ahead of its audio by about this much.
TRANSCRIPT_LEAD_S = 0.4

_MAX_SENTENCE = 220
_MAX_WORD = 1_000


class Pace:
    """Sizes of the chunks of one answer, and the gaps between them.

    By default faster than real time, in uneven bursts: the recorded service sent 2.9 s of audio in
    0.59 s, 200 ms and then 240 ms at a time, with gaps from 1 to 126 ms.
    """

    def __init__(
        self, rng: random.Random, settings: Settings, max_speed: float | None = None
    ) -> None:
        self.first_chunk_bytes = 2 * SPEECH_HZ * settings.first_chunk_ms // 1000
        self.next_chunk_bytes = 2 * SPEECH_HZ * settings.next_chunk_ms // 1000
        self._rng = rng
        self._speed = rng.uniform(*settings.speed)
        self._even = settings.even_gaps
        self._max_speed = max_speed

    def gap_s(self, chunk_bytes: int) -> float:
        """How long after a chunk of this size the next one follows."""
        duration_s = chunk_bytes / 2 / SPEECH_HZ
        gap_s = duration_s / self._speed
        if not self._even:
            gap_s *= self._rng.triangular(0.05, 2.2, 0.75)
        if self._max_speed is not None:
            gap_s = max(gap_s, duration_s / self._max_speed)
        return gap_s


def split_sentences(text: str) -> list[str]:
    """Cut a text where a speaker breathes; the pieces joined with spaces are the text again.

    Only what is longer than any word, 1,000 characters without a space, is cut anywhere.
    """
    sentences: list[str] = []
    for sentence in re.split(r"(?<=[.!?:;])\s+", " ".join(text.split())):
        rest = sentence
        while len(rest) > _MAX_SENTENCE:
            comma = rest.rfind(", ", 0, _MAX_SENTENCE) + 1
            cut = comma or rest.rfind(" ", 0, _MAX_SENTENCE)
            if cut <= 0:
                if len(rest) <= _MAX_WORD:
                    break
                cut = _MAX_WORD  # that is no word
            sentences.append(rest[:cut])
            rest = rest[cut:].strip()
        if rest:
            sentences.append(rest)
    return sentences


def time_words(text: str, duration_s: float, known: Sequence[Word] = ()) -> list[Word]:
    """The words of a spoken sentence, as written, with their places in its audio.

    Places that the synthesizer gave are used when it counted the same words; else words share
    the duration by their length.
    """
    tokens = text.split()
    if len(known) == len(tokens):
        return [
            Word(token, word.start_s, word.end_s) for token, word in zip(tokens, known, strict=True)
        ]
    weights = [len(token) + 1 for token in tokens]
    per_letter_s = duration_s / max(1, sum(weights))
    words, at_s = [], 0.0
    for token, weight in zip(tokens, weights, strict=True):
        words.append(Word(token, at_s, at_s + weight * per_letter_s))
        at_s += weight * per_letter_s
    return words
