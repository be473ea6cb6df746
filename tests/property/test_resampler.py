"""What holds for every stream through a resampler, from Python."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from antiphon._native import Resampler, float_to_int16

RATES_HZ = st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000])
PROFILES = st.sampled_from(["voice", "voice_plus", "hq", "lowlatency"])
FLOATS = arrays(np.float32, st.integers(0, 1_500), elements=st.floats(width=32))
INTS = arrays(np.int16, st.integers(0, 1_500))
CUTS = st.lists(st.integers(0, 1_500), max_size=6)


def cut(x: Any, positions: list[int]) -> list[Any]:
    return np.split(x, sorted(min(position, len(x)) for position in positions))


@settings(max_examples=60, deadline=None)
@given(RATES_HZ, RATES_HZ, PROFILES, st.one_of(FLOATS, INTS), CUTS)
def test_cuts_do_not_show_and_lengths_are_exact(
    in_hz: int, out_hz: int, profile: Any, x: Any, cuts: list[int]
) -> None:
    resampler = Resampler(in_hz, out_hz, profile, x.dtype.name)
    whole = resampler.process(x, last=True)
    parts = [resampler.process(block) for block in cut(x, cuts)]
    np.testing.assert_array_equal(np.concatenate([*parts, resampler.flush()]), whole)
    up, down = out_hz // gcd(in_hz, out_hz), in_hz // gcd(in_hz, out_hz)
    assert len(whole) == (2 * len(x) * up + down) // (2 * down)
    assert np.isfinite(whole).all()
    assert whole.dtype == x.dtype


@settings(max_examples=40, deadline=None)
@given(RATES_HZ, RATES_HZ, INTS)
def test_bytes_arrays_and_rounded_floats_agree(in_hz: int, out_hz: int, x: Any) -> None:
    ints = Resampler(in_hz, out_hz, dtype="int16")
    from_ints = ints.process(x, last=True)
    assert ints.process(x.tobytes(), last=True) == from_ints.tobytes()
    floats = Resampler(in_hz, out_hz).process(x.astype(np.float32) / 32_768, last=True)
    np.testing.assert_array_equal(float_to_int16(floats), from_ints)


@settings(max_examples=40, deadline=None)
@given(RATES_HZ, RATES_HZ, st.lists(st.integers(0, 1_000), min_size=1, max_size=12))
def test_one_call_never_returns_more_than_it_says(
    in_hz: int, out_hz: int, sizes: list[int]
) -> None:
    resampler = Resampler(in_hz, out_hz)
    for frames in sizes:
        made = resampler.process(np.zeros(frames, np.float32))
        assert len(made) <= resampler.max_output_frames(frames)


@settings(max_examples=25, deadline=None)
@given(RATES_HZ, RATES_HZ, PROFILES)
def test_what_is_held_back_is_the_delay(in_hz: int, out_hz: int, profile: Any) -> None:
    resampler = Resampler(in_hz, out_hz, profile)
    frames = in_hz // 25  # a whole number of frames at each of these rates
    due = made = 0
    for _ in range(8):
        made += len(resampler.process(np.zeros(frames, np.float32)))
        due += out_hz // 25
        assert due - made == resampler.delay_frames // 1
