"""Can the words that were sent be recognized in what was heard?

A grammar of the sent words in their order, each one optional, stands against decoy sentences of
the same form. Speech of the right words picks its own sentence and most of its words; other
speech, noise and silence do not. (Undamaged espeak answers: 60 to 89 % of their words; half of an
answer: half of that; another answer on the same subject: at most 38 %.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from antiphon.audio import Resampler, float_to_int16
from antiphon.devices import Float32

if TYPE_CHECKING:
    from pocketsphinx import Decoder

__all__ = ["WordCheck", "check_words"]

_RATE_HZ = 16_000
_PEAK = 0.6
_MIN_FOUND = 0.45
_MAX_SKIPPED = 2
_START, _END = 0, 1

Transition = tuple[int, int, float, str] | tuple[int, int, float]


@dataclass(frozen=True)
class WordCheck:
    """What was understood of a turn.

    Attributes:
        expected: Words that the heard part should hold, as far as the recognizer knows them.
        found: How many of them were understood, in order.
        understood: All that was understood.
    """

    expected: int
    found: int
    understood: str

    @property
    def recognized(self) -> bool:
        """Enough of the words are there."""
        return self.found >= _MIN_FOUND * self.expected


def check_words(
    sound: Float32,
    rate_hz: int,
    text: str,
    decoys: Sequence[str],
    *,
    heard_part: float = 1.0,
) -> WordCheck | None:
    """Recognize ``sound`` (mono, float32) with the words of ``text`` among ``decoys``.

    Takes about a twentieth of the sound's duration, on noise half of it.

    Args:
        sound: What was heard.
        rate_hz: Its rate.
        text: What was sent.
        decoys: Other sentences.
        heard_part: How much of the answer the sound holds, 0 to 1.

    Returns:
        None if pocketsphinx is not installed (``pip install 'antiphon[speech]'``).
    """
    try:
        from pocketsphinx import Decoder
    except ImportError:
        return None
    decoder = Decoder(lm=None, loglevel="FATAL")
    sentences = [_known_words(decoder, sentence) for sentence in (text, *decoys)]
    decoder.add_fsg("sent", decoder.create_fsg("sent", _START, _END, _grammar(sentences)))
    decoder.activate_search("sent")
    decoder.start_utt()
    decoder.process_raw(_prepared(sound, rate_hz), no_search=False, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    understood = hypothesis.hypstr if hypothesis is not None else ""
    return WordCheck(
        expected=max(1, round(len(sentences[0]) * heard_part)),
        found=_common_in_order(sentences[0], understood.split()),
        understood=understood,
    )


def _known_words(decoder: Decoder, text: str) -> list[str]:
    words = re.findall(r"[a-z']+", text.lower())
    return [word for word in words if decoder.lookup_word(word) is not None]


def _grammar(sentences: Sequence[Sequence[str]]) -> list[Transition]:
    """One chain of states a sentence; up to two words in a row may be missing, and any end."""
    transitions: list[Transition] = [(_START, _END, 0.01)]
    first_state = _END + 1
    for words in sentences:
        for place, word in enumerate(words):
            for back in range(1, _MAX_SKIPPED + 2):
                if place - back >= -1:
                    source = _START if place < back else first_state + place - back
                    probability = 0.9 if back == 1 else 0.05
                    transitions.append((source, first_state + place, probability, word))
            transitions.append((first_state + place, _END, 0.02))
        first_state += len(words)
    return transitions


def _prepared(sound: Float32, rate_hz: int) -> bytes:
    """16 kHz at an even level: the recognizer's ear depends on it."""
    if rate_hz != _RATE_HZ:
        sound = Resampler(rate_hz, _RATE_HZ).process(sound, last=True)
    peak = float(np.max(np.abs(sound), initial=0.0))
    if peak > 0.0:
        sound = sound * np.float32(_PEAK / peak)
    return float_to_int16(np.ascontiguousarray(sound)).tobytes()


def _common_in_order(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for left in a:
        before = 0
        for place, right in enumerate(b, start=1):
            above = row[place]
            row[place] = before + 1 if left == right else max(above, row[place - 1])
            before = above
    return row[-1]
