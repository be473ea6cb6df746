"""FFmpeg's swresample by PyAV, as WebRTC stacks in Python use it."""

from __future__ import annotations

from functools import partial

import numpy as np

from benches.peers.engine import Block, Engine, Floor, Process


def engines() -> list[Engine]:
    """Its default filter, in both formats."""
    import av  # noqa: F401 -- here, so that a missing one is told

    return [
        Engine(
            name="PyAV",
            family="PyAV",
            dtype="float32",
            open=partial(_open, sample_format="flt"),
            floor=Floor(rejection_db=6, snr_db=80, ripple_db=0.3),
        ),
        Engine(
            name="PyAV int16",
            family="PyAV",
            dtype="int16",
            open=partial(_open, sample_format="s16"),
            floor=Floor(rejection_db=6, snr_db=75, ripple_db=0.3),
        ),
    ]


def _open(in_hz: int, out_hz: int, *, sample_format: str) -> Process:
    import av

    resampler = av.AudioResampler(format=sample_format, layout="mono", rate=out_hz)
    is_bytes = sample_format == "s16"

    def process(block: Block, last: bool = False) -> Block:
        x = np.frombuffer(block, np.int16) if is_bytes else block
        frame = av.AudioFrame.from_ndarray(x.reshape(1, -1), format=sample_format, layout="mono")
        frame.sample_rate = in_hz
        frames = resampler.resample(frame)
        if last:
            frames = [*frames, *resampler.resample(None)]
        arrays = [out.to_ndarray()[0] for out in frames]
        y = np.concatenate([x[:0], *arrays]) if len(arrays) != 1 else arrays[0]
        return y.tobytes() if is_bytes else y

    return process
