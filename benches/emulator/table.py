"""A run as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benches import report
from benches.emulator import targets
from benches.emulator.capacity import MAX_GENERATOR_SHARE, Load
from benches.emulator.measured import Measured, Twice

SIMULATED_NOTE = """\
The real session over `Emulator.connector()` on a virtual clock. The microphone is open all the
while; each connection is given up at its `goAway`, and the next one resumes it. *Wall*: of two runs
with the same seed. *SHA-256*: of every byte of both directions.
"""

LOADS_NOTE = f"""\
Server and load have a core each. Every session sends 20 ms packets, half of the sessions as
google-genai writes them and half as we do; the detector hears each of them, and speech begins and
ends in them every four seconds. Every session is answered without an end in chunks of 40 ms, in
real time.

* **late**: when a chunk left the server after it was due; **at the clients**: when it came, beside
  even times through the earliest of its turn.
* **cores**: the shares that the two processes had. A run counts only if the load had at most
  {MAX_GENERATOR_SHARE:.0%} and has sent all it should.
* **load average**: of the machine, afterwards; much above two, others wanted the cores, too.
"""


def render(measured: Measured) -> str:
    """The whole document."""
    parts = [
        *report.heading("The local server: time and capacity", measured.circumstances),
        "## Asked and measured\n",
        targets.render(targets.check(measured)),
        "## Ten simulated minutes\n",
        SIMULATED_NOTE,
        _simulated(measured.simulated),
    ]
    if measured.loads:
        parts += ["## Sessions in real time on one core\n", LOADS_NOTE, _loads(measured.loads)]
    if measured.absent:
        rows = list(measured.absent.items())
        parts += ["## Not measured\n", report.table(("what", "why"), rows)]
    return "\n".join(parts)


def _simulated(runs: Sequence[Twice]) -> str:
    header = ("plan", "wall s", "messages up, down", "MB up, down", "SHA-256")
    rows = [
        (
            run.first.name,
            f"{run.first.wall_s:.2f}, {run.again.wall_s:.2f}",
            f"{run.first.messages_up:,}, {run.first.messages_down:,}",
            f"{run.first.bytes_up / 1e6:.1f}, {run.first.bytes_down / 1e6:.1f}",
            f"`{run.first.sha256[:16]}…`",
        )
        for run in runs
    ]
    return report.table(header, rows)


def _loads(loads: Sequence[Load]) -> str:
    header = (
        "sessions",
        "",
        "late: p50, p99, max ms",
        "at the clients: p50, p99, max ms",
        "chunks",
        "server's core",
        "load's core",
        "server MB",
        "load average",
    )
    return report.table(header, [_load(load) for load in loads])


def _load(load: Load) -> tuple[str, ...]:
    server, clients = load.server, load.generator
    word = "held" if load.held else "too late"
    return (
        f"{load.sessions}",
        word if load.valid else "discarded",
        f"{server.late_p50_ms:.1f}, {server.late_p99_ms:.1f}, {server.late_max_ms:.0f}",
        f"{clients.late_p50_ms:.1f}, {clients.late_p99_ms:.1f}, {clients.late_max_ms:.0f}",
        f"{clients.chunks:,}",
        f"{server.cpu_share:.0%}",
        f"{clients.cpu_share:.0%}",
        f"{server.rss_bytes / 1e6:.0f}",
        f"{load.load_average:.1f}",
    )
