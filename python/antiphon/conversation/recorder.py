"""A conversation as a stereo WAV: the user on the left, the model on the right, as heard."""

from __future__ import annotations

import queue
import threading
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from antiphon.audio import downmix, float_to_int16
from antiphon.audio.wav import WavWriter
from antiphon.devices import Float32
from antiphon.errors import RecordingError

__all__ = ["StereoRecorder"]

Pcm16 = NDArray[np.int16]

_CHUNK_S = 0.1
_BACKLOG_CHUNKS = 600  # a minute of audio that the disk has not taken
_MAX_LEAD_S = 10.0  # of one side before the other; what comes later than that is silence


class StereoRecorder:
    """A `BlockTap` that writes both sides of a device to one file as they come.

    A thread of its own does the writing, so a slow disk holds nobody up, and the file is valid
    up to the last second at any moment. When the file cannot be written any more (a full disk, a
    vanished directory, the 4 GiB of a WAV file: six hours at 48 kHz), recording stops with what is
    there, `error` is set, and everything else goes on.

    Args:
        path: The WAV file; it is overwritten.
        rate_hz: Rate of the device.

    Raises:
        RecordingError: The file cannot be made.
    """

    def __init__(self, path: str | PathLike[str], rate_hz: int) -> None:
        self._writer = WavWriter(path, rate_hz, 2)
        self._path = path
        self._chunk_frames = round(rate_hz * _CHUNK_S)
        self._max_lead_frames = round(rate_hz * _MAX_LEAD_S)
        self._user = _Track()
        self._model = _Track()
        self._chunks: queue.Queue[Pcm16 | None] = queue.Queue(_BACKLOG_CHUNKS)
        self._error: RecordingError | None = None
        self._disk_failed = False
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="antiphon recorder", daemon=True)
        self._thread.start()

    @property
    def error(self) -> RecordingError | None:
        """Why the recording stopped early; None while all is well."""
        return self._error

    def captured(self, first_frame: int, block: Float32) -> None:
        """Take a block of the user."""
        self._take(self._user, first_frame, block)

    def played(self, first_frame: int, block: Float32) -> None:
        """Take a block of the model."""
        self._take(self._model, first_frame, block)

    def close(self) -> None:
        """Write what is left, both sides to the same length, and close the file.

        Waits for the disk; a second call does nothing.

        Raises:
            RecordingError: The recording is not complete.
        """
        if self._closed:
            return
        self._closed = True
        end = max(self._user.end_frame, self._model.end_frame)
        self._user.pad(end)
        self._model.pad(end)
        self._hand_over(1)
        self._chunks.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _take(self, side: _Track, first_frame: int, block: Float32) -> None:
        if self._error is not None:
            self._user.clear()
            self._model.clear()
            return
        side.add(first_frame, block)
        for track in (self._user, self._model):
            track.pad(side.end_frame - self._max_lead_frames)
        self._hand_over(self._chunk_frames)

    def _hand_over(self, at_least_frames: int) -> None:
        frames = min(self._user.frames, self._model.frames)
        if frames < at_least_frames or self._error is not None:
            return
        chunk = np.column_stack([self._user.take(frames), self._model.take(frames)])
        try:
            self._chunks.put_nowait(chunk)
        except queue.Full:
            self._error = RecordingError(
                f"Recording to {self._path} stopped: the disk is {_BACKLOG_CHUNKS * _CHUNK_S:.0f} "
                "s behind. What was written is kept; record to a faster disk."
            )

    def _write(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            if not self._disk_failed:
                self._attempt_write(chunk)
        try:
            self._writer.close()
        except RecordingError as error:
            self._error = self._error or error

    def _attempt_write(self, chunk: Pcm16) -> None:
        try:
            self._writer.write(chunk)
            self._writer.flush()
        except RecordingError as error:
            self._disk_failed = True
            self._error = self._error or error


class _Track:
    """One side: mono int16 that waits for the other side; gaps become silence."""

    def __init__(self) -> None:
        self.frames = 0
        self.end_frame = 0
        self._blocks: list[Pcm16] = []

    def add(self, first_frame: int, block: Float32) -> None:
        self.pad(first_frame)
        late_frames = self.end_frame - first_frame
        if late_frames < len(block):
            self._append(float_to_int16(downmix(block[late_frames:])))

    def pad(self, end_frame: int) -> None:
        if end_frame > self.end_frame:
            self._append(np.zeros(end_frame - self.end_frame, np.int16))

    def clear(self) -> None:
        self.frames = 0
        self._blocks.clear()

    def take(self, frames: int) -> Pcm16:
        joined = np.concatenate(self._blocks)
        self._blocks = [joined[frames:]]
        self.frames -= frames
        return joined[:frames]

    def _append(self, pcm: Pcm16) -> None:
        self._blocks.append(pcm)
        self.frames += len(pcm)
        self.end_frame += len(pcm)
