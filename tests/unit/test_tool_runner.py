"""Calls of functions are answered, whatever becomes of them."""

import asyncio
import logging
import threading
import time
from typing import Any

import pytest
from live_script import model_for, nothing_left_behind
from tools_support import add, answers_to, call, calls, message_of, slow, star

from antiphon.errors import ToolError
from antiphon.session import Toolbox, tool
from antiphon.session.tool_runner import ToolRunner
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import FunctionResponse


def test_a_call_is_answered_with_its_output():
    (answers,) = answers_to(calls(call("add", "c-1", a=1, b=2)), tools=[add])
    assert answers == [{"id": "c-1", "name": "add", "response": {"output": 3}}]


def test_a_call_without_an_id_is_answered_without_one():
    (answers,) = answers_to(calls({"name": "add", "args": {"a": 1, "b": 2}}), tools=[add])
    assert answers == [{"name": "add", "response": {"output": 3}}]


def test_a_plain_function_runs_in_a_thread():
    def where() -> str:
        time.sleep(0.01)
        return threading.current_thread().name

    (answers,) = answers_to(calls(call("where")), tools=[where], wait_s=0.2, run=asyncio.run)
    assert answers[0]["response"]["output"] != "MainThread"


def test_errors_are_told_in_words_and_never_as_tracebacks(caplog):
    @tool(inline=True)
    def fails() -> None:
        raise KeyError("lost")

    @tool(inline=True)
    def returns_nonsense() -> Any:
        return object()

    @tool(inline=True)
    def refuses() -> None:
        raise ToolError("Not today.")

    async def times_out_itself() -> None:
        raise TimeoutError("its own")

    with caplog.at_level(logging.WARNING):
        (answers,) = answers_to(
            calls(
                call("fails", "1"),
                call("returns_nonsense", "2"),
                call("refuses", "3"),
                call("unheard_of", "4"),
                call("add", "5", a="x"),
                call("times_out_itself", "6"),
            ),
            tools=[add, fails, returns_nonsense, refuses, times_out_itself],
            name="gemini-3.1-flash-live-preview",
        )
    errors = {answer["id"]: answer["response"]["error"] for answer in answers}
    assert errors["1"] == "KeyError: 'lost'"
    assert "JSON" in errors["2"]
    assert errors["3"] == "Not today."
    assert "no function 'unheard_of'" in errors["4"]
    assert "missing argument b" in errors["5"]
    assert errors["6"] == "TimeoutError: its own"
    assert "Traceback" not in str(answers)
    assert "Traceback" in caplog.text  # for us


def test_a_function_that_takes_too_long_is_given_up():
    impatient = tool(slow, name="impatient", timeout_s=5)
    (answers,) = answers_to(
        calls(call("slow", "1", seconds=100), call("impatient", "2", seconds=100)),
        tools=[slow, impatient],
    )
    assert answers[0]["response"] == {"error": "slow took longer than 60 s."}
    assert answers[1]["response"] == {"error": "impatient took longer than 5 s."}


def test_blocking_calls_are_answered_together_and_others_each_when_done():
    both = calls(call("slow", "1", seconds=5), call("slow", "2", seconds=1))
    assert [len(group) for group in answers_to(both, tools=[slow])] == [2]
    apart = answers_to(both, tools=[slow], name="gemini-3.8-live")
    assert [group[0]["id"] for group in apart] == ["2", "1"]


def test_scheduling_goes_with_the_answer():
    quiet = tool(slow, behavior="NON_BLOCKING", scheduling="SILENT")
    (answers,) = answers_to(calls(call("slow", seconds=0)), tools=[quiet])
    assert answers[0]["scheduling"] == "SILENT"


def test_a_cancelled_call_is_stopped_and_not_answered():
    stopped = []

    async def patient(name: str) -> str:
        try:
            await asyncio.sleep(3)
        except asyncio.CancelledError:
            stopped.append(name)
            raise
        return name

    (answers,) = answers_to(
        calls(call("patient", "1", name="a"), call("patient", "2", name="b")),
        {"toolCallCancellation": {"ids": ["1", "unheard-of"]}},
        tools=[patient],
    )
    assert stopped in ([], ["a"])  # cancelled before it began, or while it ran
    assert [answer["id"] for answer in answers] == ["2"]


