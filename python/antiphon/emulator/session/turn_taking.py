"""The server's ear: audio in, starts and ends of speech out.

Whatever rate and block size a client sends becomes one 16 kHz stream; the detector finds
speech in it, and the utterance is cut out with what came just before, so that the recognizer
hears the onset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from antiphon._native import Resampler, VoiceActivityDetector
from antiphon.emulator.service.setup_check import Configuration
from antiphon.emulator.session.jobs import HEARING_HZ
from antiphon.errors import AudioFormatError
from antiphon.wire import Blob, base64_to_bytes, pcm_rate_hz

__all__ = ["Ear", "InvalidAudio", "SpeechEnded", "SpeechStarted"]

_PRE_ROLL_S = 0.30
_POST_ROLL_S = 0.20
_MAX_TYPE_CHARS = 256


class InvalidAudio(Exception):
    """Audio that cannot be taken; the text is for the close."""


@dataclass(frozen=True)
class SpeechStarted:
    """Speech began, ``offset_s`` into the audio of the session."""

    offset_s: float


@dataclass(frozen=True)
class SpeechEnded:
    """Speech ended: the utterance, as mono int16 at 16,000 Hz, padding included."""

    offset_s: float
    pcm: bytes = field(repr=False)
    duration_s: float


EarEvent: TypeAlias = SpeechStarted | SpeechEnded


class Ear:
    """Collects audio and finds utterances in it, by voice activity or by the client's marks."""

    def __init__(self, configuration: Configuration, max_utterance_s: float) -> None:
        self._manual = configuration.manual_activity
        self._max_frames = int(max_utterance_s * HEARING_HZ)
        self._detector = VoiceActivityDetector(
            HEARING_HZ,
            configuration.prefix_padding_ms,
            configuration.silence_duration_ms,
            configuration.threshold_db,
        )
        # Audio since `_kept_from`, a frame number since the start of the session.
        self._kept = bytearray()
        self._kept_from = 0
        # A start is decided late: by the padding, and by what the detector needs on top.
        self._pre_roll_frames = int(
            (_PRE_ROLL_S + 2 * configuration.prefix_padding_ms / 1000 + 0.2) * HEARING_HZ
        )
        self._detector_base = 0
        self._started_at: int | None = None
        self._resampler: Resampler | None = None
        self._rate_hz = HEARING_HZ
        self._mime_type = ""
        self._heard_frames = 0

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._started_at is not None

    def push(self, blob: Blob) -> list[EarEvent]:
        """Take the audio of one message.

        Raises:
            InvalidAudio: Not PCM, not base64, or not a whole number of samples.
        """
        try:
            pcm = base64_to_bytes(blob.data)
        except ValueError:
            raise InvalidAudio(
                "Invalid value at 'realtime_input.audio.data' (TYPE_BYTES), Base64 decoding failed."
            ) from None
        return self.hear(blob.mime_type, pcm)

    def hear(self, mime_type: str, pcm: bytes) -> list[EarEvent]:
        """Likewise, out of its base64."""
        heard = self._at_16_khz(mime_type, pcm)
        self._kept += heard
        self._heard_frames += len(heard) // 2
        return self._bounded() if self._manual else self._detect(heard)

    @property
    def recent(self) -> bytes:
        """The last audio: what speech that is not noticed yet would have begun in."""
        return bytes(self._kept)

    def recall(self, pcm: bytes) -> list[EarEvent]:
        """Begin with audio that an earlier connection had heard (`recent`)."""
        if not pcm or self._manual:
            return []
        self._kept += pcm
        return self._detect(pcm)

    def take_heard_s(self) -> float:
        """How much audio came since the last call, speech or not."""
        frames, self._heard_frames = self._heard_frames, 0
        return frames / HEARING_HZ

    def start(self) -> list[EarEvent]:
        """The client says that the user starts to act."""
        if self._started_at is not None:
            return []
        self._started_at = self._end_frame
        return [SpeechStarted(self._end_frame / HEARING_HZ)]

    def end(self) -> list[EarEvent]:
        """The client says that the user has finished, or that its audio stream pauses."""
        self._kept += self._resampler_tail()
        events: list[EarEvent] = []
        if self._started_at is not None:
            events.append(self._cut(self._end_frame))
        self._restart_detector()
        return events

    @property
    def _end_frame(self) -> int:
        return self._kept_from + len(self._kept) // 2

    def _at_16_khz(self, mime_type: str, pcm: bytes) -> bytes:
        tail = b"" if mime_type == self._mime_type else self._change_format(mime_type)
        if len(pcm) % 2:
            raise InvalidAudio(
                f"Invalid audio: {len(pcm)} bytes are not a whole number of 16-bit samples."
            )
        return tail + (self._resampler.process(pcm) if self._resampler else pcm)

    def _change_format(self, mime_type: str) -> bytes:
        """Expect audio of this type from now on; returns the end of what came before."""
        try:
            rate_hz = pcm_rate_hz(mime_type or "audio/pcm", HEARING_HZ)
        except ValueError as error:
            raise InvalidAudio(f"Unsupported sample rate or channels in {error}") from None
        if rate_hz is None:
            raise InvalidAudio(f"Unsupported audio format {mime_type[:40]!r}; send audio/pcm.")
        if len(mime_type) > _MAX_TYPE_CHARS:
            raise InvalidAudio(f"Unsupported audio format of {len(mime_type)} characters.")
        tail = b""
        if rate_hz != self._rate_hz:
            tail = self._resampler_tail()
            self._resampler = self._new_resampler(rate_hz)
            self._rate_hz = rate_hz
        self._mime_type = mime_type
        return tail

    @staticmethod
    def _new_resampler(rate_hz: int) -> Resampler | None:
        if rate_hz == HEARING_HZ:
            return None
        try:
            return Resampler(rate_hz, HEARING_HZ, "voice", "int16")
        except AudioFormatError as error:
            raise InvalidAudio(f"Unsupported sample rate {rate_hz}: {error}") from None

    def _resampler_tail(self) -> bytes:
        return self._resampler.flush().tobytes() if self._resampler else b""

    def _detect(self, pcm: bytes) -> list[EarEvent]:
        events: list[EarEvent] = []
        for kind, frame in self._detector.push(pcm):
            at = self._detector_base + frame
            if kind == "start" and self._started_at is None:
                self._started_at = max(self._kept_from, at - int(_PRE_ROLL_S * HEARING_HZ))
                events.append(SpeechStarted(at / HEARING_HZ))
            elif kind == "end" and self._started_at is not None:
                events.append(self._cut(at, padding=int(_POST_ROLL_S * HEARING_HZ)))
        return events + self._bounded()

    def _bounded(self) -> list[EarEvent]:
        """Forget what no utterance can need any more; end an utterance that is too long."""
        if self._started_at is None:
            self._forget_before(self._end_frame - self._pre_roll_frames)
            return []
        if self._end_frame - self._started_at < self._max_frames:
            return []
        ended = self._cut(self._started_at + self._max_frames)
        self._restart_detector()
        return [ended]

    def _cut(self, ended_at: int, padding: int = 0) -> SpeechEnded:
        assert self._started_at is not None
        until = min(ended_at + padding, self._end_frame)
        first = self._started_at - self._kept_from
        pcm = bytes(self._kept[2 * first : 2 * (until - self._kept_from)])
        self._started_at = None
        self._forget_before(until - self._pre_roll_frames)
        return SpeechEnded(ended_at / HEARING_HZ, pcm, len(pcm) / 2 / HEARING_HZ)

    def _forget_before(self, frame: int) -> None:
        frames = frame - self._kept_from
        if frames > 0:
            del self._kept[: 2 * frames]
            self._kept_from += frames

    def _restart_detector(self) -> None:
        self._detector.reset()
        self._detector_base = self._end_frame
