"""The downlink's native classes, and the device callbacks driven by a simulated clock."""

from __future__ import annotations

import functools
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import cffi
import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon._native import Capture, JitterBuffer, Playout, Resampler
from antiphon.errors import AudioFormatError

RATE_HZ = 24_000
FADE = 120

ffi = cffi.FFI()
ffi.cdef(
    """
    typedef struct { double input_adc, current, output_dac; } stream_time;
    typedef int callback(const void *, void *, unsigned long, const stream_time *,
                         unsigned long, void *);
    """
)


class SimulatedDevice:
    """Calls a callback as PortAudio does, at times of its own making."""

    def __init__(self, stream: Playout | Capture) -> None:
        self.stream = stream
        self.callback = ffi.cast("callback *", stream.callback_address)
        self.user_data = ffi.cast("void *", stream.user_data)
        self.frames = 0

    @property
    def now_us(self) -> int:
        return self.frames * 1_000_000 // self.stream.device_hz

    def _call(self, input_: Any, output: Any, frames: int, flags: int, adc_s: float) -> None:
        current = self.frames / self.stream.device_hz
        moment = ffi.new("stream_time *", {"current": current, "input_adc": adc_s})
        assert self.callback(input_, output, frames, moment, flags, self.user_data) == 0
        self.frames += frames

    def play(self, frames: int, flags: int = 0) -> NDArray[np.float32]:
        out = np.full((frames, self.stream.channels), np.nan, np.float32)
        self._call(ffi.NULL, ffi.from_buffer(out), frames, flags, 0.0)
        return out

    def record(self, block: NDArray[np.float32], flags: int = 0, adc_s: float = 0.0) -> None:
        block = np.ascontiguousarray(block, np.float32)
        self._call(ffi.from_buffer(block), ffi.NULL, len(block), flags, adc_s)


def source(frames: int, start: int = 0) -> NDArray[np.int16]:
    """Loud samples, none of them zero."""
    samples = (np.arange(start, start + frames) * 7_919 + 13) % 20_011 - 10_005
    return np.where(samples == 0, 1, samples).astype(np.int16)


# ------------------------------------------------------------------------------ JitterBuffer


def test_a_turn_comes_out_bit_for_bit_behind_its_cushion() -> None:
    buffer = JitterBuffer()
    pcm = source(RATE_HZ)
    assert buffer.playhead.turn is None
    assert buffer.push(pcm[:1_200], now_us=0) == 1_200
    assert not buffer.pull(240, now_us=0).any()
    assert buffer.playhead.state == "prebuffer"
    assert buffer.push(pcm[1_200:].tobytes(), now_us=10_000) == RATE_HZ - 1_200
    buffer.end_of_turn(now_us=10_000)
    np.testing.assert_array_equal(buffer.pull(RATE_HZ, now_us=10_000), pcm)
    playhead = buffer.playhead
    assert (playhead.turn, playhead.media_frames, playhead.state) == (1, RATE_HZ, "idle")
    assert playhead.emitted_frames == RATE_HZ + 240
    assert buffer.stats()["first_sound_delay_us"] == 10_000


def test_pull_into_fills_what_it_is_given() -> None:
    buffer = JitterBuffer()
    buffer.push(source(480), now_us=0)
    buffer.end_of_turn(now_us=0)
    out = np.full(720, 77, np.int16)
    buffer.pull_into(out, now_us=0)
    np.testing.assert_array_equal(out[:480], source(480))
    assert not out[480 + FADE :].any()  # it ends loud, and so dies away


def test_flush_fades_and_says_what_was_heard() -> None:
    buffer = JitterBuffer()
    buffer.push(source(RATE_HZ), now_us=0, turn=4)
    buffer.pull(480, now_us=0)
    buffer.flush(now_us=20_000)
    assert buffer.push(source(480), now_us=20_000, turn=4) == 0
    out = buffer.pull(480, now_us=20_000)
    assert out[:FADE].any()
    assert not out[FADE:].any()
    playhead = buffer.playhead
    assert (playhead.flushes, playhead.flushed_turn) == (1, 4)
    assert playhead.flushed_media_frames == 480 + FADE
    assert playhead.queued_frames == 0
    stats = buffer.stats()
    assert stats["dropped_late_frames"] == 480
    assert stats["flush_count"] == 1
    assert stats["flushed_frames"] == RATE_HZ - 480 - FADE
    # Without a number, the next audio is the next turn.
    buffer.push(source(2_400), now_us=40_000)
    buffer.pull(1, now_us=40_000)
    assert buffer.playhead.turn == 5


