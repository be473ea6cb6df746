"""What was said reaches each session that needs it exactly once: as history, or asked again.

The cases in which a new session stands for a broken one, in simulated time.
"""

import pytest
from continuity_support import Session, cut_of, handle, text
from live_script import DONE, spoken, written

from antiphon.protocol import Resumed
from antiphon.wire import Content, FunctionResponse, HistoryConfig, Part, SessionResumption, Setup

PAST = [Content(role="model", parts=[Part(text="I am Ann")])]
TOLD_PAST = {"clientContent": {"turns": [{"role": "model", "parts": [{"text": "I am Ann"}]}]}}


def announcing():
    return Setup(
        session_resumption=SessionResumption(),
        history_config=HistoryConfig(initial_history_in_client_content=True),
    )


def words_of(told):
    return [turn["parts"][0]["text"] for turn in told["clientContent"]["turns"]]


# ---------------------------------------------------------------------- the history of `connect`


def test_a_history_that_comes_after_the_first_loss_is_no_question():
    """Its end would be one: only a connection whose setup announced a history expects that."""
    session = Session(setup=announcing())
    session.lose()
    session.protocol.send_history(PAST)
    setup, sent = session.connect()
    assert "historyConfig" not in setup
    assert sent == [TOLD_PAST]


def test_a_history_that_comes_after_the_second_connection_is_no_question_either():
    session = Session(setup=announcing())
    session.lose()
    session.connect()
    session.protocol.send_history(PAST)
    assert session.sent() == [TOLD_PAST]


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("losses", [1, 3])
def test_a_history_outlives_the_connections_that_took_it(losses, again):
    session = Session(send_again=again)
    session.protocol.send_history(PAST)
    assert session.sent() == [TOLD_PAST]
    for _ in range(losses):
        session.wait(20.0)
        session.lose()
        assert session.connect()[1] == [TOLD_PAST]
        assert session.happened()[-1].sent_again == 1


def test_at_most_once_a_session_that_knows_the_history_is_not_told_again():
    session = Session(send_again=False)
    session.protocol.send_history(PAST)
    session.sent()
    session.feed(handle("h"))
    session.lose()
    assert session.connect()[1] == []
    session.wait(20.0)
    session.lose(1008, "The operation was aborted.")  # the next one is a new session
    assert session.connect()[1] == [TOLD_PAST]


def test_at_most_once_a_handle_from_before_the_history_does_not_know_it():
    session = Session(send_again=False)
    session.feed(handle("h"))
    session.protocol.send_history(PAST)
    session.sent()
    session.lose()
    assert session.connect()[1] == [TOLD_PAST]


def test_at_most_once_the_history_alone_is_asked_again_by_nobody():
    session = Session(send_again=False)
    session.protocol.send_history(PAST)
    session.say("one")
    session.lose()
    assert not cut_of(session).asked_again
    assert session.connect()[1] == [TOLD_PAST]


@pytest.mark.parametrize("again", [True, False])
def test_an_answered_history_is_told_with_the_rest_and_not_beside_it(again):
    session = Session(send_again=again)
    session.protocol.send_history(PAST)
    session.say("one")
    session.feed(spoken("first"), DONE)
    session.lose()
    (told,) = session.connect()[1]
    assert words_of(told) == ["I am Ann", "one", "first"]


# ---------------------------------------------------------------------- transparent


@pytest.mark.parametrize("consumed", ["1", "0"])
@pytest.mark.parametrize("answered", [True, False])
def test_a_new_session_is_asked_or_told_but_not_both(answered, consumed):
    """Whatever the handle knew, which is lost: for its question, only the answer counts."""
    session = Session(transparent=True)
    session.say("one")
    session.feed(handle("h", lastConsumedClientMessageIndex=consumed), spoken("first"))
    if answered:
        session.feed(DONE)
    session.lose(1008, "The operation was aborted.")
    session.protocol.send_text("two")
    setup, (first, second) = session.connect()
    assert setup["sessionResumption"] == {"transparent": True}
    if answered:
        assert words_of(first) == ["one", "first"]
    else:
        assert first == text("one")
    assert second == text("two")
    resumed = [event for event in session.happened() if isinstance(event, Resumed)][-1]
    assert resumed.sent_again == (not answered)


