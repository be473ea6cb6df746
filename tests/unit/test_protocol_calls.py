"""Calls of functions in the state machine: input that waits for them, and broken connections."""

import datetime as dt
import json

import pytest
from live_script import DONE, READY, audio, content

from antiphon.protocol import Continuity, SessionProtocol
from antiphon.wire import (
    Content,
    FunctionDeclaration,
    FunctionResponse,
    Part,
    SessionResumption,
    Setup,
    Tool,
)

VOICE = b'{"realtimeInput":{"audio":{}}}'
OLD = "models/gemini-3.1-flash-live-preview"
NEW = "models/gemini-3.8-live"


class Session:
    """A protocol whose driver obeys at once; ``f`` is declared."""

    def __init__(self, model=NEW, *, behavior=None, transparent=None, **policy):
        tools = [Tool(function_declarations=[FunctionDeclaration(name="f", behavior=behavior)])]
        resumption = SessionResumption(transparent=transparent)
        setup = Setup(model=model, tools=tools, session_resumption=resumption)
        self.protocol = SessionProtocol(setup, continuity=Continuity(history=False, **policy))
        self.now = 0.0
        self.connect()

    def connect(self):
        """Returns what the new connection is sent after the setup."""
        self.protocol.start(self.now)
        self.sent()
        self.feed(READY)
        return self.sent()

    def break_off(self):
        """The connection breaks, and another one is made."""
        self.now += 20
        self.protocol.connection_lost(1006, "", self.now)
        self.protocol.events()
        return self.connect()

    def feed(self, *messages):
        for message in messages:
            self.protocol.receive(json.dumps(message).encode(), self.now)
        self.protocol.events()

    def sent(self):
        return [json.loads(data) for data in self.protocol.data_to_send()]

    def ask(self):
        self.protocol.send_content([Content(role="user", parts=[Part(text="what is f")])])
        assert len(self.sent()) == 1

    def answer(self, call_id="1", value=7, **fields):
        response = FunctionResponse(id=call_id, name="f", response={"output": value}, **fields)
        self.protocol.send_function_responses([response])

    def speak(self, packets=1):
        for _ in range(packets):
            self.protocol.send_audio_message(VOICE, live_s=0.02)


def call(*ids):
    return {"toolCall": {"functionCalls": [{"name": "f", "args": {}, "id": i} for i in ids]}}


def handle(name):
    return {"sessionResumptionUpdate": {"newHandle": name, "resumable": True}}


def shape(messages):
    """What each message is: for content its text and whether it asks for an answer."""
    shapes = []
    for message in messages:
        ((kind, value),) = message.items()
        if kind == "clientContent":
            kind = (value["turns"][0]["parts"][0]["text"], value.get("turnComplete", False))
        shapes.append(kind)
    return shapes


# ---------------------------------------------------------------------- input that waits


def test_where_the_model_needs_it_the_voice_waits_for_the_result_which_goes_first():
    session = Session(OLD)
    session.speak()
    session.feed(call("1", "2"))
    session.speak(2)
    session.protocol.send_text("hello")
    session.protocol.activity_start()
    assert session.sent() == []  # the packet from before the call has not left either
    session.answer("1")
    assert shape(session.sent()) == ["toolResponse"]
    session.answer("2")
    assert shape(session.sent()) == ["toolResponse"] + 5 * ["realtimeInput"]
    session.speak()
    assert len(session.sent()) == 1


@pytest.mark.parametrize(
    ("model", "behavior"),
    [
        (NEW, None),
        (NEW, "BLOCKING"),  # there, speaking cancels the call: that is the user's right
        ("models/gemini-2.5-flash-native-audio-latest", "NON_BLOCKING"),
        ("models/gemini-live-2.5-flash", None),
    ],
)
def test_elsewhere_the_voice_goes_on(model, behavior):
    session = Session(model, behavior=behavior)
    session.feed(call("1"))
    session.speak()
    assert len(session.sent()) == 1


