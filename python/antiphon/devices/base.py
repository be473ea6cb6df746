"""What a conversation asks of a sound device.

A device moves blocks between the outside and two native callbacks: it hands what it captured
to one and takes what it shall play from the other. Both are plain C functions, given by
address, so that no Python runs between a sound card and the audio core.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["BlockTap", "Device", "Float32", "NativeStream"]

Float32: TypeAlias = NDArray[np.float32]


class NativeStream(Protocol):
    """A native callback with its state: `antiphon.audio.Capture` or `antiphon.audio.Playout`."""

    @property
    def callback_address(self) -> int:
        """Address of the C function, with PortAudio's signature."""
        ...

    @property
    def user_data(self) -> int:
        """Its last argument, valid while this object lives."""
        ...


class BlockTap(Protocol):
    """Sees every block that passes a device, both ways, on one timeline.

    ``first_frame`` counts the device's frames since its start, in both directions alike: frame
    ``n`` that was captured and frame ``n`` that was played belong to the same moment, as a
    listener in the room would have it. Blocks are float32 of shape (frames, channels), full
    scale ±1.0, and valid during the call only.
    """

    def captured(self, first_frame: int, block: Float32) -> None:
        """A block that the microphone delivered."""
        ...

    def played(self, first_frame: int, block: Float32) -> None:
        """A block that goes to the speaker."""
        ...


class Device(Protocol):
    """A microphone and a speaker on one clock."""

    @property
    def rate_hz(self) -> int:
        """Frames per second, both ways."""
        ...

    @property
    def input_channels(self) -> int:
        """Channels of the microphone."""
        ...

    @property
    def output_channels(self) -> int:
        """Channels of the speaker."""
        ...

    @property
    def block_frames(self) -> int:
        """Frames per callback."""
        ...

    @property
    def started_us(self) -> int:
        """When frame 0 of the timeline was, on the clock of `now_us`."""
        ...

    def now_us(self) -> int:
        """The device's clock: microseconds, monotonic. Callbacks are told times of this clock."""
        ...

    def start(
        self, *, capture: NativeStream, playout: NativeStream, tap: BlockTap | None = None
    ) -> None:
        """Begin to call the callbacks; the device keeps the streams alive until `stop`.

        Raises:
            DeviceError: The device runs already, or cannot be opened.
        """
        ...

    async def stop(self) -> None:
        """Stop calling; after this no callback runs. Harmless if the device does not run."""
        ...

    def check(self) -> None:
        """Raise what made the device fail while it ran, if anything did.

        Raises:
            DeviceError: The device failed.
        """
        ...

    async def wait_input_end(self) -> None:
        """Return when the input has come to its end; a microphone's never does.

        Raises:
            DeviceError: The device failed while it ran.
        """
        ...
