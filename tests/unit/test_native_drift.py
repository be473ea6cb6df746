"""The resampler of variable ratio and the loop that steers it, as Python sees them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from antiphon._native import ClockDriftEstimator, DriftResampler
from antiphon.errors import AudioFormatError

TONE = np.sin(2 * np.pi * 997 * np.arange(96_000) / 48_000).astype(np.float32)

NAN = float("nan")
UNKNOWN: Any = "int32"


def residual_db(y: Any, hz: float, rate_hz: float) -> float:
    """What is left of ``y`` after the best sine of ``hz``, relative to it."""
    turns = 2 * np.pi * hz * np.arange(len(y)) / rate_hz
    basis = np.stack([np.sin(turns), np.cos(turns)], axis=1)
    y = y.astype(np.float64)
    rest = y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    return float(20 * np.log10(np.std(rest) / np.std(y)))


@pytest.mark.parametrize("ppm", [0.0, 250.0, -1_000.0])
def test_a_tone_keeps_its_shape_and_shifts_by_the_deviation(ppm: float) -> None:
    resampler = DriftResampler(48_000, 48_000)
    resampler.set_ppm(ppm)
    y = resampler.process(TONE)
    assert resampler.ppm == ppm
    assert residual_db(y[10_000:], 997 * (1 + ppm * 1e-6), 48_000) < -110


def test_each_kind_of_input_comes_back_as_its_kind() -> None:
    floats, ints = DriftResampler(24_000, 48_000), DriftResampler(24_000, 48_000, dtype="int16")
    assert (floats.dtype, ints.dtype) == ("float32", "int16")
    assert floats.process(TONE[:480]).dtype == np.float32
    pcm = (TONE[:48_000] * 30_000).astype(np.int16)
    whole = ints.process(pcm, last=True)  # long: without the interpreter
    assert whole.dtype == np.int16
    assert len(whole) == 2 * len(pcm)
    assert ints.process(pcm.tobytes(), last=True) == whole.tobytes()
    cut = [ints.process(block) for block in np.split(pcm, 100)]
    np.testing.assert_array_equal(np.concatenate([*cut, ints.flush()]), whole)


def test_a_device_gets_just_the_frames_it_asks_for() -> None:
    resampler = DriftResampler(24_000, 48_000, 500)
    resampler.set_ppm(9_999)
    position, out = 0, np.zeros(481, np.float32)
    for _ in range(100):
        needed = resampler.input_frames_for(480)
        made = resampler.process(TONE[position : position + needed])
        assert 480 <= len(made) <= 482
        position += needed - (len(made) - 480 + 1) // 2
    assert resampler.ppm == resampler.max_ppm == 500
    assert (resampler.nominal_in_hz, resampler.nominal_out_hz) == (24_000, 48_000)
    assert resampler.delay_s == pytest.approx(40 / 24_000)
    resampler.reset()
    assert resampler.ppm == 0
    assert resampler.max_output_frames(240) == len(out)
    assert resampler.process_into(TONE[:240], out) == 400
    with pytest.raises(AudioFormatError, match="must hold at least 481"):
        resampler.process_into(TONE[:240], out[:480])


@pytest.mark.parametrize("drift_ppm", [200.0, -200.0])
def test_the_loop_holds_the_fill(drift_ppm: float) -> None:
    resampler = DriftResampler(48_000, 48_000)
    estimator = ClockDriftEstimator(48_000, 960)
    fill, seen = 960.0, []
    block = np.zeros(600, np.float32)
    for step in range(6_000):  # a minute of 10 ms
        fill += 480 * (1 + drift_ppm * 1e-6)
        resampler.set_ppm(estimator.update(fill - 480, step * 10_000))
        needed = resampler.input_frames_for(480)
        resampler.process(block[:needed])
        fill -= needed
        if step >= 2_000:
            seen.append(fill)
    assert max(abs(fill - 960) for fill in seen) < 0.002 * 48_000
    assert estimator.drift_ppm == pytest.approx(drift_ppm, abs=10)
    assert estimator.ppm == pytest.approx(drift_ppm, abs=40)
    assert estimator.target_frames == 960
    estimator.reset()
    assert estimator.ppm == estimator.drift_ppm == 0


def test_an_update_takes_the_time_of_the_last_block() -> None:
    told, plain = ClockDriftEstimator(48_000, 960), ClockDriftEstimator(48_000, 960)
    for step in range(500):
        ppm = told.update(800 + step % 5, step * 7_000, written_us=step * 7_000 - 2_000)
        assert ppm == plain.update(800 + step % 5 + 96, step * 7_000)
    for written_us in (2**200, -(2**200)):
        told.update(900, 4_000_000, written_us)
    told.update(1e300, 5_000_000)
    for step in range(1_000):
        told.update(960, 5_000_000 + step * 10_000)
    assert abs(told.ppm) < 1_000


def test_a_last_block_and_its_flush_are_one_step() -> None:
    resampler = DriftResampler(48_000, 48_000)
    expected = resampler.process(TONE[:12_000], last=True)
    wrong: list[int] = []
    barrier = threading.Barrier(2)

    def feed() -> None:
        barrier.wait()
        for _ in range(200):  # long: without the interpreter
            made = resampler.process(TONE[:12_000], last=True)
            if not np.array_equal(made, expected):
                wrong.append(len(made))

    threads = [threading.Thread(target=feed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not wrong


def test_many_frames_can_be_asked_for_at_once() -> None:
    resampler = DriftResampler(24_000, 48_000)
    assert abs(resampler.input_frames_for(2**32 - 1) - 2**31) < 100
    assert resampler.input_frames_for(0) == 0


@pytest.mark.parametrize("frames", [1, 147, 4_410, 44_100])
def test_the_length_at_the_nominal_ratio_is_that_of_a_resampler(frames: int) -> None:
    for in_hz, out_hz in [(44_100, 48_000), (48_000, 44_100), (24_000, 11_025)]:
        made = DriftResampler(in_hz, out_hz).process(np.zeros(frames, np.float32), last=True)
        assert len(made) == (2 * frames * out_hz + in_hz) // (2 * in_hz)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DriftResampler(3_999, 48_000), "nominal_in_hz is 3999"),
        (lambda: DriftResampler(48_000, 48_000, 0), "max_ppm is 0; it must be 1 to 5000"),
        (lambda: DriftResampler(48_000, 48_000, dtype=UNKNOWN), "dtype is"),
        (
            lambda: DriftResampler(48_000, 48_000).set_ppm(float("nan")),
            "ppm is NaN; it must be a number",
        ),
        (lambda: DriftResampler(48_000, 48_000).process(TONE.astype(np.int16)), "must be float32"),
        (lambda: ClockDriftEstimator(48_000, -1), "target_frames is -1"),
        (lambda: ClockDriftEstimator(1, 480), "rate_hz is 1"),
    ],
)
def test_what_cannot_be_done_is_refused(make: Any, message: str) -> None:
    with pytest.raises(AudioFormatError, match=message):
        make()
