"""The state machine of a session that outlives its connections, in simulated time."""

import json

import pytest
from continuity_support import AUDIO, Session, go_away, handle, text, tool_call
from live_script import DONE, READY, audio, spoken, written

from antiphon.errors import ConnectError, SessionClosed
from antiphon.protocol import (
    AnswerCut,
    AttemptFailed,
    Closed,
    ConnectionLost,
    Continuity,
    Moving,
    Reconnect,
    Resumed,
    SessionProtocol,
    State,
    UserAudioDropped,
)
from antiphon.wire import (
    Content,
    FunctionDeclaration,
    FunctionResponse,
    HistoryConfig,
    Part,
    SessionResumption,
    Setup,
    Tool,
)

# ---------------------------------------------------------------------- resuming


@pytest.mark.parametrize("taken", [True, False])
def test_the_end_of_an_announced_history_goes_to_no_other_connection(taken):
    setup = Setup(
        session_resumption=SessionResumption(),
        history_config=HistoryConfig(initial_history_in_client_content=True),
    )
    session = Session(setup=setup)
    history = {"turns": [{"role": "model", "parts": [{"text": "I am Ann"}]}]}
    session.protocol.send_history([Content(role="model", parts=[Part(text="I am Ann")])])
    if taken:
        told = [{"clientContent": history}, {"clientContent": {"turnComplete": True}}]
        assert session.sent() == told
    session.feed(handle("h1"))
    session.lose()
    session.wait(1.0)
    setup, again = session.connect()
    assert "historyConfig" not in setup
    assert again == [{"clientContent": history}]


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011])
def test_a_lost_connection_is_followed_by_one_with_the_handle(code):
    session = Session()
    session.feed(handle("h1"), handle("h2"), {"sessionResumptionUpdate": {}})
    session.happened()
    session.now = 20.0
    session.lose(code)
    assert session.protocol.state is State.RECONNECTING
    lost, reconnect = session.happened()
    assert isinstance(lost, ConnectionLost)
    assert lost.closure.code == code
    assert reconnect == Reconnect(20.0)
    session.now = 20.5
    setup, _ = session.connect()
    assert setup == {"model": "models/m", "sessionResumption": {"handle": "h2"}}
    assert session.happened() == [Resumed(0.5, 1, with_handle=True, sent_again=0)]
    assert session.protocol.state is State.READY


def test_without_a_policy_the_session_ends_with_its_connection():
    protocol = SessionProtocol(Setup())
    protocol.start(0.0)
    protocol.receive(json.dumps(READY).encode(), 0.0)
    protocol.receive(json.dumps(handle("h")).encode(), 0.0)
    protocol.events()
    protocol.connection_lost(1006, "", 1.0)
    assert [type(event) for event in protocol.events()] == [Closed]


def test_a_session_that_was_never_ready_is_not_resumed():
    protocol = SessionProtocol(Setup(), continuity=Continuity())
    protocol.start(0.0)
    protocol.connection_lost(1006, "", 1.0)
    (closed,) = protocol.events()
    assert closed.closure.during_setup


def test_the_question_goes_again_and_what_was_said_meanwhile_follows():
    session = Session()
    session.feed(handle("h"))
    session.say("one")
    session.lose()
    session.protocol.send_text("two")  # between two connections: it waits
    assert session.sent() == []
    assert session.protocol.unsent == 2
    _, sent = session.connect()
    assert sent == [text("one"), text("two")]
    assert session.happened()[-1].sent_again == 1


def test_at_most_once_what_was_on_the_way_is_not_sent_again():
    session = Session(send_again=False)
    session.feed(handle("h"))
    session.say("one")
    session.lose()
    session.protocol.send_text("two")
    _, sent = session.connect()
    assert sent == [text("two")]


def test_an_answered_question_is_not_sent_again_but_the_next_one_is():
    session = Session()
    session.feed(handle("h"))
    session.say("one")
    session.feed(audio())
    session.say("two")
    session.feed(DONE, handle("h2"))
    session.lose()
    assert session.connect()[1] == [text("two")]


def test_a_message_that_the_connection_had_not_taken_is_sent_whatever_the_policy():
    session = Session(send_again=False)
    session.protocol.send_text("one")
    assert session.protocol.next_message() is not None  # handed out, never confirmed
    session.lose()
    assert text("one") in session.connect()[1]


