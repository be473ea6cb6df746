"""Whatever a function returns, raises or ignores, its call is answered and the session goes on."""

import asyncio
from typing import Any

import pytest
from live_script import model_for, nothing_left_behind
from tools_support import answers_to, call, calls, slow

from antiphon.session import tool
from antiphon.virtual_time import run_in_virtual_time


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@tool(inline=True)
def misbehave(how: str) -> Any:
    match how:
        case "no text":
            return "\ud800"
        case "a key that is none":
            return {(1, 2): 3}
        case "a circle":
            circle: list[Any] = []
            circle.append(circle)
            return circle
        case "an error without text":
            raise OSError("\udcff is no file")
        case "an error without words":
            raise Unspeakable
    raise AssertionError


async def wait_for_what_is_cancelled() -> None:
    waited = asyncio.ensure_future(asyncio.sleep(10))
    waited.cancel()
    await waited


async def stream_what_is_cancelled():
    yield 1
    await wait_for_what_is_cancelled()


@pytest.mark.parametrize(
    "how",
    [
        "no text",
        "a key that is none",
        "a circle",
        "an error without text",
        "an error without words",
    ],
)
def test_whatever_a_function_returns_or_raises_its_call_is_answered(how):
    (answers,) = answers_to(calls(call("misbehave", how=how)), tools=[misbehave])
    assert answers[0]["response"]["error"]


def test_what_a_function_waits_for_may_be_cancelled_without_its_call():
    one, stream = wait_for_what_is_cancelled, stream_what_is_cancelled
    (answers,) = answers_to(calls(call(one.__name__)), tools=[one])
    assert "was cancelled" in answers[0]["response"]["error"]
    first, last = answers_to(calls(call(stream.__name__)), tools=[stream])
    assert first[0]["response"] == {"output": 1}
    assert "was cancelled" in last[0]["response"]["error"]
    assert not last[0].get("willContinue")


def test_a_plain_function_may_run_out_of_values():
    def take() -> str:
        return next(iter(()))

    (answers,) = answers_to(calls(call("take")), tools=[take], wait_s=0.2, run=asyncio.run)
    assert "StopIteration" in answers[0]["response"]["error"]


def test_a_function_that_goes_on_though_its_call_was_cancelled_is_not_answered():
    async def stubborn() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "all the same"
        return ""

    cancelled = {"toolCallCancellation": {"ids": ["1"]}}
    assert answers_to(calls(call("stubborn")), {}, cancelled, tools=[stubborn]) == []


def test_close_waits_for_functions_that_tidy_up_but_not_for_ever(caplog):
    async def main(takes_s):
        async def tidy() -> None:
            try:
                await asyncio.sleep(1_000)
            finally:
                await asyncio.sleep(takes_s)

        async def script(server):
            await server.accept()
            await server.say(calls(call("tidy")))
            await server.hear_all()

        session = await model_for(script, tools=[tidy]).connect()
        await asyncio.sleep(1)
        before_s = asyncio.get_running_loop().time()
        await session.close()
        left = [task for task in asyncio.all_tasks() if task.get_name() == "antiphon-tool-tidy"]
        return asyncio.get_running_loop().time() - before_s, len(left)

    assert run_in_virtual_time(main(2.0)) == (2.0, 0)
    assert not caplog.records
    assert run_in_virtual_time(main(100.0)) == (5.0, 1)
    assert "does not end" in caplog.text


def test_a_function_may_hang_up():
    async def main():
        async def hang_up() -> None:
            try:
                await session.close()
            finally:
                await session.close()

        async def script(server):
            await server.accept()
            await asyncio.sleep(1)
            await server.say(calls(call("hang_up")))
            await server.hear_all()

        session = await model_for(script, tools=[hang_up]).connect()
        await session.wait_closed()
        await nothing_left_behind(session)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(main()) == 1.0


def test_a_peer_cannot_make_any_number_of_functions_run():
    async def main():
        async def script(server):
            await server.accept()
            for group in range(5):
                ids = range(group * 1_000, group * 1_000 + 1_000)
                await server.say(calls(*[call("slow", f"{each}", seconds=1_000) for each in ids]))
            await server.hear_all()

        model = model_for(script, tools=[tool(slow, behavior="NON_BLOCKING", timeout_s=2_000)])
        session = await model.connect()
        await asyncio.sleep(1)
        running = sum(task.get_name() == "antiphon-tool-slow" for task in asyncio.all_tasks())
        await nothing_left_behind(session)
        (server,) = model._connector.servers
        answers = [m["toolResponse"]["functionResponses"] for m in server.received[1:]]
        return running, [answer["response"] for group in answers for answer in group]

    running, refused = run_in_virtual_time(main())
    assert running == 2_000
    assert len(refused) == 3_000
    assert all("at once" in response["error"] for response in refused)
