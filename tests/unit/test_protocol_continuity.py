"""The state machine of a session that outlives its connections, in simulated time."""

import json

import pytest
from live_script import DONE, READY, audio, content, spoken, written

from antiphon.errors import ConnectError, SessionClosed
from antiphon.protocol import (
    AnswerCut,
    AttemptFailed,
    Closed,
    ConnectionLost,
    Continuity,
    GoingAway,
    MessageReceived,
    Moving,
    Ready,
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

AUDIO = b'{"realtimeInput":{"audio":{}}}'


class Session:
    """A protocol, and a driver that obeys it at once."""

    def __init__(self, *, transparent=False, setup=None, **policy):
        resumption = SessionResumption(transparent=True if transparent else None)
        self.protocol = SessionProtocol(
            setup or Setup(model="models/m", session_resumption=resumption),
            continuity=Continuity(**policy),
        )
        self.now = 0.0
        self.seen = []
        self.connect()
        assert self.happened() == [Ready("")]

    def connect(self):
        """A connection is there, and the setup is accepted; returns what was sent."""
        (setup,) = self.open()
        self.feed(READY)
        return setup, self.sent()

    def open(self):
        self.protocol.start(self.now)
        return [message["setup"] for message in self.sent()]

    def feed(self, *messages):
        for message in messages:
            self.protocol.receive(json.dumps(message).encode(), self.now)

    def sent(self):
        return [json.loads(data) for data in self.protocol.data_to_send()]

    def say(self, text):
        """A question that the connection takes."""
        self.protocol.send_text(text)
        return self.sent()

    def lose(self, code=1006, reason=""):
        self.protocol.connection_lost(code, reason, self.now)

    def wait(self, seconds):
        """Time passes, and timers with it."""
        until = self.now + seconds
        while (due := self.protocol.next_timeout()) is not None and due <= until:
            self.now = max(self.now, due)
            self.protocol.handle_timeout(self.now)
            assert self.protocol.next_timeout() != due, "a timer that is never done"
        self.now = until

    def happened(self):
        events = self.protocol.events()
        self.seen += events
        return events

    def kinds(self):
        return [type(event) for event in self.happened()]


def handle(name, **fields):
    return {"sessionResumptionUpdate": {"newHandle": name, "resumable": True, **fields}}


def go_away(left_s):
    return {"goAway": {"timeLeft": f"{left_s}s"}}


def text(words):
    return {"realtimeInput": {"text": words}}


def tool_call(call_id):
    return {"toolCall": {"functionCalls": [{"name": "f", "args": {}, "id": call_id}]}}


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


# ---------------------------------------------------------------------- moving


def moved(session):
    kinds = session.kinds()
    return Moving in kinds and Reconnect in kinds


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


# ---------------------------------------------------------------------- answers that were cut


def cut_of(session):
    (cut,) = [event for event in session.happened() if isinstance(event, AnswerCut)]
    return cut


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


def test_closing_between_two_connections_ends_the_session_at_once():
    session = Session()
    session.lose()
    session.protocol.send_text("never sent")
    session.happened()
    session.protocol.close(session.now)
    (closed,) = session.happened()
    assert closed.closure.clean
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
