"""What `update_context` may ask of a model is known before it is sent, as of a setup."""

import asyncio

import pytest
from live_script import accept_and_wait, model_for, nothing_left_behind

from antiphon import LiveGenerationConfig
from antiphon.errors import ToolError, UnsupportedSetup
from antiphon.session import tool
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import FunctionDeclaration, Tool

THINKING = "gemini-3.8-live-extended-thinking"  # goes on talking while its functions run
WAITING = Tool(function_declarations=[FunctionDeclaration(name="slow", behavior="BLOCKING")])


def updating(use, *, name=THINKING, strict=True):
    """Do something with a session; returns what it returned, and all that the service got."""
    config = LiveGenerationConfig(strict=strict, thinking_level="low" if name == THINKING else None)

    async def main():
        model = model_for(accept_and_wait, name=name, config=config)
        async with model.connect() as session:
            result = await use(session)
            await asyncio.sleep(1.0)
        await nothing_left_behind(session)
        return result, model._connector.servers[0].received[1:]

    return run_in_virtual_time(main())


def test_tools_that_the_model_is_known_to_refuse_are_not_sent():
    @tool(behavior="BLOCKING")
    def slow() -> str:
        return "done"

    async def use(session):
        for tools in ([WAITING], [slow]):
            with pytest.raises(UnsupportedSetup) as caught:
                await session.update_context(tools=tools)
        with pytest.raises(ToolError):
            await session.update_context(tools=[slow, slow])
        return caught.value

    error, received = updating(use)
    assert received == []
    assert error.rule == "NON_BLOCKING functions only"
    assert "behavior of slow is 'BLOCKING'" in str(error)
    assert "NON_BLOCKING" in error.hint
    assert "strict=False" in str(error)


def test_without_strict_they_are_sent_and_noted():
    async def use(session):
        before = list(session.notes)
        for _ in range(2):
            await session.update_context(tools=[WAITING])
        return session.notes[len(before) :]

    noted, received = updating(use, strict=False)
    assert [next(iter(message)) for message in received] == ["contextUpdate"] * 2
    (note,) = noted  # once
    assert "behavior of slow" in note


def test_what_is_only_doubtful_is_sent_and_noted():
    async def use(session):
        await session.update_context(tools=[{"codeExecution": {}}])
        return session.notes

    (note,), received = updating(use, name="gemini-3.8-live")
    assert len(received) == 1
    assert "codeExecution" in note


def test_what_a_refused_update_would_have_changed_is_as_it_was():
    async def use(session):
        with pytest.raises(UnsupportedSetup):
            await session.update_context(system_instruction="Be long.", tools=[WAITING])
        await session.update_context(system_instruction="Be brief.")
        return session._protocol.updated_setup()

    setup, received = updating(use)
    assert len(received) == 1
    assert "tools" not in received[0]["contextUpdate"]
    assert setup.tools is None
    assert setup.system_instruction.parts[0].text == "Be brief."