def test_content_does_not_wait_and_a_cancelled_call_holds_nothing():
    session = Session(OLD)
    session.feed(call("1"))
    session.speak()
    session.protocol.send_content([Content(role="user", parts=[Part(text="stop")])])
    assert shape(session.sent()) == [("stop", True)]
    session.feed({"toolCallCancellation": {"ids": ["1"]}})
    assert shape(session.sent()) == ["realtimeInput"]


def test_a_result_that_never_comes_holds_the_voice_for_a_minute():
    session = Session(OLD)
    session.feed(call("1"))
    session.speak()
    assert session.protocol.next_timeout() == 60.0
    session.protocol.handle_timeout(59.9)
    assert session.sent() == []
    session.protocol.handle_timeout(60.0)
    assert len(session.sent()) == 1
    session.now = 61.0
    session.feed(call("2"))  # the next call is held for again
    session.speak()
    assert session.sent() == []


def test_of_a_voice_that_waits_the_last_half_minute_is_kept():
    session = Session(OLD)
    session.feed(call("1"))
    session.speak(1600)
    assert session.protocol.unsent == 1500
    assert session.protocol.dropped_user_audio_s == pytest.approx(2.0)
    session.answer()
    assert len(session.sent()) == 1501


def test_what_waits_for_a_result_leaves_at_a_close_and_on_the_next_connection():
    session = Session(OLD)
    session.ask()
    session.feed(call("1"))
    session.speak()
    assert shape(session.break_off()) == [("what is f", True), "realtimeInput"]
    session.feed(call("2"))
    session.speak()
    session.protocol.close(session.now)
    assert shape(session.sent()) == ["realtimeInput"]


# ---------------------------------------------------------------------- broken connections


def test_a_call_that_will_be_made_anew_is_not_answered_under_its_old_id():
    session = Session()
    session.feed(handle("h"))
    session.ask()
    session.feed(call("1"))
    assert shape(session.break_off()) == [("what is f", True)]
    assert session.protocol.is_asked_again("1")
    session.answer("1")
    assert session.sent() == []


@pytest.mark.parametrize("left", [True, False])
def test_neither_is_one_whose_result_was_on_its_way(left):
    session = Session()
    session.feed(handle("h"))
    session.ask()
    session.feed(call("1"))
    session.answer("1")
    if left:
        session.sent()
    session.now = 20.0
    session.protocol.connection_lost(1006, "", session.now)
    session.protocol.start(session.now)
    session.protocol.events()
    session.sent()
    session.protocol.receive(json.dumps(READY).encode(), session.now)
    (resumed,) = session.protocol.events()
    assert resumed.sent_again == 1
    assert shape(session.sent()) == [("what is f", True)]


def test_a_result_that_comes_while_there_is_no_connection_is_sent_as_the_next_one_takes_it():
    for remembered in (False, True):
        session = Session(send_again=False)
        session.feed(handle("h"), call("1"))
        if remembered:
            session.feed(handle("later"))
        session.now = 20.0
        session.protocol.connection_lost(1006, "", session.now)
        session.answer("1")
        told = ('[Result of f: {"output": 7}]', True)
        assert shape(session.connect()) == ["toolResponse" if remembered else told]


def test_at_most_once_a_result_is_told_in_words():
    session = Session(send_again=False)
    session.feed(handle("h"))
    session.ask()
    session.feed(call("1"))
    assert session.break_off() == []
    assert not session.protocol.is_asked_again("1")
    session.answer("1")
    assert shape(session.sent()) == [('[Result of f: {"output": 7}]', True)]


def test_the_result_of_an_answered_question_is_told_in_words_silent_or_not():
    """A NON_BLOCKING call whose turn is complete: nothing is asked again."""
    for scheduling, asks in (("SILENT", False), ("WHEN_IDLE", True)):
        session = Session()
        session.feed(handle("h"))
        session.ask()
        session.feed(call("1"), audio(), DONE)
        session.break_off()
        session.answer("1", scheduling=scheduling)
        assert shape(session.sent()) == [('[Result of f: {"output": 7}]', asks)]


