"""What a call costs when there is next to nothing to do: three frames, in empty Python calls."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from benches.peers.engine import Engine
from benches.peers.timing import Batch, interleave, one_core, over, repeat, times_as_fast

EMPTY = "empty Python call"
FRAMES = 3


def measure(engines: Sequence[Engine], *, rounds: int) -> dict[str, float]:
    """Per engine how many empty calls one with three frames takes, 48 to 16 kHz.

    The loop around is the same for all and counted in all. Ours is called as `process` and, under
    a name of its own, as `process_into`.
    """
    batches = {EMPTY: repeat(_empty), "antiphon voice, process_into": _process_into()}
    for engine in engines:
        block = engine.pack(np.array([0.1, -0.2, 0.3]))
        batches[engine.name] = over(engine.open(48_000, 16_000), [block])
    with one_core():
        taken = interleave(batches, rounds=rounds, batch_ms=2.0)
    return {name: times_as_fast(taken, EMPTY, name) for name in batches if name != EMPTY}


def _empty() -> None:
    pass


def _process_into() -> Batch:
    from antiphon.audio import Resampler

    process_into = Resampler(48_000, 16_000).process_into
    block, out = np.zeros(FRAMES, np.float32), np.empty(16, np.float32)

    def batch(calls: int) -> None:
        for _ in itertools.repeat(None, calls):
            process_into(block, out)

    return batch
