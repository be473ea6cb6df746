"""What a benchmark must show, beside what it showed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One line. `met` is None where it was not measured here."""

    what: str
    asked: str
    measured: str
    met: bool | None


def render(targets: list[Target]) -> str:
    """As Markdown."""
    verdicts = {True: "ok", False: "**short**", None: "–"}
    lines = ["| what | asked | measured | |", "|---|---|---|---|"]
    lines += [f"| {t.what} | {t.asked} | {t.measured} | {verdicts[t.met]} |" for t in targets]
    return "\n".join(lines) + "\n"
