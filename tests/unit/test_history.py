"""What was said, for a session that does not remember it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_script import audio, content, spoken, written

from antiphon.protocol import LiveServerMessage
from antiphon.protocol.history import History, words_of
from antiphon.wire import Content, Part, decode_server_message

BOUND = 32_000


def say(history, role, text):
    words = content(inputTranscription={"text": text}) if role == "user" else spoken(text)
    history.take(message_of(words))


def message_of(frame):
    return LiveServerMessage(decode_server_message(json.dumps(frame).encode()))


def told(history, *, with_handle=False):
    return [
        (turn.role, turn.parts[0].text) for turn in history.unremembered(with_handle=with_handle)
    ]


def test_deltas_of_one_side_make_one_turn():
    history = History()
    for text in ("what", " is", " it"):
        say(history, "user", text)
    history.take(message_of(written("A")))
    history.take(message_of(written(" card.")))
    history.mark_answered()
    assert told(history) == [("user", "what is it"), ("model", "A card.")]


def test_an_answer_that_is_not_complete_is_not_told():
    history = History()
    history.typed(words_of([Content(role="user", parts=[Part(text="one")])]))
    history.mark_question()
    say(history, "model", "first")
    history.mark_answered()
    history.typed(words_of([Content(role="user", parts=[Part(text="two")])]))
    say(history, "model", "sec")
    assert told(history) == [("user", "one"), ("model", "first")]


def test_with_a_handle_only_what_came_after_it_is_told():
    history = History()
    say(history, "user", "one")
    say(history, "model", "first")
    history.mark_answered()
    history.mark_remembered()
    say(history, "user", "two")
    say(history, "model", "second")
    history.mark_answered()
    assert told(history, with_handle=True) == [("user", "two"), ("model", "second")]
    assert len(told(history)) == 4


def test_words_after_a_mark_begin_a_new_turn_even_of_the_same_side():
    history = History()
    say(history, "model", "first")
    history.mark_answered()
    history.mark_remembered()
    say(history, "model", "second")
    history.mark_answered()
    assert told(history, with_handle=True) == [("model", "second")]


def test_what_has_no_words_or_no_side_is_left_out():
    history = History()
    history.take(message_of(audio()))
    history.typed(
        words_of([Content(role="user", parts=[Part()]), Content(role="system", parts=[])])
    )
    history.typed(words_of([Content(parts=[Part(text="no role: the user")])]))
    history.mark_question()
    history.mark_answered()
    assert told(history) == [("user", "no role: the user")]


def test_the_oldest_is_given_up():
    history = History()
    for number in range(10):
        say(history, "user", f"{number}" * 5_000)
        say(history, "model", "yes")
        history.mark_answered()
    turns = told(history)
    assert turns[-2:] == [("user", "9" * 5_000), ("model", "yes")]
    assert 20_000 < sum(len(text) for _, text in turns) <= BOUND


@pytest.mark.parametrize("piece", [100_000, 900])
def test_one_endless_turn_is_bounded_too(piece):
    history = History()
    for number in range(50):
        say(history, "model", chr(ord("A") + number % 26) * piece)
    history.mark_answered()
    ((_, text),) = told(history)
    assert len(text) == BOUND
    assert text.endswith("X" * min(piece, BOUND))


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "model", "answered", "remembered"]), st.integers(1, 9)),
        max_size=60,
    )
)
def test_it_tells_the_end_of_what_was_said(steps):
    """Against plain strings: everything up to the last mark, without what the handle has."""
    history, said, answered, remembered = History(), [], 0, 0
    for number, (kind, thousands) in enumerate(steps):
        if kind == "answered":
            history.mark_answered()
            answered = len(said)
        elif kind == "remembered":
            history.mark_remembered()
            remembered = len(said)
        else:
            text = chr(0x100 + number) * (1_000 * thousands)
            say(history, kind, text)
            said.append((kind, text))
    for first, with_handle in ((0, False), (remembered, True)):
        whole = "".join(text for _, text in said[first:answered])
        got = "".join(text for _, text in told(history, with_handle=with_handle))
        assert whole.endswith(got)
        # Whole turns are given up; a turn that is left had room.
        total = sum(len(text) for _, text in said)
        if total <= BOUND:
            assert got == whole
        assert len(got) <= BOUND


def test_short_turns_are_bounded_by_their_number():
    history = History()
    for number in range(2_000):
        say(history, "user", str(number))
        say(history, "model", "ok")
        history.mark_answered()
    assert len(told(history)) == 500
    assert told(history)[-2:] == [("user", "1999"), ("model", "ok")]
    history.mark_remembered()
    assert told(history, with_handle=True) == []