def test_a_call_that_is_cancelled_while_it_runs_is_stopped():
    events = []

    async def patient() -> None:
        events.append("began")
        try:
            await asyncio.sleep(100)
        finally:
            events.append("stopped")

    async def script(server):
        await server.accept()
        await server.say(calls(call("patient", "1")))
        await asyncio.sleep(1)
        await server.say({"toolCallCancellation": {"ids": ["1"]}})
        await server.hear_all()

    async def main():
        model = model_for(script, tools=[patient])
        async with model.connect() as session:
            await asyncio.sleep(2)
        await nothing_left_behind(session)
        return model._connector.servers[0].received[1:]

    assert run_in_virtual_time(main()) == []
    assert events == ["began", "stopped"]


def test_a_repeated_call_is_run_once():
    one = calls(call("add", "c-1", a=1, b=2))
    assert len(answers_to(one, one, tools=[add])) == 1


def test_the_end_of_the_session_stops_running_functions():
    stopped = []

    async def patient() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append(True)

    assert answers_to(calls(call("patient")), tools=[patient], wait_s=1) == []
    assert stopped == [True]


def test_declared_tools_are_answered_by_the_application():
    async def script(server):
        await server.accept()
        await server.say(calls(call("manual", "7")))
        await server.hear_all()

    async def main():
        model = model_for(script, tools=[{"name": "manual"}])
        async with model.connect() as session:
            async for message in session.receive():
                (asked,) = message.tool_call.function_calls
                await session.send_function_responses(
                    [FunctionResponse(id=asked.id, name=asked.name, response={"output": 1})]
                )
                break
        return model._connector.servers[0].received[1:]

    (answer,) = run_in_virtual_time(main())
    assert answer["toolResponse"]["functionResponses"][0]["id"] == "7"


def test_tools_can_be_replaced_in_mid_session():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(calls(call("slow", "1", seconds=0), call("add", "2", a=1, b=1)))
        await server.hear_all()

    async def main():
        model = model_for(script, tools=[slow], name="gemini-3.1-flash-live-preview")
        async with model.connect() as session:
            with pytest.raises(ToolError):
                await session.update_context(tools=[star])
            await session.update_context(tools=[add])
            await asyncio.sleep(1)
        return model._connector.servers[0].received[1:]

    update, answer = run_in_virtual_time(main())
    declared = update["contextUpdate"]["tools"]["tools"][0]["functionDeclarations"]
    assert [d["name"] for d in declared] == ["add"]
    first, second = answer["toolResponse"]["functionResponses"]
    assert "error" in first["response"]
    assert second["response"] == {"output": 2}


def test_an_answer_that_comes_while_the_session_closes_is_given_up(caplog):
    async def script(server):
        await server.accept()
        await server.say(calls(call("slow", "1", seconds=2)))
        await asyncio.sleep(4)
        await server.hear_all()

    async def main():
        session = await model_for(script, tools=[slow], max_messages=1).connect()
        await asyncio.sleep(1)
        for number in range(5):
            await session.send_text_realtime(str(number))
        await nothing_left_behind(session)  # draining takes until 4 s; the function ends at 2 s

    with caplog.at_level(logging.INFO):
        run_in_virtual_time(main())
    assert "was not sent" in caplog.text


def test_a_long_session_remembers_a_bounded_number_of_calls():
    many = [call("add", f"c-{number}", a=number, b=0) for number in range(1005)]
    (answers,) = answers_to(calls(*many), tools=[add])
    assert len(answers) == 1005
    groups = answers_to(calls(*many), calls(many[0]), calls(many[-1]), tools=[add])
    assert [len(group) for group in groups] == [1005, 1]  # the first was forgotten, the last not


def test_where_the_model_waits_no_scheduling_is_sent():
    (answers,) = answers_to(calls(call("slow", seconds=0)), tools=[tool(slow, scheduling="SILENT")])
    assert "scheduling" not in answers[0]


# ---------------------------------------------------------------------- threads


def test_plain_functions_share_a_bounded_number_of_threads_and_late_results_are_dropped():
    go_on = threading.Event()
    names = set()

    @tool(timeout_s=0.2)
    def stuck() -> str:
        names.add(threading.current_thread().name)
        go_on.wait(10)
        return "late"

    async def script(server):
        await server.accept()
        await server.say(calls(*[call("stuck", str(number)) for number in range(20)]))
        await server.hear()
        go_on.set()
        await server.hear_all()

    async def main():
        model = model_for(script, tools=[stuck], name="gemini-3.1-flash-live-preview")
        async with model.connect() as session:
            await asyncio.to_thread(go_on.wait, 10)
            await asyncio.sleep(0.05)
        await nothing_left_behind(session)
        return model._connector.servers[0].received[1:]

    (answer,) = asyncio.run(main())
    responses = answer["toolResponse"]["functionResponses"]
    assert len(responses) == 20
    assert all("longer than 0.2 s" in each["response"]["error"] for each in responses)
    assert len(names) == 8