def test_without_a_handle_the_new_session_is_told_what_was_said():
    session = Session()
    session.say("what is it")
    session.feed(spoken("A"), spoken(" card."), DONE)
    session.say("which")
    session.lose()
    setup, sent = session.connect()
    assert setup["sessionResumption"] == {}
    assert sent == [
        {
            "clientContent": {
                "turns": [
                    {"role": "user", "parts": [{"text": "what is it"}]},
                    {"role": "model", "parts": [{"text": "A card."}]},
                ]
            }
        },
        text("which"),
    ]
    assert not session.happened()[-1].with_handle


def test_what_came_after_the_handle_is_told_and_no_more():
    session = Session()
    session.say("one")
    session.feed(spoken("first"), DONE, handle("h"))
    session.say("two")
    session.feed(spoken("second"), DONE)
    session.lose()
    _, (told,) = session.connect()
    turns = told["clientContent"]["turns"]
    assert [turn["parts"][0]["text"] for turn in turns] == ["two", "second"]


@pytest.mark.parametrize("transparent", [True, False])
@pytest.mark.parametrize("losses", [1, 3])
def test_each_new_session_is_told_once_what_was_said(losses, transparent):
    session = Session(transparent=transparent)
    session.say("one")
    session.feed(spoken("first"), DONE)
    for _ in range(losses):
        session.wait(20.0)
        session.lose()
        _, (told,) = session.connect()  # what was answered is not asked again
        assert [turn["parts"][0]["text"] for turn in told["clientContent"]["turns"]] == [
            "one",
            "first",
        ]


def test_what_was_told_asks_nothing():
    session = Session(send_again=False)
    session.say("one")
    session.feed(spoken("first"), DONE)
    session.lose()
    session.connect()
    session.wait(20.0)
    session.happened()
    session.feed(go_away(50))
    assert Moving in session.kinds()
    session.connect()
    session.lose()
    assert AnswerCut not in session.kinds()


def test_a_new_connection_is_set_up_with_the_context_as_it_is_now():
    old = Tool(function_declarations=[FunctionDeclaration(name="old")])
    new = Tool(function_declarations=[FunctionDeclaration(name="new")])
    instruction = Content(role="user", parts=[Part(text="Be brief.")])
    session = Session(setup=Setup(model="models/m", system_instruction=instruction, tools=[old]))
    session.protocol.update_context(tools=[new])
    session.say("one")
    session.feed(written("1"), DONE)
    session.lose()
    setup, _ = session.connect()
    assert setup["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert setup["tools"] == [{"functionDeclarations": [{"name": "new"}]}]
    other = Content(role="user", parts=[Part(text="Be long.")])
    session.protocol.update_context(system_instruction=other, tools=[])
    session.sent()
    session.lose()
    setup, _ = session.connect()
    assert setup["systemInstruction"]["parts"] == [{"text": "Be long."}]
    assert "tools" not in setup


def test_the_history_can_be_left_out():
    session = Session(history=False)
    session.say("one")
    session.feed(spoken("first"), DONE)
    session.lose()
    assert session.connect()[1] == []


# ---------------------------------------------------------------------- attempts that fail


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1008, "BidiGenerateContent session not found"),
        (1008, "BidiGenerateContent session expired"),
        (1007, "Request contains an invalid argument."),
    ],
)
def test_a_refused_handle_is_given_up_and_a_new_session_told_what_was_said(code, reason):
    session = Session()
    session.say("one")
    session.feed(spoken("first"), DONE, handle("h"))
    session.lose()
    assert session.open()[0]["sessionResumption"] == {"handle": "h"}
    session.happened()
    session.lose(code, reason)
    failed, reconnect = session.happened()
    assert isinstance(failed, AttemptFailed)
    assert (failed.number, failed.wait_s) == (1, round(reconnect.at_s - session.now, 6))
    session.now = reconnect.at_s
    setup, (told,) = session.connect()
    assert setup["sessionResumption"] == {}
    assert len(told["clientContent"]["turns"]) == 2
    resumed = session.happened()[-1]
    assert (resumed.with_handle, resumed.attempts) == (False, 2)


def test_a_refusal_without_a_handle_to_blame_ends_the_session():
    """The guard against a loop of 1007."""
    session = Session()
    session.feed(handle("h"))
    session.lose()
    session.open()
    session.lose(1007, "Request contains an invalid argument.")
    session.open()
    session.lose(1007, "Request contains an invalid argument.")
    closed = session.happened()[-1]
    assert isinstance(closed, Closed)
    error = closed.closure.error()
    assert isinstance(error, SessionClosed)
    assert "2 attempts to go on failed" in str(error)
    assert error.code == 1007


