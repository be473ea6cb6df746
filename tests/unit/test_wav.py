"""Reading and writing WAV files."""

from __future__ import annotations

import io
import os
import signal
import struct
import wave
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from antiphon.audio.wav import WavWriter, read_wav
from antiphon.errors import AudioFormatError, RecordingError

RNG = np.random.default_rng(3)
STEREO = RNG.integers(-32_768, 32_768, (1_000, 2)).astype(np.int16)
TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(tag: bytes, body: bytes, size: int | None = None) -> bytes:
    pad = b"\0" * (len(body) % 2)
    return tag + struct.pack("<I", len(body) if size is None else size) + body + pad


def fmt(tag: int, channels: int, bits: int, rate_hz: int = 8_000, *, wide: bool = False) -> bytes:
    block = channels * bits // 8
    plain = struct.pack(
        "<HHIIHH", 0xFFFE if wide else tag, channels, rate_hz, rate_hz * block, block, bits
    )
    if wide:
        plain += struct.pack("<HHIH", 22, bits, 0, tag) + TAIL
    return chunk(b"fmt ", plain)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sound.wav"


def read_standard(path: Path) -> tuple[bytes, int, int]:
    with wave.open(str(path), "rb") as reader:
        assert reader.getsampwidth() == 2
        return reader.readframes(1 << 30), reader.getnchannels(), reader.getframerate()


