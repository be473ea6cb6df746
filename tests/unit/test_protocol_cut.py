"""Answers that were cut, and what a session still knows of them."""

import json

import pytest
from continuity_support import AUDIO, Session, cut_of, go_away, handle, moved, text, tool_call
from live_script import audio, content, spoken

from antiphon.protocol import AnswerCut, ConnectionLost, MessageReceived, Reconnect


@pytest.mark.parametrize("again", [True, False])
def test_an_answer_that_was_cut_is_told_with_what_came_of_it(again):
    session = Session(send_again=again)
    session.feed(handle("h"))
    session.say("one")
    session.feed(audio(2400), audio(1200))
    session.happened()
    session.lose()
    events = session.happened()
    cut = AnswerCut(1, 0.15, asked_again=again)
    lost, reconnect, told, message = events
    assert isinstance(lost, ConnectionLost)
    assert isinstance(reconnect, Reconnect)
    assert told == cut
    assert message.message.answer_cut == cut
    assert (message.message.turn, message.message.audio_ended) == (1, True)
    assert not message.message.turn_complete
    assert session.connect()[1] == ([text("one")] if again else [])
    session.happened()
    session.feed(audio(2400))
    assert session.happened()[-1].message.turn == 2


def test_a_long_answer_under_an_open_microphone_is_asked_again():
    session = Session()
    session.feed(handle("h"))
    session.say("one")
    for _ in range(90):
        session.protocol.send_audio_message(AUDIO, live_s=1.0)
        session.sent()
        session.feed(audio(24_000))
    session.lose()
    assert cut_of(session) == AnswerCut(1, 90.0, asked_again=True)
    assert session.connect()[1][0] == text("one")


def test_of_live_audio_so_much_is_sent_again_as_is_wished():
    session = Session(live_again_s=2.0)
    session.feed(handle("h"))
    for _ in range(5):
        session.protocol.send_audio_message(AUDIO, live_s=1.0)
        session.sent()
    session.lose()
    assert session.connect()[1] == [json.loads(AUDIO)] * 2


def test_an_answer_that_had_not_begun_is_cut_only_if_nobody_asks_again():
    session = Session(send_again=False)
    session.say("one")
    session.lose()
    assert cut_of(session) == AnswerCut(None, 0.0, asked_again=False)
    session = Session()
    session.say("one")
    session.lose()
    assert AnswerCut not in session.kinds()


def test_user_audio_alone_is_no_question():
    session = Session(send_again=False)
    session.protocol.send_audio_message(AUDIO, live_s=0.02)
    session.sent()
    session.lose()
    assert AnswerCut not in session.kinds()


def test_an_answer_that_came_whole_is_completed_here():
    session = Session(history=False)
    session.feed(handle("h"))
    session.say("one")
    session.feed(audio(2400), content(generationComplete=True))
    session.happened()
    session.lose()
    events = session.happened()
    assert AnswerCut not in [type(event) for event in events]
    (ended,) = [event.message for event in events if isinstance(event, MessageReceived)]
    assert ended.turn_complete
    assert ended.turn == 1
    assert not ended.audio_ended  # that was told before
    assert session.connect()[1] == []  # it is answered
    assert not session.protocol.turns.open


def test_the_history_holds_an_answer_that_was_completed_here():
    session = Session()
    session.say("one")
    session.feed(spoken("first"), content(generationComplete=True))
    session.lose()
    (told,) = session.connect()[1]
    assert told["clientContent"]["turns"][1]["parts"] == [{"text": "first"}]


def test_calls_of_a_lost_connection_hold_nothing_up():
    session = Session()
    session.feed(tool_call("1"))
    session.lose()
    session.connect()
    session.now = 100.0
    session.happened()
    session.feed(go_away(50))
    assert moved(session)
