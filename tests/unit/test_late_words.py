"""A transcript that comes when its turn is over: it holds up neither questions nor moves."""

import asyncio

from continuity_support import Session, go_away
from live_script import DONE, audio, content, in_session, spoken, written

from antiphon.protocol import Moving

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
