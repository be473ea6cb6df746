"""Numbers as people say them: 0 to 999, in words or digits, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["NUMBER_WORDS", "normalized_words", "number_in_words", "read_number"]

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

#: Every word that can be part of a number.
NUMBER_WORDS = frozenset([*_ONES, *_TENS, "hundred"])


def normalized_words(text: str) -> list[str]:
    """Lower case words of letters, digits, underscores and apostrophes; hyphens separate."""
    return re.findall(r"[a-z0-9_']+(?:\.\d+)?", text.lower())


def read_number(words: Sequence[str], start: int = 0) -> tuple[float, int] | None:
    """The number that begins at ``words[start]``, and the index after it; None if none does."""
    if start >= len(words):
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", words[start]):
        return float(words[start]), start + 1
    small = _read_below_hundred(words, start)
    if small is None:
        return None
    value, after = small
    if not (1 <= value <= 9 and after < len(words) and words[after] == "hundred"):
        return float(value), after
    value, after = value * 100, after + 1
    skip = 1 if after < len(words) and words[after] == "and" else 0
    rest = _read_below_hundred(words, after + skip)
    if rest is None or rest[0] == 0:
        return float(value), after
    return float(value + rest[0]), rest[1]


def _read_below_hundred(words: Sequence[str], start: int) -> tuple[int, int] | None:
    if start >= len(words):
        return None
    word = words[start]
    if word in _ONES:
        return _ONES.index(word), start + 1
    if word not in _TENS:
        return None
    value = 20 + 10 * _TENS.index(word)
    if start + 1 < len(words) and words[start + 1] in _ONES[1:10]:
        return value + _ONES.index(words[start + 1]), start + 2
    return value, start + 1


def number_in_words(value: float) -> str:
    """How a number is said; in digits beyond 999 or with a fraction."""
    if value != int(value) or not 0 <= value <= 999:
        return f"{value:g}"
    number = int(value)
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{_ONES[hundreds]} hundred" + (f" and {number_in_words(rest)}" if rest else "")
