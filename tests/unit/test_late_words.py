"""A transcript that comes when its turn is over: it holds up neither questions nor moves."""

import asyncio

import pytest
from continuity_support import AUDIO, Session, go_away, text
from live_script import DONE, audio, content, in_session, spoken, written

from antiphon.protocol import AnswerCut, MessageReceived, Moving

GENERATED = content(generationComplete=True)


def test_ask_is_answered_though_the_last_words_of_the_turn_before_were_late():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(audio(), GENERATED, DONE)
        await asyncio.sleep(1)
        await server.say(spoken("late words"))
        await server.hear()
        await server.say(spoken("new"), audio(120), GENERATED, DONE)
        await server.hear_all()

    async def use(session):
        assert (await session.ask("one")).turn == 1
        await asyncio.sleep(2)
        async with asyncio.timeout(1):
            reply = await session.ask("two")
        assert (reply.text, reply.audio.shape, reply.interrupted) == ("new", (120,), False)
        assert not session.turn_open

    in_session(script, use)


def test_ask_waits_for_its_own_answer_when_words_have_run_ahead_of_another():
    async def script(server):
        await server.accept()
        await server.say(spoken("old"))
        await server.hear()
        await server.say(audio(), content(interrupted=True), DONE)
        await server.say(written("new"), GENERATED, DONE)
        await server.hear_all()

    async def use(session):
        await asyncio.sleep(1)
        reply = await session.ask("second")
        assert (reply.turn, reply.text, reply.interrupted) == (2, "new", False)

    in_session(script, use)


def test_ask_is_not_given_the_answer_before_that_ended_when_its_question_had_not_come():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(spoken("old"))
        await asyncio.sleep(2)
        await server.say(audio(), GENERATED, DONE)  # and then, what was asked meanwhile
        await server.hear()
        await server.say(written("new"), GENERATED, DONE)
        await server.hear_all()

    async def use(session):
        await session.send_text_realtime("first")
        await asyncio.sleep(1)
        reply = await session.ask("second")
        assert (reply.turn, reply.text) == (2, "new")

    in_session(script, use)


def test_late_words_do_not_keep_a_session_on_a_connection_that_will_be_cut():
    session = Session()
    session.say("question")
    session.feed(audio(), GENERATED, DONE, spoken("late words"))
    session.wait(20)
    session.feed(go_away(50))
    session.wait(46)
    assert Moving() not in session.happened()  # an answer may begin with words
    session.wait(2)
    assert Moving() in session.happened()


def test_an_answer_whose_words_ran_ahead_is_not_cut_by_a_move():
    session = Session()
    session.say("question")
    session.wait(20)
    session.feed(go_away(50), spoken("answer"), audio())
    session.wait(48)
    assert Moving() not in session.happened()
    session.feed(GENERATED, DONE)
    assert Moving() in session.happened()


@pytest.mark.parametrize("by_voice", [False, True])
def test_what_was_answered_behind_late_words_is_not_asked_again(by_voice):
    """The turn had begun before it was asked."""
    session = Session(history=False)
    session.say("one")
    session.feed(audio(), GENERATED, DONE, spoken("late words"))
    if by_voice:
        session.protocol.send_audio_message(AUDIO, live_s=0.02)
        session.sent()
    else:
        session.say("two")
    session.feed(audio())
    session.say("three")
    session.feed(GENERATED, DONE)
    session.lose()
    session.wait(20)
    assert session.connect()[1] == [text("three")]


def test_what_interrupts_an_answer_of_words_is_not_answered_by_it():
    """To a question that was spoken: nobody can tell that the words were not late."""
    session = Session(history=False)
    session.feed(spoken("answer"))
    session.say("question")
    session.feed(audio(), content(interrupted=True), DONE)
    session.lose()
    session.wait(20)
    assert session.connect()[1] == [text("question")]


def test_a_move_ends_late_words():
    session = Session(history=False)
    session.say("one")
    session.feed(audio(), GENERATED, DONE, spoken("late words"))
    session.wait(20)
    session.feed(go_away(50))
    session.wait(48)
    ends = [each.message.answer_ended for each in session.happened() if is_message(each)]
    assert ends[-2:] == [False, True]
    assert not session.protocol.turns.open


def test_a_move_behind_late_words_tells_that_a_question_is_asked_again():
    session = Session(history=False)
    session.say("one")
    session.feed(audio(), GENERATED, DONE, spoken("late words"))
    session.wait(20)
    session.feed(go_away(50))
    session.say("two")
    session.wait(48)
    assert AnswerCut(2, 0.0, True) in session.happened()
    assert session.connect()[1] == [text("two")]


def test_an_answer_to_a_known_question_is_not_cut_by_a_move_when_it_has_only_words():
    session = Session()
    session.wait(20)
    session.say("question")
    session.feed(go_away(50), spoken("answer"))
    session.wait(48)
    assert Moving() not in session.happened()
    session.feed(audio(), GENERATED, DONE)
    assert Moving() in session.happened()


def is_message(event):
    return isinstance(event, MessageReceived)
