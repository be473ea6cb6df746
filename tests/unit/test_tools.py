"""Functions become declarations, calls become answers."""

import asyncio
import enum
import functools
import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional

import pytest
from live_script import KEY, Server, model_for, nothing_left_behind

from antiphon.errors import ToolError
from antiphon.protocol import LiveServerMessage
from antiphon.session import LiveModel, Toolbox, ToolResult, tool
from antiphon.session.tool_runner import ToolRunner
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import (
    FunctionDeclaration,
    FunctionResponse,
    GoogleAI,
    Tool,
    VertexAI,
    decode_server_message,
)


class Unit(enum.Enum):
    METRIC = "metric"
    IMPERIAL = "imperial"


def get_weather(
    city: str,
    days: int = 1,
    unit: Unit = Unit.METRIC,
    precision: float | None = None,
    when: Literal["now", "later"] = "now",
    tags: list[str] = [],  # noqa: B006
    options: Optional[dict] = None,  # noqa: UP045
    loud: bool = False,
    level: Literal[1, 2] = 1,
    note: Annotated[str, "A remark."] = "",
) -> str:
    """Tell the weather
    of a city.

    It is very good at it.

    Args:
        city: Where,
            in words.
        days (int): How many.
        level: How.

    Returns:
        city: nonsense that is not an argument.
    """
    return f"{city}: sunny, {days} {unit} {precision} {when} {tags} {options} {loud} {level}"


def test_a_function_is_declared_by_its_hints_and_its_docstring():
    declaration = tool(get_weather).declaration
    assert declaration.name == "get_weather"
    assert declaration.description == "Tell the weather of a city. It is very good at it."
    assert declaration.behavior is None
    assert declaration.parameters == {
        "type": "OBJECT",
        "properties": {
            "city": {"type": "STRING", "description": "Where, in words."},
            "days": {"type": "INTEGER", "description": "How many."},
            "unit": {"type": "STRING", "enum": ["metric", "imperial"]},
            "precision": {"type": "NUMBER", "nullable": True},
            "when": {"type": "STRING", "enum": ["now", "later"]},
            "tags": {"type": "ARRAY", "items": {"type": "STRING"}},
            "options": {"type": "OBJECT", "nullable": True},
            "loud": {"type": "BOOLEAN"},
            "level": {"type": "INTEGER", "description": "How. One of 1, 2."},
            "note": {"type": "STRING", "description": "A remark."},
        },
        "required": ["city"],
    }


def test_overrides_and_a_decorated_function_is_still_itself():
    @tool(name="double", description="Twice.", behavior="NON_BLOCKING", scheduling="SILENT")
    def twice(x: int) -> int:
        return 2 * x

    assert twice(4) == 8
    assert twice.declaration.name == "double"
    assert twice.declaration.description == "Twice."
    assert twice.declaration.behavior == "NON_BLOCKING"
    assert repr(twice) == "FunctionTool(double)"

    @tool
    def no_arguments() -> None:
        """Nothing."""

    assert no_arguments.declaration.parameters is None


def test_methods_and_callable_objects_are_functions_too():
    class Robot:
        def go(self, meters: float) -> str:
            return f"went {meters}"

        async def __call__(self, name: str) -> str:
            return name

    assert list(tool(Robot().go).declaration.parameters["properties"]) == ["meters"]
    assert tool(Robot(), name="call_robot").is_async


def star(*args: int) -> None: ...
def stars(**kwargs: int) -> None: ...
def unhinted(x) -> None: ...
def exotic(x: complex) -> None: ...
def mixed(x: Literal[1, "a"]) -> None: ...
def union(x: int | str) -> None: ...
def bare_list(x: list) -> None: ...
def positional(x: int, /) -> None: ...
def dangling(x: "Nowhere") -> None: ...  # noqa: F821


@dataclass
class Point:
    x: int


def structured(point: Point) -> None: ...


@pytest.mark.parametrize(
    "function",
    [star, stars, unhinted, exotic, mixed, union, bare_list, positional, dangling, structured],
)
def test_what_cannot_be_declared_is_refused_at_once_with_advice(function):
    with pytest.raises(ToolError) as caught:
        LiveModel(backend=GoogleAI(api_key=KEY), tools=[function])
    assert function.__name__ in str(caught.value)


@pytest.mark.parametrize(
    "tools",
    [[5], "f", {"name": "f"}, [{"name": "f", "colour": 1}], [{"name": "two words"}]],
)
def test_what_is_no_tool_is_refused(tools):
    with pytest.raises(ToolError):
        Toolbox(tools)


