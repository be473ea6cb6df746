"""The native conversions and the resampler, as Python sees them."""

from __future__ import annotations

import array
import os
import subprocess
import sys
import threading
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from antiphon._native import (
    Capture,
    ClockDriftEstimator,
    DriftResampler,
    G711Decoder,
    G711Encoder,
    JitterBuffer,
    Packetizer,
    Playout,
    Resampler,
    Uplink,
    VoiceActivityDetector,
    __version__,
    downmix,
    encode_realtime_audio,
    float_to_int16,
    int16_to_float,
    interleave,
    resample,
    simd_backend,
    ulaw_decode,
    ulaw_encode,
)
from antiphon.errors import AudioFormatError

RNG = np.random.default_rng(1)
NOISE = RNG.uniform(-0.9, 0.9, 48_000).astype(np.float32)
NOISE_16 = RNG.integers(-30_000, 30_000, 48_000).astype(np.int16)


def test_the_module_says_what_it_is() -> None:
    assert __version__.count(".") == 2
    assert simd_backend() in {"scalar", "avx2", "neon"}


@pytest.mark.parametrize("name", ["scalar", simd_backend(), "nothing"])
def test_a_backend_can_be_forced(name: str) -> None:
    program = "from antiphon._native import simd_backend; print(simd_backend())"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "ANTIPHON_SIMD": name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if name == "nothing":
        assert ran.returncode != 0
        assert 'the SIMD backend "nothing" cannot be used' in ran.stderr
    else:
        assert ran.stdout.strip() == name, ran.stderr


# Bytes of which no number begins where it should.
UNALIGNED = np.zeros(65, np.uint8)[1:]


def overlapping() -> list[tuple[Any, Any]]:
    """float32 and int16 arrays that share memory, which NumPy's bases tell of the first only."""
    memory = np.zeros(16, np.float32)
    shared = bytearray(64)
    strided = np.lib.stride_tricks.as_strided
    return [
        (memory[:8], memory.view(np.int16)[8:16]),
        (np.frombuffer(shared, np.float32, 8), np.frombuffer(shared, np.int16, 8)),
        (np.frombuffer(shared, np.float32, 8), np.frombuffer(shared, np.int16, 8, offset=28)),
        (memory[:8], strided(memory.view(np.int16), (8,), (2,))),
    ]


@pytest.mark.parametrize("case", range(4))
def test_no_output_lies_over_its_input(case: int) -> None:
    floats, ints = overlapping()[case]
    with pytest.raises(AudioFormatError, match="out cannot be written to: it overlaps the input"):
        float_to_int16(floats, ints)
    with pytest.raises(AudioFormatError, match="out cannot be written to: it overlaps the input"):
        int16_to_float(ints, floats)
    kinds: list[Any] = [Resampler, DriftResampler]
    for kind in kinds:
        resampler = kind(48_000, 16_000)
        with pytest.raises(AudioFormatError, match="it overlaps the input"):
            resampler.process_into(floats, ints.view(np.float32))
        assert resampler.flush().shape == (0,)


def test_arrays_side_by_side_do_not_overlap() -> None:
    shared = bytearray(48)
    x = np.frombuffer(shared, np.float32, 8)
    out = np.frombuffer(shared, np.int16, 8, offset=32)
    assert float_to_int16(x, out) is out
    float_to_int16(x[:0], x.view(np.int16)[:0])


@pytest.mark.parametrize("shape", [(2, 4), (8, 1), (2, 2, 2)])
def test_a_buffer_of_other_than_one_dimension_is_refused(shape: tuple[int, ...]) -> None:
    message = r"shape \(.*\); it must have one dimension"
    for name in ("int16", "uint8"):
        x: Any = memoryview(np.zeros(shape, name))
        calls: list[Any] = [
            Resampler(48_000, 16_000, dtype="int16").process,
            DriftResampler(48_000, 16_000, dtype="int16").process,
            G711Encoder("ulaw").process,
            G711Decoder("ulaw").process,
            ulaw_encode,
            ulaw_decode,
            Packetizer().push,
        ]
        if name == "int16":
            calls = [call for call in calls if call not in (ulaw_decode, calls[3])]
        for call in calls:
            with pytest.raises(AudioFormatError, match=message):
                call(x, now_us=0) if call is calls[-1] else call(x)


HUGE = [2**63, 2**200, -(2**63), -(2**200), -1]


