"""Turn accounting: what belongs to which turn, and which audio must not be heard."""

import json

from hypothesis import given
from hypothesis import strategies as st
from live_script import DONE, audio, content, spoken, written

from antiphon.protocol import TurnTracker
from antiphon.wire import decode_server_message

GENERATED = content(generationComplete=True)
INTERRUPTED = content(interrupted=True)
CALL = {"toolCall": {"functionCalls": [{"name": "f", "id": "1"}]}}


def run(*messages):
    tracker = TurnTracker()
    return tracker, [
        tracker.observe(decode_server_message(json.dumps(message).encode())) for message in messages
    ]


def turns(marks):
    return [mark.turn for mark in marks]


def test_turns_are_counted_from_their_first_output_to_turn_complete():
    tracker, marks = run(audio(), spoken("a"), GENERATED, DONE, written("b"), DONE)
    assert turns(marks) == [1, 1, 1, 1, 2, 2]
    assert [mark.begins for mark in marks] == [True, False, False, False, True, False]
    assert [mark.audio_ends for mark in marks] == [False, False, True, False, False, True]
    assert tracker.turn == 2
    assert not tracker.open


def test_a_tool_call_begins_a_turn_and_does_not_end_it():
    _, marks = run(CALL, audio(), DONE)
    assert turns(marks) == [1, 1, 1]


def test_empty_shells_and_transcriptions_of_the_user_begin_nothing():
    tracker, marks = run(
        {},
        content(),
        content(modelTurn={}),
        content(modelTurn={"parts": []}),
        content(outputTranscription={}),
        content(outputTranscription={"finished": True}),
        content(inputTranscription={"text": "hi"}),
        {"toolCall": {}},
        {"goAway": {"timeLeft": "9s"}},
    )
    assert turns(marks) == [None] * 9
    assert tracker.turn == 0


def test_one_message_may_be_a_whole_turn():
    _, marks = run(audio(10, turnComplete=True, generationComplete=True), audio())
    assert turns(marks) == [1, 2]
    assert marks[0].begins
    assert marks[0].audio_ends
    assert marks[0].keep_audio


def test_audio_after_an_interruption_is_dropped_until_the_turn_is_complete():
    tracker, marks = run(audio(1), INTERRUPTED, audio(10), audio(20), DONE, audio(5))
    assert [mark.keep_audio for mark in marks] == [True, False, False, False, False, True]
    assert turns(marks) == [1, 1, 1, 1, 1, 2]
    assert tracker.dropped_audio_frames == 30
    assert not tracker.interrupted


def test_audio_in_the_message_of_the_interruption_is_dropped():
    tracker, marks = run(audio(1), audio(10, interrupted=True), DONE)
    assert not marks[1].keep_audio
    assert marks[1].audio_ends
    assert tracker.dropped_audio_frames == 10


def test_an_interruption_after_generation_complete_belongs_to_the_turn():
    tracker, marks = run(audio(), GENERATED, INTERRUPTED, audio(7), DONE, audio())
    assert turns(marks) == [1, 1, 1, 1, 1, 2]
    assert [mark.audio_ends for mark in marks] == [False, True, False, False, False, False]
    assert tracker.dropped_audio_frames == 7


def test_an_interruption_when_no_turn_is_open_means_the_last_one():
    tracker, marks = run(audio(), DONE, audio(9, interrupted=True), DONE, audio(3))
    assert turns(marks) == [1, 1, 1, None, 2]
    assert not marks[2].begins
    assert tracker.dropped_audio_frames == 9
    assert marks[4].keep_audio


def test_an_interruption_before_any_turn_means_none():
    tracker, marks = run(INTERRUPTED, DONE, audio())
    assert turns(marks) == [None, None, 1]
    assert tracker.dropped_audio_frames == 0
    assert marks[2].keep_audio


def test_transcriptions_of_an_interrupted_turn_still_belong_to_it():
    _, marks = run(audio(), INTERRUPTED, spoken("tail"), DONE)
    assert turns(marks) == [1, 1, 1, 1]


@given(
    st.lists(
        st.sampled_from(
            [
                audio(3),
                spoken("x"),
                CALL,
                GENERATED,
                INTERRUPTED,
                DONE,
                content(),
                {},
                audio(3, interrupted=True),
                audio(3, turnComplete=True),
            ]
        ),
        max_size=30,
    )
)
def test_whatever_comes_turns_count_up_and_end_once(messages):
    tracker, marks = run(*messages)
    numbers = [mark.turn for mark in marks if mark.turn is not None]
    assert numbers == sorted(numbers)
    begun = [mark.turn for mark in marks if mark.begins]
    assert begun == list(range(1, len(begun) + 1))
    ended = [mark.turn for mark in marks if mark.audio_ends]
    assert len(ended) == len(set(ended))
    assert tracker.turn == len(begun)
    heard = sum(
        3
        for mark, message in zip(marks, messages, strict=True)
        if mark.keep_audio and "modelTurn" in message.get("serverContent", {})
    )
    all_audio = sum(3 for m in messages if "modelTurn" in m.get("serverContent", {}))
    assert heard + tracker.dropped_audio_frames == all_audio
