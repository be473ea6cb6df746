"""How the concierge calls the functions that a client declared, and says what they returned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from antiphon.emulator.brains.numbers import normalized_words, number_in_words, read_number
from antiphon.emulator.session.brain import Call, Reply, ToolResult, Turn
from antiphon.wire import FunctionDeclaration

__all__ = ["after_call", "call_by_name", "go", "weather"]

# Said while a function runs that does not block.
_LOOKING_UP = "One moment, I am looking that up."
_ON_THE_WAY = "Here we go."


def call_by_name(words: list[str], turn: Turn) -> Reply | None:
    """``call get_weather for Paris``."""
    if len(words) < 2 or words[0] not in ("call", "run"):
        return None
    match = re.match(r"\W*\w+\s+(.+?)(?:\s+(?:for|with|of)\s+(.+?))?[.!?]*$", turn.text.strip())
    if match is None:
        return None
    spoken_name, wanted = match[1], match[2] or ""
    asked = "_".join(normalized_words(spoken_name))
    for name, declaration in turn.functions.items():
        if "_".join(normalized_words(name)) == asked:
            return _call(declaration, _arguments(declaration, wanted), _LOOKING_UP)
    return Reply(
        f"I do not know a function named {spoken_name}. Declare it in the tools of the session, "
        "and I shall call it."
    )


def go(words: list[str], turn: Turn) -> Reply | None:
    """``go forward ten meters``."""
    for direction in ("forward", "backward"):
        if "go" not in words or not {direction, f"{direction}s"} & set(words):
            continue
        found = next(filter(None, (read_number(words, at) for at in range(len(words)))), None)
        distance = found[0] if found else 1.0
        said = f"{direction} {number_in_words(distance)} {_meters(distance)}"
        declaration = turn.functions.get(f"go_{direction}")
        if declaration is None:
            return Reply(
                f"I would go {said}, but there is no function named go {direction} in this session."
            )
        return _call(declaration, _arguments(declaration, "", number=distance), _ON_THE_WAY)
    return None


def weather(words: list[str], turn: Turn) -> Reply | None:
    """``what is the weather in London``."""
    if "weather" not in words:
        return None
    place = re.search(r"\b(?:in|for|of)\s+(.+?)[.!?]*$", turn.text.strip())
    for name, declaration in turn.functions.items():
        if "weather" in name.lower():
            arguments = _arguments(declaration, place[1] if place else "")
            return _call(declaration, arguments, _LOOKING_UP)
    return Reply("I cannot see the sky from my desk. Declare a function get_weather, and I will.")


def after_call(result: ToolResult) -> str:
    """Say the result of a function."""
    response = result.response
    if "error" in response:
        return f"I am sorry, that did not work. {_spoken_value(response['error'])}"
    value = response.get("output", response.get("result", response))
    said = _spoken_value(value)
    if result.call.name in ("go_forward", "go_backward"):
        numbers = [arg for arg in result.call.args.values() if isinstance(arg, int | float)]
        distance = numbers[0] if numbers else 1
        way = f"{result.call.name[3:]} {number_in_words(distance)} {_meters(distance)}"
        done = f"Certainly. We went {way}."
        return f"{done} {said}" if said else done
    return f"Here is what I found. {said}" if said else "It is done."


def _spoken_value(value: Any) -> str:
    """A tool's result in words."""
    if isinstance(value, str):
        text = " ".join(value.split())[:400]
        return text if not text or text[-1] in ".!?" else f"{text}."
    if isinstance(value, Mapping):
        parts = [
            f"{str(name).replace('_', ' ')}: {_spoken_value(item).rstrip('.')}"
            for name, item in list(value.items())[:6]
        ]
        return ", ".join(parts) + "." if parts else ""
    if isinstance(value, bool) or value is None:
        return {True: "Yes.", False: "No.", None: ""}[value]
    if isinstance(value, int | float):
        return f"{number_in_words(value)}."
    if isinstance(value, list | tuple):
        return ", ".join(_spoken_value(item).rstrip(".") for item in list(value)[:6]) + "."
    return f"{value}"[:400]


def _call(declaration: FunctionDeclaration, arguments: dict[str, Any], meanwhile: str) -> Reply:
    """Call a function. If it does not block, the model talks on, as the service does."""
    talks_on = declaration.behavior == "NON_BLOCKING"
    return Reply(meanwhile if talks_on else "", Call(declaration.name, arguments))


def _arguments(
    declaration: FunctionDeclaration, text: str, *, number: float | None = None
) -> dict[str, Any]:
    """Arguments by the declared parameters: the text's words and numbers, where they fit."""
    schema = declaration.parameters or declaration.parameters_json_schema or {}
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    if number is None:
        words = normalized_words(text)
        found = next(filter(None, (read_number(words, at) for at in range(len(words)))), None)
        number = found[0] if found else None
    arguments: dict[str, Any] = {}
    for name in sorted(properties, key=_distances_first):
        kind = properties[name].get("type") if isinstance(properties[name], Mapping) else None
        kind = str(kind or "string").lower()
        if kind in ("number", "integer") and number is not None:
            arguments[name] = int(number) if number == int(number) else number
            number = None
        elif kind == "string" and text:
            arguments[name] = text
            text = ""
    return arguments


def _distances_first(name: str) -> bool:
    return not re.search(r"dist|met(er|re)|length|amount|number|count|steps", name.lower())


def _meters(distance: float) -> str:
    return "meter" if distance == 1 else "meters"
