"""The arrival times that the buffers are fed with: the judge's public ones, or fresh ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benches.jitter.judge import TARGET, Judge

# What is enough to see whether it works.
QUICK = ("packet_wired_0", "packet_wifi_0", "stream_wifi_0")


def public(judge: Judge, *, quick: bool) -> list[Path]:
    """What everybody is measured on."""
    return [path for path in judge.public if not quick or path.stem in QUICK]


def fresh(judge: Judge, seeds: Iterable[int], *, quick: bool) -> list[Path]:
    """Every class with these seeds. A seed draws the parameters of its link, too."""
    folder = TARGET / "traces"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in seeds:
        for regime, cls in _classes(judge):
            path = folder / f"{regime}_{cls}_{seed}.jsonl"
            if quick and f"{regime}_{cls}_0" not in QUICK:
                continue
            if not path.exists():
                make = (
                    judge.traces.packet_trace if regime == "packet" else judge.traces.stream_trace
                )
                judge.traces.save(str(path), *make(cls, seed))
            paths.append(path)
    return paths


def _classes(judge: Judge) -> Iterator[tuple[str, str]]:
    yield from (("packet", cls) for cls in judge.traces.PACKET_CLASSES)
    yield from (("stream", cls) for cls in judge.traces.STREAM_CLASSES)
