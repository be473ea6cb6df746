"""What the local server answers: a brain gets a turn and gives a reply.

Those of `antiphon.emulator.brains`: `Concierge` is the default, `Script` follows a scenario file,
`Replay` a recorded session. `Echo` and `CallableBrain` are for tests and for plugging in
something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from antiphon.emulator.faults import Fault
from antiphon.emulator.session.jobs import Grammar, Speech
from antiphon.wire import Content, FunctionDeclaration

__all__ = [
    "Brain",
    "Call",
    "CallableBrain",
    "Echo",
    "Reply",
    "Send",
    "Step",
    "ToolResult",
    "Turn",
    "Wait",
]


@dataclass(frozen=True)
class Call:
    """A function that the brain wants called."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolResult:
    """The client's answer to a `Call`."""

    call: Call
    response: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What the brain answers.

    Attributes:
        text: What the user typed, or said as far as it was recognized.
        spoken: Whether it was speech; then ``duration_s`` is how long it was.
        recognizable: False if nothing could be recognized because no recognizer is installed.
        tool_result: Set when this is the answer to the brain's own call.
        history: What was said before, oldest first; the last one is this turn.
        functions: The declared functions by name.
        system_instruction: As given in the setup.
        memory: The brain's own notes; they live as long as the session, resumptions included.
    """

    text: str
    spoken: bool = False
    duration_s: float = 0.0
    recognizable: bool = True
    tool_result: ToolResult | None = None
    history: tuple[Content, ...] = ()
    functions: Mapping[str, FunctionDeclaration] = field(default_factory=dict)
    system_instruction: str = ""
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wait:
    """Nothing of the reply is sent for this time."""

    seconds: float


@dataclass(frozen=True)
class Send:
    """A message of the server, sent as it is: the session takes no note of what it says."""

    message: Mapping[str, Any]


#: What a reply does beside talking. A `Fault` applies from here on, and counts from here.
Step: TypeAlias = Wait | Send | Fault


@dataclass(frozen=True)
class Reply:
    """What the brain says or does.

    Attributes:
        text: Said aloud, or sent as text.
        call: A function to call first. With nothing to say the turn stays open until it is
            answered; else (for a function that does not block) the model talks on meanwhile.
        max_speed: Send the audio at most this many times faster than real time.
        speech: The text, already spoken; None: the voice speaks it.
        before: Steps to take first, in order, each when the one before is done.
        after: Steps to take once the turn has ended, or waits for the result of the call. They go
            on while other turns begin.
        then: What follows in the same turn once this was sent.
        completes: Whether ``generationComplete`` and ``turnComplete`` end the turn. False: what
            the steps send is all that the client gets.
        thought: What was thought before, for models that think; "": nothing, None: the server
            makes something up.
    """

    text: str = ""
    call: Call | None = None
    max_speed: float | None = None
    speech: Speech | None = None
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    then: Reply | None = None
    completes: bool = True
    thought: str | None = None

    @property
    def holds_open(self) -> bool:
        """Whether the turn waits for the result of the call."""
        return self.call is not None and not self.text and self.then is None


class Brain(Protocol):
    """Answers turns; one brain serves all sessions, so it keeps its notes in ``Turn.memory``."""

    @property
    def grammar(self) -> Grammar | None:
        """What it expects to hear; None: anything."""
        ...

    def respond(self, turn: Turn) -> Reply:
        """Answer at once: the session waits. The same turn gives the same reply."""
        ...


class Echo:
    """Says what it was told."""

    grammar: Grammar | None = None

    def respond(self, turn: Turn) -> Reply:
        """Repeat the text, or the result of a tool."""
        if turn.tool_result is not None:
            return Reply(str(dict(turn.tool_result.response)))
        return Reply(turn.text or f"Something of {turn.duration_s:.1f} seconds.")


class CallableBrain:
    """Any function from a `Turn` to a `Reply` or a text."""

    def __init__(
        self, function: Callable[[Turn], Reply | str], grammar: Grammar | None = None
    ) -> None:
        self._function = function
        self._grammar = grammar

    @property
    def grammar(self) -> Grammar | None:
        """The grammar that was given."""
        return self._grammar

    def respond(self, turn: Turn) -> Reply:
        """Call the function.

        Raises:
            TypeError: It returned neither a reply nor a text.
        """
        reply = self._function(turn)
        if isinstance(reply, str):
            return Reply(reply)
        if not isinstance(reply, Reply):
            raise TypeError(f"the brain's function returned {reply!r}; return a Reply or a str")
        return reply
