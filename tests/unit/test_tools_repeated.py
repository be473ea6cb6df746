"""Calls that come again under their id: on one connection duplicates, after a loss requests."""

import asyncio
import json

import pytest
from live_script import DONE, READY, model_for, nothing_left_behind
from tools_support import call, calls

from antiphon import Continuity
from antiphon.protocol import SessionProtocol
from antiphon.session import tool
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import FunctionResponse, Setup

HANDLE = {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}}
TOGETHER = "gemini-3.1-flash-live-preview"  # its functions are BLOCKING


def results_of(messages):
    """The results in each message: by the id of their call."""
    return [
        {each["id"]: each["response"]["output"] for each in results["functionResponses"]}
        for message in messages
        if (results := message.get("toolResponse")) is not None
    ]


def over_two_connections(tools, first, second, *, handle=True, name="gemini-3.8-live", **policy):
    """What each connection is answered: the first breaks two seconds after its calls."""
    servers = []

    async def script(server):
        servers.append(server)
        await server.accept()
        if len(servers) == 1:
            await server.say(*first, *([HANDLE] if handle else []))
            hearing = asyncio.ensure_future(server.hear_all())
            await asyncio.sleep(2.0)
            await server.channel.close(1011)
            await hearing
        else:
            await server.say(*second)
            await server.hear_all()

    async def main():
        model = model_for(script, tools=tools, continuity=Continuity(**policy), name=name)
        async with model.connect() as session:
            await asyncio.sleep(20.0)
        await nothing_left_behind(session)
        return [results_of(server.received) for server in servers]

    return run_in_virtual_time(main())


def counting(runs, *, takes_s=0.0):
    @tool
    async def count(what: str) -> int:
        runs.append(what)
        await asyncio.sleep(takes_s)
        return len(runs)

    return count


def test_a_call_that_comes_again_after_a_loss_gets_the_result_that_was_kept():
    runs = []
    message = calls(call("count", "1", what="a"))
    first, second = over_two_connections(
        [counting(runs)], [message, message], [message, message], send_again=False
    )
    assert runs == ["a"]
    assert first == [{"1": 1}]  # twice on one connection is once
    assert second == [{"1": 1}]


def test_one_that_still_runs_is_answered_once_when_it_is_done():
    runs = []
    message = calls(call("count", "1", what="a"))
    first, second = over_two_connections([counting(runs, takes_s=5.0)], [message], [message])
    assert runs == ["a"]
    assert (first, second) == ([], [{"1": 1}])


@pytest.mark.parametrize("takes_s", [0.0, 5.0])
def test_calls_that_are_answered_together_are_so_again(takes_s):
    """Also where one of them is done and the other is not."""
    runs = []

    @tool
    async def slow(what: str) -> str:
        await asyncio.sleep(takes_s)
        return what

    message = calls(call("count", "1", what="a"), call("slow", "2", what="b"))
    first, second = over_two_connections(
        [counting(runs), slow], [message], [message], name=TOGETHER, send_again=False
    )
    assert runs == ["a"]
    assert first == ([] if takes_s else [{"1": 1, "2": "b"}])
    assert second == [{"1": 1, "2": "b"}]


def test_another_call_of_a_new_session_that_has_the_same_id_is_a_call_of_its_own():
    runs = []
    first, second = over_two_connections(
        [counting(runs)],
        [calls(call("count", "1", what="a")), DONE],
        [calls(call("count", "1", what="a"))],
        handle=False,
        history=False,
    )
    assert runs == ["a", "a"]  # nobody asked again
    assert (first, second) == ([{"1": 1}], [{"1": 2}])


def test_what_still_runs_for_another_call_of_that_id_answers_neither():
    runs = []
    first, second = over_two_connections(
        [counting(runs, takes_s=5.0)],
        [calls(call("count", "1", what="a")), DONE],
        [calls(call("count", "1", what="b"))],
        handle=False,
        history=False,
    )
    assert runs == ["a", "b"]
    assert (first, second) == ([], [{"1": 2}])


def test_a_stream_goes_on_to_the_call_that_comes_again():
    @tool
    async def watch() -> int:
        for number in range(3):
            await asyncio.sleep(1.5)
            yield number

    message = calls(call("watch", "1"))
    servers = []

    async def script(server):
        servers.append(server)
        await server.accept()
        await server.say(message, *([HANDLE] if len(servers) == 1 else []))
        hearing = asyncio.ensure_future(server.hear_all())
        if len(servers) == 1:
            await asyncio.sleep(2.0)
            await server.channel.close(1011)
        await hearing

    async def main():
        policy = Continuity(send_again=False)
        async with model_for(script, tools=[watch], continuity=policy).connect():
            await asyncio.sleep(20.0)
        return [
            [
                each.get("response", {}).get("output")
                for message in server.received
                for each in message.get("toolResponse", {}).get("functionResponses", [])
            ]
            for server in servers
        ]

    first, second = run_in_virtual_time(main())
    assert first == [0]
    assert second[:2] == [1, 2]


@pytest.mark.parametrize("known", [True, False])
def test_the_protocol_waits_for_the_result_of_a_call_that_comes_again(known):
    """It is open again, so that nothing moves before; and it is told as a result."""
    protocol = SessionProtocol(Setup(model="m"), continuity=Continuity(history=False))

    def connect(now):
        protocol.start(now)
        protocol.data_to_send()
        protocol.receive(json.dumps(READY).encode(), now)

    def feed(message):
        protocol.receive(json.dumps(message).encode(), 20.0)

    connect(0.0)
    protocol.send_text("one")
    feed(calls(call("f", "1")))
    if known:
        feed(HANDLE)
    protocol.connection_lost(1006, "", 20.0)
    connect(20.0)
    protocol.data_to_send()
    feed(calls(call("f", "1")))
    feed(DONE)
    assert protocol.is_repeated("1")
    assert not protocol.is_asked_again("1")
    protocol.send_function_responses([FunctionResponse(id="1", name="f", response={"output": 7})])
    (told,) = [json.loads(data) for data in protocol.data_to_send()]
    assert told["toolResponse"]["functionResponses"][0]["id"] == "1"
