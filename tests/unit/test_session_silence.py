"""`waitingForInput`: the model stays silent on purpose, which is an answer, too."""

import pytest
from continuity_support import Session, handle, text
from live_script import DONE, content, model_for, spoken

from antiphon.virtual_time import run_in_virtual_time

WAITS = content(waitingForInput=True)
EMPTY = {"usageMetadata": {"totalTokenCount": 7}, **DONE}


def conversation(*answers, then=()):
    """The replies of `ask` and of `turns` to so many questions; ``then`` is said at the end."""

    async def script(server):
        await server.accept()
        for answer in answers:
            await server.hear()
            await server.say(*answer)
        await server.hear()
        await server.say(*then)
        await server.channel.close(1000, "")

    async def main():
        async with model_for(script).connect() as session:
            turns = session.turns()
            asked = [await session.ask(f"question {number}") for number in range(len(answers))]
            await session.send("the end")
            return asked, [reply async for reply in turns]

    return run_in_virtual_time(main())


def test_a_model_that_stays_silent_has_answered():
    said = content(inputTranscription={"text": "and then I"})
    (reply,), turns = conversation([said, WAITS])
    assert (reply.waiting_for_input, reply.turn, reply.text) == (True, None, "")
    assert reply.input_transcription == "and then I"
    assert turns == [reply]


@pytest.mark.parametrize("end", [[], [DONE], [content(generationComplete=True), EMPTY]])
def test_the_end_of_a_silence_is_no_answer_to_what_is_asked_next(end):
    """Whether it comes before the next question or, here, after it."""
    first, second, third = [WAITS], [*end, spoken("yes"), DONE], [WAITS]
    asked, turns = conversation(first, second, third, then=end)
    assert [reply.text for reply in asked] == ["", "yes", ""]
    assert [reply.waiting_for_input for reply in asked] == [True, False, True]
    assert [reply.turn for reply in asked] == [None, 1, None]
    assert [reply.text for reply in turns] == ["", "yes", ""]


def test_silence_after_silence_and_an_end_with_a_reason_are_answers():
    refused = content(turnComplete=True, turnCompleteReason="PROHIBITED_INPUT_CONTENT")
    asked, turns = conversation([WAITS], [WAITS], [refused], [DONE])
    assert [reply.waiting_for_input for reply in asked] == [True, True, False, False]
    assert asked[2].reason == "PROHIBITED_INPUT_CONTENT"
    assert len(turns) == 4


def test_in_a_turn_its_end_is_waited_for():
    """More of it may come; and its usage comes with its end."""
    (reply,), turns = conversation([spoken("Hm"), WAITS, spoken("..."), EMPTY])
    assert (reply.text, reply.turn, reply.waiting_for_input) == ("Hm...", 1, True)
    assert reply.usage is not None
    assert turns == [reply]


def test_a_silence_in_which_the_model_works_on_is_none():
    works = content(waitingForInput=True, interactionStatus="IN_PROGRESS")
    (reply,), _ = conversation([works, spoken("done"), DONE])
    assert reply.text == "done"


def test_a_silence_between_two_turns_of_one_answer_ends_it():
    more = content(turnComplete=True, interactionStatus="IN_PROGRESS")
    asked, turns = conversation([spoken("one moment"), more, WAITS], [spoken("yes"), DONE])
    assert [reply.text for reply in asked] == ["one moment", "yes"]
    assert asked[0].waiting_for_input
    assert turns == asked


def test_what_the_model_only_listened_to_is_sent_again():
    """It waits for the rest of it: nothing says that the next session knows the beginning."""
    session = Session()
    session.say("my number is")
    session.feed(handle("h"), WAITS, DONE)
    session.lose()
    session.wait(1)
    _, sent = session.connect()
    assert sent == [text("my number is")]