class TestReading:
    def test_what_the_standard_library_writes(self, path: Path) -> None:
        with wave.open(str(path), "wb") as writer:
            writer.setnchannels(2)
            writer.setsampwidth(2)
            writer.setframerate(44_100)
            writer.writeframes(STEREO.tobytes())
        pcm, rate_hz = read_wav(path)
        assert pcm.dtype == np.int16
        assert (rate_hz, pcm.shape) == (44_100, (1_000, 2))
        np.testing.assert_array_equal(pcm, STEREO)
        np.testing.assert_array_equal(read_wav(str(path))[0], STEREO)

    def test_the_recordings_of_the_package(self) -> None:
        file = resources.files("antiphon") / "assets" / "speech" / "numbers.wav"
        with resources.as_file(file) as real:
            pcm, rate_hz = read_wav(real)
            assert (rate_hz, pcm.tobytes()) == (16_000, read_standard(real)[0])

    @pytest.mark.parametrize("wide", [False, True])
    def test_each_sample_format(self, path: Path, wide: bool) -> None:
        cases: list[tuple[int, int, bytes, list[int]]] = [
            (1, 8, bytes([0, 127, 128, 129, 255]), [-32_768, -256, 0, 256, 32_512]),
            (1, 16, struct.pack("<3h", -32_768, 5, 32_767), [-32_768, 5, 32_767]),
            (1, 24, b"\x00\x00\x80" b"\x80\x01\x00" b"\x80\x02\x00" b"\xff\xff\x7f" b"\xff\xff\xff",
             [-32_768, 2, 2, 32_767, 0]),
            (1, 32, struct.pack("<4i", -(2**31), 0x8000, 0x18000, 2**31 - 1),
             [-32_768, 0, 2, 32_767]),
            (3, 32, struct.pack("<6f", -1.0, 0.25, 1.5, float("nan"), float("-inf"), 1.5 / 32_768),
             [-32_768, 8_192, 32_767, 0, -32_768, 2]),
        ]  # fmt: skip
        for tag, bits, data, expected in cases:
            path.write_bytes(riff(fmt(tag, 1, bits, wide=wide), chunk(b"data", data)))
            pcm, rate_hz = read_wav(path)
            assert (rate_hz, pcm.shape) == (8_000, (len(expected), 1))
            assert pcm[:, 0].tolist() == expected

    def test_other_chunks_are_skipped_with_their_padding(self, path: Path) -> None:
        data = STEREO[:3].tobytes()
        path.write_bytes(
            riff(chunk(b"LIST", b"odd"), fmt(1, 2, 16), chunk(b"fact", b"1"), chunk(b"data", data))
            + chunk(b"id3 ", b"after")
        )
        np.testing.assert_array_equal(read_wav(path)[0], STEREO[:3])

    @pytest.mark.parametrize("size", [0xFFFFFFFF, 4_000])
    def test_data_cut_short_give_the_whole_frames_that_are_there(
        self, path: Path, size: int
    ) -> None:
        path.write_bytes(riff(fmt(1, 2, 16), chunk(b"data", STEREO[:9].tobytes() + b"xy", size)))
        np.testing.assert_array_equal(read_wav(path)[0], STEREO[:9])

    def test_no_frames(self, path: Path) -> None:
        path.write_bytes(riff(fmt(1, 2, 16), chunk(b"data", b"")))
        assert read_wav(path)[0].shape == (0, 2)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "it is empty"),
            (b"OggS and so on", "begins with b'OggS'"),
            (b"RIFF\0\0\0\0AVI ", "not a WAV file"),
            (riff(), "ends before its format chunk"),
            (riff(fmt(1, 1, 16)), "ends before its data chunk"),
            (riff(chunk(b"data", b"\0\0")), "precede their format"),
            (riff(chunk(b"fmt ", b"\1\0"), chunk(b"data", b"")), "only 2 bytes"),
            (riff(fmt(7, 1, 8), chunk(b"data", b"")), "8-bit µ-law; accepted are 8, 16, 24"),
            (riff(fmt(3, 1, 64), chunk(b"data", b"")), "64-bit float; accepted are"),
            (riff(fmt(1, 1, 12), chunk(b"data", b"")), "12-bit integer PCM"),
            (riff(fmt(0x1234, 1, 16), chunk(b"data", b"")), "16-bit format 0x1234"),
            (riff(fmt(6, 1, 8, wide=True), chunk(b"data", b"")), "8-bit A-law"),
            (riff(fmt(1, 0, 16), chunk(b"data", b"")), "0 channels"),
            (riff(fmt(1, 1, 16, 0), chunk(b"data", b"")), "at 0 Hz"),
        ],
    )
    def test_anything_else_is_refused_by_name(
        self, path: Path, content: bytes, message: str
    ) -> None:
        path.write_bytes(content)
        with pytest.raises(AudioFormatError, match=message) as caught:
            read_wav(path)
        assert "sound.wav" in str(caught.value)

    def test_any_damage_is_an_error_of_ours_or_none(self, path: Path) -> None:
        whole = riff(fmt(1, 2, 24, wide=True), chunk(b"data", bytes(60)))
        for end in range(len(whole)):
            path.write_bytes(whole[:end])
            try:
                assert read_wav(path)[0].shape[1] == 2
            except AudioFormatError:
                continue
        for seed in range(300):
            damaged = bytearray(whole)
            rng = np.random.default_rng(seed)
            for _ in range(3):
                damaged[rng.integers(len(damaged))] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                assert read_wav(path)[0].dtype == np.int16
            except AudioFormatError:
                continue

    def test_a_missing_file_is_an_os_error(self, path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_wav(path)


class TestWriting:
    def test_what_was_written_is_read_back(self, path: Path) -> None:
        with WavWriter(path, 24_000, 2) as writer:
            writer.write(STEREO[:100])
            writer.write(STEREO[100:300].tobytes())
            writer.write(bytearray(STEREO[300:301].tobytes()))
            writer.write(memoryview(STEREO[301:500].tobytes()))
            writer.write(np.asfortranarray(STEREO[500:]))
            assert writer.frames == 1_000
            assert writer.path == str(path)
        assert writer.closed
        assert read_standard(path) == (STEREO.tobytes(), 2, 24_000)
        pcm, rate_hz = read_wav(path)
        assert rate_hz == 24_000
        np.testing.assert_array_equal(pcm, STEREO)
        (riff_bytes,) = struct.unpack_from("<I", path.read_bytes(), 4)
        assert riff_bytes + 8 == path.stat().st_size

    def test_it_is_valid_after_each_flush(self, path: Path) -> None:
        writer = WavWriter(path, 16_000)
        assert read_standard(path) == (b"", 1, 16_000)
        for end in (100, 250, 251):
            writer.write(STEREO[writer.frames : end, 0])
            writer.flush()
            assert read_standard(path)[0] == STEREO[:end, 0].tobytes()
        writer.close()
        writer.close()

    def test_an_existing_file_is_replaced(self, path: Path) -> None:
        path.write_bytes(b"x" * 1_000)
        WavWriter(path, 16_000).close()
        assert path.stat().st_size == 44

    @pytest.mark.parametrize(
        ("pcm", "message"),
        [
            (np.zeros(4, np.int16), r"\(4,\); it must be int16 of shape \(frames, 2\)"),
            (np.zeros((4, 1), np.int16), r"\(4, 1\)"),
            (np.zeros((4, 2), np.float32), "float32"),
            (b"\0" * 6, "6 bytes are not a whole number of frames of 2 int16 samples"),
        ],
    )
    def test_another_kind_of_pcm_is_refused(self, path: Path, pcm: Any, message: str) -> None:
        with WavWriter(path, 16_000, 2) as writer:
            with pytest.raises(AudioFormatError, match=message):
                writer.write(pcm)
            assert writer.frames == 0

    @pytest.mark.parametrize(
        ("rate_hz", "channels"), [(0, 1), (2**31, 1), (-1, 1), (16_000, 0), (16_000, 32_768)]
    )
    def test_what_a_header_cannot_tell_is_refused(
        self, path: Path, rate_hz: int, channels: int
    ) -> None:
        with pytest.raises(AudioFormatError):
            WavWriter(path, rate_hz, channels)
        assert not path.exists()

    def test_a_closed_writer_says_so(self, path: Path) -> None:
        writer = WavWriter(path, 16_000)
        writer.close()
        for call in (writer.flush, lambda: writer.write(b"\0\0")):
            with pytest.raises(RecordingError, match="is closed"):
                call()

    def test_a_path_that_cannot_be_written_to(self, tmp_path: Path) -> None:
        with pytest.raises(RecordingError, match=r"cannot make .*nowhere.*No such file") as caught:
            WavWriter(tmp_path / "nowhere" / "a.wav", 16_000)
        assert isinstance(caught.value, OSError)
        assert isinstance(caught.value.__cause__, FileNotFoundError)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    def test_a_full_disk_at_the_start(self) -> None:
        with pytest.raises(RecordingError, match="cannot write to /dev/full: No space left"):
            WavWriter("/dev/full", 16_000)

    def test_a_full_disk_in_the_middle_keeps_whole_frames(self, path: Path) -> None:
        resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
        writer = WavWriter(path, 16_000, 2)
        writer.write(STEREO[:10])
        old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (44 + 4 * 50 + 3, old[1]))
        try:
            with pytest.raises(RecordingError, match=r"sound\.wav: File too large; 50 frames"):
                writer.write(STEREO[10:])
            writer.flush()
            assert read_standard(path)[0] == STEREO[:50].tobytes()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            signal.signal(signal.SIGXFSZ, handler)
        writer.write(STEREO[50:60])
        writer.close()
        assert read_standard(path)[0] == STEREO[:60].tobytes()
        assert path.stat().st_size == 44 + 4 * 60

    def test_four_gibibytes_are_the_end(self, path: Path) -> None:
        class Bottomless(io.FileIO):
            """Swallows data, so that no disk has to hold them; keeps the header."""

            def write(self, data: Any) -> int:
                return len(data) if self.tell() >= 44 else super().write(data)

        writer = WavWriter(path, 16_000)
        writer._file.close()
        writer._file = Bottomless(path, "r+")
        block = memoryview(bytes(1 << 28))
        for _ in range(15):
            writer.write(block)
        writer.write(block[: (1 << 28) - 36 - 2])
        frames = writer.frames
        with pytest.raises(RecordingError, match="4 GiB of a WAV file; go on in another file"):
            writer.write(b"\0\0\0\0")
        assert writer.frames == frames
        writer.flush()
        assert struct.unpack_from("<I", path.read_bytes(), 4)[0] == 0xFFFFFFFF - 1
        writer._file.close()
        os.truncate(path, 44)
