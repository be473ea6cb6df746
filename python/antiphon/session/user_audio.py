"""The user's voice on its way out: blocks of any format and length become whole packets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from antiphon import _native
from antiphon.errors import AudioFormatError
from antiphon.session.driver import SessionDriver

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    Pcm: TypeAlias = NDArray[np.int16] | NDArray[np.float32] | Buffer

__all__ = ["UserAudio"]

# How a buffer says that it holds bytes, and no numbers.
_BYTES = ("B", "b", "c")
# One slice of a long input: what a cancelled send may leave unsent stays unconsumed.
_SLICE_S = 0.5
# Messages do not tell when their audio was captured.
_NO_TIME_US = 0
# Against real time. A device whose clock is fast is not more and more ahead, nor one after a delay.
_CATCHING_UP = 1.25
# Audio that is no more ahead of its time is live: 2 s of it, in a block or made up for.
_MAX_AHEAD_S = 2.0 / _CATCHING_UP
# Of base64 in a message, for 16-bit samples at 16 kHz.
_MESSAGE_BYTES_PER_S = 16_000 * 2 * 4 / 3


class Pace:
    """Tells audio that is sent as it is spoken from audio that was there before, as of a file.

    Of what a microphone says in silent minutes, little is worth being sent again; a file is a
    question, which is worth all of it.
    """

    def __init__(self) -> None:
        self._spoken_s = 0.0  # when all that came would be, by someone who catches up

    def is_live(self, duration_s: float, now_s: float) -> bool:
        """Whether audio that comes now is."""
        ahead_s = duration_s / _CATCHING_UP
        if self._spoken_s > now_s:
            ahead_s += self._spoken_s - now_s
        live = ahead_s <= _MAX_AHEAD_S
        # Not much more, so that a microphone after a file is soon known for what it is.
        self._spoken_s = now_s + (ahead_s if live else min(ahead_s, 2 * _MAX_AHEAD_S))
        return live


class UserAudio:
    """Sends audio in the order of the calls, each packet when there is room for it.

    Args:
        driver: Of the session.
        packet_ms: Duration of a packet.
    """

    def __init__(self, driver: SessionDriver, *, packet_ms: int) -> None:
        self.sent_packets = 0
        """Packets that were sent so far."""
        self._driver = driver
        self._packet_ms = packet_ms
        self._pace = Pace()
        self._live_s = 0.0  # of a packet; 0.0: the audio is not live
        self._uplink: _native.Uplink | None = None
        self._format = (0, 0)
        self._turnstile = asyncio.Lock()
        self._senders = 0

    def send_at_once(self, pcm: Pcm, rate_hz: int) -> bool:
        """Send a short block if nothing is in its way: what a microphone does all the time.

        Returns:
            Whether it was sent; else it has to wait, or is to be looked at more closely: `send`.
        """
        shape: tuple[int, ...] = getattr(pcm, "shape", ())
        if (
            self._uplink is None
            or self._senders
            or not self._driver.is_clear()
            or len(shape) not in (1, 2)
            or self._format != (rate_hz, shape[1] if len(shape) == 2 else 1)
            or shape[0] > rate_hz * _SLICE_S
            or isinstance(pcm, memoryview)
        ):
            return False
        packets = self._uplink.push(pcm, now_us=_NO_TIME_US)
        self._judge(shape[0] / rate_hz)
        self._driver.send_clear(packets, self._live_s)
        self.sent_packets += len(packets)
        return True

    async def send(self, pcm: Pcm, rate_hz: int) -> None:
        """Send a block of any length; what does not fill a packet waits for the next.

        Raises:
            AudioFormatError: Another dtype, shape or rate, or an odd number of bytes.
            SessionClosed: The session is over.
        """
        import numpy as np

        if not hasattr(rate_hz, "__index__"):
            raise AudioFormatError(
                f"rate_hz is {rate_hz!r}; it must be a whole number. Nothing was sent."
            )
        samples = _samples(pcm)
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        async with self._turn():
            uplink = await self._uplink_for(rate_hz, channels)
            self._judge(len(samples) / rate_hz)
            step = max(1, int(rate_hz * _SLICE_S))
            try:
                for start in range(0, len(samples), step):
                    if start:
                        await asyncio.sleep(0)  # long audio is no reason to hold up others
                    block: NDArray[Any] = np.ascontiguousarray(samples[start : start + step])
                    for packet in uplink.push(block, now_us=_NO_TIME_US):
                        await self._driver.outbox.room(realtime=True)
                        self._send_packet(packet)
            except asyncio.CancelledError:
                # What comes next goes on behind the last packet, not behind all that was pushed.
                self._uplink = None
                raise

    async def flush(self) -> None:
        """Send what waits for the rest of its packet."""
        async with self._turn():
            await self._flush()

    async def send_message(self, message: bytes, duration_s: float | None) -> None:
        """Send a message that is ready; without a duration it is taken from its length.

        Raises:
            SessionClosed: The session is over.
        """
        await self._driver.outbox.room(realtime=True)
        if duration_s is None:
            duration_s = len(message) / _MESSAGE_BYTES_PER_S
        live = self._pace.is_live(duration_s, self._driver.clock())
        self._driver.send_audio(message, duration_s if live else 0.0, waits=True)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One sender after the other."""
        self._senders += 1
        try:
            with self._driver.sending():
                async with self._turnstile:
                    yield
        finally:
            self._senders -= 1

    async def _uplink_for(self, rate_hz: int, channels: int) -> _native.Uplink:
        if self._uplink is None or self._format != (rate_hz, channels):
            fresh = _native.Uplink(rate_hz, channels, packet_ms=self._packet_ms)
            await self._flush()  # the tail of the old format is still to be heard
            self._uplink, self._format = fresh, (rate_hz, channels)
        return self._uplink

    async def _flush(self) -> None:
        if self._uplink is not None:
            await self._driver.outbox.room(realtime=True)  # cancelled here, it is all still there
            for packet in self._uplink.flush():
                self._send_packet(packet)

    def _judge(self, duration_s: float) -> None:
        """Look at the pace at which a block comes."""
        live = self._pace.is_live(duration_s, self._driver.clock())
        self._live_s = self._packet_ms / 1000 if live else 0.0

    def _send_packet(self, packet: bytes) -> None:
        self._driver.send_audio(packet, self._live_s, waits=True)
        self.sent_packets += 1


def _samples(pcm: Pcm) -> NDArray[Any]:
    import numpy as np

    if not isinstance(pcm, np.ndarray):
        view = _view_of(pcm)
        if view.format not in _BYTES:  # it says itself what it holds
            pcm = np.asarray(view)
        elif view.nbytes % 2:
            raise AudioFormatError(
                f"{view.nbytes} bytes are not a whole number of 16-bit samples; nothing was sent."
            )
        else:
            pcm = np.frombuffer(view.tobytes(), dtype="<i2")
    if pcm.ndim not in (1, 2) or pcm.dtype not in (np.int16, np.float32):
        raise AudioFormatError(
            f"Audio of shape {pcm.shape} and dtype {pcm.dtype}; it must be int16 or float32 "
            "of shape (frames,) or (frames, channels). Nothing was sent."
        )
    return pcm


def _view_of(pcm: Buffer) -> memoryview:
    try:
        return memoryview(pcm)  # of a number, `bytes` would make so many zeros
    except TypeError:
        raise AudioFormatError(
            f"Audio is a {type(pcm).__name__}; it must be an array of int16 or float32, or bytes "
            "of int16. Nothing was sent."
        ) from None
