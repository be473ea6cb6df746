"""The stereo recording: aligned, incremental, and harmless when the disk is full."""

import sys
import time

import numpy as np
import pytest

from antiphon.audio.wav import read_wav
from antiphon.conversation.recorder import StereoRecorder
from antiphon.errors import RecordingError

RATE_HZ = 48_000


def block(value, frames=480, channels=1):
    return np.full((frames, channels), value / 32768, np.float32)


def test_both_sides_lie_where_they_were_heard(tmp_path):
    recorder = StereoRecorder(tmp_path / "a.wav", RATE_HZ)
    for number in range(100):
        recorder.played(480 * number, block(1000 + number))
        if number:  # the microphone hands over a block when it is full
            recorder.captured(480 * (number - 1), block(number - 1))
    recorder.close()
    pcm, rate_hz = read_wav(tmp_path / "a.wav")
    assert (rate_hz, pcm.shape) == (RATE_HZ, (48_000, 2))
    numbers = np.repeat(np.arange(100), 480)
    assert np.array_equal(pcm[:, 1], 1000 + numbers)
    assert np.array_equal(pcm[: 480 * 99, 0], numbers[: 480 * 99])
    assert not pcm[480 * 99 :, 0].any()


def test_missing_blocks_become_silence(tmp_path):
    recorder = StereoRecorder(tmp_path / "a.wav", RATE_HZ)
    recorder.captured(0, block(5))
    recorder.captured(960, block(7))
    recorder.played(480, block(9))
    recorder.close()
    pcm, _ = read_wav(tmp_path / "a.wav")
    assert pcm[::480].tolist() == [[5, 0], [0, 9], [7, 0]]


def test_channels_are_averaged_and_overload_saturates(tmp_path):
    recorder = StereoRecorder(tmp_path / "a.wav", RATE_HZ)
    stereo = block(100, channels=2)
    stereo[:, 1] = 300 / 32768
    recorder.played(0, stereo)
    recorder.captured(0, block(65536))
    recorder.close()
    pcm, _ = read_wav(tmp_path / "a.wav")
    assert pcm[0].tolist() == [32767, 200]


def test_what_was_said_is_on_disk_before_the_end(tmp_path):
    recorder = StereoRecorder(tmp_path / "a.wav", RATE_HZ)
    for number in range(200):
        recorder.played(480 * number, block(1))
        recorder.captured(480 * number, block(2))
    while not recorder._chunks.empty():
        time.sleep(0.005)
    # Close enough: the thread may still hold the last tenth of a second.
    pcm, _ = read_wav(tmp_path / "a.wav")
    assert len(pcm) >= 48_000
    recorder.close()
    assert len(read_wav(tmp_path / "a.wav")[0]) == 96_000


def test_close_is_harmless_twice_and_an_empty_recording_is_valid(tmp_path):
    recorder = StereoRecorder(tmp_path / "a.wav", RATE_HZ)
    recorder.close()
    recorder.close()
    assert read_wav(tmp_path / "a.wav")[0].shape == (0, 2)


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(RecordingError, match="no-such-folder"):
        StereoRecorder("no-such-folder/a.wav", RATE_HZ)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_stops_the_recording_and_keeps_what_was_written(tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        recorder = StereoRecorder(tmp_path / "a.wav", RATE_HZ)
        for number in range(300):
            recorder.played(480 * number, block(1))
            recorder.captured(480 * number, block(2))
        with pytest.raises(RecordingError, match=r"a\.wav"):
            recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert recorder.error is not None
    pcm, _ = read_wav(tmp_path / "a.wav")
    assert 20_000 < len(pcm) < 51_000
    assert np.array_equal(pcm[0], [2, 1])


def held_frames(recorder):
    return sum(len(block) for side in (recorder._user, recorder._model) for block in side._blocks)


def test_after_it_has_stopped_nothing_is_held(tmp_path):
    """A WAV file ends at 4 GiB, which is six hours; the conversation goes on."""
    recorder = StereoRecorder(tmp_path / "a.wav", RATE_HZ)
    recorder._writer.write = lambda chunk: (_ for _ in ()).throw(RecordingError("full"))
    for number in range(6_000):
        recorder.played(480 * number, block(1))
        recorder.captured(480 * number, block(2))
        while number == 20 and recorder.error is None:
            time.sleep(0.005)
    assert held_frames(recorder) == 0
    with pytest.raises(RecordingError, match="full"):
        recorder.close()


def test_a_side_that_falls_silent_for_good_does_not_make_the_other_wait(tmp_path):
    recorder = StereoRecorder(tmp_path / "a.wav", RATE_HZ)
    recorder.captured(0, block(5))
    worst = 0
    for number in range(6_000):
        recorder.played(480 * number, block(7))
        while recorder._chunks.full():
            time.sleep(0.005)
        worst = max(worst, held_frames(recorder))
    assert worst <= 11 * RATE_HZ
    # What comes too late stays where it belongs, as far as there is room.
    recorder.captured(480 * 4_000, block(9, frames=480 * 1_001))
    recorder.close()
    pcm, _ = read_wav(tmp_path / "a.wav")
    assert len(pcm) == 480 * 6_000
    assert (pcm[:, 1] == 7).all()
    assert np.flatnonzero(pcm[:, 0] == 5).tolist() == list(range(480))
    late = np.flatnonzero(pcm[:, 0] == 9)
    assert (late[0], late[-1]) == (480 * 5_000, 480 * 5_001 - 1)