@pytest.mark.parametrize("value", HUGE)
def test_an_integer_of_any_size_is_refused_by_its_name(value: int) -> None:
    pcm = b"\0\0"
    cases: dict[str, list[Any]] = {
        "in_hz": [lambda: Resampler(value, 8_000), lambda: resample(pcm, value, 8_000)],
        "out_hz": [lambda: G711Decoder("ulaw", value), lambda: Uplink(8_000, 1, value)],
        "nominal_out_hz": [lambda: DriftResampler(8_000, value)],
        "max_ppm": [lambda: DriftResampler(8_000, 8_000, value)],
        "in_frames": [lambda: Resampler(48_000, 8_000).max_output_frames(value)],
        "out_frames": [lambda: DriftResampler(8_000, 8_000).input_frames_for(value)],
        "frames": [
            lambda: Resampler(48_000, 8_000).skip(value),
            lambda: JitterBuffer().pull(value, now_us=0),
        ],
        "target_frames": [lambda: ClockDriftEstimator(48_000, value)],
        "turn": [lambda: JitterBuffer().push(pcm, now_us=0, turn=value)],
        "now_us": [lambda: JitterBuffer().push(pcm, now_us=value)],
        "packet_ms": [lambda: Packetizer(16_000, value)],
        "device_hz": [lambda: Playout(value), lambda: Capture(value)],
        "rate_hz": [lambda: encode_realtime_audio(pcm, value)],
        "sample_rate_hz": [lambda: VoiceActivityDetector(value)],
    }
    if value < 0:  # else as many as there are
        cases["max_frames"] = [lambda: Capture(48_000).read(value)]
    if value != -1:  # before the clock's start, for those with a time of their own
        cases["now_us"] += [
            lambda: Packetizer().push(pcm, now_us=value),
            lambda: ClockDriftEstimator(48_000, 480).update(480, value),
        ]
    for name, calls in cases.items():
        for call in calls:
            with pytest.raises(AudioFormatError, match=rf"^{name} is -?[0-9]") as caught:
                call()
            if name.endswith(("in_hz", "out_hz", "device_hz")) or name == "rate_hz":
                assert "it must be 4000 to 384000" in str(caught.value)


def test_a_number_may_be_an_integer_of_any_size() -> None:
    resampler = DriftResampler(48_000, 48_000)
    resampler.set_ppm(-(10**400))
    resampler.process(NOISE)
    assert resampler.ppm == -1_000
    assert ClockDriftEstimator(48_000, 480).update(10**400, 0) == 0
    for call in (
        lambda: Resampler(48_000, 16_000).group_delay_s(10**400),
        lambda: VoiceActivityDetector(threshold_db=10**400),
    ):
        with pytest.raises(AudioFormatError, match="is inf; it must be 0 to"):
            call()


@pytest.mark.parametrize("call", [lambda x: resample(x, 48_000, 16_000), lambda x: interleave([x])])
def test_where_two_types_will_do_both_are_named(call: Any) -> None:
    for x, message in [
        (np.zeros(3), r"float64; it must be float32 or int16; pass x.astype\(numpy.float32\)"),
        (np.zeros(3, np.int32), "int32; it must be float32 or int16$"),
        ([0.0], "type list; give an array of float32 or int16"),
    ]:
        with pytest.raises(AudioFormatError, match=message):
            call(x)


def test_a_copy_is_read_as_it_lies_whatever_a_subclass_makes_of_it() -> None:
    class Odd(np.ndarray[Any, Any]):
        def copy(self, order: Any = "C") -> Any:
            return super().copy(order)[::2]

    x = np.stack([NOISE_16, NOISE_16], axis=1)[:, 0].view(Odd)
    expected = Resampler(48_000, 16_000, dtype="int16").process(NOISE_16)
    resampler = Resampler(48_000, 16_000, dtype="int16")
    np.testing.assert_array_equal(resampler.process(x), expected)


