"""Which words were heard: an estimate, against the times of every word."""

import math
import random
import statistics

import numpy as np
import pytest

from antiphon.conversation.heard import HeardWords
from antiphon.emulator.session.jobs import SPEECH_HZ, Speech, Word
from tests.storm.heard import measure, plans


def of_whole(text, heard_s, received_s):
    return HeardWords().estimate(1, text, heard_s=heard_s, received_s=received_s, whole=True)


@pytest.mark.parametrize(
    ("heard_s", "received_s", "expected"),
    [
        (0, 100, ""),
        (0, 0, ""),
        (50, 100, "one two"),
        (57, 100, "one two"),
        (99, 100, "one two three"),
        (100, 100, "one two three four"),
        (5, 100, ""),
    ],
)
def test_an_answer_that_came_whole_is_laid_over_its_audio(heard_s, received_s, expected):
    assert of_whole(" one two three four ", heard_s, received_s) == expected


def test_numbers_take_as_long_as_they_are_said():
    assert of_whole("In 1963 it was opened again", 5.0, 10.0) == "In 1963"


def test_where_nothing_divides_words_every_sign_is_one():
    assert of_whole("你好、世界真大。", 5.0, 10.0) == "你好、世"


def test_words_that_come_beside_their_audio_tell_the_pace():
    """A slow speaker, and words half a second ahead of their sound."""
    words = HeardWords()
    said = [f"{'abcd'} " for _ in range(40)]  # one a second: five letters
    for second, word in enumerate(said):
        words.words_come(1, word, max(0.0, second - 0.5))
    heard = words.estimate(1, "".join(said), heard_s=20.0, received_s=39.0, whole=False)
    assert abs(len(heard.split()) - 20) <= 2


def test_words_that_come_all_at_once_are_taken_at_the_pace_of_the_answers_before():
    words = HeardWords()
    text = "abcd " * 60
    fresh = words.estimate(1, text, heard_s=20.0, received_s=21.0, whole=False)
    assert len(fresh.split()) == 60  # 15 letters a second, for all that is known
    words.whole(text, 60.0)
    words.words_come(2, text, 0.0)
    heard = words.estimate(2, text, heard_s=20.0, received_s=21.0, whole=False)
    assert abs(len(heard.split()) - 20) <= 2


def test_an_empty_answer_teaches_nothing():
    words = HeardWords()
    words.whole(" ", 60.0)
    heard = words.estimate(1, "abcd " * 60, heard_s=2.0, received_s=3.0, whole=False)
    assert len(heard.split()) == 6


class UnevenVoice:
    """Says every word at a pace of its own, and pauses after sentences; the voice is the seed."""

    def synthesize(self, text, voice):
        rng = random.Random(f"{voice} {text}")
        words, at_s = [], 0.0
        for word in text.split():
            end_s = at_s + 0.08 + 0.055 * len(word) * math.exp(rng.gauss(0, 0.35))
            if word[-1] in ".!?":
                end_s += rng.uniform(0.2, 0.5)
            words.append(Word(word, at_s, end_s))
            at_s = end_s
        frames = np.arange(round(at_s * SPEECH_HZ))
        return Speech((8000 * np.sin(frames * 0.06)).astype("<i2").tobytes(), tuple(words))


def test_what_was_heard_is_known_within_a_word():
    estimates = [
        estimate
        for plan in plans(seed=1, interruptions=6)[::5]
        for estimate in measure(plan, [UnevenVoice()])
    ]
    assert len(estimates) > 25
    assert {estimate.group for estimate in estimates} >= {"google, whole", "vertex, still coming"}
    off = sorted(abs(estimate.off_by) for estimate in estimates)
    assert statistics.median(off) <= 1
    assert off[len(off) * 9 // 10] <= 6
