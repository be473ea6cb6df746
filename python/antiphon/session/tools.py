"""Python functions as tools: type hints and a docstring become a declaration.

A declaration is an OpenAPI schema with upper-case types, which every Live model takes.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, overload

import msgspec

from antiphon.errors import ToolError
from antiphon.wire import FunctionDeclaration, Tool

__all__ = ["FunctionTool", "ToolInput", "ToolResult", "Toolbox", "tool"]

Behavior = Literal["BLOCKING", "NON_BLOCKING"]
Scheduling = Literal["INTERRUPT", "WHEN_IDLE", "SILENT"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_SCALARS = {str: "STRING", bool: "BOOLEAN", int: "INTEGER", float: "NUMBER"}
_ADVICE = (
    "Use str, int, float, bool, list[…], dict, Literal[…], an Enum, or one of them | None; or "
    "pass a FunctionDeclaration and answer with send_function_responses."
)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a function returns or yields, to say when the model uses this one result.

    Attributes:
        output: The result: plain values, dataclasses and the like.
        scheduling: ``INTERRUPT``, ``WHEN_IDLE`` or ``SILENT``; None: as the tool says. Of a
            BLOCKING call, which the model waits for, it is not sent.
    """

    output: Any
    scheduling: Scheduling | None = None


class FunctionTool:
    """A function that the model may call. Made by `tool`; still callable as itself.

    Attributes:
        name: Its name for the model.
        declaration: What the service is told.
        is_async: It is a coroutine function.
        is_stream: It is an asynchronous generator: each value that it yields is a result.
        inline: It is called on the event loop; otherwise a plain function runs in a thread.
        scheduling: When the model uses the answer of a NON_BLOCKING call.
        timeout_s: Its time limit; of a stream, for each result.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        behavior: Behavior | None = None,
        scheduling: Scheduling | None = None,
        inline: bool = False,
        timeout_s: float = 60.0,
    ) -> None:
        if not callable(function):
            raise ToolError(f"{function!r} is not a function; it cannot be a tool.")
        self.name: str = name or str(getattr(function, "__name__", ""))
        if not _NAME.fullmatch(self.name):
            raise ToolError(
                f"{self.name!r} is not a name for a tool: letters, digits and _ . : - only, and "
                "at most 128. Pass tool(function, name=…)."
            )
        body = _body_of(function)
        self.function = function
        self.is_async = inspect.iscoroutinefunction(body)
        self.is_stream = inspect.isasyncgenfunction(body)
        self._check_options(behavior, scheduling, timeout_s)
        if self.is_stream:
            behavior = "NON_BLOCKING"
        self.inline = inline
        self.scheduling = scheduling
        self.timeout_s = timeout_s
        self._hints = _hints(function, self.name)
        self._required, self._known = _parameters(function, self.name, self._hints)
        summary, notes = _read_docstring(inspect.getdoc(function) or "")
        self.declaration = FunctionDeclaration(
            name=self.name,
            description=description or summary or None,
            parameters=self._schema(notes),
            behavior=behavior,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as if it were no tool."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"FunctionTool({self.name})"

    def check(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call as Python values.

        Raises:
            ToolError: One is missing, unknown, or of the wrong type; written for the model.
        """
        if missing := [name for name in self._required if name not in args]:
            raise ToolError(f"{self.name}: missing argument {', '.join(missing)}.")
        if unknown := [name for name in args if name not in self._known]:
            known = ", ".join(self._known) or "none"
            raise ToolError(
                f"{self.name}: unknown argument {', '.join(unknown)}; the arguments are: {known}."
            )
        values = {}
        for name, value in args.items():
            try:
                values[name] = msgspec.convert(value, self._hints[name], strict=False)
            except (msgspec.ValidationError, ValueError, TypeError) as error:
                raise ToolError(f"{self.name}: argument {name}: {error}.") from error
        return values

    def _check_options(self, behavior: Any, scheduling: Any, timeout_s: float) -> None:
        if behavior not in (None, *get_args(Behavior)):
            raise ToolError(f"{self.name}: behavior is {behavior!r}; {_either(Behavior)}, or None.")
        if scheduling not in (None, *get_args(Scheduling)):
            raise ToolError(
                f"{self.name}: scheduling is {scheduling!r}; {_either(Scheduling)}, or None."
            )
        if behavior == "BLOCKING" and scheduling is not None:
            raise ToolError(
                f"{self.name}: the model waits for a BLOCKING function, so its scheduling means "
                "nothing. Leave it out, or use behavior='NON_BLOCKING'."
            )
        if behavior == "BLOCKING" and self.is_stream:
            raise ToolError(
                f"{self.name} yields several results, which only a NON_BLOCKING function can give."
            )
        if inspect.isgeneratorfunction(_body_of(self.function)):
            raise ToolError(f"{self.name} is a generator. Write it as async def to yield results.")
        if not timeout_s > 0:
            raise ToolError(f"{self.name}: timeout_s is {timeout_s!r}; it must be more than 0 s.")

    def _schema(self, notes: Mapping[str, str]) -> dict[str, Any] | None:
        if not self._known:
            return None
        properties = {}
        for name in self._known:
            schema = _schema_of(self._hints[name], f"{self.name}({name})")
            if note := notes.get(name):
                schema["description"] = " ".join((note, schema.get("description", ""))).strip()
            properties[name] = schema
        schema = {"type": "OBJECT", "properties": properties}
        if self._required:
            schema["required"] = list(self._required)
        return schema


