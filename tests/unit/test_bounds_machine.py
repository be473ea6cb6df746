"""What the state machine of a session holds, though the session may go on for days."""

import json

import pytest
from held_support import assert_flat, held
from live_script import DONE, READY, audio, content, spoken

from antiphon import Continuity
from antiphon.protocol import SessionProtocol, State
from antiphon.wire import FunctionResponse, SessionResumption, Setup


class Talk:
    """A session that is asked one question after the other, over many connections."""

    def __init__(self, *, transparent):
        self.transparent = transparent
        resumption = SessionResumption(transparent=transparent or None)
        setup = Setup(model="models/gemini-3.8-live", session_resumption=resumption)
        self.protocol = SessionProtocol(setup, continuity=Continuity())
        self.connections = self.sent = 0
        self.now = 0.0
        self.connect()

    def connect(self):
        self.connections += 1
        self.protocol.start(self.now)
        self.protocol.data_to_send()
        self.feed(READY)
        self.sent = len(self.protocol.data_to_send())

    def feed(self, *messages):
        for message in messages:
            self.protocol.receive(json.dumps(message).encode(), self.now)
            self.protocol.events()

    def send(self):
        self.sent += len(self.protocol.data_to_send())

    def turn(self, number):
        self.now = number * 30.0
        for _ in range(20):
            self.protocol.send_audio_message(b'{"realtimeInput":{"audio":{}}}', live_s=0.02)
        self.protocol.send_text(f"Question {number}?")
        self.send()
        call = {"id": f"call-{number}", "name": "f", "args": {"x": number}}
        self.feed({"toolCall": {"functionCalls": [call]}})
        result = FunctionResponse(id=call["id"], name="f", response={"output": number})
        self.protocol.send_function_responses([result])
        self.send()
        self.feed(*[audio(960)] * 5, spoken(f"This is the answer to question {number}."))
        if number % 3 == 0:
            self.feed(content(interrupted=True), audio(960))
        self.feed(DONE, {"usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 9}})
        if number % 5 == 0:
            update = {"newHandle": f"handle-{number}", "resumable": True}
            if self.transparent:
                update["lastConsumedClientMessageIndex"] = str(self.sent)
            self.feed({"sessionResumptionUpdate": update})
        if number % 40 == 0:
            self.protocol.connection_lost(1006, "", self.now)
            self.protocol.events()
        if self.protocol.state is State.RECONNECTING:  # also because it is time to move
            self.connect()


@pytest.mark.parametrize("transparent", [False, True])
def test_the_state_machine_holds_no_more_after_2000_turns_than_after_800(transparent):
    talk, measured = Talk(transparent=transparent), []
    for number in range(1, 2_001):
        talk.turn(number)
        if number in (800, 1_200, 1_600, 2_000):  # as far from the last connection, and handle
            measured.append(held(talk.protocol))
    assert talk.protocol.turns.turn == talk.protocol.usage.reports == 2_000
    assert talk.connections > 50
    assert_flat(measured)
