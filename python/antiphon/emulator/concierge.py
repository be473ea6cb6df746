"""The default brain: a concierge with a published table of phrases.

`PHRASES` is the table; each entry says what to try. Words are compared in lower case, without
punctuation, typed or recognized alike. Anything else is acknowledged in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from antiphon.emulator.brain import Call, Reply, ToolResult, Turn
from antiphon.emulator.jobs import Grammar
from antiphon.emulator.numbers import (
    NUMBER_WORDS,
    normalized_words,
    number_in_words,
    read_number,
)
from antiphon.wire import FunctionDeclaration

__all__ = ["PHRASES", "Concierge", "Phrase"]

_RANKS = (
    *("ace", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("jack", "queen", "king"),
)
_SUITS = ("clubs", "diamonds", "hearts", "spades")

# What there is to say about a rank and a suit; together they make 52 answers.
_OF_RANK = {
    "ace": "The ace stands alone, sometimes the lowest card of the deck and sometimes the highest.",
    "two": "The two is the humblest of them all, and in some games it is wild.",
    "three": "Three is a lucky number in many countries, and a light card in most games.",
    "four": "A four is square and steady, like the legs of a good table.",
    "five": "With a five you stand in the middle of the small numbers.",
    "six": "In many card games of Europe, the six is where the deck begins.",
    "seven": "Seven has always been the number of luck, of wonders and of days.",
    "eight": "In one well known game, an eight may be played on anything at all.",
    "nine": "Nine is a strong number, and in baccarat no hand can beat it.",
    "ten": "Ten is the highest of the numbers, right below the jack.",
    "jack": "The jack was once a simple servant, and rose to sit beside the queen.",
    "queen": "The queen rules the table with patience, and she takes the jack.",
    "king": "The king is the highest of the court, and only an ace may trouble him.",
}
_OF_SUIT = {
    "clubs": "Clubs began as leaves of clover, and card players of old took them for luck.",
    "diamonds": "Diamonds once stood for the merchants, who counted everything twice.",
    "hearts": "Hearts were the clergy in the old decks, and the lovers in the new ones.",
    "spades": "Spades were swords at first, and they still cut deeper than the other suits.",
}
_CARD_END = "Shall I put it back into the deck for you?"

_GREETING = "Good day, and welcome. I am your concierge. How may I help you?"
_STORY = (
    "Once upon a time, a lighthouse keeper lived at the end of a long road. "
    "Every evening he lit the lamp, and every evening he wondered who might see it. "
    "One night a storm came, so loud that the windows sang. "
    "In the morning a small boat lay on the sand, and a sailor knocked at the door. "
    "She said that she had followed the light for seven hours, and never once felt alone. "
    "From that day on the keeper did not wonder any more. "
    "He knew that a light is always seen by someone. "
    "And that is the end of the story."
)
_SHORT_STORY = (
    "A lighthouse keeper wondered every evening who might see his lamp. "
    "One night a sailor followed it home through a storm, and he did not wonder any more."
)
_HELP = (
    "You can name a playing card, ask me to count, or ask for a story. "
    "You can give me a word to remember. "
    "And I can call the functions that you declared, such as go forward ten meters."
)


@dataclass(frozen=True)
class Phrase:
    """One line of the table.

    Attributes:
        name: What it is about.
        examples: What to say.
        answer: Gives a reply, or None if the words do not fit.
    """

    name: str
    examples: tuple[str, ...]
    answer: Callable[[list[str], Turn], Reply | None]


class Concierge:
    """Answers by the table `PHRASES`; the same words in the same state give the same answer."""

    @property
    def grammar(self) -> Grammar | None:
        """The spoken commands of the table."""
        return _GRAMMAR

    def respond(self, turn: Turn) -> Reply:
        """Answer a turn."""
        if turn.tool_result is not None:
            return Reply(_after_call(turn.tool_result))
        words = normalized_words(turn.text)
        for phrase in PHRASES:
            reply = phrase.answer(words, turn)
            if reply is not None:
                return reply
        return Reply(_acknowledged(turn))


def _acknowledged(turn: Turn) -> str:
    text = " ".join(turn.text.split())
    if text:
        quoted = text if len(text) <= 120 else text[:117].rsplit(" ", 1)[0] + " and so on"
        return f"You said: {quoted.rstrip('.!?')}. I have made a note of it."
    if not turn.spoken:
        return "I am listening. What can I do for you?"
    heard = f"I heard you speak for {turn.duration_s:.1f} seconds"
    if turn.recognizable:
        return f"{heard}, but I could not make out the words. Would you say that again?"
    return f"{heard}. I have no recognizer here, so I cannot tell the words."


# ------------------------------------------------------------------ functions


def _call_by_name(words: list[str], turn: Turn) -> Reply | None:
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
            return Reply(call=Call(name, _arguments(declaration, wanted)))
    return Reply(
        f"I do not know a function named {spoken_name}. Declare it in the tools of the session, "
        "and I shall call it."
    )


def _go(words: list[str], turn: Turn) -> Reply | None:
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
        return Reply(call=Call(declaration.name, _arguments(declaration, "", number=distance)))
    return None


def _weather(words: list[str], turn: Turn) -> Reply | None:
    """``what is the weather in London``."""
    if "weather" not in words:
        return None
    place = re.search(r"\b(?:in|for|of)\s+(.+?)[.!?]*$", turn.text.strip())
    for name, declaration in turn.functions.items():
        if "weather" in name.lower():
            return Reply(call=Call(name, _arguments(declaration, place[1] if place else "")))
    return Reply("I cannot see the sky from my desk. Declare a function get_weather, and I will.")


def _after_call(result: ToolResult) -> str:
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


# ------------------------------------------------------------------ talk


def _card(words: list[str], turn: Turn) -> Reply | None:  # noqa: ARG001 - one signature for all
    """``ten of clubs``: at least six seconds about that card."""
    for at in range(len(words) - 2):
        rank, of, suit = words[at : at + 3]
        if of != "of" or suit not in _SUITS:
            continue
        if rank not in _RANKS:
            digits = {"2": "two", "3": "three", "4": "four", "5": "five", "6": "six"}
            digits |= {"7": "seven", "8": "eight", "9": "nine", "10": "ten"}
            if rank not in digits:
                continue
            rank = digits[rank]
        opening = f"The {rank} of {suit}."
        before = words[at - 1] if at else ""
        if before in NUMBER_WORDS:
            opening = f"I heard {before}, and then the {rank} of {suit}."
        return Reply(f"{opening} {_OF_RANK[rank]} {_OF_SUIT[suit]} {_CARD_END}")
    return None


def _count(words: list[str], turn: Turn) -> Reply | None:  # noqa: ARG001
    """``please give a long answer: count to one hundred``."""
    if "count" not in words or "to" not in words:
        return None
    found = read_number(words, words.index("to") + 1)
    last = min(int(found[0]), 200) if found else 10
    if last < 1:
        return Reply("There is nothing to count.")
    names = [number_in_words(number) for number in range(1, last + 1)]
    lines = [", ".join(names[first : first + 10]) for first in range(0, last, 10)]
    return Reply(" ".join(f"{line[0].upper()}{line[1:]}." for line in lines))


def _story(words: list[str], turn: Turn) -> Reply | None:  # noqa: ARG001
    if "story" not in words:
        return None
    return Reply(_SHORT_STORY if "short" in words else _STORY)


def _remember(words: list[str], turn: Turn) -> Reply | None:
    """``remember the word lighthouse``, then ``what word did I ask you to remember``."""
    text = " ".join(words)
    if told := re.search(r"\bremember (?:the|this|my) word (?:is )?([\w']+)", text):
        turn.memory["word"] = told[1]
        return Reply(f"Very well. I shall remember the word {told[1]}.")
    if "remember" not in words or not {"what", "which"} & set(words):
        return None
    word = turn.memory.get("word")
    if word is None:
        return Reply("You have not given me a word to remember yet.")
    return Reply(f"You asked me to remember the word {word}.")


def _numbers(words: list[str], turn: Turn) -> Reply | None:  # noqa: ARG001
    """``thirty three four six ninety two``: mostly numbers."""
    numbers, at, used = [], 0, 0
    while at < len(words):
        found = read_number(words, at)
        if found is None:
            at += 1
            continue
        numbers.append(number_in_words(found[0]))
        used += found[1] - at
        at = found[1]
    if not numbers or used < 0.6 * len(words):
        return None
    if len(numbers) == 1:
        return Reply(f"I heard the number {numbers[0]}.")
    return Reply(f"I heard the numbers {', '.join(numbers[:-1])} and {numbers[-1]}.")


def _greet(words: list[str], turn: Turn) -> Reply | None:  # noqa: ARG001
    greetings = {"hello", "hi", "hey", "greetings", "welcome"}
    text = " ".join(words)
    short = len(words) <= 8 and (greetings & set(words) or re.search(r"\bgood (day|m|a|e)", text))
    return Reply(_GREETING) if short else None


def _thanks(words: list[str], turn: Turn) -> Reply | None:  # noqa: ARG001
    return Reply("You are most welcome.") if {"thanks", "thank"} & set(words) else None


def _help(words: list[str], turn: Turn) -> Reply | None:  # noqa: ARG001
    text = " ".join(words)
    asked = words == ["help"] or "what can you do" in text or "who are you" in text
    return Reply(_HELP) if asked else None


#: What the concierge understands; the first line that fits answers.
PHRASES: tuple[Phrase, ...] = (
    Phrase("a function by its name", ("call get_weather for Paris",), _call_by_name),
    Phrase("go_forward, go_backward", ("go forward ten meters", "go backward 3 meters"), _go),
    Phrase("the weather", ("what is the weather in London",), _weather),
    Phrase("a playing card", ("ten of clubs", "four queen of clubs"), _card),
    Phrase("counting", ("please give a long answer: count to one hundred",), _count),
    Phrase("a story, long or short", ("tell me a story", "tell a short story"), _story),
    Phrase(
        "a word to remember",
        ("remember the word lighthouse", "what word did I ask you to remember"),
        _remember,
    ),
    Phrase("numbers", ("thirty three, four, six, ninety two",), _numbers),
    Phrase("a greeting", ("hello", "good morning"), _greet),
    Phrase("thanks", ("thank you",), _thanks),
    Phrase("help", ("what can you do",), _help),
)

_DIGITS = " | ".join(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
_GRAMMAR = Grammar(
    keyphrases=(
        ("go forward", 1e-10),
        ("go backward", 1e-10),
        *((f"of {suit}", 1e-10) for suit in _SUITS),
    ),
    jsgf=f"""#JSGF V1.0;
grammar concierge;
<digit> = {_DIGITS};
<teen> = ten | eleven | twelve | thirteen | fourteen | fifteen | sixteen | seventeen | eighteen
    | nineteen;
<tens> = twenty | thirty | forty | fifty | sixty | seventy | eighty | ninety;
<small> = <digit> | <teen> | <tens> [<digit>];
<number> = zero | <small> | <digit> hundred [[and] <small>];
<card> = ({" | ".join(_RANKS)}) of ({" | ".join(_SUITS)});
public <command> = go (forward | backward) <number> (meter | meters)
    | (/0.99/ <card> | /0.01/ <number> <card>);
""",
    lead=NUMBER_WORDS,
    heads=frozenset(_RANKS),
)
