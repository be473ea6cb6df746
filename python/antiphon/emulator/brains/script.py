"""A brain that follows a script: what the user is expected to say, and what is done then.

A step is a value, or a plain dict of a scenario file; its first name says what it is::

    Script([
        {"expect": "weather"},
        {"call": "get_weather", "args": {"city": "Paris"}},
        {"expect_result": "get_weather"},
        {"say": "It is sunny in Paris."},
    ])

``docs/scenarios.md`` describes the steps.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from antiphon.emulator import faults
from antiphon.emulator.brains.numbers import normalized_words
from antiphon.emulator.brains.raw_audio import with_audio
from antiphon.emulator.session.brain import Brain, Call, Reply, Send, Step, Turn, Wait
from antiphon.emulator.session.jobs import Grammar
from antiphon.emulator.session.outlet import cut_reason

__all__ = [
    "CallFunction",
    "Expect",
    "ExpectMatch",
    "ExpectResult",
    "Fail",
    "Mismatch",
    "Pause",
    "Say",
    "Script",
    "ScriptStep",
    "SendMessage",
]

_MAX_MISMATCHES = 1_000
_POSITION = "script"


class _Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Expect(_Step, frozen=True):
    """The user says these words, among others perhaps; without words: says anything.

    Case and punctuation do not matter.
    """

    expect: str

    def fits(self, turn: Turn) -> bool:
        """Whether this is what the user said."""
        wanted, said = normalized_words(self.expect), normalized_words(turn.text)
        starts = range(len(said) - len(wanted) + 1)
        found = not wanted or any(said[at : at + len(wanted)] == wanted for at in starts)
        return turn.tool_result is None and found

    def __str__(self) -> str:
        return f'"{self.expect}"' if self.expect else "anything to be said"


class ExpectMatch(_Step, frozen=True):
    """The user says something in which this regular expression is found; case does not matter."""

    expect_match: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.expect_match)
        except re.error as error:
            raise ValueError(f"expect_match is no regular expression: {error}") from error

    def fits(self, turn: Turn) -> bool:
        """Whether this is what the user said."""
        found = re.search(self.expect_match, turn.text, re.IGNORECASE)
        return turn.tool_result is None and found is not None

    def __str__(self) -> str:
        return f"a match of /{self.expect_match}/"


class ExpectResult(_Step, frozen=True):
    """The client gives the result of this function; with ``response``: exactly this one."""

    expect_result: str
    response: dict[str, Any] | None = None

    def fits(self, turn: Turn) -> bool:
        """Whether this is the result."""
        result = turn.tool_result
        if result is None or result.call.name != self.expect_result:
            return False
        return self.response is None or dict(result.response) == self.response

    def __str__(self) -> str:
        like = "" if self.response is None else f" {self.response}"
        return f"the result of {self.expect_result}{like}"


class Say(_Step, frozen=True):
    """The model says this; nothing: it ends its turn without a word."""

    say: str
    max_speed: float | None = None

    def __post_init__(self) -> None:
        if self.max_speed is not None and not 0 < self.max_speed < math.inf:
            raise ValueError(f"max_speed is {self.max_speed}; it must be positive")


class CallFunction(_Step, frozen=True):
    """The model calls a function that the client declared."""

    call: str
    args: dict[str, Any] = {}

    def __post_init__(self) -> None:
        _check_json("args", self.args)


class Pause(_Step, frozen=True):
    """Nothing is sent for this time."""

    wait_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.wait_s < math.inf:
            raise ValueError(f"wait_s is {self.wait_s}; it must be 0 or more seconds")


class SendMessage(_Step, frozen=True):
    """The server sends this message as it is; sound in it: `antiphon.emulator.brains.raw_audio`."""

    send: dict[str, Any]

    def __post_init__(self) -> None:
        if not self.send:
            raise ValueError("send is empty; it must be a message of the server")
        _check_json("send", with_audio(self.send))


class Fail(_Step, frozen=True):
    """A rule of `antiphon.emulator.faults` applies from here on, and counts from here."""

    fail: faults.AnyFault


def _check_json(name: str, value: Any) -> None:
    """TOML knows dates, infinity and what is no number; JSON does not.

    Raises:
        ValueError: There is such a value.
    """
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is no JSON: {error}") from error


_Expectation: TypeAlias = Expect | ExpectMatch | ExpectResult
#: Every kind of step.
ScriptStep: TypeAlias = _Expectation | Say | CallFunction | Pause | SendMessage | Fail

_KINDS: dict[str, type[ScriptStep]] = {
    kind.__struct_fields__[0]: kind
    for kind in (
        *(Expect, ExpectMatch, ExpectResult),
        *(Say, CallFunction, Pause, SendMessage, Fail),
    )
}


@dataclass(frozen=True)
class Mismatch:
    """A user who did not keep to the script: the number of the step, and how they differ."""

    step: int
    expected: str
    got: str

    def __str__(self) -> str:
        return f"Step {self.step} of the script expects {self.expected}, and got {self.got}."


@dataclass(frozen=True)
class _Scene:
    """An expectation, the number of its step, and what is done when it comes true."""

    step: int
    expectation: _Expectation
    reply: Reply


class Script:
    """Answers by a script, each session from its beginning; a resumed one goes on where it was.

    A user who does something else gets a close with 1011 and the reason, and is listed in
    ``mismatches``.

    Args:
        steps: What happens, in order; the first one is what is expected first. What stands before
            the first ``say`` or ``call`` is done before, what stands behind the last one when the
            turn has ended or waits for a result. Without either, only the messages given are sent.
        afterwards: Who answers when all steps were taken; None: nobody is expected to ask.

    Raises:
        ValueError: A step that is none; the message has its number, counted from 1.
    """

    def __init__(
        self,
        steps: Sequence[ScriptStep | Mapping[str, Any]],
        *,
        afterwards: Brain | None = None,
    ) -> None:
        self._afterwards = afterwards
        self._scenes = _scenes([_step(step, number) for number, step in enumerate(steps, 1)])
        self._steps = len(steps)
        self.mismatches: list[Mismatch] = []
        """The last 1,000, of all sessions."""

    @property
    def grammar(self) -> Grammar | None:
        """That of the brain that follows: a script may expect anything."""
        return self._afterwards.grammar if self._afterwards is not None else None

    def respond(self, turn: Turn) -> Reply:
        """Do what the script wants done."""
        position: int = turn.memory.get(_POSITION, 0)
        if position < len(self._scenes):
            scene = self._scenes[position]
            if not scene.expectation.fits(turn):
                return self._mismatch(scene.step, str(scene.expectation), turn)
            turn.memory[_POSITION] = position + 1
            return scene.reply
        if self._afterwards is not None:
            return self._afterwards.respond(turn)
        return self._mismatch(self._steps, "to be the last", turn)

    def _mismatch(self, step: int, expected: str, turn: Turn) -> Reply:
        got = f'"{turn.text}"'
        if turn.tool_result is not None:
            result = turn.tool_result
            got = f"the result of {result.call.name} {dict(result.response)}"
        elif turn.spoken and not turn.text:
            got = f"{turn.duration_s:.1f} s of speech without words"
        mismatch = Mismatch(step, expected, got)
        self.mismatches.append(mismatch)
        del self.mismatches[:-_MAX_MISMATCHES]
        end = faults.Close(code=1011, reason=cut_reason(str(mismatch)))
        return Reply(before=(end,), completes=False)


def _step(step: ScriptStep | Mapping[str, Any], number: int) -> ScriptStep:
    if isinstance(step, _Step):
        return step
    names = [name for name in _KINDS if name in step]
    if len(names) != 1:
        raise ValueError(
            f"Step {number} of the script has {' and '.join(names) or 'no known kind'} "
            f"({', '.join(map(str, step)) or 'nothing'}); give it one of {', '.join(_KINDS)}."
        )
    try:
        return msgspec.convert(step, _KINDS[names[0]])
    except msgspec.ValidationError as error:
        raise ValueError(f"Step {number} of the script ({names[0]}): {error}.") from error


def _scenes(steps: Sequence[ScriptStep]) -> list[_Scene]:
    """Cut the steps where something is expected."""
    if steps and not isinstance(steps[0], _Expectation):
        raise ValueError(
            "Step 1 of the script is nothing that is expected; the server only answers, so begin "
            'with an expectation, such as {"expect": ""} for anything.'
        )
    starts = [at for at, step in enumerate(steps) if isinstance(step, _Expectation)]
    ends = [*starts[1:], len(steps)]
    scenes = []
    for start, end in zip(starts, ends, strict=True):
        expectation = steps[start]
        assert isinstance(expectation, _Expectation)
        scenes.append(_Scene(start + 1, expectation, _reply(steps[start + 1 : end])))
    return scenes


def _reply(steps: Sequence[ScriptStep]) -> Reply:
    """One turn's steps as a reply."""
    told = [at for at, step in enumerate(steps) if isinstance(step, Say | CallFunction)]
    if not told:
        return Reply(before=_plain(steps), completes=False)
    reply: Reply | None = None
    # From the last one to the first, for each holds what follows it.
    for start, at in reversed([*zip([0, *told], told, strict=False)]):
        step, before = steps[at], _plain(steps[start:at])
        after = () if reply else _plain(steps[at:])
        if isinstance(step, CallFunction):
            call = Call(step.call, step.args)
            reply = Reply(call=call, before=before, after=after, then=reply)
        elif isinstance(step, Say):
            speed = step.max_speed
            reply = Reply(step.say, max_speed=speed, before=before, after=after, then=reply)
    assert reply is not None
    return reply


def _plain(steps: Sequence[ScriptStep]) -> tuple[Step, ...]:
    """Steps that are neither words nor calls, as a reply takes them."""
    plain: list[Step] = []
    for step in steps:
        if isinstance(step, Pause):
            plain.append(Wait(step.wait_s))
        elif isinstance(step, SendMessage):
            plain.append(Send(with_audio(step.send)))
        elif isinstance(step, Fail):
            plain.append(step.fail)
    return tuple(plain)