@pytest.mark.parametrize("remembers", [True, False])
def test_a_turn_that_waited_for_a_result_has_answered_it(remembers):
    """It was told again after the next break, and the model answered once more."""
    session = Session(behavior="BLOCKING")
    if remembers:
        session.feed(handle("h"))
    session.ask()
    session.feed(call("1"))
    session.answer("1")
    session.speak()
    assert shape(session.sent()) == ["toolResponse", "realtimeInput"]
    session.feed(audio(), DONE)
    assert shape(session.break_off()) == ["realtimeInput"]


def test_what_a_turn_does_not_wait_for_is_answered_by_one_of_its_own():
    for behavior, again in (
        ("BLOCKING", []),
        ("NON_BLOCKING", [('[Result of f: {"output": 7}]', True)]),
    ):
        session = Session(behavior=behavior, send_again=True)
        session.ask()
        session.feed(call("1"), audio())
        session.answer("1")
        assert shape(session.sent()) == ["toolResponse"]
        session.feed(DONE)
        assert shape(session.break_off()) == again


def test_what_was_consumed_behind_a_result_does_not_go_again():
    """The result kept its turn's place before what had been sent earlier, and hid it."""
    session = Session(behavior="BLOCKING", transparent=True)
    session.ask()
    session.feed(call("1"))
    session.speak(2)
    session.sent()
    session.answer("1")
    session.sent()
    session.feed(audio(), DONE)
    session.ask()
    consumed = handle("h")
    consumed["sessionResumptionUpdate"]["lastConsumedClientMessageIndex"] = "3"
    session.feed(audio(), consumed)
    assert shape(session.break_off()) == ["toolResponse", ("what is f", True)]


def test_a_result_in_words_is_not_answered_by_the_turn_that_it_interrupts():
    """It was taken for one that this turn had waited for, and lost with the next break."""
    session = Session(behavior="BLOCKING")
    session.ask()
    session.feed(call("1"), content(interrupted=True), DONE)
    session.break_off()
    session.ask()
    session.feed(audio())
    session.answer("1")
    told = [('[Result of f: {"output": 7}]', True)]
    assert shape(session.sent()) == told
    session.feed(content(interrupted=True), DONE)
    assert shape(session.break_off()) == told


@pytest.mark.parametrize("blocks", [True, False])
def test_whether_a_turn_waits_for_a_result_was_decided_by_its_call(blocks):
    session = Session(behavior="BLOCKING" if blocks else "NON_BLOCKING")
    session.ask()
    session.feed(call("1"))
    other = FunctionDeclaration(name="f", behavior="NON_BLOCKING" if blocks else "BLOCKING")
    session.protocol.update_context(tools=[Tool(function_declarations=[other])])
    session.answer("1")
    session.sent()
    session.feed(audio(), DONE)
    told = [] if blocks else [('[Result of f: {"output": 7}]', True)]
    assert [each for each in shape(session.break_off()) if each != "contextUpdate"] == told


def test_the_empty_end_of_a_stream_says_nothing_in_words():
    session = Session(send_again=False)
    session.feed(call("1"))
    session.break_off()
    end = FunctionResponse(id="1", name="f", scheduling="SILENT", will_continue=False)
    session.protocol.send_function_responses([end])
    assert session.sent() == []


def test_a_call_that_the_handle_remembers_is_answered_as_if_nothing_had_happened():
    session = Session(OLD, send_again=False)
    session.feed(call("1"), handle("later"))
    session.break_off()
    session.speak()
    assert session.sent() == []  # the call is still open: the voice waits for it
    session.answer("1")
    assert shape(session.sent()) == ["toolResponse", "realtimeInput"]


def test_a_new_session_remembers_no_call():
    session = Session(send_again=False)
    session.feed(call("1"))
    session.break_off()
    session.answer("1")
    assert shape(session.sent()) == [('[Result of f: {"output": 7}]', True)]


