"""Calls that have no id, as Vertex AI may send them."""

from continuity_support import Session
from live_script import DONE

from antiphon.protocol import Moving
from antiphon.wire import FunctionDeclaration, FunctionResponse, Setup, Tool

VERTEX = "projects/p/locations/us-central1/publishers/google/models/"


def test_the_gate_holds_for_a_call_without_an_id():
    tools = [Tool(function_declarations=[FunctionDeclaration(name="f")])]
    session = Session(setup=Setup(model=f"{VERTEX}gemini-live-2.5-flash-native-audio", tools=tools))
    session.feed({"toolCall": {"functionCalls": [{"name": "f", "args": {}}]}})
    session.protocol.send_audio_message(b'{"realtimeInput":{"audio":{}}}')
    assert session.sent() == []
    session.protocol.send_function_responses([FunctionResponse(name="f", response={"output": 1})])
    assert [next(iter(m)) for m in session.sent()] == ["toolResponse", "realtimeInput"]


def test_a_move_waits_for_a_call_without_an_id():
    tools = [Tool(function_declarations=[FunctionDeclaration(name="f", behavior="NON_BLOCKING")])]
    session = Session(setup=Setup(model="models/gemini-3.8-live", tools=tools))
    session.say("q")
    session.feed({"toolCall": {"functionCalls": [{"name": "f", "args": {}}]}}, DONE)
    session.happened()
    session.wait(20)
    session.feed({"goAway": {"timeLeft": "50s"}})
    assert Moving() not in session.happened()
