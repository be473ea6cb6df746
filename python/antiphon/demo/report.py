"""How the demo went, on one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antiphon.conversation import Timeline, Transcript
from antiphon.conversation.verify import CheckReport, TurnCheck

__all__ = ["MAX_SILENCE_MS", "Outcome", "summary"]

#: How long an interrupted answer may sound on: one block of the device, and the fade.
MAX_SILENCE_MS = 20.0


@dataclass
class Outcome:
    """Everything about a run.

    Attributes:
        duration_s: Of the recording.
        check: Of the recording.
        timeline, transcript: Of the conversation.
        failure: What did not happen; None if all did.
        picture: The timeline was drawn.
        playout: Counters of the playout.
        wall_s: How long the demo took.
    """

    duration_s: float
    check: CheckReport
    timeline: Timeline
    transcript: Transcript
    failure: str | None
    picture: bool
    playout: dict[str, int | float]
    wall_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Everything happened, in time, and what was heard is what was sent."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, in words."""
        late = [cut for cut in self.timeline.interruptions if cut.silence_ms > MAX_SILENCE_MS]
        return [
            *self.check.all_problems,
            *(
                f"turn {cut.turn} sounded on for {cut.silence_ms:.1f} ms after the service's "
                f"message; {MAX_SILENCE_MS:.0f} are allowed"
                for cut in late
            ),
            *([self.failure] if self.failure is not None else []),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "passed": self.passed,
            "failure": self.failure,
            "duration_s": self.duration_s,
            "wall_s": self.wall_s,
            "check": self.check.to_dict(),
            "timeline": self.timeline.to_dict(),
            "playout": self.playout,
        }


def summary(outcome: Outcome, folder: Path) -> str:
    """The page for the terminal."""
    lines = ["", outcome.transcript.to_text().rstrip(), ""]
    lines += [_turn_line(outcome, check) for check in outcome.check.turns]
    for cut in outcome.timeline.interruptions:
        lines.append(
            f"interruption  silent {cut.silence_ms:.1f} ms after the service's message; "
            f"{cut.heard_ms:.1f} ms of turn {cut.turn} had been heard (exact)"
        )
    for used in outcome.timeline.tools:
        given = ", ".join(f"{name}={value}" for name, value in used.arguments.items())
        lines.append(f"function      {used.name}({given})")
    underrun_ms = sum(check.gaps_ms for check in outcome.check.turns)
    lines.append(f"underruns     {underrun_ms:.0f} ms")
    lines.append("")
    names = ["conversation.wav", "transcript.txt", "transcript.json", "report.json"]
    if outcome.picture:
        names.insert(1, "timeline.png")
    else:
        lines.append("No picture: matplotlib is not installed (pip install 'antiphon[plot]').")
    lines.append(f"{outcome.duration_s:.1f} s of conversation in {folder}/: {', '.join(names)}")
    lines += [f"FAILED: {problem}" for problem in outcome.problems]
    if outcome.passed:
        lines.append(
            "Checked: every 25 ms window that was to be heard is in the recording as it was sent."
        )
    return "\n".join(lines)


def _turn_line(outcome: Outcome, check: TurnCheck) -> str:
    timing = outcome.timeline.turn(check.turn)
    line = f"turn {check.turn}        {check.expected_s:5.2f} s heard"
    line += " (interrupted)" if timing.interrupted else ""
    if timing.latency_ms is not None:
        line += f", {timing.latency_ms:.0f} ms after the voice"
    line += (
        f"; {check.voiced_windows} voiced windows, worst correlation {check.worst_correlation:.4f}"
    )
    if check.words is not None:
        line += f", {check.words.found}/{check.words.expected} words recognized"
    return line
