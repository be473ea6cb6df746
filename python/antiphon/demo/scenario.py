"""The talk of the demo: recordings of a human voice hold a conversation.

Each step waits for what a person would wait for: a question is asked when the answer before was
heard to its end, except for the one that interrupts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from antiphon.conversation import (
    Conversation,
    Event,
    EventSubscription,
    Interrupted,
    ToolCalled,
    TurnComplete,
    TurnHeard,
    TurnSounded,
)
from antiphon.devices import FileDevice
from antiphon.errors import AntiphonError

__all__ = ["STEPS", "DemoFailed", "Scenario", "go_forward"]

_E = TypeVar("_E")

STEPS = 5
_STEP_LIMIT_S = 25.0
_BARGE_IN_S = 2.6
_PAUSE_S = 0.35


class DemoFailed(AntiphonError):
    """The conversation did not go as it should have."""


def go_forward(distance_meters: float) -> None:
    """Drive the robot straight ahead.

    Args:
        distance_meters: How far to drive.
    """
    if distance_meters <= 0:
        raise ValueError(f"cannot go forward {distance_meters} meters")


class Scenario:
    """Five steps: a greeting, a question, an interruption, its answer, a command.

    Args:
        conversation: Running.
        device: Its device; the voice speaks into it.
        tell: Told of each step (number, words) as it begins, and of events.
    """

    def __init__(
        self,
        conversation: Conversation,
        device: FileDevice,
        *,
        tell_step: Callable[[int, str], None],
        tell_event: Callable[[Event], None],
    ) -> None:
        self._conversation = conversation
        self._device = device
        self._events: EventSubscription = conversation.events()
        self._tell_step = tell_step
        self._tell_event = tell_event
        self._seen: list[Event] = []

    async def play(self) -> None:
        """Hold the conversation.

        Raises:
            DemoFailed: Something that had to happen did not, within 25 s.
        """
        self._tell_step(1, 'typed: "Hello!"')
        await self._conversation.send_text("Hello!")
        await self._heard_answer("the greeting")

        self._tell_step(2, 'the voice asks: "ten of clubs"')
        self._say("cards-001.wav")
        sounded = await self._expect(TurnSounded, "an answer about the ten of clubs")
        await self._let_pass(_BARGE_IN_S)

        self._tell_step(3, 'the voice interrupts: "seven of clubs"')
        self._say("cards-003.wav")
        cut = await self._expect(Interrupted, "the interruption of the answer")
        if cut.turn != sounded.turn or cut.heard_ms <= 0:
            raise DemoFailed(
                f"Turn {sounded.turn} was to be interrupted while it sounded, but turn {cut.turn} "
                f"was, after {cut.heard_ms:.0f} ms."
            )
        self._tell_step(4, "the new answer")
        await self._heard_answer("the answer after the interruption", after_turn=cut.turn)

        self._tell_step(5, 'the voice commands: "go forward ten meters"')
        self._say("go-forward-ten-meters.wav")
        called = await self._expect(ToolCalled, "the call of go_forward")
        if called.arguments != {"distance_meters": 10}:
            raise DemoFailed(f"go_forward was called with {called.arguments}, not with 10 meters.")
        await self._heard_answer("the spoken result of go_forward")

    def _say(self, recording: str) -> None:
        clip = files("antiphon") / "assets" / "speech" / recording
        self._device.say(Path(str(clip)))

    async def _heard_answer(self, what: str, after_turn: int = 0) -> None:
        """An answer was heard to its end and the service has ended its turn."""
        heard = await self._expect(TurnHeard, what)
        while heard.turn <= after_turn or heard.heard_ms <= 0:
            heard = await self._expect(TurnHeard, what)
        if not any(isinstance(e, TurnComplete) and e.turn == heard.turn for e in self._seen):
            complete = await self._expect(TurnComplete, f"the end of {what}")
            while complete.turn < heard.turn:
                complete = await self._expect(TurnComplete, f"the end of {what}")
        await self._let_pass(_PAUSE_S)

    async def _expect(self, kind: type[_E], what: str) -> _E:
        """The next event of a kind.

        Raises:
            DemoFailed: It did not come in time, or the conversation ended before.
        """
        try:
            async with asyncio.timeout(_STEP_LIMIT_S):
                async for event in self._events:
                    self._seen.append(event)
                    self._tell_event(event)
                    if isinstance(event, kind):
                        return event
        except TimeoutError:
            raise DemoFailed(f"{what} did not come within {_STEP_LIMIT_S:.0f} s.") from None
        raise DemoFailed(f"The conversation ended before {what} came.")

    async def _let_pass(self, seconds: float) -> None:
        """Wait; what happens meanwhile is told, and seen as having happened."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for event in self._events:
                    self._seen.append(event)
                    self._tell_event(event)
