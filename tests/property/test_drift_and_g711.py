"""What holds for every stream through the drift resampler and the telephone, from Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from antiphon._native import (
    DriftResampler,
    G711Decoder,
    G711Encoder,
    Resampler,
    alaw_decode,
    ulaw_decode,
)

DECODE = {"ulaw": ulaw_decode, "alaw": alaw_decode}
RATES_HZ = st.integers(4_000, 96_000)
CUTS = st.lists(st.integers(0, 1_500), max_size=6)


def cut(x: Any, positions: list[int]) -> list[Any]:
    return np.split(x, sorted(min(position, len(x)) for position in positions))


@settings(max_examples=30, deadline=None)
@given(
    RATES_HZ,
    RATES_HZ,
    st.floats(-2_000, 2_000),
    arrays(np.float32, st.integers(0, 1_500), elements=st.floats(width=32)),
    CUTS,
)
def test_a_drifting_stream_does_not_show_its_cuts(
    in_hz: int, out_hz: int, ppm: float, x: Any, cuts: list[int]
) -> None:
    resampler = DriftResampler(in_hz, out_hz)
    resampler.set_ppm(ppm)
    whole = resampler.process(x, last=True)
    resampler.set_ppm(ppm)
    parts = [resampler.process(block) for block in cut(x, cuts)]
    np.testing.assert_array_equal(np.concatenate([*parts, resampler.flush()]), whole)
    assert np.isfinite(whole).all()
    nominal = DriftResampler(in_hz, out_hz).process(x, last=True)
    assert len(nominal) == (2 * len(x) * out_hz + in_hz) // (2 * in_hz)
    exact = len(x) * out_hz / in_hz
    assert abs(len(whole) - exact) <= exact * 0.001_1 + 1


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["ulaw", "alaw"]),
    st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000]),
    arrays(np.uint8, st.integers(0, 8_000)),
    st.lists(st.integers(0, 8_000), max_size=6),
)
def test_a_telephone_does_not_show_its_cuts(
    law: Any, rate_hz: int, x: Any, cuts: list[int]
) -> None:
    decoder, encoder = G711Decoder(law, rate_hz), G711Encoder(law, rate_hz)
    pcm = decoder.process(x, last=True)
    stages = Resampler(8_000, rate_hz, dtype="int16").process(DECODE[law](x), last=True)
    np.testing.assert_array_equal(pcm, stages)
    parts = [decoder.process(block) for block in cut(x, cuts)]
    np.testing.assert_array_equal(np.concatenate([*parts, decoder.flush()]), pcm)
    assert decoder.process(x.tobytes(), last=True) == pcm.tobytes()
    codes = encoder.process(pcm, last=True)
    blocks = [encoder.process(block).tobytes() for block in cut(pcm, cuts)]
    assert b"".join(blocks) + encoder.flush() == codes.tobytes()
    assert len(Resampler(rate_hz, 8_000, dtype="int16").process(pcm, last=True)) == len(codes)
