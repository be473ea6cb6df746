"""What is typed reaches every session once, however slow the link and wherever it breaks."""

import json
import random
from collections import Counter

import pytest

from antiphon.errors import ConnectError
from antiphon.protocol import Closed, Continuity, Reconnect, SessionProtocol, State
from antiphon.wire import (
    Blob,
    Content,
    FunctionDeclaration,
    FunctionResponse,
    Part,
    SessionResumption,
    Setup,
    Tool,
)

MODELS = (
    "models/gemini-3.8-live",
    "models/gemini-2.5-flash-native-audio-preview-12-2025",
    "models/gemini-3.1-flash-live-preview",
)
AUDIO = b'{"realtimeInput":{"audio":{}}}'


def texts(message):
    turns = message.get("clientContent", {}).get("turns", [])
    told = [part.get("text", "") for turn in turns for part in turn["parts"]]
    return [*told, message.get("realtimeInput", {}).get("text", "")]


class World:
    """A client that does anything, and a service whose sessions know what they were told.

    Questions are q1, q2 …; a handle knows those that its connection had taken when it was given.
    """

    def __init__(self, seed):
        self.rng = rng = random.Random(seed)
        self.policy = rng.choice(["again", "never again", "transparent"])
        self.transparent = self.policy == "transparent"
        functions = [FunctionDeclaration(name=name) for name in "fg"]
        functions[1].behavior = "NON_BLOCKING"
        self.protocol = SessionProtocol(
            Setup(
                model=rng.choice(MODELS),
                tools=[Tool(function_declarations=functions)],
                session_resumption=SessionResumption(transparent=self.transparent or None),
            ),
            continuity=Continuity(
                send_again=self.policy != "never again",
                max_attempts=100,
                give_up_after_s=1e6,
                move_after_s=rng.choice([None, 50.0]),
                seed=seed,
            ),
        )
        self.now = 0.0
        self.handles = {None: []}
        self.handle = None
        self.known = []
        self.taken = 0
        self.questions = 0
        self.calls = []
        self.connect_at_s = None
        self.protocol.start(self.now)
        self.write()
        self.say({"setupComplete": {}})

    # ------------------------------------------------------------------ the connection

    def say(self, message):
        self.protocol.receive(json.dumps(message).encode(), self.now)
        self.settle()

    def settle(self):
        for event in self.protocol.events():
            assert not isinstance(event, Closed), event
            if isinstance(event, Reconnect):
                self.connect_at_s = event.at_s

    def write(self, most=10_000):
        """The link takes so many messages; the one after them may stay in hand."""
        for _ in range(most):
            if (message := self.protocol.next_message()) is None:
                return
            if most < 10_000 and self.rng.random() < 0.1:
                return
            self.protocol.message_sent()
            message = json.loads(message)
            if "setup" in message:
                self.handle = message["setup"]["sessionResumption"].get("handle")
                self.known, self.taken = list(self.handles[self.handle]), 0
            else:
                self.taken += 1
                self.known += texts(message)

    def lose(self, code=1006):
        self.protocol.connection_lost(code, "", self.now)
        self.settle()

    def reconnect(self):
        self.now = max(self.now, self.connect_at_s)
        chance = self.rng.random()
        if chance < 0.15:
            self.protocol.connect_failed(ConnectError("no", cause="network"), self.now)
            self.settle()
            return
        self.connect_at_s = None
        self.protocol.start(self.now)
        self.write()
        if chance < 0.25:
            self.lose()
        elif chance < 0.35 and self.handle:
            self.lose(1008)  # the handle is refused: a new session
        else:
            self.say({"setupComplete": {}})

    # ------------------------------------------------------------------ what happens

    def ask(self):
        self.questions += 1
        text = f"q{self.questions} "
        if self.rng.random() < 0.3 and self.protocol.state is State.READY:
            self.protocol.send_text(text)
        else:
            self.protocol.send_content([Content(role="user", parts=[Part(text=text)])])

    def speak(self):
        for _ in range(self.rng.randrange(1, 5)):
            self.protocol.send_audio_message(AUDIO, live_s=self.rng.choice([0.0, 0.02, 0.1]))

    def answer(self):
        spoken = {"outputTranscription": {"text": "words "}}
        written = {"modelTurn": {"parts": [{"text": "words "}]}}
        heard = {"inputTranscription": {"text": "voice "}}
        self.say({"serverContent": self.rng.choice([spoken, written, written, heard])})

    def end(self):
        complete = {"turnComplete": True}
        goes_on = complete | {"interactionStatus": "IN_PROGRESS"}
        others = [{"interrupted": True}, {"generationComplete": True}, goes_on]
        self.say({"serverContent": self.rng.choice([complete, complete, complete, *others])})

    def call(self):
        call_id = self.rng.choice([f"c{len(self.calls)}", "same", ""])
        self.calls.append(call_id)
        call = {"id": call_id, "name": self.rng.choice("fg"), "args": {}}
        self.say({"toolCall": {"functionCalls": [call]}})

    def finish_call(self):
        call_id = self.calls.pop(self.rng.randrange(len(self.calls))) if self.calls else "none"
        if self.rng.random() < 0.2:
            self.say({"toolCallCancellation": {"ids": [call_id]}})
            return
        scheduling = self.rng.choice([None, "SILENT", "INTERRUPT"])
        response = FunctionResponse(id=call_id, name="f", response={}, scheduling=scheduling)
        self.protocol.send_function_responses([response])

    def give_handle(self):
        handle = f"h{len(self.handles)}"
        self.handles[handle] = list(self.known)
        update = {"newHandle": handle, "resumable": True}
        if self.transparent:
            update["lastConsumedClientMessageIndex"] = f"{self.taken}"
        self.say({"sessionResumptionUpdate": update})

    def announce(self):
        kind = self.rng.choice(["ACTIVITY_START", "ACTIVITY_END"])
        left = f"{self.rng.choice([0, 1, 5, 60])}s"
        self.say(
            self.rng.choice([{"goAway": {"timeLeft": left}}, {"voiceActivity": {"type": kind}}])
        )

    def step(self):
        self.now += self.rng.choice([0.0, 0.01, 0.1, 1.0, 12.0])
        for _ in range(5):
            due_s = self.protocol.next_timeout()
            if due_s is None or due_s > self.now:
                break
            self.protocol.handle_timeout(self.now)
            self.settle()
        else:
            pytest.fail(f"The timer of {due_s} s stays due at {self.now} s")
        if self.protocol.state is State.RECONNECTING:
            self.rng.choices([self.ask, self.reconnect], [1, 5])[0]()
            return
        actions = {
            self.ask: 20,
            self.speak: 15,
            self.answer: 20,
            self.end: 16,
            self.call: 4,
            self.finish_call: 5,
            self.give_handle: 7,
            self.announce: 4,
            self.protocol.interrupt: 1,
            self.lose: 4,
        }
        self.rng.choices(list(actions), list(actions.values()))[0]()
        self.settle()
        if self.protocol.state is State.READY:
            self.write(self.rng.choice([10_000, 10_000, 0, 1, 3]))

    def check(self):
        """Only a handle can make more of it: at least once, nothing says what had arrived."""
        counts = Counter(word for text in self.known for word in text.split())
        for number in range(1, self.questions + 1):
            count = counts[f"q{number}"]
            assert count or self.policy == "never again", f"q{number} is missing"
            assert count <= 1 or (self.policy == "again" and self.handle), f"q{number} came twice"


