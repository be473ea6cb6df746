"""How fast engines are beside the baseline, once they have shown what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from benches.peers.engine import Engine
from benches.peers.engines import BASELINE
from benches.peers.quality import Quality
from benches.peers.timing import (
    Batch,
    Rounds,
    interleave,
    median_ns,
    one_core,
    over,
    repeat,
    times_as_fast,
)

PIPECAT = "Pipecat path"
ONE_SHOT_S = 10


class Speed(msgspec.Struct, frozen=True):
    """`times_baseline` above 1 is faster than soxr HQ in the same run."""

    times_baseline: float
    times_pipecat: float | None  # of streams in int16 bytes only
    us_per_call: float


def streams(
    engines: Sequence[Engine],
    qualities: Mapping[str, Quality],
    in_hz: int,
    out_hz: int,
    *,
    rounds: int,
) -> dict[str, Speed]:
    """Streams in 10 ms calls. Who falls short of its floor is not timed."""
    worthy = _worthy(engines, qualities)
    batches = {engine.name: _stream(engine, in_hz, out_hz) for engine in worthy}
    with one_core():
        taken = interleave(batches, rounds=rounds, batch_ms=2.0)
    int16 = {engine.name for engine in worthy if engine.dtype == "int16"}
    return {name: _speed(taken, name, in_int16=name in int16) for name in batches}


def one_shots(
    engines: Sequence[Engine],
    qualities: Mapping[str, Quality],
    in_hz: int,
    out_hz: int,
    *,
    rounds: int,
) -> dict[str, Speed]:
    """Ten seconds in one call."""
    x = _noise(in_hz * ONE_SHOT_S)
    batches: dict[str, Batch] = {}
    for engine in _worthy(engines, qualities):
        assert engine.one_shot is not None, engine.name
        whole = engine.pack(x)
        batches[engine.name] = repeat(partial(engine.one_shot, in_hz, out_hz, whole))
    with one_core():
        taken = interleave(batches, rounds=rounds, batch_ms=1.0)
    return {name: _speed(taken, name, in_int16=False) for name in batches}


def _worthy(engines: Sequence[Engine], qualities: Mapping[str, Quality]) -> list[Engine]:
    worthy = [e for e in engines if e.name in qualities and not e.floor.failures(qualities[e.name])]
    if BASELINE not in {engine.name for engine in worthy}:
        raise SystemExit(
            f"{BASELINE} is what every speed refers to, and it is missing or below its floor: "
            "install benches/peers/requirements.txt (make bench-peers does)."
        )
    return worthy


def _speed(taken: Rounds, name: str, *, in_int16: bool) -> Speed:
    return Speed(
        times_baseline=times_as_fast(taken, name, BASELINE),
        times_pipecat=times_as_fast(taken, name, PIPECAT)
        if in_int16 and PIPECAT in taken
        else None,
        us_per_call=median_ns(taken, name) / 1000,
    )


def _noise(frames: int) -> NDArray[np.float64]:
    return 0.3 * np.random.default_rng(1).standard_normal(frames).clip(-3, 3)


def _stream(engine: Engine, in_hz: int, out_hz: int) -> Batch:
    """A stream that goes on for ever, with a second of noise cut into 10 ms blocks."""
    blocks = _noise(in_hz).reshape(-1, in_hz // 100)
    return over(engine.open(in_hz, out_hz), [engine.pack(block) for block in blocks])