class TestConversions:
    def test_round_half_to_even_saturate_and_silence_nan(self) -> None:
        steps = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 40_000, -40_000])
        x = (steps / 32_768).astype(np.float32)
        assert float_to_int16(x).tolist() == [0, 2, 2, 0, -2, 32_767, -32_768]
        x = np.array([np.nan, np.inf, -np.inf, 1.0, -1.0], np.float32)
        assert float_to_int16(x).tolist() == [0, 32_767, -32_768, 32_767, -32_768]

    def test_equals_numpy_on_everything_in_between(self) -> None:
        x = RNG.uniform(-1.2, 1.2, 100_000).astype(np.float32)
        expected = np.clip(np.rint(x * np.float32(32_768)), -32_768, 32_767).astype(np.int16)
        np.testing.assert_array_equal(float_to_int16(x), expected)

    def test_every_int16_survives_the_round_trip(self) -> None:
        every = np.arange(-32_768, 32_768, dtype=np.int16)
        floats = int16_to_float(every)
        assert floats.dtype == np.float32
        np.testing.assert_array_equal(floats, every.astype(np.float32) / 32_768)
        np.testing.assert_array_equal(float_to_int16(floats), every)

    @pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 2), (0, 2), (2, 3, 4)])
    def test_any_shape_is_kept(self, shape: tuple[int, ...]) -> None:
        assert float_to_int16(np.zeros(shape, np.float32)).shape == shape
        assert int16_to_float(np.zeros(shape, np.int16)).shape == shape

    def test_out_is_filled_and_returned(self) -> None:
        out = np.empty(3, np.int16)
        assert float_to_int16(np.array([0.5, 0, -0.5], np.float32), out) is out
        assert out.tolist() == [16_384, 0, -16_384]
        floats = np.empty(3, np.float32)
        assert int16_to_float(out, out=floats) is floats
        assert floats.tolist() == [0.5, 0.0, -0.5]

    @pytest.mark.parametrize(
        ("x", "out", "message"),
        [
            (np.zeros(3), None, "float64; it must be float32"),
            (np.zeros(3, np.int16), None, "int16; it must be float32"),
            (np.zeros(3, ">f4"), None, "must be float32"),
            ([0.0, 0.5], None, "type list, not an array"),
            (np.zeros((4, 4), np.float32)[:, 0], None, "x is not C-contiguous"),
            (np.zeros((4, 4), np.float32).T, np.zeros((4, 4), np.int16), "x is not C-contiguous"),
            (np.zeros(3, np.float32), np.zeros(4, np.int16), r"shape \(4,\), and x \(3,\)"),
            (np.zeros(3, np.float32), np.zeros(3, np.float32), "float32; it must be int16"),
            (np.zeros(3, np.float32), np.zeros(6, np.int16)[::2], "out is not C-contiguous; give"),
            (UNALIGNED.view(np.float32), None, r"x is not aligned in memory; pass x\.copy\(\)"),
            (np.zeros(8, np.float32), UNALIGNED.view(np.int16)[:8], "out is not aligned in mem"),
        ],
    )
    def test_another_kind_of_array_is_refused(self, x: Any, out: Any, message: str) -> None:
        with pytest.raises(AudioFormatError, match=message):
            float_to_int16(x, out)

    def test_an_out_that_cannot_be_written_to_is_refused(self) -> None:
        out = np.zeros(3, np.int16)
        out.flags.writeable = False
        with pytest.raises(AudioFormatError, match="to: the array is read-only"):
            float_to_int16(np.zeros(3, np.float32), out)

    def test_int16_to_float_refuses_too(self) -> None:
        x: Any = np.zeros(3, np.float32)
        with pytest.raises(AudioFormatError, match="float32; it must be int16"):
            int16_to_float(x)


class TestDownmix:
    def test_channels_are_averaged(self) -> None:
        stereo = np.array([[1, 2], [3, 4], [-1, -2], [32_767, 32_767]], np.int16)
        assert downmix(stereo).tolist() == [2, 4, -2, 32_767]
        three = np.array([[0.3, 0.6, 0.9]], np.float32)
        assert downmix(three).tolist() == pytest.approx([0.6])

    def test_one_dimension_is_copied(self) -> None:
        x = np.array([1, -2], np.int16)
        y = downmix(x)
        assert y.tolist() == [1, -2]
        assert not np.shares_memory(x, y)

    def test_no_frames_give_no_frames(self) -> None:
        assert downmix(np.zeros((0, 2), np.float32)).shape == (0,)

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            (np.zeros((3, 0), np.int16), "channels is 0; it must be 1 to 256"),
            (np.zeros((3, 257), np.int16), "channels is 257"),
            (np.zeros((3, 2), np.int32), "int32; it must be float32 or int16"),
            (np.zeros((3, 2, 1), np.int16), r"\(3, 2, 1\); it must be \(frames, channels\)"),
            (np.zeros((2, 3), np.float32).T, "not C-contiguous"),
            (b"\0\0", "not an array"),
        ],
    )
    def test_another_kind_of_array_is_refused(self, x: Any, message: str) -> None:
        with pytest.raises(AudioFormatError, match=message):
            downmix(x)


