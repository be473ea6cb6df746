"""When a session moves to another connection: at a pause, and before the service cuts it."""

import pytest
from continuity_support import AUDIO, Session, go_away, handle, moved, text, tool_call
from live_script import DONE, READY, audio, content, spoken, written

from antiphon.protocol import Closed, GoingAway, MessageReceived, Moving, Reconnect, State
from antiphon.wire import FunctionResponse


def test_at_go_away_it_moves_at_once_if_nothing_is_open():
    session = Session()
    session.feed(handle("h"))
    session.now = 100.0
    session.feed(go_away(50))
    assert [kind for kind in session.kinds() if kind is not MessageReceived] == [
        GoingAway,
        Moving,
        Reconnect,
    ]
    assert session.connect()[0]["sessionResumption"] == {"handle": "h"}


def test_it_waits_for_the_end_of_an_answer():
    session = Session()
    session.now = 100.0
    session.feed(audio(), go_away(50))
    session.wait(10)
    assert not moved(session)
    session.feed(content(generationComplete=True))
    assert not moved(session)
    session.feed(DONE)
    assert moved(session)


def test_it_waits_for_the_result_of_a_tool():
    session = Session()
    session.now = 100.0
    session.feed(tool_call("1"), tool_call("2"), DONE, go_away(50))
    assert not moved(session)
    result = FunctionResponse(id="1", name="f", response={}, will_continue=True)
    session.protocol.send_function_responses([result])
    session.sent()
    session.feed({"toolCallCancellation": {"ids": ["2"]}})
    assert not moved(session)
    result = FunctionResponse(id="1", name="f", response={})
    session.protocol.send_function_responses([result])
    session.sent()
    session.wait(1)
    assert not moved(session)  # the result is a question of its own
    session.feed(audio(), DONE)
    assert moved(session)


def test_a_question_on_its_way_is_waited_for_but_not_longer_than_there_is_time():
    session = Session()
    session.now = 100.0
    session.say("one")
    session.feed(go_away(50))
    session.wait(46.5)
    assert not moved(session)
    session.wait(1.0)
    assert moved(session)
    assert session.connect()[1] == [text("one")]


def test_a_question_that_could_not_be_sent_again_is_waited_for_to_the_end():
    session = Session(send_again=False)
    session.now = 100.0
    session.say("one")
    session.feed(go_away(50))
    session.wait(49.9)
    assert not moved(session)


def test_it_waits_until_what_goes_again_has_left():
    """On a slow link: else the next connection would have to send it all once more, and so on."""
    session = Session()
    session.feed(handle("h"))
    session.now = 100.0
    for _ in range(2):
        session.protocol.send_audio_message(AUDIO, live_s=0.02)
    assert session.protocol.next_message() == AUDIO
    session.protocol.message_sent()
    session.feed(go_away(50))
    session.wait(10)
    assert not moved(session)
    session.sent()
    assert session.protocol.next_timeout() <= session.now
    session.wait(0)
    assert moved(session)


def test_what_goes_again_is_not_waited_for_until_the_connection_is_cut():
    session = Session()
    session.now = 100.0
    session.protocol.send_audio_message(AUDIO, live_s=0.02)
    session.feed(go_away(50))
    session.wait(46)
    assert not moved(session)
    session.wait(2)
    assert moved(session)


@pytest.mark.parametrize("send_again", [True, False])
def test_a_file_that_is_being_sent_is_not_cut_in_two_while_there_is_time(send_again):
    session = Session(send_again=send_again)
    session.feed(handle("h"))
    session.now = 100.0
    session.protocol.sending += 1
    session.protocol.send_audio_message(AUDIO)
    session.sent()
    session.feed(go_away(50))
    session.wait(10)
    assert not moved(session)
    session.protocol.sending -= 1
    session.wait(0)
    assert moved(session)


def test_it_moves_by_its_own_clock_where_the_service_says_nothing():
    session = Session(move_after_s=540.0)
    assert session.protocol.next_timeout() == 540.0
    session.wait(539)
    assert session.happened() == []
    session.wait(2)
    assert session.kinds() == [Moving, Reconnect]
    session.connect()
    assert session.protocol.next_timeout() == session.now + 540.0


def test_move_after_none_leaves_it_to_the_service():
    assert Session(move_after_s=None).protocol.next_timeout() is None


def test_a_new_connection_is_used_for_a_while_if_there_is_time():
    session = Session()
    session.now = 100.0
    session.lose()
    session.connect()
    session.happened()
    session.feed(go_away(60))
    assert not moved(session)
    session.wait(9)
    assert not moved(session)
    session.wait(2)
    assert moved(session)


def test_a_notice_before_the_setup_is_accepted_counts():
    session = Session()
    session.now = 100.0
    session.lose()
    session.open()
    session.feed(go_away(50))
    session.now += 1.0
    session.feed(READY)
    session.wait(8.5)
    assert not moved(session)  # it is new, and there is time
    session.wait(1.0)
    assert moved(session)


def test_a_plan_to_move_that_is_earlier_than_a_notice_before_the_acceptance_stands():
    session = Session(move_after_s=5.0)
    session.lose()
    session.open()
    session.feed(go_away(50), READY)
    session.wait(5.5)
    assert moved(session)


def test_a_session_whose_own_time_is_up_is_followed_by_a_new_one():
    """A move by its handle would only be told to go again."""
    session = Session()
    session.say("one")
    session.feed(spoken("first"), DONE, handle("h"))
    session.now = 840.0
    session.feed(go_away(60))
    assert moved(session)
    assert session.connect()[0]["sessionResumption"] == {"handle": "h"}
    session.feed(handle("h2"), go_away(59))  # too soon to tell
    session.happened()
    session.wait(11)
    assert moved(session)
    assert session.connect()[0]["sessionResumption"] == {"handle": "h2"}
    session.feed(handle("h3"), go_away(49))
    session.happened()
    session.wait(11)
    assert moved(session)
    setup, (told,) = session.connect()
    assert setup["sessionResumption"] == {}
    assert len(told["clientContent"]["turns"]) == 2
    session.feed(handle("h4"))
    session.now += 500.0
    session.lose()
    assert session.connect()[0]["sessionResumption"] == {"handle": "h4"}


def test_a_notice_before_the_acceptance_may_tell_that_the_session_is_up_too():
    session = Session()
    session.feed(handle("h"))
    session.now = 840.0
    session.feed(go_away(60))
    assert moved(session)
    (setup,) = session.open()
    assert setup["sessionResumption"] == {"handle": "h"}
    session.now += 11.0
    session.feed(go_away(49), READY, handle("h2"))
    session.happened()
    session.wait(11)
    assert moved(session)
    assert session.connect()[0]["sessionResumption"] == {}


def test_connections_that_are_short_by_rule_are_resumed_each_time():
    """A service that says go away as soon as a connection begins: the handle is still good."""
    session = Session()
    session.feed(handle("h"))
    for _ in range(6):
        session.feed(go_away(60))
        session.happened()
        session.wait(30)
        assert session.protocol.state is State.RECONNECTING
        assert session.connect()[0]["sessionResumption"] == {"handle": "h"}
        session.wait(20)


def test_a_move_for_which_no_attempt_is_left_is_given_up():
    """The connection stands: it is used to its end."""
    session = Session(max_attempts=1)
    session.now = 100.0
    session.lose()
    session.connect()
    session.happened()
    session.feed(go_away(1))
    session.wait(1)
    assert not moved(session)
    assert session.protocol.state is State.READY
    session.say("still here")
    session.feed(written("yes"), DONE)
    session.lose(1001)
    assert session.kinds()[-1] is Closed
