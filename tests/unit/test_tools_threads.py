"""Functions in threads: whatever they raise is an answer, and hanging ones hold up no others."""

import argparse
import asyncio
import threading

import pytest

from antiphon.session import Toolbox
from antiphon.session.invocation import Invoker, in_words


def parse(arguments: str) -> str:
    """Parse arguments; of wrong ones, `argparse` makes an end of the program."""
    parser = argparse.ArgumentParser(exit_on_error=True)
    parser.add_argument("--number", type=int)
    return str(parser.parse_args(arguments.split()).number)


def give_up() -> str:
    """Behave as if someone had pressed a key."""
    raise KeyboardInterrupt


FUNCTIONS = Toolbox([parse, give_up]).functions


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("parse", {"arguments": "--number=many"}, "SystemExit(2)"),
        ("give_up", {}, "KeyboardInterrupt()"),
    ],
)
def test_a_function_that_would_end_the_program_is_answered(name, args, said):
    async def main():
        invoker = Invoker()
        with pytest.raises(RuntimeError) as caught:
            await invoker.call(FUNCTIONS[name], args)
        result = await invoker.call(FUNCTIONS["parse"], {"arguments": "--number=3"})
        invoker.shut()
        return in_words(name, caught.value), result

    failed, result = asyncio.run(main())
    assert failed.output == {"error": f"RuntimeError: The function raised {said}"}
    assert result.output == {"output": "3"}


def test_functions_that_hang_are_no_matter_of_the_next_loop_in_debug_mode():
    """One loop after the other in one process, each left while a function runs."""
    gate = threading.Event()

    def hang() -> str:
        """Hang."""
        gate.wait(30)
        return "late"

    function = Toolbox([hang]).functions["hang"]
    before = set(threading.enumerate())

    async def main():
        invoker = Invoker()
        calls = [asyncio.ensure_future(invoker.call(function, {})) for _ in range(12)]
        unbegun = asyncio.ensure_future(invoker.call(function, {}))
        unbegun.cancel()
        await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        ends = await asyncio.gather(*calls, unbegun, return_exceptions=True)
        invoker.shut()
        return ends

    for _ in range(3):
        ends = asyncio.run(main(), debug=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    hanging = set(threading.enumerate()) - before
    assert len(hanging) == 3 * 8
    assert all(each.name.startswith("antiphon-tool") for each in hanging)
    gate.set()
    for thread in hanging:
        thread.join(5)
        assert not thread.is_alive()