class TestResampler:
    def test_properties(self) -> None:
        resampler = Resampler(48_000, 16_000, "voice_plus", "int16")
        assert (resampler.in_hz, resampler.out_hz) == (48_000, 16_000)
        assert (resampler.profile, resampler.dtype) == ("voice_plus", "int16")
        assert isinstance(Resampler(44_100, 16_000).delay_frames, Fraction)
        assert resampler.delay_s == float(resampler.delay_frames / 16_000)
        assert Resampler(16_000, 16_000).delay_frames == 0

    @pytest.mark.parametrize(
        ("profile", "limit_s"), [("voice", 0.0026), ("voice_plus", 0.0041), ("hq", 0.0061)]
    )
    def test_delay(self, profile: Any, limit_s: float) -> None:
        for in_hz in (44_100, 48_000, 24_000, 96_000):
            assert 0 < Resampler(in_hz, 16_000, profile).delay_s <= limit_s

    @pytest.mark.parametrize("hz", [100.0, 997.0, 3_400.0, 6_700.0])
    def test_a_tone_comes_out_as_itself_and_in_time(self, hz: float) -> None:
        x = (0.9 * np.sin(2 * np.pi * hz * np.arange(48_000) / 48_000)).astype(np.float32)
        y = Resampler(48_000, 16_000).process(x, last=True)
        expected = 0.9 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)
        assert np.abs(y - expected)[200:-200].max() < 1e-3

    def test_a_tone_above_nyquist_does_not_come_out(self) -> None:
        x = np.sin(2 * np.pi * 8_100 * np.arange(48_000) / 48_000).astype(np.float32)
        y = Resampler(48_000, 16_000).process(x, last=True)
        assert np.abs(y)[200:-200].max() < 10 ** (-80 / 20)

    def test_equal_rates_pass_bit_for_bit(self) -> None:
        np.testing.assert_array_equal(Resampler(24_000, 24_000).process(NOISE), NOISE)
        resampler = Resampler(24_000, 24_000, dtype="int16")
        np.testing.assert_array_equal(resampler.process(NOISE_16), NOISE_16)
        assert resampler.flush().shape == (0,)

    @pytest.mark.parametrize("frames", [0, 1, 2, 3, 7])
    def test_short_inputs(self, frames: int) -> None:
        resampler = Resampler(44_100, 16_000)
        made = resampler.process(NOISE[:frames])
        tail = resampler.flush()
        assert len(made) + len(tail) == (2 * frames * 160 + 441) // (2 * 441)

    def test_each_kind_of_input_comes_back_as_its_kind(self) -> None:
        floats, ints = Resampler(48_000, 16_000), Resampler(48_000, 16_000, dtype="int16")
        from_array = floats.process(NOISE[:4_800], last=True)
        assert from_array.dtype == np.float32
        from_bytes = floats.process(NOISE[:4_800].tobytes(), last=True)
        assert isinstance(from_bytes, bytes)
        assert from_bytes == from_array.tobytes()
        pcm = ints.process(NOISE_16[:4_800], last=True)
        assert pcm.dtype == np.int16
        raw = NOISE_16[:4_800].tobytes()
        samples = array.array("h", NOISE_16[:4_800].tolist())
        likes: list[Any] = [raw, bytearray(raw), memoryview(raw), memoryview(samples), samples]
        for like in likes:
            assert ints.process(like, last=True) == pcm.tobytes()

    def test_strided_read_only_and_unaligned_arrays_are_read(self) -> None:
        stereo = np.stack([NOISE_16, NOISE_16 // 2], axis=1)
        expected = Resampler(48_000, 16_000, dtype="int16").process(NOISE_16)
        for x in (
            stereo[:, 0],
            np.frombuffer(NOISE_16.tobytes(), np.int16),
            np.frombuffer(b"\0" + NOISE_16.tobytes(), np.int16, offset=1),
        ):
            resampler = Resampler(48_000, 16_000, dtype="int16")
            np.testing.assert_array_equal(resampler.process(x), expected)

    @pytest.mark.parametrize("dtype", ["float32", "int16"])
    def test_long_blocks_equal_short_ones(self, dtype: Any) -> None:
        x: Any = NOISE if dtype == "float32" else NOISE_16
        resampler = Resampler(48_000, 16_000, dtype=dtype)
        whole = resampler.process(x, last=True)  # long: without the interpreter
        cut = [resampler.process(block) for block in np.split(x, 100)]
        np.testing.assert_array_equal(whole, np.concatenate([*cut, resampler.flush()]))

    def test_process_into_writes_what_process_returns(self) -> None:
        one, other = (
            Resampler(44_100, 48_000, dtype="int16"),
            Resampler(44_100, 48_000, dtype="int16"),
        )
        out = np.full(one.max_output_frames(441) + 5, 77, np.int16)
        for block in np.split(NOISE_16[:44_100], 100):
            frames = one.process_into(block, out)
            np.testing.assert_array_equal(out[:frames], other.process(block))
        assert out[-5:].tolist() == [77] * 5

    def test_process_into_refuses_and_consumes_nothing(self) -> None:
        resampler = Resampler(48_000, 16_000)
        x = NOISE[:480]
        cases: list[tuple[Any, str]] = [
            (np.zeros(159, np.float32), "out holds 159 frames; it must hold at least 160"),
            (np.zeros(160, np.int16), "int16; it must be float32"),
            (np.zeros(320, np.float32)[::2], "out is not C-contiguous"),
            (bytearray(640), "type bytearray, not an array"),
        ]
        for out, message in cases:
            with pytest.raises(AudioFormatError, match=message):
                resampler.process_into(x, out)
        np.testing.assert_array_equal(resampler.process(x), Resampler(48_000, 16_000).process(x))

    def test_samples_that_are_not_finite_leave_no_trace(self) -> None:
        x = np.zeros(9_600, np.float32)
        x[:4] = [np.nan, np.inf, -np.inf, 3e38]
        y = Resampler(48_000, 16_000).process(x)
        assert np.isfinite(y).all()
        assert not y[1_000:].any()
        np.testing.assert_array_equal(
            Resampler(8_000, 8_000).process(x[:4]), np.array([0, 1, -1, 1], np.float32)
        )

    def test_int16_saturates_instead_of_wrapping(self) -> None:
        square = np.where(np.arange(4_800) // 48 % 2, 32_767, -32_768).astype(np.int16)
        y = Resampler(48_000, 16_000, dtype="int16").process(square, last=True).reshape(-1, 16)
        assert (y[0::2, 4:12] < -20_000).all()
        assert (y[1::2, 4:12] > 20_000).all()

    def test_low_latency_waits_for_nothing(self) -> None:
        resampler = Resampler(48_000, 16_000, "lowlatency")
        assert resampler.delay_frames == 0
        assert resampler.delay_s == 0
        assert len(resampler.process(NOISE[:480])) == 160
        late = [resampler.group_delay_s(hz) for hz in (0, 1_000, 3_400, 6_400, 6_800)]
        assert late == sorted(late)
        # As its documentation says.
        assert late[1:3] == pytest.approx([0.18e-3, 0.22e-3], abs=0.005e-3)
        assert late[4] == pytest.approx(0.8e-3, abs=0.03e-3)

    @pytest.mark.parametrize(
        ("in_hz", "out_hz"),
        [(48_000, 16_000), (24_000, 16_000), (44_100, 16_000), (16_000, 48_000)],
    )
    def test_low_latency_holds_back_less_than_half_a_frame(self, in_hz: int, out_hz: int) -> None:
        resampler = Resampler(in_hz, out_hz, "lowlatency")
        ratio = Fraction(in_hz, out_hz)
        held, made = Fraction(0), 0
        for newest in range(2_000):
            for _ in resampler.process(NOISE[newest : newest + 1]):
                held = max(held, newest - made * ratio)
                made += 1
        assert held == Fraction((ratio.numerator - 1) // 2, ratio.denominator) < ratio / 2

    def test_group_delay_of_linear_phase(self) -> None:
        resampler = Resampler(48_000, 16_000)
        assert resampler.group_delay_s(1_000) == resampler.delay_s
        for hz in (-1, 8_001, float("nan")):
            with pytest.raises(AudioFormatError, match="it must be 0 to 8000"):
                resampler.group_delay_s(hz)
        with pytest.raises(AudioFormatError, match=r"it must be 0 to 5512\.5, half of the lower"):
            Resampler(11_025, 48_000).group_delay_s(5_513)

    @pytest.mark.parametrize("gap", [0, 1, 100, 48_000])
    def test_a_gap_is_silence_that_need_not_be_made(self, gap: int) -> None:
        resampler = Resampler(44_100, 16_000, dtype="int16")
        silence = np.zeros(gap, np.int16)
        expected = resampler.process(np.concatenate([NOISE_16[:999], silence, NOISE_16]), last=True)
        before = resampler.process(NOISE_16[:999])
        tail, silent_frames = resampler.skip(gap)
        after = resampler.process(NOISE_16, last=True)
        made = [before, tail, np.zeros(silent_frames, np.int16), after]
        np.testing.assert_array_equal(np.concatenate(made), expected)
        assert len(tail) < 200

    def test_a_gap_that_is_none_is_refused(self) -> None:
        for frames in (-1, 2**32):
            with pytest.raises(AudioFormatError, match=f"frames is {frames}"):
                Resampler(44_100, 16_000).skip(frames)

    @pytest.mark.parametrize("profile", ["voice", "voice_plus", "hq", "lowlatency"])
    @pytest.mark.parametrize(
        ("in_hz", "out_hz"), [(48_000, 16_000), (24_000, 48_000), (44_100, 16_000), (8_000, 8_000)]
    )
    def test_one_shot_is_the_stream(self, profile: Any, in_hz: int, out_hz: int) -> None:
        expected = Resampler(in_hz, out_hz, profile).process(NOISE, last=True)
        made = resample(NOISE, in_hz, out_hz, profile)
        assert made.dtype == np.float32
        assert made.shape == expected.shape
        assert np.abs(made - expected).max() <= (1e-6 if profile == "hq" else 0)
        pcm = Resampler(in_hz, out_hz, profile, "int16").process(NOISE_16, last=True)
        from_bytes = resample(NOISE_16.tobytes(), in_hz, out_hz, profile)
        assert isinstance(from_bytes, bytes)
        close = np.frombuffer(from_bytes, np.int16).astype(int) - pcm
        assert np.abs(close).max() <= (1 if profile == "hq" else 0)

    def test_reset_forgets(self) -> None:
        resampler = Resampler(48_000, 16_000)
        first = resampler.process(NOISE[:1_000])
        resampler.reset()
        np.testing.assert_array_equal(resampler.process(NOISE[:1_000]), first)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((3_999, 16_000), "in_hz is 3999; it must be 4000 to 384000"),
            ((16_000, 384_001), "out_hz is 384001"),
            ((-1, 16_000), "in_hz is -1"),
            ((16_000, 2**40), "out_hz is 1099511627776"),
            ((47_999, 48_000), "48000, and at most 2000 is supported; a DriftResampler takes"),
            ((48_000, 16_000, "best"), "profile is \"best\"; it must be 'voice'"),
            ((48_000, 16_000, "voice", "float64"), "must be 'float32' or 'int16'"),
        ],
    )
    def test_what_is_not_supported_is_refused(self, arguments: Any, message: str) -> None:
        with pytest.raises(AudioFormatError, match=message):
            Resampler(*arguments)

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            (np.zeros(3, np.int16), "int16; it must be float32"),
            (np.zeros((3, 1), np.float32), r"\(3, 1\); it must have one dimension"),
            (np.zeros((), np.float32), "must have one dimension"),
            (b"\0" * 7, "7 bytes are not a whole number of float32 samples"),
            (bytearray(2), "2 bytes are not a whole number"),
            ([0.0], "type list; give float32 samples"),
            (None, "type NoneType"),
            (array.array("d", [0.0]), "type array"),
        ],
    )
    def test_another_kind_of_block_is_refused_and_not_consumed(self, x: Any, message: str) -> None:
        resampler = Resampler(48_000, 16_000)
        with pytest.raises(AudioFormatError, match=message):
            resampler.process(x, last=True)
        assert resampler.flush().shape == (0,)

    def test_two_threads_on_one_object_take_turns(self) -> None:
        resampler = Resampler(48_000, 16_000, dtype="int16")
        made = [0, 0]
        barrier = threading.Barrier(2)

        def feed(which: int, block: np.ndarray[Any, np.dtype[np.int16]], times: int) -> None:
            barrier.wait()
            for _ in range(times):
                made[which] += len(resampler.process(block))

        threads = [
            threading.Thread(target=feed, args=(0, NOISE_16[:480], 2_000)),
            threading.Thread(target=feed, args=(1, NOISE_16[:24_000], 40)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        total = sum(made) + len(resampler.flush())
        assert total == (2_000 * 480 + 40 * 24_000) // 3
