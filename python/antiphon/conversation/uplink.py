"""The user's side: what the microphone captured becomes messages to the service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from antiphon.audio import (
    Capture,
    Resampler,
    Uplink,
    VoiceActivityDetector,
    downmix,
    float_to_int16,
)
from antiphon.conversation.events import (
    AudioDropped,
    Event,
    UserStartedSpeaking,
    UserStoppedSpeaking,
)
from antiphon.devices import Device, Float32
from antiphon.errors import SessionClosed

__all__ = ["UplinkPump", "UplinkSession"]

_VAD_HZ = 16_000
_PACKET_MS = 20


class UplinkSession(Protocol):
    """What the uplink asks of a session."""

    def send_live_audio_message(self, message: bytes, duration_s: float, /) -> None:
        """Send a ready message of live audio; never waits."""
        ...

    @property
    def dropped_user_audio_s(self) -> float:
        """Live audio that had to wait for too long and was dropped."""
        ...

    async def end_audio_stream(self) -> None:
        """Tell the service that the microphone is closed."""
        ...


class UplinkPump:
    """Moves audio from the capture ring to the session, until the input ends.

    Args:
        session: Where messages go.
        device: Whose input this is.
        capture: The ring that the device's callback fills.
        publish: Told of the user's speech and of losses.
    """

    def __init__(
        self,
        session: UplinkSession,
        device: Device,
        capture: Capture,
        publish: Callable[[Event], None],
    ) -> None:
        self._session = session
        self._device = device
        self._capture = capture
        self._publish = publish
        self._uplink = Uplink(device.rate_hz, device.input_channels, packet_ms=_PACKET_MS)
        self._ear = _Ear(device, publish)
        self._packet_s = _PACKET_MS / 1000
        self._dropped_frames = 0

    async def run(self) -> None:
        """Send until the input ends, then end the audio stream; or until the session ends.

        Raises:
            DeviceError: The device failed.
        """
        # How and why the session ended is told to those who receive from it.
        with contextlib.suppress(SessionClosed):
            await self._send_all()

    async def _send_all(self) -> None:
        block_s = self._device.block_frames / self._device.rate_hz
        ended = asyncio.create_task(self._device.wait_input_end(), name="input end")
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=block_s)
                self._send_captured()
            ended.result()
            self._send(self._uplink.flush())
            await self._session.end_audio_stream()
        finally:
            ended.cancel()

    def _send(self, messages: list[bytes]) -> None:
        for message in messages:
            self._session.send_live_audio_message(message, self._packet_s)

    def _send_captured(self) -> None:
        block, captured_us = self._capture.read()
        if not len(block):
            return
        self._ear.listen(block, captured_us)
        self._send(self._uplink.push(block, now_us=captured_us))
        waited_frames = round(self._session.dropped_user_audio_s * self._device.rate_hz)
        if (dropped := self._capture.dropped_frames + waited_frames) > self._dropped_frames:
            self._dropped_frames = dropped
            at_s = (captured_us - self._device.started_us) / 1e6
            self._publish(AudioDropped(dropped, at_s))


class _Ear:
    """Finds the user's speech in what was captured, for times that need no service."""

    def __init__(self, device: Device, publish: Callable[[Event], None]) -> None:
        self._started_us = device.started_us
        self._publish = publish
        self._to_16k = Resampler(device.rate_hz, _VAD_HZ, dtype="int16")
        self._vad = VoiceActivityDetector(_VAD_HZ, silence_duration_ms=300)
        self._origin_s: float | None = None

    def listen(self, block: Float32, captured_us: int) -> None:
        if self._origin_s is None:
            self._origin_s = (captured_us - self._started_us) / 1e6
        pcm = self._to_16k.process(float_to_int16(downmix(block)))
        for kind, frame in self._vad.push(pcm):
            at_s = self._origin_s + frame / _VAD_HZ
            self._publish(
                UserStartedSpeaking(at_s) if kind == "start" else UserStoppedSpeaking(at_s)
            )
