"""LiveKit's AudioResampler: soxr behind a foreign-function interface."""

from __future__ import annotations

from benches.peers.engine import Engine, Floor, Process


def engines() -> list[Engine]:
    """Its default quality; it takes int16 only."""
    import livekit.rtc  # noqa: F401 -- here, so that a missing one is told

    return [
        Engine(
            name="LiveKit",
            family="LiveKit",
            dtype="int16",
            open=_open,
            floor=Floor(rejection_db=85, snr_db=85),
            note="default quality: medium",
        )
    ]


def _open(in_hz: int, out_hz: int) -> Process:
    from livekit import rtc

    resampler = rtc.AudioResampler(in_hz, out_hz, num_channels=1)

    def process(block: bytes, last: bool = False) -> bytes:
        frames = resampler.push(bytearray(block))
        if last:
            frames = [*frames, *resampler.flush()]
        return b"".join(frame.data.cast("b") for frame in frames)

    return process
