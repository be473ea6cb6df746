"""The file device: exact places on one timeline, in real and in simulated time."""

import asyncio
import time

import cffi
import numpy as np
import pytest

from antiphon.audio import Capture, Playout
from antiphon.audio.wav import WavWriter
from antiphon.devices import FileDevice
from antiphon.errors import AudioFormatError, DeviceError
from antiphon.virtual_time import run_in_virtual_time


class Tape:
    """A tap that keeps everything, with the time of each call."""

    def __init__(self):
        self.user, self.model, self.played_s = [], [], []
        self.user_frames = self.model_frames = 0

    def captured(self, first_frame, block):
        assert first_frame == self.user_frames
        self.user_frames += len(block)
        self.user.append(block[:, 0].copy())

    def played(self, first_frame, block):
        assert first_frame == self.model_frames
        self.model_frames += len(block)
        self.model.append(block[:, 0].copy())
        self.played_s.append(asyncio.get_running_loop().time())


async def record(device, seconds, during=None):
    tape, capture = Tape(), Capture(device.rate_hz, capacity_ms=20_000)
    device.start(capture=capture, playout=Playout(device.rate_hz), tap=tape)
    if during is not None:
        await during()
    await asyncio.sleep(seconds)
    await device.stop()
    return tape, capture


def ramp(frames):
    return np.arange(1, frames + 1, dtype=np.int16)


def test_block_k_is_due_at_the_start_plus_k_blocks():
    async def main():
        await asyncio.sleep(1.2345)
        device = FileDevice(rate_hz=44_100)
        tape, _ = await record(device, 10.001)
        assert device.started_us == 1_234_500
        return tape

    tape = run_in_virtual_time(main())
    assert len(tape.played_s) == 1001
    assert np.allclose(tape.played_s, 1.2345 + 0.01 * np.arange(1001), rtol=0, atol=1e-8)
    assert tape.user_frames == tape.model_frames - 441


def test_clips_are_captured_sample_exactly_where_they_were_placed():
    async def main():
        device = FileDevice(rate_hz=16_000, noise_dbfs=None)
        first = device.say(ramp(1000), after_s=0.25)
        second = device.say(ramp(500), after_s=0.1)
        assert (first.start_frame, second.start_frame) == (4000, 4000 + 1000 + 1600)
        assert second.end_s == pytest.approx((4000 + 1000 + 1600 + 500) / 16_000)
        return await record(device, 0.6)

    tape, capture = run_in_virtual_time(main())
    expected = np.zeros(tape.user_frames, np.float32)
    expected[4000:5000] = ramp(1000) / np.float32(32768)
    expected[6600:7100] = ramp(500) / np.float32(32768)
    assert np.array_equal(np.concatenate(tape.user), expected)
    captured, captured_us = capture.read()
    assert captured_us == 0
    assert np.array_equal(captured[:, 0], expected)


def test_what_is_said_while_it_runs_begins_at_that_moment():
    async def main():
        device = FileDevice(rate_hz=48_000, noise_dbfs=None)

        async def during():
            await asyncio.sleep(0.1234)
            clip = device.say(ramp(480))
            assert clip.start_frame == 5923

        return await record(device, 0.2, during)

    tape, _ = run_in_virtual_time(main())
    user = np.concatenate(tape.user)
    assert not user[:5923].any()
    assert np.array_equal(user[5923 : 5923 + 480], ramp(480) / np.float32(32768))


def test_a_clip_of_another_rate_and_two_channels_keeps_its_length():
    device = FileDevice(rate_hz=48_000)
    stereo = np.zeros((44_100, 2), np.float32)
    stereo[:, 0] = 0.5
    clip = device.say(stereo, rate_hz=44_100)
    assert len(clip.samples) == 48_000
    assert clip.samples[24_000] == pytest.approx(0.25, abs=1e-4)


def test_a_wav_file_is_spoken(tmp_path):
    with WavWriter(tmp_path / "a.wav", 16_000, 1) as writer:
        writer.write(ramp(1600).reshape(-1, 1))
    device = FileDevice([tmp_path / "a.wav"], rate_hz=16_000, gap_s=0.5)

    async def main():
        started_s = asyncio.get_running_loop().time()
        device.start(capture=Capture(16_000), playout=Playout(16_000))
        await device.wait_input_end()
        ended_s = asyncio.get_running_loop().time()
        await device.stop()
        return ended_s - started_s

    assert run_in_virtual_time(main()) == pytest.approx(0.6, abs=1e-6)


