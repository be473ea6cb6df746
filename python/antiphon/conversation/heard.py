"""Which words of an answer were heard, where only its audio has times.

The service sends words without times, ahead of their sound, and how far ahead differs between
models: by half a second, or all at once. So words are laid over the audio by their length: of an
answer that has come whole, in proportion; of another at the pace at which its words came beside
its audio, or, as long as that says little, at the pace of the answers before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["HeardWords"]

# Of scripts without spaces, every sign is a word of its own.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}][^\w\s]*|[^\s{_UNSPACED}]+")
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
# What takes as long to say as a letter counts 1: "1963" is said in sixteen letters or so.
_DIGIT, _IDEOGRAM, _BREAK = 4.0, 3.0, 1.0
# A first guess, and so many seconds of speech outweigh it.
_LETTERS_PER_S = 15.0
_GUESS_S = 2.0


@dataclass(slots=True)
class _Pace:
    """Letters and the seconds they took."""

    letters: float = 0.0
    seconds: float = 0.0

    def with_guess(self, letters_per_s: float) -> float:
        return (self.letters + letters_per_s * _GUESS_S) / (self.seconds + _GUESS_S)


@dataclass(slots=True)
class _Arrivals:
    """How the words of a turn came beside its audio."""

    turn: int = 0
    letters: float = 0.0
    second: _Pace | None = None
    """Letters and seconds that had come before the second words,"""
    last: _Pace | None = None
    """and before the last."""

    @property
    def pace(self) -> _Pace:
        # Words run ahead of their sound, but by the same time at both ends. Not at the beginning:
        # before the first words there was nothing.
        if self.second is None or self.last is None:
            return _Pace()
        return _Pace(
            self.last.letters - self.second.letters, self.last.seconds - self.second.seconds
        )


class HeardWords:
    """Estimates, turn by turn, and learns how fast the model speaks.

    Times are seconds of a turn's audio.
    """

    def __init__(self) -> None:
        self._spoken = _Pace()
        self._arrivals = _Arrivals()

    def words_come(self, turn: int, words: str, received_s: float) -> None:
        """More words of ``turn`` come, after so much audio."""
        if turn != self._arrivals.turn:
            self._arrivals = _Arrivals(turn)
        else:
            before = _Pace(self._arrivals.letters, received_s)
            self._arrivals.second = self._arrivals.second or before
            self._arrivals.last = before
        self._arrivals.letters += _letters(words)

    def whole(self, text: str, received_s: float) -> None:
        """This is all that was said in so much audio."""
        if text.strip():
            self._spoken.letters += _letters(text)
            self._spoken.seconds += received_s

    def estimate(
        self, turn: int, text: str, *, heard_s: float, received_s: float, whole: bool
    ) -> str:
        """The words of ``text`` that were heard to their ends.

        Args:
            turn: Whose text it is.
            text: What came of its words.
            heard_s: How much of its audio was heard, and
            received_s: how much came.
            whole: All of both came.
        """
        text = text.strip()
        if heard_s <= 0:
            return ""
        if whole and heard_s >= received_s:
            return text
        letters = _letters(text) * heard_s / received_s if whole else self._pace(turn) * heard_s
        end = 0
        for at, weight in _words(text):
            letters -= weight
            if letters < 0:
                break
            end = at
        return text[:end]

    def _pace(self, turn: int) -> float:
        """Letters per second in a turn that is not whole."""
        usual = self._spoken.with_guess(_LETTERS_PER_S)
        return self._arrivals.pace.with_guess(usual) if turn == self._arrivals.turn else usual


def _words(text: str) -> Iterator[tuple[int, float]]:
    """Where each word ends, and how long it takes to say."""
    for word in _WORD.finditer(text):
        yield word.end(), _BREAK + sum(map(_weight, word[0]))


def _letters(text: str) -> float:
    return sum(weight for _, weight in _words(text))


def _weight(sign: str) -> float:
    if sign.isdigit():
        return _DIGIT
    if _IDEOGRAPH.match(sign):
        return _IDEOGRAM
    return float(sign.isalpha())
