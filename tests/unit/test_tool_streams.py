"""Asynchronous generators answer a call several times."""

import asyncio

from live_script import model_for, nothing_left_behind
from tools_support import answers_to, call, calls, counts

from antiphon.session import ToolResult, tool
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import VertexAI


def test_a_generator_answers_with_every_value_and_an_end():
    assert tool(counts).declaration.behavior == "NON_BLOCKING"
    groups = answers_to(calls(call("counts", to=2)), tools=[tool(counts, scheduling="WHEN_IDLE")])
    (first,), (second,), (last,) = groups
    assert first == {
        "id": "1",
        "name": "counts",
        "response": {"output": 0},
        "scheduling": "WHEN_IDLE",
        "willContinue": True,
    }
    assert second["response"] == {"output": 1}
    # The end is nothing to talk about.
    assert last["willContinue"] is False
    assert (last.get("response", {}), last["scheduling"]) == ({}, "SILENT")


def test_every_result_may_have_its_own_scheduling():
    async def news() -> str:
        yield ToolResult("rain", scheduling="INTERRUPT")
        yield "sun"

    groups = answers_to(calls(call("news")), tools=[tool(news, scheduling="SILENT")])
    assert [g[0]["scheduling"] for g in groups] == ["INTERRUPT", "SILENT", "SILENT"]
    assert groups[0][0]["response"] == {"output": "rain"}

    async def once() -> str:
        return ToolResult("now", scheduling="INTERRUPT")

    (answers,) = answers_to(calls(call("once")), tools=[once], name="gemini-3.8-live")
    assert answers[0]["scheduling"] == "INTERRUPT"
    assert answers[0]["response"] == {"output": "now"}


def test_a_stream_that_fails_or_hangs_ends_with_the_error():
    async def fails() -> int:
        yield 1
        raise KeyError("lost")

    async def hangs() -> int:
        yield 1
        await asyncio.sleep(1000)
        yield 2

    for function, told in ((fails, "KeyError"), (hangs, "longer than 60 s")):
        first, last = answers_to(calls(call(function.__name__)), tools=[function])
        assert first[0]["response"] == {"output": 1}
        assert told in last[0]["response"]["error"]
        assert last[0]["willContinue"] is False


def test_the_results_of_a_stream_are_bounded():
    async def endless() -> int:
        while True:
            yield 1

    groups = answers_to(calls(call("endless")), tools=[endless])
    assert len(groups) == 1001
    assert "more than 1,000 results" in groups[-1][0]["response"]["error"]


def test_arguments_of_a_stream_are_checked_too():
    (answers,) = answers_to(calls(call("counts", to="x")), tools=[counts])
    assert "argument to" in answers[0]["response"]["error"]


def test_a_cancelled_stream_is_closed():
    closed = []

    async def patient() -> int:
        try:
            while True:
                await asyncio.sleep(1)
                yield 1
        finally:
            closed.append(True)

    async def script(server):
        await server.accept()
        await server.say(calls(call("patient", "1")))
        await asyncio.sleep(3.5)
        await server.say({"toolCallCancellation": {"ids": ["1"]}})
        await server.hear_all()

    async def main():
        model = model_for(script, tools=[patient])
        async with model.connect() as session:
            await asyncio.sleep(20)
            assert closed == [True]
        await nothing_left_behind(session)
        return model._connector.servers[0].received[1:]

    assert len(run_in_virtual_time(main())) == 3


def test_where_the_service_takes_one_result_a_stream_is_collected():
    async def script(server):
        await server.accept()
        await server.say(calls(call("counts", to=3)))
        await server.hear_all()

    async def main():
        model = model_for(script, tools=[counts])
        model.backend = VertexAI(project="p", location="us-central1", access_token="t")
        async with model.connect():
            await asyncio.sleep(10)
        return model._connector.servers[0].received[1:]

    (answer,) = run_in_virtual_time(main())
    (response,) = answer["toolResponse"]["functionResponses"]
    assert response["response"] == {"output": [0, 1, 2]}
    assert "willContinue" not in response
