"""A session that outlives its connections, without I/O: its driver, and messages of the service."""

import json

from live_script import READY

from antiphon.protocol import AnswerCut, Continuity, Moving, Ready, Reconnect, SessionProtocol
from antiphon.wire import SessionResumption, Setup

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


def cut_of(session):
    (cut,) = [event for event in session.happened() if isinstance(event, AnswerCut)]
    return cut


def moved(session):
    kinds = session.kinds()
    return Moving in kinds and Reconnect in kinds