def test_underruns_are_counted_with_the_names_of_webrtc_stats() -> None:
    buffer = JitterBuffer()
    buffer.push(source(1_440), now_us=0)
    buffer.pull(1_920, now_us=0)
    stats = buffer.stats()
    assert stats["concealment_events"] == 1
    assert stats["concealed_samples"] == 480
    assert stats["silent_concealed_samples"] == 0  # the voice goes on for 20 ms
    assert stats["underrun_us"] == 20_000
    assert stats["jitter_buffer_emitted_count"] == 1_440
    assert stats["total_samples_received"] == 1_920
    # The queue shrank from 1,440 to 0 at one frame per frame.
    assert stats["jitter_buffer_delay"] == pytest.approx(1_440 * 1_439 / 2 / RATE_HZ)
    assert buffer.playhead.state == "starved"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"sample_rate_hz": 7_999}, "sample_rate_hz is 7999"),
        ({"sample_rate_hz": -1}, "sample_rate_hz is -1"),
        ({"regime": "rtp"}, 'regime is "rtp"'),
        ({"regime": "packet", "packet_ms": 1}, "packet_ms is 1"),
        ({"regime": "packet", "sample_rate_hz": 11_025}, "packet"),
        ({"regime": "packet", "smoothness": 1.5}, "smoothness is 1.5"),
        ({"cushion_ms": 10_001}, "cushion_ms is 10001"),
        ({"capacity_s": 0}, "capacity_s is 0"),
        # Also what the regime has no use for.
        ({"packet_ms": 0}, "packet_ms is 0"),
        ({"smoothness": float("nan")}, "smoothness is NaN"),
        ({"regime": "packet", "cushion_ms": -5}, "cushion_ms is -5"),
        ({"regime": "packet", "capacity_s": 0}, "capacity_s is 0"),
    ],
)
def test_settings_out_of_range(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(AudioFormatError, match=text):
        JitterBuffer(**arguments)


def test_a_stream_has_rates_of_which_no_packet_is_whole_frames() -> None:
    assert JitterBuffer(11_025).sample_rate_hz == 11_025


def test_no_turn_is_numbered_so_that_none_could_follow() -> None:
    buffer = JitterBuffer()
    last = 2**32 - 1
    for call in (buffer.flush, buffer.end_of_turn, functools.partial(buffer.push, b"\0\0")):
        with pytest.raises(AudioFormatError, match=r"turn is 4294967295; .* leave it out"):
            call(now_us=0, turn=last)
    buffer.flush(now_us=0, turn=last - 1)
    assert buffer.push(source(480), now_us=0) == 480


@pytest.mark.parametrize("turn", [-1, 0, 2**40])
def test_packets_belong_to_no_turn(turn: int) -> None:
    buffer = JitterBuffer(regime="packet")
    for call in (buffer.flush, buffer.end_of_turn):
        with pytest.raises(AudioFormatError, match="turn is for"):
            call(now_us=0, turn=turn)


def test_wrong_audio_is_refused_and_nothing_is_queued() -> None:
    buffer = JitterBuffer()
    wrong: list[Any] = [b"abc", np.zeros(4, np.float32), np.zeros((4, 2), np.int16), "text", None]
    for pcm in wrong:
        with pytest.raises(AudioFormatError):
            buffer.push(pcm, now_us=0)
    wrong = [np.zeros(4, np.float32), np.zeros(8, np.int16)[::2], b"abcd"]
    for out in wrong:
        with pytest.raises(AudioFormatError):
            buffer.pull_into(out, now_us=0)
    with pytest.raises(AudioFormatError):
        buffer.pull(-1, now_us=0)
    with pytest.raises(AudioFormatError):
        buffer.push(source(2), now_us=-1)
    with pytest.raises(AudioFormatError):
        buffer.push(source(2), now_us=0, turn=-1)
    assert buffer.playhead.queued_frames == 0
    assert buffer.push(b"", now_us=0) == 0


def test_a_playhead_is_a_value() -> None:
    buffer = JitterBuffer()
    assert buffer.playhead == buffer.playhead
    assert "state='idle'" in repr(buffer.playhead)
    with pytest.raises(AttributeError):
        buffer.playhead.turn = 1  # type: ignore[misc]


# ------------------------------------------------------------------------------ Playout


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_equal_rates_pass_through_bit_for_bit_to_every_channel(channels: int) -> None:
    device = SimulatedDevice(playout := Playout(RATE_HZ, channels))
    pcm = source(5_000)
    pcm[-1] = 99  # ends softly: no dying away
    playout.push(pcm, now_us=0)
    playout.end_of_turn(now_us=0)
    out = np.concatenate([device.play(frames) for frames in (1, 480, 4_096, 1_000)])
    expected = np.zeros(len(out), np.float32)
    expected[:5_000] = pcm / np.float32(32_768)
    np.testing.assert_array_equal(out, np.repeat(expected[:, None], channels, axis=1))
    assert playout.delay_s == 0


@pytest.mark.parametrize("device_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("profile", ["voice", "hq"])
def test_the_output_is_the_jitter_buffer_through_the_resampler(
    device_hz: int, profile: Any
) -> None:
    device = SimulatedDevice(playout := Playout(device_hz, profile=profile))
    buffer, resampler = JitterBuffer(), Resampler(RATE_HZ, device_hz, profile)
    rng = np.random.default_rng(7)
    heard, expected = [], [np.zeros(0, np.float32)]
    for step in range(60):
        for target in (playout, buffer):
            if step % 5 < 3:
                target.push(source(1_300, step), now_us=device.now_us)
            if step % 10 == 7:
                target.end_of_turn(now_us=device.now_us)
            if step % 20 == 11:
                target.flush(now_us=device.now_us)
        before, now_us = playout.playhead.emitted_frames, device.now_us
        heard.append(device.play(int(rng.integers(1, 500)))[:, 0])
        pulled = playout.playhead.emitted_frames - before
        mono = buffer.pull(pulled, now_us=now_us).astype(np.float32) / np.float32(32_768)
        expected.append(resampler.process(mono))
    output, reference = np.concatenate(heard), np.concatenate(expected)
    assert 0 <= len(reference) - len(output) <= 2
    np.testing.assert_array_equal(output, reference[: len(output)])
    assert playout.playhead == buffer.playhead
    assert output.any()
    # What was pulled is what the ratio needs, and the look-ahead.
    assert playout.delay_s == resampler.delay_s
    ahead_s = playout.playhead.emitted_frames / RATE_HZ - device.frames / device_hz
    assert ahead_s == pytest.approx(playout.delay_s, abs=2 / RATE_HZ)


def test_a_flush_is_heard_within_the_next_block() -> None:
    device = SimulatedDevice(playout := Playout(48_000))
    playout.push(source(RATE_HZ), now_us=0)
    for _ in range(10):
        device.play(480)
    assert device.play(480).all()
    playout.flush(now_us=device.now_us)
    after = device.play(960)[:, 0]
    # 5 ms of fade, and the resampler's tail.
    end = 240 + 2 * round(playout.delay_s * 48_000) + 4
    assert after[:240].any()
    assert not after[end:].any()
    assert not device.play(4_800).any()
    assert playout.playhead.flushed_turn == 1


def test_device_flags_and_missing_times() -> None:
    device = SimulatedDevice(playout := Playout(48_000))
    device.play(480)
    device.play(480, flags=0x4)
    out = np.full(480, np.nan, np.float32)
    device.callback(ffi.NULL, ffi.from_buffer(out), 480, ffi.NULL, 0, device.user_data)
    assert not out.any()
    stats = playout.stats()
    assert (stats["callbacks"], stats["device_underflows"], stats["callback_failures"]) == (3, 1, 0)


def test_the_clock_of_the_device_ends_the_wait() -> None:
    device = SimulatedDevice(playout := Playout(RATE_HZ))
    playout.push(source(720), now_us=0)
    out = device.play(4_800)[:, 0]
    assert not out[:2_880].any()
    assert out[2_880]


def test_python_holds_nobody_up() -> None:
    """Callbacks run while threads hold the interpreter, push, flush and look on."""
    playout = Playout(48_000)
    device = SimulatedDevice(playout)
    stop = threading.Event()

    def feed() -> int:
        rounds = 0
        while not stop.is_set():
            playout.push(source(2_400), now_us=0)
            playout.flush(now_us=0)
            head = playout.playhead
            assert head.media_frames <= head.emitted_frames
            rounds += 1
        return rounds

    with ThreadPoolExecutor(2) as pool:
        feeders = [pool.submit(feed) for _ in range(2)]
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            assert np.isfinite(device.play(480)).all()
        stop.set()
    assert all(feeder.result() > 0 for feeder in feeders)
    assert playout.stats()["callback_failures"] == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((48_000, 0), "channels is 0"),
        ((1_000,), "1000"),
        ((48_000, 1, 7_000), "source_hz is 7000"),
        ((48_001,), "48001"),
    ],
)
def test_a_device_out_of_range(arguments: tuple[int, ...], text: str) -> None:
    with pytest.raises(AudioFormatError, match=text):
        Playout(*arguments)
    with pytest.raises(AudioFormatError, match="profile"):
        Playout(48_000, profile="best")  # type: ignore[arg-type]


