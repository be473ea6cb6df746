"""What is seen while the demo runs: a progress bar with rich, plain lines without."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from antiphon.conversation import Event, Interrupted, ToolCalled, TurnHeard, TurnSounded

__all__ = ["Display"]


class Display:
    """Steps and events on the terminal.

    Args:
        steps: How many there will be.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._started_s = time.monotonic()
        self._bar = _rich_bar(steps) if sys.stdout.isatty() else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, words: str) -> None:
        """A line."""
        line = f"{time.monotonic() - self._started_s:6.1f} s  {words}"
        if self._bar is None:
            print(line, flush=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False)

    def step(self, number: int, words: str) -> None:
        """A step begins."""
        self.say(f"[{number}/{self._steps}] {words}")
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=number - 1, description=words)

    def event(self, event: Event) -> None:
        """Something happened that is worth a line."""
        match event:
            case TurnSounded(turn, _, latency_ms):
                after = f", {latency_ms:.0f} ms after the voice" if latency_ms is not None else ""
                self.say(f"        turn {turn} sounds{after}")
            case Interrupted(turn, heard_ms, heard_text):
                self.say(f"        turn {turn} stops, {heard_ms:.0f} ms heard: “{heard_text} …”")
            case ToolCalled(_, name, arguments):
                given = ", ".join(f"{key}={value}" for key, value in arguments.items())
                self.say(f"        the model calls {name}({given})")
            case TurnHeard(turn, heard_ms):
                self.say(f"        turn {turn} was heard to its end, {heard_ms / 1000:.1f} s")


def _rich_bar(steps: int) -> Any:
    """A progress bar; None where rich is not installed."""
    try:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    bar = Progress(*columns, transient=True)
    bar.add_task("starting", total=steps)
    return bar