# ---------------------------------------------------------------------- input that waits


def test_a_result_does_not_wait_behind_the_voice_that_waits_for_it():
    async def script(server):
        await server.accept()
        await server.say(calls(call("manual", "7")))
        await server.hear_all()

    async def main():
        model = model_for(script, tools=[{"name": "manual"}], name="gemini-3.1-flash-live-preview")
        async with model.connect() as session:
            async for message in session.receive():
                if message.tool_call is not None:
                    break
            voice = asyncio.create_task(session.send_audio_realtime(bytes(2 * 16_000 * 10)))
            await asyncio.sleep(5)
            assert not voice.done()  # ten seconds are more than may wait
            async with asyncio.timeout(1):
                await session.send_function_responses([FunctionResponse(id="7", name="manual")])
                await voice
        return model._connector.servers[0].received[1:]

    first, *others = run_in_virtual_time(main())
    assert "toolResponse" in first
    assert len(others) == 500


# ---------------------------------------------------------------------- calls that come again


def test_only_a_call_that_is_made_anew_gets_the_result_of_the_first():
    """The protocol says which calls were lost; here, the first."""
    runs, sent = [], []

    async def count(what: str) -> int:
        runs.append(what)
        return len(runs)

    async def main():
        async def answer(responses):
            sent.extend((each.id, each.response["output"]) for each in responses)

        runner = ToolRunner(Toolbox([count]), answer, is_asked_again=lambda call_id: call_id == "1")
        for number, what in enumerate(("a", "b", "a", "a"), 1):
            runner.on_message(message_of(**calls(call("count", str(number), what=what))))
            await asyncio.sleep(1)
        runner.cancel_all()

        late = ToolRunner(Toolbox([count]), answer, is_asked_again=lambda call_id: call_id == "1")
        late.on_message(message_of(**calls(call("count", "1", what="c"))))
        await asyncio.sleep(1)
        late.on_message(message_of(serverContent={"turnComplete": True}))
        late.on_message(message_of(**calls(call("count", "2", what="c"))))
        await asyncio.sleep(1)

    run_in_virtual_time(main())
    assert runs == ["a", "b", "a", "c", "c"]
    assert sent == [("1", 1), ("2", 2), ("3", 1), ("4", 3), ("1", 4), ("2", 5)]


def test_a_stream_goes_on_under_the_id_of_the_call_that_is_made_anew():
    sent, ended = [], []

    async def watch() -> int:
        try:
            for number in range(100):
                await asyncio.sleep(1)
                yield number
        finally:
            ended.append(True)

    async def main():
        async def answer(responses):
            sent.extend((each.id, each.response["output"]) for each in responses)

        runner = ToolRunner(Toolbox([watch]), answer, is_asked_again=lambda call_id: call_id == "1")
        for call_id in ("1", "2"):
            runner.on_message(message_of(**calls(call("watch", call_id))))
            await asyncio.sleep(2.5)
        runner.on_message(message_of(toolCallCancellation={"ids": ["2"]}))
        await asyncio.sleep(5)
        assert not runner._running

    run_in_virtual_time(main())
    assert sent == [("1", 0), ("1", 1), ("2", 2), ("2", 3)]
    assert ended == [True]


def test_a_call_that_took_over_is_cancelled_with_what_it_took_over():
    stopped = []

    async def patient() -> int:
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append(True)

    async def main():
        async def answer(responses):
            raise AssertionError(responses)

        runner = ToolRunner(
            Toolbox([patient]), answer, is_asked_again=lambda call_id: call_id == "1"
        )
        for call_id in ("1", "2"):
            runner.on_message(message_of(**calls(call("patient", call_id))))
            await asyncio.sleep(1)
        runner.on_message(message_of(toolCallCancellation={"ids": ["2"]}))
        await asyncio.sleep(1)
        assert not runner._running

    run_in_virtual_time(main())
    assert stopped == [True]
