"""python-soxr: the resampler of most Python voice software."""

from __future__ import annotations

from functools import partial

import numpy as np

from benches.peers.engine import Block, Engine, Floor, Process

# Quality: rejection and SNR that it is known for. QQ interpolates without a filter.
FLOORS = {
    "QQ": Floor(rejection_db=-8, snr_db=8, ripple_db=6),
    "MQ": Floor(rejection_db=100, snr_db=105),
    "HQ": Floor(rejection_db=118, snr_db=118),
    "VHQ": Floor(rejection_db=130, snr_db=118),
}


def engines() -> list[Engine]:
    """Its qualities as float32 streams, and HQ in int16 bytes."""
    import soxr

    def one_shot(in_hz: int, out_hz: int, x: Block, *, quality: str) -> Block:
        return soxr.resample(x, in_hz, out_hz, quality=quality)

    streams = [
        Engine(
            name=f"soxr {quality}",
            family="soxr",
            dtype="float32",
            open=partial(_open, quality=quality),
            floor=floor,
            one_shot=partial(one_shot, quality=quality),
        )
        for quality, floor in FLOORS.items()
    ]
    int16 = Engine(
        name="soxr HQ int16",
        family="soxr",
        dtype="int16",
        open=_open_int16,
        floor=Floor(rejection_db=90, snr_db=88),
        note="int16 output is dithered, so two cuts of one input differ",
    )
    return [*streams, int16]


def _open(in_hz: int, out_hz: int, *, quality: str) -> Process:
    import soxr

    stream = soxr.ResampleStream(in_hz, out_hz, 1, dtype="float32", quality=quality)
    process: Process = stream.resample_chunk
    return process


def _open_int16(in_hz: int, out_hz: int) -> Process:
    import soxr

    resample_chunk = soxr.ResampleStream(in_hz, out_hz, 1, dtype="int16").resample_chunk

    def process(block: bytes, last: bool = False) -> bytes:
        return resample_chunk(np.frombuffer(block, np.int16), last).tobytes()  # type: ignore[no-any-return]

    return process
