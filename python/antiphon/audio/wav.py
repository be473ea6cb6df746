"""WAV files: reading what others made as int16, and writing int16 as it comes in.

The standard library's ``wave`` knows neither float samples nor the extensible header that
24-bit recordings usually have, and it cannot leave a valid file behind before it is closed.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from antiphon._native import float_to_int16
from antiphon.errors import AudioFormatError, RecordingError

__all__ = ["WavWriter", "read_wav"]

_PCM = 0x0001
_FLOAT = 0x0003
_EXTENSIBLE = 0xFFFE
_FORMAT_NAMES = {
    0x0002: "Microsoft ADPCM",
    0x0006: "A-law",
    0x0007: "µ-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0055: "MP3",
    0x00FF: "AAC",
}
# A sub-format of the extensible header is a GUID: two bytes of format tag, then always this.
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_ACCEPTED = "accepted are 8, 16, 24 and 32-bit integer PCM and 32-bit float"


@dataclass(frozen=True, slots=True)
class _Format:
    """What a ``fmt`` chunk says, with the extensible header resolved."""

    tag: int
    channels: int
    rate_hz: int
    bits: int


def read_wav(path: str | os.PathLike[str]) -> tuple[NDArray[np.int16], int]:
    """Read a WAV file as int16, whatever its sample format.

    Wider integers are rounded to nearest even; floats (full scale ±1.0) are rounded and
    saturated, NaN becomes 0. A data chunk that says it is longer than the file gives the whole
    frames that are there.

    Args:
        path: The file. It is read into memory.

    Returns:
        The samples, shape (frames, channels), and the sample rate in Hz.

    Raises:
        AudioFormatError: Not a WAV file, or a sample format other than 8, 16, 24 or 32-bit
            integer PCM or 32-bit float (with a plain or an extensible header).
        OSError: The file cannot be read.
    """
    name = os.fspath(path)
    content = Path(path).read_bytes()
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        found = f"it begins with {content[:4]!r}" if content else "it is empty"
        raise AudioFormatError(f"{name} is not a WAV file: {found}, not with a RIFF header")
    form: _Format | None = None
    for tag, body in _chunks(content):
        if tag == b"fmt ":
            form = _parse_format(name, body)
        elif tag == b"data":
            if form is None:
                raise AudioFormatError(f"{name} is not a WAV file: its data precede their format")
            return _decode(form, body), form.rate_hz
    missing = "format" if form is None else "data"
    raise AudioFormatError(f"{name} is not a whole WAV file: it ends before its {missing} chunk")


def _chunks(content: bytes) -> list[tuple[bytes, memoryview]]:
    """The chunks of a RIFF file; the last one may be shorter than it says."""
    chunks = []
    view, offset = memoryview(content), 12
    while offset + 8 <= len(content):
        tag, size = struct.unpack_from("<4sI", content, offset)
        chunks.append((tag, view[offset + 8 : offset + 8 + size]))
        offset += 8 + size + size % 2
    return chunks


def _parse_format(name: str, body: memoryview) -> _Format:
    if len(body) < 16:
        raise AudioFormatError(f"{name} is damaged: its format chunk has only {len(body)} bytes")
    tag, channels, rate_hz, _, block_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 40 and bytes(body[26:40]) == _SUBFORMAT_TAIL:
        (tag,) = struct.unpack_from("<H", body, 24)
    if not (tag == _PCM and bits in (8, 16, 24, 32)) and not (tag == _FLOAT and bits == 32):
        kinds = {_PCM: "integer PCM", _FLOAT: "float", **_FORMAT_NAMES}
        kind = kinds.get(tag, f"format 0x{tag:04X}")
        raise AudioFormatError(f"{name} holds {bits}-bit {kind}; {_ACCEPTED}")
    if channels == 0 or rate_hz == 0 or block_bytes != channels * bits // 8:
        raise AudioFormatError(
            f"{name} is damaged: {channels} channels of {bits} bits in frames of {block_bytes} "
            f"bytes at {rate_hz} Hz"
        )
    return _Format(tag, channels, rate_hz, bits)


def _decode(form: _Format, body: memoryview) -> NDArray[np.int16]:
    """Whole frames as int16, shape (frames, channels)."""
    frame_bytes = form.channels * form.bits // 8
    data = body[: len(body) // frame_bytes * frame_bytes]
    samples: NDArray[np.int16]
    if form.tag == _FLOAT:
        samples = float_to_int16(np.frombuffer(data, "<f4").astype(np.float32))
    elif form.bits == 16:
        samples = np.frombuffer(data, "<i2").astype(np.int16)
    elif form.bits == 8:
        samples = (np.frombuffer(data, np.uint8).astype(np.int16) - 128) * np.int16(256)
    else:
        samples = _round_to_int16(_left_justified(form, data))
    return samples.reshape(-1, form.channels)


def _left_justified(form: _Format, data: memoryview) -> NDArray[np.int32]:
    """24 or 32-bit integers as 32-bit ones of the same level."""
    width = form.bits // 8
    words = np.zeros((len(data) // width, 4), np.uint8)
    words[:, 4 - width :] = np.frombuffer(data, np.uint8).reshape(-1, width)
    return words.view("<i4")[:, 0].astype(np.int32)


def _round_to_int16(samples: NDArray[np.int32]) -> NDArray[np.int16]:
    return np.clip(np.rint(samples / 65536.0), -32768, 32767).astype(np.int16)


class WavWriter:
    """Writes int16 PCM to a WAV file as it comes in.

    The header is right after every `flush` and after `close`; each write goes straight to the
    operating system. When one fails, what was written before is kept: the file stays a valid
    one of whole frames, and writing may be tried again. Not thread-safe; it blocks on the disk.

    Args:
        path: The file; one that exists is replaced.
        sample_rate_hz: 1 to 4,294,967,295 / (2 * channels), as the header can tell.
        channels: 1 to 32,767.

    Raises:
        AudioFormatError: A rate or channel count out of range.
        RecordingError: The file cannot be made.
    """

    _HEADER_BYTES = 44
    # The RIFF size counts all but its first 8 bytes, in 32 bits.
    _DATA_BYTES_MAX = 0xFFFFFFFF - (_HEADER_BYTES - 8)

    def __init__(
        self, path: str | os.PathLike[str], sample_rate_hz: int, channels: int = 1
    ) -> None:
        if not 1 <= channels <= 0x7FFF:
            raise AudioFormatError(f"channels is {channels}; it must be 1 to 32767")
        if not 1 <= sample_rate_hz <= 0xFFFFFFFF // (2 * channels):
            raise AudioFormatError(
                f"sample_rate_hz is {sample_rate_hz}; with {channels} channels it must be 1 to "
                f"{0xFFFFFFFF // (2 * channels)}"
            )
        self._path = os.fspath(path)
        self._sample_rate_hz = sample_rate_hz
        self._channels = channels
        self._data_bytes = 0
        try:
            self._file = io.FileIO(self._path, "w")
        except OSError as error:
            raise self._failure("make", error) from error
        try:
            self.flush()
        except RecordingError:
            self._file.close()
            raise

    def write(self, pcm: NDArray[np.int16] | bytes | bytearray | memoryview) -> None:
        """Append frames.

        Args:
            pcm: int16 of shape (frames,) for one channel or (frames, channels), or interleaved
                little-endian bytes.

        Raises:
            AudioFormatError: Another dtype or shape, or not a whole number of frames.
            RecordingError: The disk refused, the file is closed, or it would grow beyond the
                4 GiB that a WAV file can describe (then nothing of ``pcm`` is written).
        """
        data = self._to_bytes(pcm)
        if self._file.closed:
            raise RecordingError(f"{self._path} is closed; nothing more can be written to it")
        if self._data_bytes + len(data) > self._DATA_BYTES_MAX:
            raise RecordingError(
                f"{self._path} is full: {self._data_bytes} bytes and {len(data)} more exceed the "
                "4 GiB of a WAV file; go on in another file"
            )
        start = end = self._HEADER_BYTES + self._data_bytes
        try:
            self._file.seek(start)
            while end - start < len(data):
                end += self._file.write(data[end - start :])
        except OSError as error:
            self._count(end - start)
            raise self._failure("write to", error) from error
        self._count(end - start)

    def flush(self) -> None:
        """Make the header tell what was written so far.

        Raises:
            RecordingError: The disk refused, or the file is closed.
        """
        if self._file.closed:
            raise RecordingError(f"{self._path} is closed; nothing more can be written to it")
        try:
            self._file.seek(0)
            header = memoryview(self._header())
            while header:
                header = header[self._file.write(header) :]
        except OSError as error:
            raise self._failure("write to", error) from error

    def close(self) -> None:
        """Complete the file. Closing again does nothing.

        Raises:
            RecordingError: The disk refused.
        """
        if self._file.closed:
            return
        try:
            self.flush()
            # A failed write may have left a part of a frame behind.
            self._file.truncate(self._HEADER_BYTES + self._data_bytes)
        except OSError as error:
            if isinstance(error, RecordingError):
                raise
            raise self._failure("complete", error) from error
        finally:
            self._file.close()

    @property
    def path(self) -> str:
        """The file."""
        return self._path

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._data_bytes // (2 * self._channels)

    @property
    def closed(self) -> bool:
        """Whether the file is complete."""
        return self._file.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _count(self, written_bytes: int) -> None:
        """Take what was written into account, but for a part of a frame."""
        self._data_bytes += written_bytes - written_bytes % (2 * self._channels)

    def _to_bytes(self, pcm: NDArray[np.int16] | bytes | bytearray | memoryview) -> memoryview:
        if isinstance(pcm, np.ndarray):
            return self._array_to_bytes(pcm)
        data = memoryview(pcm).cast("B")
        if len(data) % (2 * self._channels):
            raise AudioFormatError(
                f"{len(data)} bytes are not a whole number of frames of {self._channels} int16 "
                "samples"
            )
        return data

    def _array_to_bytes(self, pcm: NDArray[Any]) -> memoryview:
        mono = pcm.ndim == 1 and self._channels == 1
        if pcm.dtype != np.int16 or not (mono or pcm.shape[1:] == (self._channels,)):
            raise AudioFormatError(
                f"an array of {pcm.dtype} of shape {pcm.shape}; it must be int16 of shape "
                f"(frames, {self._channels})"
            )
        return memoryview(pcm.astype("<i2", copy=False).tobytes())

    def _header(self) -> bytes:
        """A plain 44-byte header for the frames written so far."""
        frame_bytes = 2 * self._channels
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF",
            self._HEADER_BYTES - 8 + self._data_bytes,
            b"WAVE",
            b"fmt ",
            16,
            _PCM,
            self._channels,
            self._sample_rate_hz,
            self._sample_rate_hz * frame_bytes,
            frame_bytes,
            16,
            b"data",
            self._data_bytes,
        )

    def _failure(self, what: str, error: OSError) -> RecordingError:
        kept = f"; {self.frames} frames are kept" if self._data_bytes else ""
        return RecordingError(f"cannot {what} {self._path}: {error.strerror or error}{kept}")
