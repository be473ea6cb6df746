"""libsamplerate by python-samplerate."""

from __future__ import annotations

from functools import partial

from benches.peers.engine import Block, Engine, Floor, Process

FLOORS = {
    "sinc_fastest": Floor(rejection_db=85, snr_db=90, ripple_db=12),
    "sinc_medium": Floor(rejection_db=100, snr_db=110, ripple_db=0.1),
    "sinc_best": Floor(rejection_db=110, snr_db=118),
}


def engines() -> list[Engine]:
    """Its converters, as float32 streams."""
    import samplerate

    def one_shot(in_hz: int, out_hz: int, x: Block, *, converter: str) -> Block:
        return samplerate.resample(x, out_hz / in_hz, converter)

    return [
        Engine(
            name=f"libsamplerate {converter}",
            family="libsamplerate",
            dtype="float32",
            open=partial(_open, converter=converter),
            floor=floor,
            one_shot=partial(one_shot, converter=converter) if "fastest" in converter else None,
            note="the end of the stream is cut short",
        )
        for converter, floor in FLOORS.items()
    ]


def _open(in_hz: int, out_hz: int, *, converter: str) -> Process:
    import samplerate

    resampler = samplerate.Resampler(converter, channels=1)
    ratio = out_hz / in_hz

    def process(block: Block, last: bool = False) -> Block:
        return resampler.process(block, ratio, end_of_input=last)

    return process
