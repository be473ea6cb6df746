"""A run as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benches import report
from benches.sessions import targets
from benches.sessions.measured import Measured, Memory
from benches.sessions.ramp import MAX_LATE_MS, MAX_SINK_SHARE, MAX_WAITED_SHARE, STEP, Run

RUNS_NOTE = f"""\
All sessions are in one process on one core; `live-sink`, a program in Rust, is the other end and
has the other core. Each session is given 20 ms of 48 kHz stereo float32 every 20 ms, and gives out
40 ms of 24 kHz int16 25 times a second, in two tasks of its own; the schedules of the sessions are
spread evenly. google-genai's session has the tuned conversion (numpy and soxr) in front of it, and
a plain connection without compression. Before it starts, each process collects its garbage once
and freezes what is left.

* **held**: of all blocks, 99% were sent at most {MAX_LATE_MS:g} ms late, no message is missing,
  and every chunk was heard. Each session compares every 32nd chunk with what was sent, and the
  length of all. A number of sessions is held if two of at most three tries are; after the first
  that is not, the search goes on in between, down to steps of {STEP:.0%}.
* **late**: when the call that sends a block had returned, after the time the block was due.
* **heard**: when the application had a chunk, beside even times through the earliest of its
  session. The sink has its own share in it.
* **arrived**: when a message was at the sink, likewise. soxr gives out its samples in portions that
  are no multiple of 20 ms, so that one block makes none and another two: 20 ms of google-genai's
  number are from that. It decides nothing.
* **cores**: the shares that the two processes had. A run counts only if the sink had at most
  {MAX_SINK_SHARE:.0%}. **gave up**: a send was a second late; nothing was waited for.
* **waited**: of the time, the client could have run while something else had its core. A run that
  was not held with more than {MAX_WAITED_SHARE:.1%} of that was **disturbed**, and is tried again.
* **load average**: of the machine, afterwards; much above two, others wanted the cores, too.
"""

MEMORY_NOTE = """\
Sessions of ours send and hear as fast as they can, half of the messages each way. *Before*: after a
warm-up of 400,000 each way, with two beginnings. With 70,000 a session has filled what it keeps for
a broken connection: 64 MiB of messages at most while no answer ends, as here. The rest is for
Python's allocator, which takes 1 MiB at a time whenever more messages than ever wait to be read.
*Grown*: the most that was seen later, beside before, for each session.
"""


def render(measured: Measured) -> str:
    """The whole document."""
    parts = [
        *report.heading("Sessions on one core", measured.circumstances),
        "## Asked and measured\n",
        targets.render(targets.check(measured)),
    ]
    if measured.runs:
        parts += ["## Sessions in real time\n", RUNS_NOTE, _runs(measured.runs)]
    if measured.memory:
        parts += ["## Memory\n", MEMORY_NOTE, _memory(measured.memory)]
    if measured.absent:
        parts += ["## Not measured\n", report.table(("what", "why"), list(measured.absent.items()))]
    return "\n".join(parts)


def _runs(runs: Sequence[Run]) -> str:
    header = (
        "",
        "sessions",
        "",
        "late: p50, p99, max ms",
        "heard: p99 ms",
        "arrived: p99 ms",
        "up, missing",
        "down, missing, wrong",
        "client's core",
        "sink's core",
        "waited",
        "sink late: p99 ms",
        "load average",
    )
    return report.table(header, [_run(run) for run in runs])


def _run(run: Run) -> tuple[str, ...]:
    late = f"{run.late_p50_ms:.1f}, {run.late_p99_ms:.1f}, {run.late_max_ms:.0f}"
    if run.gave_up:
        seen = ("", f"{run.waited_share:.1%}", "", f"{run.load_average:.1f}")
        return (run.row, f"{run.sessions}", f"{run.word}, gave up", late, *[""] * 5, *seen)
    return (
        run.row,
        f"{run.sessions}",
        run.word,
        late,
        f"{run.heard_late_p99_ms:.1f}",
        f"{run.arrived_late_p99_ms:.1f}",
        f"{run.up:,}, {run.up_missing:,}",
        f"{run.down:,}, {run.down_missing:,}, {run.down_wrong:,}",
        f"{run.client_share:.0%}",
        f"{run.sink_share:.0%}",
        f"{run.waited_share:.1%}",
        f"{run.sink_behind_p99_ms:.1f}",
        f"{run.load_average:.1f}",
    )


def _memory(taken: Sequence[Memory]) -> str:
    header = ("sessions", "messages of each", "before MB", "after MB", "grown KiB")
    rows = [
        (
            f"{each.sessions}",
            f"{each.messages:,}",
            f"{each.before_bytes / 1e6:.1f}",
            f"{each.after_bytes / 1e6:.1f}",
            f"{each.grown_kib:+.0f}",
        )
        for each in taken
    ]
    return report.table(header, rows)