#: What `LiveModel` takes as a tool.
ToolInput: TypeAlias = (
    Callable[..., Any] | FunctionTool | FunctionDeclaration | Tool | Mapping[str, Any]
)


@overload
def tool(function: Callable[..., Any], **options: Any) -> FunctionTool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    behavior: Behavior | None = None,
    scheduling: Scheduling | None = None,
    inline: bool = False,
    timeout_s: float = 60.0,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...
def tool(
    function: Callable[..., Any] | None = None, **options: Any
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a function a tool, with other settings than its own: ``@tool`` or ``tool(f, …)``.

    A plain function can be given to `LiveModel` as it is; this is for overrides.

    A coroutine function is cancelled when its call is, or when its time is up. A plain function
    runs in one of the session's 8 threads, and cannot be stopped there: its late result is
    dropped, and its thread is not free until it returns. It does not keep the process from ending,
    which breaks it off. What it returns is awaited on the loop, if it is a coroutine or the like:
    a decorator may hide what is asynchronous. An asynchronous generator answers its call with every
    value it yields (1,000 at most), and is always NON_BLOCKING; where a decorator hides it, it
    answers once, with a list. To give one result a scheduling of its own, return or yield a
    `ToolResult`.

    Where a connection breaks and the question is asked again, a call that comes again with the
    same arguments gets the result of the first: the function runs once.

    Args:
        function: Parameters need type hints; a Google-style docstring describes them.
        **options: ``name``, ``description``: instead of the function's own. ``behavior``:
            ``BLOCKING`` (the model waits) or ``NON_BLOCKING``; the model's own if omitted.
            ``scheduling``: when the answer of a NON_BLOCKING call is used: ``INTERRUPT``,
            ``WHEN_IDLE`` or ``SILENT``. ``inline``: call a plain function on the event loop
            instead of in a thread; it must not block. ``timeout_s``: time limit, 60 s; of a
            generator, for each result.

    Raises:
        ToolError: The function cannot be declared.
    """
    if function is None:
        return lambda wrapped: FunctionTool(wrapped, **options)
    return FunctionTool(function, **options)


class Toolbox:
    """The tools of a session: functions that are called, and declarations that are only told.

    Raises:
        ToolError: A tool cannot be declared, or two have one name.
    """

    def __init__(
        self, tools: Sequence[ToolInput] = (), *, model_behavior: str = "BLOCKING"
    ) -> None:
        self.functions: dict[str, FunctionTool] = {}
        self.model_behavior = model_behavior
        self._declared: dict[str, FunctionDeclaration] = {}
        self._others: list[Tool] = []
        if isinstance(tools, str | Mapping) or not isinstance(tools, Sequence):
            raise ToolError(f"tools is a {type(tools).__name__}; it must be a list of tools.")
        for item in tools:
            self._add(item)

    def is_manual(self, name: str) -> bool:
        """Whether the application itself answers this function."""
        return name in self._declared and name not in self.functions

    def is_blocking(self, name: str) -> bool:
        """Whether the model waits for the answer."""
        declared = self._declared.get(name)
        return ((declared and declared.behavior) or self.model_behavior) == "BLOCKING"

    def wire_tools(self) -> list[Tool]:
        """The tools as the service takes them."""
        functions = [self._with_behavior(each) for each in self._declared.values()]
        own = [Tool(function_declarations=functions)] if functions else []
        return own + self._others

    def _with_behavior(self, declaration: FunctionDeclaration) -> FunctionDeclaration:
        """Of models that do not wait, one was found to call only what says NON_BLOCKING."""
        if declaration.behavior is None and self.model_behavior == "NON_BLOCKING":
            return msgspec.structs.replace(declaration, behavior=self.model_behavior)
        return declaration

    def _add(self, item: ToolInput) -> None:
        if isinstance(item, FunctionTool):
            self._declare(item.declaration)
            self.functions[item.name] = item
        elif isinstance(item, FunctionDeclaration):
            self._declare(item)
        elif isinstance(item, Tool):
            self._add_group(item)
        elif isinstance(item, Mapping):
            self._add_mapping(item)
        elif callable(item):
            self._add(FunctionTool(item))
        else:
            raise ToolError(f"{item!r} is not a tool: a function, or a declaration. {_ADVICE}")

    def _add_mapping(self, item: Mapping[str, Any]) -> None:
        kind = FunctionDeclaration if "name" in item else Tool
        names = {_snake(key): value for key, value in item.items()}
        unknown = names.keys() - set(kind.__struct_fields__)
        if unknown:
            raise ToolError(
                f"A declaration has unknown members {sorted(unknown)}; known are "
                f"{', '.join(kind.__struct_fields__)}."
            )
        if declarations := names.get("function_declarations"):
            for declaration in declarations:
                self._add(declaration)
            del names["function_declarations"]
        if names:
            self._add(kind(**names))

    def _add_group(self, group: Tool) -> None:
        for declaration in group.function_declarations or []:
            self._declare(declaration)
        others = msgspec.structs.replace(group, function_declarations=None)
        if others != Tool():
            self._others.append(others)

    def _declare(self, declaration: FunctionDeclaration) -> None:
        if not _NAME.fullmatch(declaration.name):
            raise ToolError(f"A declaration has the name {declaration.name!r}: not a name.")
        if declaration.name in self._declared:
            raise ToolError(f"Two tools are named {declaration.name!r}; rename one of them.")
        self._declared[declaration.name] = declaration


# ---------------------------------------------------------------------- reading functions


def _body_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself, or the method that makes an object callable."""
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__.__get__(function)  # type: ignore[no-any-return]


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(_body_of(function), include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise ToolError(
            f"The type hints of {name} cannot be read ({error}). Define their types at module "
            "level."
        ) from error


def _parameters(
    function: Callable[..., Any], name: str, hints: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the required and of all parameters."""
    required, known = [], []
    try:
        signature = inspect.signature(function)
    except ValueError as error:
        raise ToolError(f"{name} has no signature that can be read. {_ADVICE}") from error
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ToolError(
                f"{name}: parameter {parameter} cannot be declared: the model calls by name. "
                "Give every parameter a name."
            )
        if parameter.name not in hints:
            raise ToolError(f"{name}: parameter {parameter.name} has no type hint. {_ADVICE}")
        known.append(parameter.name)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return tuple(required), tuple(known)


def _schema_of(hint: Any, where: str) -> dict[str, Any]:
    origin, args = get_origin(hint), get_args(hint)
    schema: dict[str, Any]
    if origin is typing.Annotated:
        schema = _schema_of(args[0], where)
        if notes := [note for note in args[1:] if isinstance(note, str)]:
            schema["description"] = " ".join(notes)
    elif origin in (Union, types.UnionType) and len(args) == 2 and type(None) in args:
        (kind,) = (kind for kind in args if kind is not type(None))
        schema = {**_schema_of(kind, where), "nullable": True}
    elif hint in _SCALARS:
        schema = {"type": _SCALARS[hint]}
    elif origin is Literal:
        schema = _choice(list(args), where)
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        schema = _choice([member.value for member in hint], where)
    elif origin is list and args:
        schema = {"type": "ARRAY", "items": _schema_of(args[0], where)}
    elif dict in (hint, origin):
        schema = {"type": "OBJECT"}
    else:
        raise ToolError(f"{where}: {hint!r} cannot be declared. {_ADVICE}")
    return schema


def _choice(values: list[Any], where: str) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return {"type": "STRING", "enum": values}
    if kinds == {int}:  # the service's enums are of strings only
        return {"type": "INTEGER", "description": f"One of {', '.join(map(str, values))}."}
    raise ToolError(f"{where}: the choices {values!r} must be all str or all int. {_ADVICE}")


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The description (all before the first section) and the notes of ``Args:``."""
    sections = re.split(r"^(\w[\w ]*):[ \t]*$", text, flags=re.MULTILINE)
    notes: dict[str, str] = {}
    for title, body in zip(sections[1::2], sections[2::2], strict=True):
        if title in ("Args", "Arguments", "Parameters"):
            notes = _read_args(inspect.cleandoc(body))
    return " ".join(sections[0].split()), notes


def _read_args(body: str) -> dict[str, str]:
    notes: dict[str, str] = {}
    current: list[str] = []
    for line in body.splitlines():
        entry = re.match(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)", line)
        if entry:
            current.append(entry[1])
            notes[entry[1]] = entry[2]
        elif current and line.strip():
            notes[current[-1]] = f"{notes[current[-1]]} {line.strip()}".strip()
    return notes


def _either(kind: Any) -> str:
    return f"it must be {' or '.join(get_args(kind))}"


def _snake(key: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), key)
