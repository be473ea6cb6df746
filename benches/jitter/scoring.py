"""Plays traces to contestants and has the judge score what they put out, on all cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benches.jitter import variants
from benches.jitter.contestants import OURS, factory
from benches.jitter.judge import Judge, load
from benches.jitter.measured import Row

RATE_HZ = 24_000

# What is kept of the judge's numbers, by its own names.
KEPT = {
    "packet": (
        "delay_mean",
        "delay_p95",
        "conc_ms_min",
        "gaps_min",
        "stretch_pct",
        "mos",
        "clicks_min",
        "lsd_bad",
        "lost_media_ms_min",
        "warp_ms_min",
    ),
    "stream": (
        "ttfs_mean",
        "ttfs_p95",
        "stall_ms_min",
        "gaps_min",
        "excess_end",
        "stretch_pct",
        "lost_media_ms_min",
        "flush_ms",
        "clicks_min",
        "warp_ms_min",
        "missing_turns",
        "oracle_H",
    ),
}


@dataclass(frozen=True)
class Job:
    """One trace, for one contestant."""

    trace: Path
    player: str
    variant: str
    crate_library: Path | None

    @property
    def regime(self) -> str:
        """The first word of the file's name."""
        return self.trace.stem.split("_")[0]


def jobs(
    traces: Iterable[Path], playing: Mapping[str, Iterable[str]], crate_library: Path | None
) -> list[Job]:
    """Every trace for everyone in its regime; for ours the other ends of turns, too."""
    made = []
    for trace in traces:
        regime = trace.stem.split("_")[0]
        for player in playing[regime]:
            several = regime == "stream" and player in OURS
            ends = variants.ALL if several else (variants.AS_SENT,)
            made += [Job(trace, player, variant, crate_library) for variant in ends]
    return made


def run(jobs: Sequence[Job], say: Callable[[str], None]) -> list[Row]:
    """All of them, in their order."""
    rows = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        for row in pool.map(score, jobs):
            rows.append(row)
            if len(rows) % 25 == 0:
                say(f"{len(rows)} of {len(jobs)} runs")
    return rows


def score(job: Job) -> Row:
    """One of them, in this process."""
    judge = _judge()
    header, body = judge.traces.load(str(job.trace))
    make = factory(job.player, judge, job.crate_library)
    if job.regime == "packet":
        found = judge.score.run_packet(make, header, body, "public", RATE_HZ)
    else:
        turns = variants.apply(job.variant, body)
        found = judge.score.run_stream(make, header, turns, "public", RATE_HZ)
    kept = {key: found[key] for key in KEPT[job.regime]}
    return Row(
        trace=job.trace.stem,
        regime=job.regime,
        cls=header["cls"],
        player=job.player,
        variant=job.variant,
        values={key: None if v is None else round(float(v), 3) for key, v in kept.items()},
    )


@cache
def _judge() -> Judge:
    return load()