def test_names_must_be_names_and_unique():
    with pytest.raises(ToolError, match="name="):
        tool(functools.partial(get_weather, "x"))
    with pytest.raises(ToolError, match="Two tools"):
        Toolbox([get_weather, {"name": "get_weather"}])
    with pytest.raises(ToolError, match="not a function"):
        tool(5)


def test_declarations_of_every_form_are_told_and_not_run():
    box = Toolbox(
        [
            get_weather,
            FunctionDeclaration(name="a"),
            {"name": "b", "parametersJsonSchema": {"type": "object"}},
            {"functionDeclarations": [{"name": "c"}], "googleSearch": {}},
            Tool(function_declarations=[FunctionDeclaration(name="d")], code_execution={}),
            {"google_search": {}},
        ]
    )
    own, *others = box.wire_tools()
    assert [d.name for d in own.function_declarations] == ["get_weather", "a", "b", "c", "d"]
    assert own.function_declarations[2].parameters_json_schema == {"type": "object"}
    assert others == [Tool(google_search={}), Tool(code_execution={}), Tool(google_search={})]
    assert list(box.functions) == ["get_weather"]
    assert box.is_manual("a")
    assert not box.is_manual("get_weather")
    assert not box.is_manual("unheard_of")
    assert Toolbox([]).wire_tools() == []


def test_arguments_are_checked_and_made_into_python_values():
    weather = tool(get_weather)
    values = weather.check({"city": "Paris", "days": 5.0, "unit": "imperial", "precision": None})
    assert values == {"city": "Paris", "days": 5, "unit": Unit.IMPERIAL, "precision": None}
    assert type(values["days"]) is int
    for args, named in [
        ({}, "missing argument city"),
        ({"city": "x", "town": "y"}, "unknown argument town"),
        ({"city": 5}, "argument city"),
        ({"city": "x", "days": "many"}, "argument days"),
        ({"city": "x", "days": 1.5}, "argument days"),
        ({"city": "x", "unit": "feet"}, "argument unit"),
        ({"city": "x", "when": "never"}, "argument when"),
    ]:
        with pytest.raises(ToolError, match=named):
            weather.check(args)


# ---------------------------------------------------------------------- calls


def call(name, call_id="1", /, **args):
    return {"name": name, "args": args, "id": call_id}


def calls(*which):
    return {"toolCall": {"functionCalls": list(which)}}


def message_of(**fields):
    return LiveServerMessage(decode_server_message(json.dumps(fields).encode()))


def answers_to(*messages, tools, name="gemini-3.1-flash-live-preview", wait_s=200.0, run=None):
    """What a session answers to the given messages, in order, as function responses."""

    async def script(server: Server):
        await server.accept()
        await server.say(*messages)
        await server.hear_all()

    async def main():
        model = model_for(script, tools=tools, name=name)
        async with model.connect() as session:
            await asyncio.sleep(wait_s)
        await nothing_left_behind(session)
        await model._connector.tasks[0]
        return [
            m["toolResponse"]["functionResponses"] for m in model._connector.servers[0].received[1:]
        ]

    return (run or run_in_virtual_time)(main())


@tool(inline=True)
def add(a: int, b: int) -> int:
    return a + b


async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


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


# ---------------------------------------------------------------------- options


async def counts(to: int) -> int:
    for number in range(to):
        await asyncio.sleep(1)
        yield number


def generator():
    yield 1


@pytest.mark.parametrize(
    ("function", "options", "told"),
    [
        (slow, {"behavior": "blocking"}, "BLOCKING or NON_BLOCKING"),
        (slow, {"scheduling": "LATER"}, "INTERRUPT or WHEN_IDLE or SILENT"),
        (slow, {"behavior": "BLOCKING", "scheduling": "SILENT"}, "means nothing"),
        (slow, {"timeout_s": 0}, "more than 0 s"),
        (counts, {"behavior": "BLOCKING"}, "NON_BLOCKING"),
        (generator, {}, "async def"),
    ],
)
def test_options_that_mean_nothing_are_refused_with_advice(function, options, told):
    with pytest.raises(ToolError, match=told):
        tool(function, **options)


def test_where_the_model_waits_no_scheduling_is_sent():
    (answers,) = answers_to(calls(call("slow", seconds=0)), tools=[tool(slow, scheduling="SILENT")])
    assert "scheduling" not in answers[0]


# ---------------------------------------------------------------------- streams


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


# ---------------------------------------------------------------------- whatever a function does


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