def test_objects_go_away_quietly() -> None:
    for _ in range(50):
        playout = Playout(48_000)
        playout.push(source(RATE_HZ), now_us=0)
        SimulatedDevice(playout).play(480)
        del playout
    gc.collect()


# ------------------------------------------------------------------------------ Capture


def test_capture_gives_what_was_recorded_and_when() -> None:
    device = SimulatedDevice(capture := Capture(16_000, 2))
    block = np.arange(640, dtype=np.float32).reshape(320, 2)
    empty, at_us = capture.read()
    assert (empty.shape, empty.dtype.name, at_us) == ((0, 2), "float32", 0)
    device.record(block, adc_s=1.5)
    device.record(block + 1_000, adc_s=1.52)
    assert capture.available_frames == 640
    first, at_us = capture.read(100)
    np.testing.assert_array_equal(first, block[:100])
    assert at_us == 1_500_000
    rest, at_us = capture.read()
    np.testing.assert_array_equal(rest, np.concatenate([block[100:], block + 1_000]))
    assert at_us == 1_506_250
    assert capture.available_frames == 0


def test_a_device_that_does_not_know_when_it_captured() -> None:
    device = SimulatedDevice(capture := Capture(16_000))
    device.frames = 16_000
    device.record(np.zeros((160, 1), np.float32))
    assert capture.read()[1] == 1_000_000 - 10_000