@pytest.mark.parametrize("code", [1007, 1008])
def test_a_refusal_in_mid_session_ends_it(code):
    """A new connection would only say the same again."""
    session = Session()
    session.feed(handle("h"))
    session.lose(code, "")
    assert session.kinds()[-1] is Closed


def test_the_limit_of_a_session_is_not_that_of_a_new_one():
    session = Session()
    session.feed(handle("h"))
    session.lose(1008, "The operation was aborted.")
    setup, _ = session.connect()
    assert setup["sessionResumption"] == {}


def test_a_connection_that_is_not_made_is_tried_again():
    session = Session(max_attempts=3)
    session.lose()
    waits = []
    for _ in range(2):
        session.happened()
        session.protocol.connect_failed(ConnectError("no route"), session.now)
        failed, reconnect = session.happened()
        assert isinstance(failed, AttemptFailed)
        waits.append(failed.wait_s)
        session.now = reconnect.at_s
    assert 0 < waits[0] <= 0.25 < waits[1] * 2 <= 1.0
    session.protocol.connect_failed(ConnectError("no route"), session.now)
    (closed,) = session.happened()
    assert "3 attempts to go on failed" in str(closed.closure.error())
    assert "no route" in str(closed.closure.error())
    assert session.protocol.next_timeout() is None


@pytest.mark.parametrize("cause", ["auth", "model", "argument", "tls"])
def test_a_hopeless_attempt_ends_the_session_at_once(cause):
    session = Session()
    session.lose()
    session.happened()
    error = ConnectError("refused", code=403, cause=cause, hint="Do something else.")
    session.protocol.connect_failed(error, 1.0)
    (closed,) = session.happened()
    error = closed.closure.error()
    assert type(error) is SessionClosed
    assert (error.cause, error.hint) == (cause, "Do something else.")
    assert "refused" in str(error)


def test_a_setup_that_is_not_answered_is_a_failed_attempt():
    session = Session(connect_timeout_s=4.0)
    session.feed(handle("h"))
    session.lose()
    session.open()
    session.happened()
    assert session.protocol.next_timeout() == 4.0
    session.wait(5.0)
    assert session.kinds() == [AttemptFailed, Reconnect]
    assert session.open()[0]["sessionResumption"] == {"handle": "h"}  # still good


def test_patience_is_not_limited_by_arithmetic():
    session = Session(max_attempts=5_000, give_up_after_s=1e9)
    session.lose()
    for _ in range(1_200):
        session.protocol.connect_failed(ConnectError("x", cause="network"), session.now)
        session.now = session.happened()[-1].at_s
    assert session.protocol.state is State.RECONNECTING


@pytest.mark.parametrize("answers", [True, False])
def test_who_waits_too_long_for_another_connection_has_a_closed_session(answers):
    session = Session(max_attempts=1)
    session.lose(1011, "Internal error")
    if answers:
        session.open()
        session.wait(30.0)
    else:
        error = ConnectError("Not connected: no answer", cause="timeout", hint="Wait.")
        session.protocol.connect_failed(error, session.now)
    error = session.protocol.closure.error()
    assert type(error) is SessionClosed
    assert error.cause == "timeout"
    assert "the service failed" in str(error)
    assert "answer" in str(error)


def test_a_session_that_has_ended_is_not_mended():
    session = Session()
    session.protocol.give_up_on_consumer(10_001, 1_000, session.now)
    session.happened()
    session.lose()
    assert session.happened() == []
    assert session.protocol.state is State.CLOSED


def test_connections_that_do_not_last_end_the_session_at_last():
    session = Session(max_attempts=4)
    resumed = 0
    while session.protocol.state is not State.CLOSED:
        session.lose()
        for event in session.happened():
            if isinstance(event, Reconnect):
                assert event.at_s >= session.now
                session.now = event.at_s
        if session.protocol.state is State.RECONNECTING:
            session.connect()
            resumed += 1
            session.now += 1.0
    assert resumed == 4
    assert "to go on failed" in str(session.protocol.closure.error())


def test_what_an_attempt_had_sent_is_sent_by_the_next():
    session = Session()
    session.feed(handle("h"))
    session.say("one")
    session.lose()
    session.connect()
    session.now = 1.0
    session.lose()
    assert session.connect()[1] == [text("one")]


