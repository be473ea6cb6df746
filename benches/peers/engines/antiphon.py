"""Ours, called as a user calls it: the bound method of the native class, nothing around it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benches.peers.engine import Block, Engine, Floor, Process

# Rejection asked of each profile in float32.
PROFILES = {"voice": 80.0, "voice_plus": 96.0, "hq": 124.0, "lowlatency": 78.0}
# int16 output is rounded without dither: the rounding's own spurs, about -115 dB, are the floor of
# what can be heard of an image.
INT16_LIMIT_DB = 96.0


def engines() -> list[Engine]:
    """Every profile, in float32 and in int16 bytes."""
    return [
        Engine(
            name=f"antiphon {profile}" + (" int16" if dtype == "int16" else ""),
            family="antiphon",
            dtype=dtype,
            open=partial(_open, profile=profile, dtype=dtype),
            floor=Floor(
                rejection_db=min(rejection_db, INT16_LIMIT_DB)
                if dtype == "int16"
                else rejection_db,
                snr_db=95.0 if dtype == "int16" else 118.0,
                ripple_db=0.01,
                exact=True,
            ),
            one_shot=_one_shot(profile) if dtype == "float32" else None,
        )
        for profile, rejection_db in PROFILES.items()
        for dtype in ("float32", "int16")
    ]


def _open(in_hz: int, out_hz: int, *, profile: str, dtype: str) -> Process:
    from antiphon.audio import Resampler

    return Resampler(in_hz, out_hz, profile, dtype).process  # type: ignore[arg-type]


def _one_shot(profile: str) -> Callable[[int, int, Block], Block] | None:
    try:
        from antiphon.audio import resample
    except ImportError:
        return None

    def one_shot(in_hz: int, out_hz: int, x: Block) -> Block:
        return resample(x, in_hz, out_hz, profile)  # type: ignore[call-overload]

    return one_shot
