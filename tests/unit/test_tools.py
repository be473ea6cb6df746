"""Functions become declarations, and arguments Python values."""

import enum
import functools
from dataclasses import dataclass
from typing import Annotated, Literal, Optional

import pytest
from live_script import KEY
from tools_support import counts, slow, star

from antiphon.errors import ToolError
from antiphon.session import LiveModel, Toolbox, tool
from antiphon.wire import FunctionDeclaration, GoogleAI, Tool


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