def test_the_noise_floor_has_its_level_and_its_seed():
    async def user(seed, level):
        tape, _ = await record(FileDevice(noise_dbfs=level, seed=seed), 1.0)
        return np.concatenate(tape.user)

    first, again, other, silent = (
        run_in_virtual_time(user(*how)) for how in ((1, -60), (1, -60), (2, -60), (1, None))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 20 * np.log10(np.sqrt(np.mean(first**2))) == pytest.approx(-60, abs=0.3)
    assert not silent.any()


def test_a_loop_that_was_held_up_is_caught_up_with():
    async def main():
        device = FileDevice()

        async def during():
            await asyncio.sleep(0.5)
            asyncio.get_running_loop().jump(0.2573)  # as if something had blocked the loop

        tape, _ = await record(device, 0.5, during)
        return tape

    tape = run_in_virtual_time(main())
    # No block is lost, and after the hold-up each is due on the old grid.
    assert tape.model_frames == pytest.approx(48_000 * 1.2573, abs=480)
    assert tape.played_s[-1] == pytest.approx(round(tape.played_s[-1], 2), abs=1e-8)


@pytest.mark.realtime
def test_in_real_time_the_pace_is_that_of_the_clock():
    async def main():
        device = FileDevice()

        async def during():
            await asyncio.sleep(0.1)
            time.sleep(0.1)  # noqa: ASYNC251 - holding the loop up is the point

        started_s = time.monotonic()
        tape, _ = await record(device, 0.8, during)
        return tape, time.monotonic() - started_s

    tape, elapsed_s = asyncio.run(main())
    assert tape.model_frames / 48_000 == pytest.approx(elapsed_s, abs=0.05)


def test_the_input_ends_only_when_all_was_said():
    async def main():
        device = FileDevice(rate_hz=16_000)
        device.start(capture=Capture(16_000), playout=Playout(16_000))
        device.say(ramp(16_000))
        device.end_input()
        await device.wait_input_end()
        at_s = asyncio.get_running_loop().time()
        with pytest.raises(DeviceError, match="ended"):
            device.say(ramp(10))
        await device.stop()
        return at_s

    assert run_in_virtual_time(main()) == pytest.approx(1.0, abs=1e-6)


def test_stopping_leaves_no_task_and_is_harmless_twice():
    async def main():
        device = FileDevice()
        await device.stop()
        await record(device, 0.1)
        await device.stop()
        with pytest.raises(DeviceError, match="before"):
            device.start(capture=Capture(48_000), playout=Playout(48_000))
        return asyncio.all_tasks()

    assert len(run_in_virtual_time(main())) == 1


def test_waiting_for_the_end_of_a_device_that_does_not_run_is_an_error():
    async def main():
        with pytest.raises(DeviceError, match="start"):
            await FileDevice().wait_input_end()

    run_in_virtual_time(main())


def test_a_callback_that_asks_to_stop_is_a_device_error():
    ffi = cffi.FFI()

    @ffi.callback("int(void *, void *, unsigned long, void *, unsigned long, void *)")
    def stop(*_):
        return 2

    class Broken:
        callback_address = int(ffi.cast("uintptr_t", stop))
        user_data = 0

    async def main():
        device = FileDevice()
        device.start(capture=Capture(48_000), playout=Broken())
        with pytest.raises(DeviceError, match="code 2"):
            await device.wait_input_end()
        with pytest.raises(DeviceError, match="code 2"):
            device.check()
        await device.stop()

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_hz": 100}, "8,000 to 192,000"),
        ({"block_ms": 0}, "1 to 100 ms"),
        ({"rate_hz": 11_025, "block_ms": 10}, "whole number"),
    ],
)
def test_formats_out_of_range_are_refused_with_advice(options, message):
    with pytest.raises(AudioFormatError, match=message):
        FileDevice(**options)


def test_a_file_that_is_no_wav_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"no wav at all")
    with pytest.raises(AudioFormatError, match=r"a\.wav"):
        FileDevice([path])
    with pytest.raises(AudioFormatError):
        FileDevice().say(np.zeros(10, np.int64))
