"""A decorator may hide that a function is asynchronous: what it returns is awaited all the same."""

import asyncio
import functools
import gc
import threading

import pytest
from tools_support import answers_to, call, calls, counts, slow

from antiphon.errors import ToolError
from antiphon.session import Toolbox, tool
from antiphon.session.invocation import Invoker
from antiphon.virtual_time import run_in_virtual_time


def logged(function):
    """Hand through what the function returns, as decorators do that know nothing of coroutines."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def end_of_threads():
    for thread in threading.enumerate():
        if thread.name.startswith("antiphon-tool"):
            thread.join(10)


class Clock:
    async def wait(self) -> str:
        return await slow(1)


@pytest.mark.parametrize(
    "wrapped",
    [
        logged(slow),
        tool(logged(slow), inline=True),
        tool(functools.partial(slow, 1), name="slow"),
        tool(functools.partial(logged(slow), 1), name="slow"),
        tool(lambda: Clock().wait(), name="slow"),
    ],
)
def test_a_coroutine_out_of_a_wrapper_is_awaited(wrapped):
    toolbox = Toolbox([wrapped])
    args = {"seconds": 1} if toolbox.functions["slow"].declaration.parameters else {}
    ((answer,),) = answers_to(calls(call("slow", **args)), tools=[wrapped])
    assert answer["response"] == {"output": "done"}


def test_it_has_the_time_limit_of_its_tool():
    limited = tool(logged(slow), timeout_s=5)
    ((answer,),) = answers_to(calls(call("slow", seconds=10)), tools=[limited])
    assert answer["response"] == {"error": "slow took longer than 5 s."}


def test_it_is_cancelled_with_its_call():
    ended = []

    @logged
    async def watched() -> str:
        try:
            return await slow(30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main():
        calling = asyncio.ensure_future(Invoker().call(tool(watched), {}))
        await asyncio.sleep(1)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

    run_in_virtual_time(main())
    assert ended == ["cancelled"]


def test_the_results_of_a_stream_out_of_a_wrapper_are_one():
    ((answer,),) = answers_to(calls(call("counts", to=3)), tools=[logged(counts)])
    assert answer["response"] == {"output": [0, 1, 2]}


def test_it_is_awaited_on_the_loop_though_its_function_ran_in_a_thread():
    made_in, awaited_in = [], []

    async def where() -> str:
        awaited_in.append(threading.current_thread())
        return "there"

    @functools.wraps(where)
    def wrapper():
        made_in.append(threading.current_thread())
        return where()

    async def main():
        invoker = Invoker()
        result = await invoker.call(Toolbox([wrapper]).functions["where"], {})
        invoker.shut()
        return result

    assert asyncio.run(main()).output == {"output": "there"}
    assert made_in[0].name.startswith("antiphon-tool")
    assert awaited_in == [threading.current_thread()]


def test_of_a_call_that_was_given_up_it_is_dropped_in_silence():
    gate, begun = threading.Event(), []

    async def late() -> None:
        begun.append(True)

    @functools.wraps(late)
    def wrapper():
        gate.wait(30)
        return late()

    async def main():
        invoker = Invoker()
        function = tool(wrapper, timeout_s=0.01)
        with pytest.raises(ToolError, match=r"longer than 0\.01 s"):
            await invoker.call(function, {})
        gate.set()
        invoker.shut()
        await asyncio.to_thread(end_of_threads)

    asyncio.run(main())
    gc.collect()
    assert not begun