def test_what_json_has_no_word_for_is_told_in_words_as_it_was_sent():
    """It failed where the session went on, on every connection; and a caller may reuse its own."""
    session = Session(send_again=False)
    session.feed(call("1"))
    result = {"day": dt.date(2026, 11, 26), 7: [b"x"]}
    session.protocol.send_function_responses([FunctionResponse(id="1", name="f", response=result)])
    result["day"] = object()
    (told,) = session.break_off()
    assert shape([told]) == [('[Result of f: {"day": "2026-11-26", "7": ["eA=="]}]', True)]


def test_results_of_which_some_are_remembered_are_parted():
    session = Session(send_again=False)
    session.feed(call("1"), handle("h"), call("2"))
    session.break_off()
    both = [FunctionResponse(id=i, name="f", response={"output": i}) for i in ("1", "2")]
    session.protocol.send_function_responses(both)
    assert shape(session.sent()) == ["toolResponse", ('[Result of f: {"output": "2"}]', True)]


def test_transparent_what_the_handle_does_not_know_is_asked_again():
    session = Session(transparent=True, send_again=False)
    session.feed(handle("h"))
    session.ask()
    session.feed(call("1"), DONE)  # Vertex ends a turn with its call
    session.answer("1")
    session.sent()
    assert shape(session.break_off()) == [("what is f", True)]


def test_ids_that_nobody_knows_are_passed_through():
    session = Session()
    session.answer("no such call")
    assert shape(session.sent()) == ["toolResponse"]


def test_a_bounded_number_of_calls_is_remembered():
    session = Session()
    session.feed(call(*map(str, range(1000))))
    for number in range(1000):
        session.answer(str(number))
    assert len(session.protocol._calls._calls) == 256
    assert not session.protocol._calls.open
    session.feed(call(*map(str, range(1000, 2000))))
    assert len(session.protocol._calls._calls) == len(session.protocol._calls._open) == 256


# ---------------------------------------------------------------------- interrupted turns


def test_a_break_after_an_interruption_cuts_no_answer():
    session = Session()
    session.ask()
    session.feed(audio(), content(interrupted=True))
    session.now = 20.0
    session.protocol.connection_lost(1006, "", session.now)
    events = session.protocol.events()
    assert "AnswerCut" not in [type(event).__name__ for event in events]
    (ended,) = [event.message for event in events if hasattr(event, "message")]
    assert (ended.turn, ended.turn_complete, ended.answer_cut) == (1, True, None)
    assert session.connect() == []  # what was interrupted is not asked again


@pytest.mark.parametrize("sent", [True, False])
def test_a_break_after_an_interruption_by_the_application_neither(sent):
    session = Session()
    session.ask()
    session.feed(audio())
    session.protocol.interrupt()
    if sent:
        assert session.sent() == [{"clientContent": {}}]
    assert session.break_off() == []  # the next connection has nothing to stop


def test_interruptions_that_were_asked_for_are_told_from_others():
    def interrupted(act):
        session = Session()
        session.ask()
        session.feed(audio())
        act(session.protocol)
        message = json.dumps(content(interrupted=True)).encode()
        session.protocol.receive(message, session.now)
        (event,) = session.protocol.events()
        return event.message.provoked

    loud = FunctionResponse(id="1", name="f", response={}, scheduling="INTERRUPT")
    assert interrupted(lambda protocol: protocol.interrupt())
    assert interrupted(lambda protocol: protocol.send_text("stop"))
    assert interrupted(lambda protocol: protocol.activity_start())
    assert interrupted(lambda protocol: protocol.send_content([]))
    assert interrupted(lambda protocol: protocol.send_function_responses([loud]))
    assert not interrupted(lambda protocol: protocol.send_audio_message(VOICE))
    assert not interrupted(lambda protocol: None)


@pytest.mark.parametrize("call_id", ["", "1", "x" * 300])
def test_a_call_of_any_id_is_over_when_it_is_answered(call_id):
    session = Session(OLD)
    session.feed(call(call_id))
    session.speak()
    assert session.sent() == []
    session.answer(call_id)
    response, voice = session.sent()
    assert "toolResponse" in response
    assert voice == json.loads(VOICE)
    session.speak()
    assert session.sent() == [voice]