@pytest.mark.parametrize("seed", range(120))
def test_whatever_happens_every_session_is_told_once(seed):
    world = World(seed)
    for _ in range(250):
        world.step()
        if world.protocol.state is State.READY and not world.protocol.unsent:
            world.check()


def test_an_answer_that_begins_before_words_have_left_is_not_theirs():
    """On a slow link: the new session was told the words as answered, and asked them as well."""
    protocol = SessionProtocol(Setup(), continuity=Continuity())
    protocol.start(0.0)
    protocol.data_to_send()
    for message in (
        {"setupComplete": {}},
        {"serverContent": {"outputTranscription": {"text": "Hi."}}},
    ):
        protocol.receive(json.dumps(message).encode(), 0.0)
    protocol.send_content([Content(role="user", parts=[Part(text="Why?")])])
    protocol.receive(b'{"serverContent": {"turnComplete": true}}', 1.0)
    protocol.receive(b'{"serverContent": {"outputTranscription": {"text": "Oh."}}}', 1.0)
    protocol.receive(b'{"serverContent": {"turnComplete": true}}', 1.0)
    protocol.connection_lost(1006, "", 20.0)
    protocol.start(20.0)
    protocol.receive(b'{"setupComplete": {}}', 20.0)
    sent = [json.loads(message) for message in protocol.data_to_send()]
    assert [text for message in sent[1:] for text in texts(message)[:-1]] == ["Hi.", "Oh.", "Why?"]


def test_words_that_are_too_many_to_be_sent_again_are_told_all_the_same():
    """Of two questions with 33 MiB of pictures each, one is kept."""
    protocol = SessionProtocol(Setup(), continuity=Continuity())
    protocol.start(0.0)
    protocol.data_to_send()
    protocol.receive(b'{"setupComplete": {}}', 0.0)
    picture = Part(inline_data=Blob(mime_type="image/jpeg", data="A" * 33 * 2**20))
    for text in ("First?", "Second?"):
        protocol.send_content([Content(role="user", parts=[picture, Part(text=text)])])
        protocol.data_to_send()
    told = []
    for now in (20.0, 40.0):
        protocol.connection_lost(1006, "", now)
        protocol.start(now)
        protocol.receive(b'{"setupComplete": {}}', now)
        sent = [json.loads(message) for message in protocol.data_to_send()]
        told.append([text for message in sent[1:] for text in texts(message) if text])
        protocol.receive(b'{"serverContent": {"outputTranscription": {"text": "Yes."}}}', now)
        protocol.receive(b'{"serverContent": {"turnComplete": true}}', now)
    assert told[0] == ["Second?"]
    assert told[1] == ["First?Second?", "Yes."]