def test_a_late_failure_of_a_connection_that_was_left_changes_nothing():
    session = Session()
    session.lose()
    session.happened()
    session.lose()
    session.feed(written("ghost"))
    session.protocol.connect_failed(ConnectError("x"), 0.0)
    assert session.kinds() == [AttemptFailed, Reconnect]
    session.connect()
    session.happened()
    session.protocol.connect_failed(ConnectError("x"), 0.0)
    assert session.happened() == []


# ---------------------------------------------------------------------- transparent


def test_what_the_service_acknowledged_is_not_sent_again_and_nothing_else_is_lost():
    session = Session(transparent=True, send_again=False)  # it is exactly once either way
    for words in ("one", "two", "three"):
        session.say(words)
    session.feed(handle("h", lastConsumedClientMessageIndex="2"))
    session.lose()
    session.protocol.send_text("four")
    setup, sent = session.connect()
    assert setup["sessionResumption"] == {"handle": "h", "transparent": True}
    assert sent == [text("three"), text("four")]
    # Numbers are those of a connection.
    session.feed(handle("h2", lastConsumedClientMessageIndex="1"))
    session.now = 100.0
    session.lose()
    assert session.connect()[1] == [text("four")]


def test_transparent_an_answer_does_not_acknowledge_its_question():
    session = Session(transparent=True)
    session.feed(handle("h"))
    session.say("one")
    session.feed(written("first"), DONE)
    session.lose()
    assert session.connect()[1] == [text("one")]  # the handle does not know of it


@pytest.mark.parametrize("index", ["-5", "0", "999999999999999999"])
def test_an_absurd_acknowledgement_does_no_harm(index):
    session = Session(transparent=True)
    session.say("one")
    session.feed(handle("h", lastConsumedClientMessageIndex=index))
    session.lose()
    session.protocol.send_text("two")
    assert session.connect()[1][-1] == text("two")


def test_transparent_the_history_is_told_only_without_a_handle():
    session = Session(transparent=True)
    session.say("one")
    session.feed(handle("h", lastConsumedClientMessageIndex="1"), written("first"), DONE)
    session.lose()
    assert session.connect()[1] == []


# ---------------------------------------------------------------------- the end


@pytest.mark.parametrize("waits", ["nothing", "a microphone", "what was sent before", "a text"])
def test_closing_between_two_connections_ends_the_session_at_once(waits):
    session = Session()
    if waits == "what was sent before":
        session.say("once")
    session.lose()
    if waits == "a microphone":
        session.protocol.send_audio_message(AUDIO, live_s=0.02)
    if waits == "a text":
        session.protocol.send_text("never sent")
    session.happened()
    session.protocol.close(session.now, at_once=waits == "a text")
    (closed,) = session.happened()
    assert closed.closure.clean
    assert session.protocol.left_unsent == (waits != "nothing")
    session.protocol.start(1.0)  # the connection that was being made came too late
    session.protocol.connect_failed(ConnectError("x"), 1.0)
    assert session.sent() == []
    assert session.happened() == []
    assert session.protocol.next_timeout() is None


def test_closing_while_the_new_connection_is_set_up_ends_the_session_at_once():
    session = Session()
    session.lose()
    session.open()
    session.happened()
    session.protocol.close(session.now)
    session.feed(READY)
    assert session.kinds() == [Closed]


def test_a_close_between_two_connections_waits_for_what_was_sent_meanwhile():
    session = Session()
    session.say("answered?")
    session.lose()
    session.protocol.send_text("late")
    session.happened()
    session.protocol.close(session.now)
    assert session.happened() == []
    assert session.protocol.closing
    with pytest.raises(SessionClosed, match="the application closed it"):
        session.protocol.send_text("too late")
    _, sent = session.connect()
    assert sent == [text("answered?"), text("late")]
    assert Resumed in session.kinds()
    assert session.protocol.state is State.CLOSING
    session.lose(1000)
    (closed,) = session.happened()
    assert closed.closure.clean
    assert not session.protocol.left_unsent


def test_a_close_that_waited_for_a_connection_in_vain_is_one_of_ours():
    session = Session()
    session.lose()
    session.protocol.send_text("late")
    session.happened()
    session.protocol.close(session.now)
    refused = ConnectError("x", cause="auth")
    session.protocol.connect_failed(refused, session.now)
    (closed,) = session.happened()
    assert closed.closure.clean
    assert session.protocol.left_unsent == 1


