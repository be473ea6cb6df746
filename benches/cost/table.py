"""A run as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benches import report
from benches.cost import targets
from benches.cost.measured import DOWN_PER_S, UP_PER_S, Measured, Row, ratio

NOTE = f"""\
Processor time of the client's process, user and system, on a core of its own; the server has the
other. Neither core sleeps (as with `idle=poll`): on one machine, whoever sends is charged with
waking the core of who receives, which no client is whose server is far away; and what a wake of its
own costs depends on the machine and its neighbours, and hides the rest (`--sleep`: with all that).
Every row takes the same blocks (20 ms, 48 kHz, stereo, float32) and gives out the samples of the
same messages (40 ms, 24 kHz); the peers convert with soxr HQ and numpy as tightly as we can write
it, and have connections without TLS and compression. What was sent and given out was checked in
each row before, and each session had lasted for half a minute. Medians over the rounds (in
brackets: the smallest); every round has every row, in an order that changes.

* **up, down**: of one message, while as many come as can be.
* **burst**: {UP_PER_S} up and {DOWN_PER_S} down of these, a second of a session.
* **paced**: of a session-second in real time, both ways at once. A process that wakes up for each
  message runs code that is no longer in the caches, and asks the selector each time; with more
  sessions there are fewer wakes for each.
* **×**: how many times as much as ours, the median over the rounds; of what is paced, without the
  bench's own clock, which wakes up for every block and has a row of its own.
"""


def render(measured: Measured) -> str:
    """The whole document."""
    calls = [(call, f"{taken_us:.2f}") for call, taken_us in measured.parts_us.items()]
    return "\n".join(
        [
            *report.heading("What a session costs", measured.circumstances),
            "## Asked and measured\n",
            targets.render(targets.check(measured)),
            f"## Processor time, {measured.rounds} rounds\n",
            NOTE,
            _rows(measured),
            "## The calls by themselves\n",
            report.table(("call", "median µs"), calls),
        ]
    )


def _rows(measured: Measured) -> str:
    ours = measured.rows[0]
    header = (
        "",
        "up µs",
        "down µs",
        "burst ms/s",
        "×",
        f"paced, {measured.together}, ms/s",
        "×",
        "paced, one, ms/s",
        "×",
    )
    rows = [_row(row, ours, measured) for row in measured.rows]
    together = _shown(measured.pacing_together_us, 1000)
    alone = _shown(measured.pacing_alone_us, 1000)
    rows.append(("the bench's clock", "", "", "", "", together, "", alone, ""))
    return report.table(header, rows)


def _row(row: Row, ours: Row, run: Measured) -> tuple[str, ...]:
    return (
        row.name,
        _shown(row.up_us, 1),
        _shown(row.down_us, 1),
        _shown(row.burst_us, 1000),
        f"{ratio(row.burst_us, ours.burst_us):.2f}",
        _shown(row.together_us, 1000),
        f"{ratio(run.together_us(row), run.together_us(ours)):.2f}",
        _shown(row.alone_us, 1000),
        f"{ratio(run.alone_us(row), run.alone_us(ours)):.2f}",
    )


def _shown(values: Sequence[float], unit: float) -> str:
    return f"{statistics.median(values) / unit:.2f} ({min(values) / unit:.2f})"
