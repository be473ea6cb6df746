"""The default brain: a concierge with a published table of phrases.

`PHRASES` is the table; ``docs/phrases.md`` shows it. Words are compared in lower case, without
punctuation, typed or recognized alike. Anything else is acknowledged in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from antiphon.emulator.brains.cards import RANKS, SUITS, card
from antiphon.emulator.brains.functions import after_call, call_by_name, go, weather
from antiphon.emulator.brains.numbers import (
    NUMBER_WORDS,
    normalized_words,
    number_in_words,
    read_number,
)
from antiphon.emulator.faults import Close
from antiphon.emulator.session.brain import Reply, Send, Turn, Wait
from antiphon.emulator.session.jobs import Grammar
from antiphon.wire import duration_text

__all__ = ["PHRASES", "Concierge", "Phrase"]

_MAX_TEXT_CHARS = 1_000
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
# The audio of a long answer leaves slowly: a client that measures it over a few seconds only, first
# chunk to last, must still find less than twice real time.
_LONG_ANSWER_SPEED = 1.8
_GO_AWAY_S = 3.0
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
        effect: What then happens.
        answer: Gives a reply, or None if the words do not fit.
    """

    name: str
    examples: tuple[str, ...]
    effect: str
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
            return Reply(after_call(turn.tool_result))
        # Patterns are searched for in it: of a long text, that takes long.
        turn = replace(turn, text=" ".join(turn.text[:_MAX_TEXT_CHARS].split()))
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


# ------------------------------------------------------------------ talk


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
    text = " ".join(f"{line[0].upper()}{line[1:]}." for line in lines)
    return Reply(text, max_speed=_LONG_ANSWER_SPEED)


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


def _go_away(words: list[str], turn: Turn) -> Reply | None:  # noqa: ARG001
    """``goaway``: the server ends the connection, as it does at the limit of a session."""
    if words not in (["goaway"], ["go", "away"]):
        return None
    notice = Send({"goAway": {"timeLeft": duration_text(_GO_AWAY_S)}})
    end = Close(code=1000, reason="")
    return Reply("Very well. Good bye.", after=(notice, Wait(_GO_AWAY_S), end))


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
    Phrase(
        "a function by its name",
        ("call get_weather for Paris",),
        "Calls that function, if the client declared it; what is named fills its parameters. If it "
        "does not block, the concierge talks on meanwhile. Then its result is said.",
        call_by_name,
    ),
    Phrase(
        "a walk",
        ("go forward ten meters", "go backward 3 meters"),
        "Calls `go_forward` or `go_backward` with the distance.",
        go,
    ),
    Phrase(
        "the weather",
        ("what is the weather in London",),
        "Calls the first function with `weather` in its name.",
        weather,
    ),
    Phrase(
        "a playing card",
        ("ten of clubs", "four queen of clubs"),
        "At least six seconds of speech about that card, and other ones for each card.",
        card,
    ),
    Phrase(
        "a long answer",
        ("please give a long answer: count to one hundred", "count to five"),
        "Counts, to 200 at most; the audio comes no faster than twice real time.",
        _count,
    ),
    Phrase(
        "a story",
        ("tell me a story", "tell a short story"),
        "A story of half a minute, or of ten seconds.",
        _story,
    ),
    Phrase(
        "a word to remember",
        ("remember the word blue", "what word did I ask you to remember"),
        "Keeps the word, and says it when asked, in a resumed session too.",
        _remember,
    ),
    Phrase(
        "the end of the connection",
        ("goaway",),
        "A `goAway` behind the turn; 3 s later the server closes with 1000.",
        _go_away,
    ),
    Phrase("numbers", ("thirty three, four, six, ninety two",), "Says them again.", _numbers),
    Phrase("a greeting", ("hello", "good morning"), "Greets.", _greet),
    Phrase("thanks", ("thank you",), "Is polite.", _thanks),
    Phrase("help", ("what can you do",), "Says what there is to try.", _help),
)

_DIGITS = " | ".join(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
_GRAMMAR = Grammar(
    keyphrases=(
        ("go forward", 1e-10),
        ("go backward", 1e-10),
        *((f"of {suit}", 1e-10) for suit in SUITS),
    ),
    jsgf=f"""#JSGF V1.0;
grammar concierge;
<digit> = {_DIGITS};
<teen> = ten | eleven | twelve | thirteen | fourteen | fifteen | sixteen | seventeen | eighteen
    | nineteen;
<tens> = twenty | thirty | forty | fifty | sixty | seventy | eighty | ninety;
<small> = <digit> | <teen> | <tens> [<digit>];
<number> = zero | <small> | <digit> hundred [[and] <small>];
<card> = ({" | ".join(RANKS)}) of ({" | ".join(SUITS)});
public <command> = go (forward | backward) <number> (meter | meters)
    | (/0.99/ <card> | /0.01/ <number> <card>);
""",
    lead=NUMBER_WORDS,
    heads=frozenset(RANKS),
)
