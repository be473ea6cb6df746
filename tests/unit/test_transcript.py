"""Transcripts, and the bookkeeping of what was heard."""

import json

import numpy as np
from playout_support import Delivery, Heard

from antiphon.conversation.playback import Cut, Finished, Started
from antiphon.conversation.transcript import Transcript


def test_pieces_become_utterances_in_the_order_of_the_talk():
    transcript = Transcript()
    transcript.model(1).text += "Hello"
    transcript.model(1).text += " there"
    # The words of a question can come after the first words of its answer.
    transcript.model(2).text += "It is"
    transcript.user(2).text += "what time is it"
    assert [(u.speaker, u.turn, u.text) for u in transcript] == [
        ("model", 1, "Hello there"),
        ("user", 2, "what time is it"),
        ("model", 2, "It is"),
    ]


def test_typed_and_spoken_words_are_kept_apart():
    transcript = Transcript()
    transcript.user(1, typed=True).text += "typed"
    transcript.user(1).text += "spoken"
    assert [(u.text, u.typed) for u in transcript] == [("typed", True), ("spoken", False)]


def test_json_has_every_field():
    transcript = Transcript()
    said = transcript.model(3)
    said.text, said.interrupted, said.heard_ms, said.heard_text = "Ünder way", True, 12.5, "Ünder"
    (value,) = json.loads(transcript.to_json())
    assert value == {
        "speaker": "model",
        "turn": 3,
        "text": "Ünder way",
        "start_s": None,
        "end_s": None,
        "typed": False,
        "interrupted": True,
        "heard_ms": 12.5,
        "heard_text": "Ünder",
    }


def test_text_says_when_who_and_how_much_was_heard():
    transcript = Transcript()
    question = transcript.user(1)
    question.text, question.start_s = " ten of clubs", 64.04
    answer = transcript.model(1)
    answer.text, answer.interrupted, answer.heard_ms, answer.heard_text = (
        "Yes it is",
        True,
        500,
        "Yes",
    )
    assert transcript.to_text() == (
        "   1:04.0  You: ten of clubs\n"
        "  --:--.-  Model: Yes it is\n"
        '           [interrupted: 0.50 s of it heard, about up to "Yes"]\n'
    )


# ------------------------------------------------------------------ what was heard


def tone(seconds):
    return (8000 * np.sin(np.arange(round(24_000 * seconds)) * 0.1)).astype(np.int16)


def kinds(heard):
    return [(type(event), event.playback.turn) for event in heard.events]


def test_a_turn_starts_and_finishes_where_its_samples_are():
    heard = Heard([Delivery(0.1, 1, tone(1.0), last=True)], 1.5)
    assert kinds(heard) == [(Started, 1), (Finished, 1)]
    turn = heard.playback.turns[1]
    loud = np.flatnonzero(np.abs(heard.model) > 400)
    assert abs(loud[0] - turn.start_frame * 2) < 20
    # A tone that breaks off dies away within 5 ms.
    assert 0 <= loud[-1] - turn.end_frame * 2 < 48 * 5
    assert (turn.heard_frames, turn.gaps, turn.interrupted) == (24_000, [], False)


def test_turns_in_a_row_are_told_apart():
    heard = Heard(
        [Delivery(0.1, 1, tone(0.3), last=True), Delivery(0.15, 2, tone(0.4), last=True)], 1.5
    )
    assert sorted(kinds(heard), key=str) == sorted(
        [(Started, 1), (Finished, 1), (Started, 2), (Finished, 2)], key=str
    )
    first, second = heard.playback.turns[1], heard.playback.turns[2]
    assert second.start_frame == first.end_frame
    assert (first.heard_frames, second.heard_frames) == (7_200, 9_600)


def test_an_underrun_is_a_gap_of_its_silence_and_what_leads_into_and_out_of_it():
    heard = Heard([Delivery(0.1, 1, tone(0.5)), Delivery(1.0, 1, tone(0.5), last=True)], 2.0)
    turn = heard.playback.turns[1]
    (gap,) = turn.gaps
    assert turn.heard_frames == 24_000
    loud = np.flatnonzero(np.abs(heard.model) > 400)
    # A tone that breaks off dies away within 5 ms.
    assert 0 <= loud[-1] - turn.end_frame * 2 < 48 * 5
    silence = np.max(np.diff(loud))
    # The voice goes on for 20 ms, and its last 5 ms come again before the rest.
    assert 0 <= gap.frames * 2 - silence < 48 * 25


def test_a_late_end_of_turn_is_no_underrun():
    heard = Heard([Delivery(0.1, 1, tone(0.5)), Delivery(1.5, 1, last=True)], 2.0)
    assert kinds(heard) == [(Started, 1), (Finished, 1)]
    assert heard.playback.turns[1].gaps == []
    assert heard.playback.turns[1].heard_frames == 12_000


def test_a_flush_says_exactly_how_much_was_heard():
    heard = Heard([Delivery(0.1, 1, tone(3.0)), Delivery(1.0, 1, flush=True)], 2.0)
    assert kinds(heard) == [(Started, 1), (Cut, 1)]
    turn = heard.playback.turns[1]
    assert turn.interrupted
    last = np.flatnonzero(heard.model)[-1]
    assert abs(last - turn.end_frame * 2) < 48 * 3  # the resampler's tail, and a fade ends in 0
    assert last < 48 * 1000 + 48 * 20


def test_a_flush_before_the_first_sample_leaves_nothing_heard():
    heard = Heard([Delivery(0.1, 1, tone(0.02)), Delivery(0.105, 1, flush=True)], 0.5)
    assert kinds(heard) == [(Cut, 1)]
    assert heard.playback.turns[1].heard_frames == 0
    assert not heard.model.any()


def test_a_flush_after_the_last_sample_leaves_all_heard():
    heard = Heard([Delivery(0.1, 1, tone(0.3), last=True), Delivery(1.0, 1, flush=True)], 1.5)
    assert kinds(heard) == [(Started, 1), (Finished, 1), (Cut, 1)]
    assert heard.playback.turns[1].heard_frames == 7_200


def test_after_a_flush_the_next_turn_sounds():
    heard = Heard(
        [
            Delivery(0.1, 1, tone(3.0)),
            Delivery(1.0, 1, flush=True),
            Delivery(1.2, 1, tone(0.5)),  # late audio of what was cut
            Delivery(1.5, 2, tone(0.3), last=True),
        ],
        2.2,
    )
    assert kinds(heard) == [(Started, 1), (Cut, 1), (Started, 2), (Finished, 2)]
    assert heard.playback.turns[2].heard_frames == 7_200
    assert not heard.model[48 * 1030 : 48 * 1490].any()
