"""The search for the most sessions: twice as many until there are too many, then in between."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec

from benches.rust_programs import ROOT

#: Of a hundred blocks, one may be sent so late.
MAX_LATE_MS = 10.0
#: A sink that has more of its core than this is what is measured.
MAX_SINK_SHARE = 0.7
#: A client that had to wait for its core for more of the time was disturbed by something else.
MAX_WAITED_SHARE = 0.005
#: The search ends when the least that is too many is so close to the most that is not.
STEP = 0.05

_START = 25
#: Of three tries: what else runs here may spoil one, and luck may hold one.
_MAJORITY = 2
#: With so many disturbed runs of one number, the next one counts.
_MAX_DISTURBED = 4


class Run(msgspec.Struct, frozen=True):
    """One number of sessions, for a while.

    Attributes:
        row: Whose sessions.
        gave_up: A send was so late that the rest was not waited for.
        late_p50_ms, late_p99_ms, late_max_ms: When a send call had returned, after its schedule.
        heard_late_p99_ms: When a chunk was in the application's hands, beside even times.
        arrived_late_p99_ms: When a message was at the sink, beside even times.
        up, up_missing: Messages that were to come at the sink, and those of them that did not.
        down, down_missing, down_wrong: Chunks that were to be heard; looked at, some were others.
        client_share, sink_share: Of a core.
        waited_share: Of the time, the client could have run, and something else had its core.
        sink_behind_p99_ms: How late the sink sent.
    """

    row: str
    sessions: int
    seconds: float
    gave_up: bool
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    heard_late_p99_ms: float
    arrived_late_p99_ms: float
    up: int
    up_missing: int
    down: int
    down_missing: int
    down_wrong: int
    client_share: float
    waited_share: float
    sink_share: float
    sink_behind_p99_ms: float
    load_average: float

    @property
    def valid(self) -> bool:
        """Whether it was the client that was measured."""
        return self.sink_share <= MAX_SINK_SHARE

    @property
    def complete(self) -> bool:
        """Whether everything came that was sent, as it was sent."""
        return not (self.gave_up or self.up_missing or self.down_missing or self.down_wrong)

    @property
    def held(self) -> bool:
        """Whether it was in time and complete."""
        return self.complete and self.late_p99_ms <= MAX_LATE_MS

    @property
    def disturbed(self) -> bool:
        """Whether it may be for somebody else that it was not held."""
        return not self.held and self.waited_share > MAX_WAITED_SHARE

    @property
    def word(self) -> str:
        """For people."""
        if not self.valid:
            return "discarded"
        if self.disturbed:
            return "disturbed"
        if self.held:
            return "held"
        return "too late" if self.gave_up or self.complete else "incomplete"


class Ramp:
    """The search of one row.

    Attributes:
        held: The most sessions that were held, in two of at most three tries.
        failed: The least that were not; None while there are none.
        sink_was_short: It was for want of a faster sink that they were not.
    """

    def __init__(self, row: str, start: int = _START) -> None:
        self.row = row
        self.held = 0
        self.failed: int | None = None
        self.sink_was_short = False
        self._start = start
        self._tries: list[bool] = []
        self._disturbed = 0

    @property
    def next(self) -> int | None:
        """How many to try; None: the search is over."""
        if self.failed is None:
            return max(self._start, 2 * self.held)
        if self.failed - self.held <= max(1, STEP * self.held):
            return None
        return (self.held + self.failed) // 2

    def add(self, run: Run) -> None:
        """What came of trying that many. A discarded run shows nothing, so it holds nothing."""
        if run.disturbed and self._disturbed < _MAX_DISTURBED:
            self._disturbed += 1
            return
        self._tries.append(run.held and run.valid)
        if self._tries.count(True) == _MAJORITY:
            self.held = run.sessions
        elif self._tries.count(False) == _MAJORITY:
            self.failed = run.sessions
            self.sink_was_short = not run.valid
        else:
            return
        self._tries, self._disturbed = [], 0


def ramp(
    rows: Sequence[str], run: Callable[[str, int], Run], *, at_most: int | None = None
) -> Iterator[Run]:
    """Search for all rows in turns, so that a disturbed minute is nobody's alone."""
    ramps = [Ramp(row) for row in rows]
    while ramps:
        for each in list(ramps):
            if (sessions := each.next) is None or (at_most is not None and sessions > at_most):
                ramps.remove(each)
                continue
            done = run(each.row, sessions)
            each.add(done)
            yield done


def replayed(runs: Sequence[Run], row: str) -> Ramp:
    """The search as the runs tell it."""
    own = Ramp(row)
    for run in runs:
        if run.row == row:
            own.add(run)
    return own


def in_process(row: str, sessions: int, *, warm_up_s: float, seconds: float) -> Run:
    """Hold sessions in a process of their own."""
    command = [sys.executable, "-m", "benches.sessions.client"]
    command += [row, str(sessions), str(warm_up_s), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Run)


def summary(run: Run) -> str:
    """A line about a run."""
    return (
        f"{run.sessions} of {run.row}: {run.word}, p99 {run.late_p99_ms:.1f} ms; "
        f"{run.up_missing} of {run.up} up and {run.down_missing} of {run.down} down missing; "
        f"cores {run.client_share:.0%} and {run.sink_share:.0%}, waited {run.waited_share:.1%}"
    )