def test_nothing_moves_after_a_close():
    session = Session(move_after_s=5.0)
    session.protocol.close(1.0)
    session.wait(6)
    session.feed(go_away(1))
    assert Moving not in session.kinds()
    session.lose(1006)
    assert session.kinds() == [Closed]


# ---------------------------------------------------------------------- live audio


def test_live_audio_that_waits_too_long_is_dropped_and_told():
    session = Session()
    session.lose()
    session.happened()
    for _ in range(32):
        session.protocol.send_audio_message(AUDIO, live_s=1.0)
    assert session.happened() == [UserAudioDropped(1.0), UserAudioDropped(2.0)]
    assert session.protocol.dropped_user_audio_s == 2.0
    assert len(session.connect()[1]) == 30


# ---------------------------------------------------------------------- limits


def test_what_was_too_much_to_be_sent_again_is_told():
    session = Session()
    session.feed(handle("h"))
    session.say("What is said here?")
    part = bytes(2**20)
    for _ in range(70):
        session.protocol.send_audio_message(part)
        session.protocol.data_to_send()
    session.lose()
    session.protocol.start(session.now)
    session.protocol.data_to_send()
    session.feed(READY)
    resumed = session.happened()[-1]
    assert (resumed.sent_again, resumed.given_up) == (64, 7)


def test_of_a_camera_the_last_images_go_again():
    session = Session()
    session.feed(handle("h"))
    for number in range(40):
        session.protocol.send_video(str(number).encode(), "image/jpeg")
        session.sent()
    session.lose()
    session.connect()
    resumed = session.happened()[-1]
    assert (resumed.sent_again, resumed.given_up) == (10, 0)


def test_interrupted_without_a_connection_the_rest_is_asked_all_the_same():
    """What was cut off is not; it is told as what was said, and what was said later follows."""
    session = Session()
    session.protocol.send_history([Content(role="user", parts=[Part(text="I am Ann")])])
    session.sent()
    session.say("one")
    session.feed(audio())
    session.say("two")
    session.lose()
    session.protocol.interrupt()
    session.protocol.send_text("three")
    _, (said, *sent) = session.connect()
    (turn,) = said["clientContent"]["turns"]
    assert turn == {"role": "user", "parts": [{"text": "I am Annone"}]}
    assert sent == [text("two"), text("three")]
    ended = session.happened()[-1].message
    assert (ended.turn, ended.interrupted, ended.turn_complete) == (1, True, True)
    assert ended.provoked
    session.feed(audio(), DONE)
    session.lose()
    session.protocol.interrupt()  # nothing was cut off this time
    session.connect()
    assert isinstance(session.happened()[-1], Resumed)


def test_a_close_between_two_connections_is_clean_also_if_the_next_one_is_not_accepted():
    session = Session(max_attempts=1)
    session.feed(handle("h"))
    session.lose()
    session.protocol.send_text("Goodbye.")
    session.protocol.close(session.now)
    assert session.protocol.state is State.RECONNECTING
    session.open()
    session.wait(60.0)
    closed = session.happened()[-1]
    assert isinstance(closed, Closed)
    assert closed.closure.clean
    assert session.protocol.left_unsent == 1


def test_what_was_interrupted_between_two_connections_is_remembered_in_its_order():
    session = Session()
    session.feed(handle("h"))
    session.say("one")
    session.feed(spoken("One is"), audio())
    for _ in range(2):  # the second one breaks before the answer has begun again
        session.lose()
        session.now += 20.0
        session.connect()
    session.lose()
    session.protocol.interrupt()
    session.protocol.interrupt()
    _, (said,) = session.connect()
    turns = said["clientContent"]["turns"]
    assert [(turn["role"], turn["parts"][0]["text"]) for turn in turns] == [
        ("user", "one"),
        ("model", "One is"),
    ]
    assert session.happened()[-1].message.turn == 1


@pytest.mark.parametrize("in_gap", [True, False])
def test_the_result_of_a_function_of_an_interrupted_answer_is_told_in_words(in_gap):
    session = Session()
    session.feed(handle("h"))
    session.say("Book a table.")
    session.feed(tool_call("c1"))
    if not in_gap:
        session.protocol.interrupt()
    session.lose()
    if in_gap:
        session.protocol.interrupt()
    session.connect()
    assert not session.protocol.is_asked_again("c1")
    result = FunctionResponse(id="c1", name="f", response={"output": "at 7"})
    session.protocol.send_function_responses([result])
    (told,) = session.sent()
    assert "at 7" in told["clientContent"]["turns"][0]["parts"][0]["text"]
