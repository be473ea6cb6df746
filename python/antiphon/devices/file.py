"""A device without hardware: speech from files or arrays goes in, what is played can be kept.

It runs on the clock of the asyncio loop: in real time on an ordinary loop, in simulated time on
a `VirtualTimeLoop`, with the same code and the same samples. It calls the same native callbacks
as a sound card would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from antiphon.audio import Resampler, downmix, int16_to_float
from antiphon.audio.wav import read_wav
from antiphon.devices.base import BlockTap, Float32, NativeStream
from antiphon.devices.callback import StreamCallback
from antiphon.errors import AudioFormatError, DeviceError

__all__ = ["FileDevice", "Speech"]


@dataclass(frozen=True)
class Speech:
    """A clip on the microphone's timeline.

    Attributes:
        name: File name, or ``array``.
        start_frame: Frame of the device's timeline where it begins.
        samples: Mono float32 at the device's rate.
        rate_hz: The device's rate.
    """

    name: str
    start_frame: int
    samples: Float32
    rate_hz: int

    @property
    def end_frame(self) -> int:
        """The frame after its last."""
        return self.start_frame + len(self.samples)

    @property
    def start_s(self) -> float:
        """Seconds after the start of the device."""
        return self.start_frame / self.rate_hz

    @property
    def end_s(self) -> float:
        """Seconds after the start of the device."""
        return self.end_frame / self.rate_hz


class FileDevice:
    """A microphone that hears files, and a speaker that plays to a tap.

    Between clips the microphone delivers a quiet noise floor, as an open one does. Block ``k`` of
    the speaker is due at ``start + k * block``; at that moment the microphone hands over what was
    said during the block before. A loop that was held up is caught up with: no block is skipped,
    and the timeline does not drift.

    Args:
        speech: Clips to speak one after the other from the start; see `say`. With any, the
            input ends after the last one; without, it goes on until `end_input`.
        rate_hz: Rate of the device, 8,000 to 192,000.
        block_ms: Duration of a block, 1 to 100; a whole number of frames.
        gap_s: Pause before each clip of ``speech``.
        noise_dbfs: RMS of the noise floor; None for digital silence.
        seed: Of the noise.

    Raises:
        AudioFormatError: A clip that cannot be read, or a rate or duration out of range.
    """

    input_channels = 1
    output_channels = 1

    def __init__(
        self,
        speech: Iterable[str | PathLike[str]] = (),
        *,
        rate_hz: int = 48_000,
        block_ms: int = 10,
        gap_s: float = 0.3,
        noise_dbfs: float | None = -75.0,
        seed: int = 0,
    ) -> None:
        if not 8_000 <= rate_hz <= 192_000 or not 1 <= block_ms <= 100:
            raise AudioFormatError(
                f"A file device of {rate_hz} Hz with blocks of {block_ms} ms: the rate must be "
                "8,000 to 192,000 Hz, the block 1 to 100 ms."
            )
        if rate_hz * block_ms % 1000:
            raise AudioFormatError(
                f"{block_ms} ms at {rate_hz} Hz is not a whole number of frames; choose another "
                "block_ms, such as 10."
            )
        self._rate_hz = rate_hz
        self._block_frames = rate_hz * block_ms // 1000
        self._noise = _NoiseFloor(noise_dbfs, seed)
        self._clips: list[Speech] = []
        self._captured_frames = 0
        self._started_s = 0.0
        self._driver: asyncio.Task[None] | None = None
        self._ending = False
        self._input_ended = asyncio.Event()
        for clip in speech:
            self.say(clip, after_s=gap_s)
        self._ending = bool(self._clips)

    @property
    def rate_hz(self) -> int:
        """Frames per second, both ways."""
        return self._rate_hz

    @property
    def block_frames(self) -> int:
        """Frames per callback."""
        return self._block_frames

    @property
    def started_us(self) -> int:
        """When frame 0 of the timeline was: the loop's clock in microseconds."""
        return round(self._started_s * 1e6)

    def now_us(self) -> int:
        """The loop's clock in microseconds."""
        return round(asyncio.get_running_loop().time() * 1e6)

    @property
    def position_frames(self) -> int:
        """The present frame of the timeline; 0 before the start."""
        if self._driver is None:
            return 0
        elapsed_s = asyncio.get_running_loop().time() - self._started_s
        return max(self._captured_frames, int(elapsed_s * self._rate_hz))

    def say(
        self,
        speech: str | PathLike[str] | NDArray[np.int16] | Float32,
        *,
        rate_hz: int | None = None,
        after_s: float = 0.0,
    ) -> Speech:
        """Speak a clip: now, or after the clips that are still being spoken.

        Args:
            speech: A WAV file, or int16 or float32 samples of shape (frames,) or
                (frames, channels); channels are averaged.
            rate_hz: Rate of an array; the device's own if omitted.
            after_s: Pause before it.

        Returns:
            The clip as it will sound, with its place on the timeline.

        Raises:
            AudioFormatError: Not a WAV file that can be read, or another kind of array.
            DeviceError: The input has ended.
        """
        if self._ending and self._driver is not None:
            raise DeviceError("The input of this device has ended: nothing more can be said.")
        if isinstance(speech, np.ndarray):
            name, samples, source_hz = "array", speech, rate_hz or self._rate_hz
        else:
            samples, source_hz = read_wav(speech)
            name = str(speech)
        mono = _mono_float(samples)
        if source_hz != self._rate_hz:
            mono = Resampler(source_hz, self._rate_hz, "hq").process(mono, last=True)
        free_from = max([self.position_frames, *(clip.end_frame for clip in self._clips)])
        clip = Speech(name, free_from + round(after_s * self._rate_hz), mono, self._rate_hz)
        self._clips.append(clip)
        return clip

    def end_input(self) -> None:
        """The input ends when what was queued by `say` has been spoken."""
        self._ending = True

    def start(
        self, *, capture: NativeStream, playout: NativeStream, tap: BlockTap | None = None
    ) -> None:
        """Begin to call the callbacks from a task of the running loop.

        Raises:
            DeviceError: The device runs already, or ran before.
        """
        if self._driver is not None:
            raise DeviceError("This file device was started before; make a new one.")
        self._started_s = asyncio.get_running_loop().time()
        self._driver = asyncio.create_task(
            self._run(StreamCallback(capture), StreamCallback(playout), tap), name="file device"
        )

    async def stop(self) -> None:
        """Stop calling; after this no callback runs. Harmless if the device does not run."""
        if self._driver is not None:
            self._driver.cancel()
            await asyncio.wait([self._driver])

    def check(self) -> None:
        """Raise what made the device fail while it ran, if anything did.

        Raises:
            DeviceError: A native callback asked to stop.
        """
        if self._driver is not None and self._driver.done() and not self._driver.cancelled():
            self._driver.result()

    async def wait_input_end(self) -> None:
        """Return when the last clip has been handed over and the input was to end with it.

        Raises:
            DeviceError: The device failed while it ran, or does not run.
        """
        if self._driver is None:
            raise DeviceError("The file device does not run: start it first.")
        ended = asyncio.create_task(self._input_ended.wait())
        try:
            await asyncio.wait([ended, self._driver], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        self.check()

    async def _run(
        self, capture: StreamCallback, playout: StreamCallback, tap: BlockTap | None
    ) -> None:
        loop = asyncio.get_running_loop()
        heard = np.empty((self._block_frames, self.output_channels), np.float32)
        first_frame = 0
        while True:
            due_s = self._started_s + first_frame / self._rate_hz
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            if first_frame > 0:
                self._capture_block(capture, tap, due_s)
            playout.play(heard, current_s=due_s)
            if tap is not None:
                tap.played(first_frame, heard)
            first_frame += self._block_frames

    def _capture_block(self, capture: StreamCallback, tap: BlockTap | None, due_s: float) -> None:
        first_frame = self._captured_frames
        block = self._read_block(first_frame)
        captured_s = self._started_s + first_frame / self._rate_hz
        capture.capture(block, current_s=due_s, captured_s=captured_s)
        if tap is not None:
            tap.captured(first_frame, block)
        self._captured_frames += self._block_frames
        self._clips = [clip for clip in self._clips if clip.end_frame > self._captured_frames]
        if self._ending and not self._clips:
            self._input_ended.set()

    def _read_block(self, first_frame: int) -> Float32:
        block = self._noise.next(self._block_frames)
        for clip in self._clips:
            begin = max(first_frame, clip.start_frame)
            end = min(first_frame + self._block_frames, clip.end_frame)
            if begin < end:
                part = clip.samples[begin - clip.start_frame : end - clip.start_frame]
                block[begin - first_frame : end - first_frame, 0] += part
        return block


class _NoiseFloor:
    """White noise of a given level, the same for the same seed."""

    def __init__(self, level_dbfs: float | None, seed: int) -> None:
        self._rms = 0.0 if level_dbfs is None else 10 ** (level_dbfs / 20)
        self._random = np.random.default_rng(seed)

    def next(self, frames: int) -> Float32:
        noise = self._random.standard_normal((frames, 1), np.float32)
        noise *= np.float32(self._rms)
        return noise


def _mono_float(samples: NDArray[np.int16] | Float32) -> Float32:
    contiguous: NDArray[Any] = np.ascontiguousarray(samples)
    if contiguous.dtype == np.int16:
        contiguous = int16_to_float(contiguous)
    return downmix(contiguous)