def test_a_full_ring_keeps_the_oldest_and_a_read_stops_at_the_gap() -> None:
    device = SimulatedDevice(capture := Capture(16_000, capacity_ms=100))
    ramp = np.arange(3_200, dtype=np.float32)[:, None]
    device.record(ramp[:1_000], adc_s=1.0)
    device.record(ramp[1_000:2_000], adc_s=1.0625)
    assert capture.available_frames == 1_600
    assert capture.dropped_frames == 400
    head, at_us = capture.read(200)
    assert (head[0, 0], at_us) == (0, 1_000_000)
    device.record(ramp[2_000:2_100], adc_s=1.125)
    kept, at_us = capture.read()
    np.testing.assert_array_equal(kept, ramp[200:1_600])
    assert at_us == 1_012_500
    late, at_us = capture.read()
    np.testing.assert_array_equal(late, ramp[2_000:2_100])
    assert at_us == 1_125_000


def test_thousands_of_tiny_blocks_keep_their_time() -> None:
    device = SimulatedDevice(capture := Capture(16_000))
    for k in range(3_000):
        device.record(np.full((4, 1), k, np.float32), adc_s=1 + k * 4 / 16_000)
    samples, at_us = capture.read(11_000)
    assert (len(samples), at_us) == (11_000, 1_000_000)
    rest, at_us = capture.read()
    assert (len(rest), at_us) == (1_000, 1_687_500)
    assert capture.dropped_frames == 0


def test_capture_out_of_range() -> None:
    for arguments in ((100,), (48_000, 65), (48_000, -1)):
        with pytest.raises(AudioFormatError):
            Capture(*arguments)
    with pytest.raises(AudioFormatError, match="capacity_ms is 0"):
        Capture(48_000, capacity_ms=0)
    with pytest.raises(AudioFormatError, match="max_frames is -1"):
        Capture(48_000).read(-1)


def test_packets_come_out_in_order_whatever_order_they_came_in() -> None:
    buffer = JitterBuffer(regime="packet", packet_ms=20)
    # Noise: nothing in it is alike, so nothing is repeated.
    pcm = np.random.default_rng(1).integers(1_000, 9_000, 480 * 4).astype(np.int16)
    out = np.empty(0, np.int16)
    arrivals = {0: [65_535], 3: [1], 4: [0], 6: [2]}
    for tick in range(10):
        for seq in arrivals.get(tick, []):
            at = (seq + 1) % 65_536 * 480
            assert buffer.push(pcm[at : at + 480], seq=seq, now_us=10_000 * tick) == 480
        out = np.append(out, buffer.pull(240, now_us=10_000 * tick))
    assert np.array_equal(out[480:], pcm)


@pytest.mark.parametrize(
    ("regime", "arguments", "text"),
    [
        ("packet", {}, "seq is missing"),
        ("packet", {"seq": 65_536}, "seq is 65536"),
        ("packet", {"seq": 0, "turn": 1}, "turn is for"),
        ("stream", {"seq": 0}, "seq is for"),
    ],
)
def test_each_regime_says_what_it_needs(
    regime: Literal["stream", "packet"], arguments: dict[str, Any], text: str
) -> None:
    buffer = JitterBuffer(regime=regime)
    with pytest.raises(AudioFormatError, match=text):
        buffer.push(source(480), now_us=0, **arguments)