def test_a_handle_that_is_refused_leads_to_a_new_session_that_is_asked():
    session = Session(transparent=True)
    session.say("one")
    session.feed(handle("h", lastConsumedClientMessageIndex="1"))
    session.lose()
    session.open()
    session.lose(1008, "BidiGenerateContent session not found")
    assert session.connect()[1] == [text("one")]


def test_a_question_outlives_a_session_that_went_on_with_it_and_was_lost_too():
    session = Session(transparent=True)
    session.say("one")
    session.feed(handle("h", lastConsumedClientMessageIndex="1"))
    session.lose()
    assert session.connect()[1] == []  # by the handle: it knows the question
    session.wait(20.0)
    session.lose(1008, "The operation was aborted.")
    assert session.connect()[1] == [text("one")]
    session.feed(spoken("first"), DONE)
    session.wait(20.0)
    session.lose()
    (told,) = session.connect()[1]
    assert words_of(told) == ["one", "first"]


@pytest.mark.parametrize("with_handle", [True, False])
def test_an_answer_that_is_cut_says_whether_it_is_asked_again(with_handle):
    session = Session(transparent=True)
    session.say("one")
    session.feed(handle("h", lastConsumedClientMessageIndex="1"), written("fir"))
    session.lose(*([] if with_handle else (1008, "The operation was aborted.")))
    assert cut_of(session).asked_again == (not with_handle)


def test_a_result_that_was_not_asked_for_again_is_told_to_a_new_session():
    """Of a call in an answer that is complete: nobody will make it another time."""
    session = Session(transparent=True)
    call = {"name": "f", "args": {}, "id": "1"}
    session.say("one")
    session.feed({"toolCall": {"functionCalls": [call]}}, DONE)
    session.lose()
    session.connect()
    result = FunctionResponse(id="1", name="f", response={"output": 7})
    session.protocol.send_function_responses([result])
    (told,) = session.sent()
    assert words_of(told) == ['[Result of f: {"output": 7}]']


# ---------------------------------------------------------------------- typed during an answer


def test_words_typed_before_the_end_of_an_answer_are_not_answered_by_it():
    session = Session()
    session.say("one")
    session.feed(spoken("fir"))
    session.say("two")
    session.feed(spoken("st"), DONE)
    session.lose()
    told, question = session.connect()[1]
    assert words_of(told) == ["one", "first"]
    assert question == text("two")
    session.feed(spoken("second"), DONE)
    session.wait(20.0)
    session.lose()
    (told,) = session.connect()[1]
    assert words_of(told) == ["one", "first", "two", "second"]


def test_typed_words_that_a_handle_remembers_are_not_told_to_its_session():
    session = Session()
    session.say("one")
    session.feed(handle("h"))
    session.say("two")
    session.feed(spoken("both"), DONE)
    session.lose()
    (told,) = session.connect()[1]
    assert words_of(told) == ["two", "both"]


def test_what_is_typed_without_end_is_bounded():
    session = Session()
    for number in range(100):
        session.say(f"{number:04}" * 1_000)
    session.feed(spoken("yes"), DONE)
    session.lose()
    (told,) = session.connect()[1]
    assert words_of(told)[-1] == "yes"
    assert sum(map(len, words_of(told))) <= 32_000


# ---------------------------------------------------------------------- calls, lost twice


def test_a_call_that_is_made_anew_is_not_told_of_after_a_second_loss():
    """The question was not answered on the connection between: it is still asked again."""
    session = Session(history=False)
    session.say("one")
    session.feed({"toolCall": {"functionCalls": [{"name": "f", "args": {}, "id": "1"}]}})
    for _ in range(2):
        session.lose()
        assert session.connect()[1] == [text("one")]
        session.wait(20.0)
    assert session.protocol.is_asked_again("1")
    result = FunctionResponse(id="1", name="f", response={"output": 7})
    session.protocol.send_function_responses([result])
    assert session.sent() == []
