"""What voice frameworks do with each chunk, step by step as their code does it."""

from __future__ import annotations

import numpy as np

from benches.peers.engine import Block, Engine, Floor, Process


def engines() -> list[Engine]:
    """Pipecat's default path, FastRTC's phone path, and a loop by hand."""
    import soxr  # noqa: F401 -- here, so that a missing one is told

    return [
        Engine(
            name="Pipecat path",
            family="frameworks",
            dtype="int16",
            open=_open_pipecat,
            floor=Floor(rejection_db=90, snr_db=88),
            note="a soxr VHQ stream with its conversions per chunk",
        ),
        Engine(
            name="FastRTC phone path",
            family="frameworks",
            dtype="float32",
            open=_open_fastrtc,
            floor=Floor(rejection_db=15, snr_db=15, ripple_db=3),
            note="soxr HQ once per chunk, stateless",
        ),
        Engine(
            name="linear per chunk",
            family="frameworks",
            dtype="float32",
            open=_open_linear,
            floor=Floor(rejection_db=-8, snr_db=5, ripple_db=6),
            note="np.interp, stateless: what is written by hand",
        ),
    ]


def _open_pipecat(in_hz: int, out_hz: int) -> Process:
    import soxr

    stream = soxr.ResampleStream(in_hz, out_hz, 1, dtype="int16", quality="VHQ")

    def process(block: bytes, last: bool = False) -> bytes:
        x = np.frombuffer(block, dtype=np.int16)
        return stream.resample_chunk(x, last).astype(np.int16).tobytes()  # type: ignore[no-any-return]

    return process


def _open_fastrtc(in_hz: int, out_hz: int) -> Process:
    import soxr

    def process(block: Block, last: bool = False) -> Block:
        del last
        return soxr.resample(block, in_hz, out_hz, quality="HQ")

    return process


def _open_linear(in_hz: int, out_hz: int) -> Process:
    step = in_hz / out_hz

    def process(block: Block, last: bool = False) -> Block:
        del last
        at = np.arange(round(len(block) / step)) * step
        return np.interp(at, np.arange(len(block)), block).astype(np.float32)

    return process
