"""The audio core of antiphon, compiled from Rust.

Units are in the names: ``_hz`` samples per second, ``_frames`` one sample per channel,
``_us`` microseconds of one monotonic clock that the caller reads and passes in. Nothing here
reads a clock, sleeps, or does I/O. int16 PCM is little-endian wherever it appears as bytes.

Every class is thread-safe: calls on one object from several threads run one after the other.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Literal, TypeAlias, final, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

__all__ = [
    "Capture",
    "ClockDriftEstimator",
    "DriftResampler",
    "G711Decoder",
    "G711Encoder",
    "JitterBuffer",
    "Packet",
    "Packetizer",
    "Playhead",
    "Playout",
    "Resampler",
    "Uplink",
    "VoiceActivityDetector",
    "__version__",
    "alaw_decode",
    "alaw_encode",
    "downmix",
    "encode_realtime_audio",
    "float_to_int16",
    "int16_of_bytes",
    "int16_to_float",
    "interleave",
    "resample",
    "simd_backend",
    "split_server_message",
    "text_frame",
    "ulaw_decode",
    "ulaw_encode",
    "whole_messages",
]

__version__: str

_Pcm16: TypeAlias = NDArray[np.int16]
_Float32: TypeAlias = NDArray[np.float32]
_Codes: TypeAlias = NDArray[np.uint8]
_Profile: TypeAlias = Literal["voice", "voice_plus", "hq", "lowlatency"]
_Law: TypeAlias = Literal["ulaw", "alaw"]

# --------------------------------------------------------------------------- conversions

def float_to_int16(x: _Float32, out: _Pcm16 | None = None) -> _Pcm16:
    """Convert float32 samples to int16: round to nearest even of ``x * 32768``, saturating.

    NaN becomes 0; infinities saturate. Any shape (C-contiguous); the result has the same shape.

    Args:
        x: Samples, full scale ±1.0.
        out: Where to write; same shape. A new array if omitted.

    Returns:
        ``out``, or the new array.

    Raises:
        AudioFormatError: Wrong dtype, not contiguous, not aligned, or ``out`` of another shape,
            read-only or sharing memory with ``x``.
    """

def int16_of_bytes(pcm: bytes, /) -> _Pcm16:
    """Little-endian int16 bytes as samples: a new array of shape (frames,).

    Cost: one copy. Thread-safe.

    Raises:
        AudioFormatError: An odd number of bytes.
        TypeError: Not `bytes`.
    """

def int16_to_float(x: _Pcm16, out: _Float32 | None = None) -> _Float32:
    """Convert int16 samples to float32: ``x / 32768``, exact. The inverse of `float_to_int16`.

    Raises:
        AudioFormatError: As for `float_to_int16`.
    """

@overload
def downmix(x: _Float32) -> _Float32:
    """Average the channels of an array of shape (frames, channels) to mono, shape (frames,).

    int16 averages are exact, rounded to nearest even. A float32 NaN counts as 0, and an infinity
    or anything beyond ±1e30 as ±1.0. A one-dimensional array is returned as a copy.

    Raises:
        AudioFormatError: Wrong dtype, not contiguous, not aligned, no channel, or more than 256.
    """

@overload
def downmix(x: _Pcm16) -> _Pcm16: ...
@overload
def interleave(channels: Iterable[_Float32]) -> _Float32:
    """Interleave mono arrays of one length and type into one of shape (frames, channels).

    Raises:
        AudioFormatError: No channel, other dtypes or lengths, or more than one dimension.
    """

@overload
def interleave(channels: Iterable[_Pcm16]) -> _Pcm16: ...
@overload
def ulaw_encode(pcm: _Pcm16) -> _Codes:
    """Encode int16 samples as G.711 µ-law, as sent on the wire: one byte per sample.

    An ndarray gives an ndarray of uint8; bytes give bytes. int16 is cut to 14 bits by an
    arithmetic shift, as `audioop.lin2ulaw` does. 0.2 ns per sample.

    Raises:
        AudioFormatError: Another dtype, more than one dimension, or an odd number of bytes.
    """

@overload
def ulaw_encode(pcm: Buffer) -> bytes: ...
@overload
def ulaw_decode(codes: _Codes) -> _Pcm16:
    """Decode G.711 µ-law to int16 samples. An ndarray gives an ndarray; bytes give bytes.

    Raises:
        AudioFormatError: An array of another dtype than uint8, or of more than one dimension.
    """

@overload
def ulaw_decode(codes: Buffer) -> bytes: ...
@overload
def alaw_encode(pcm: _Pcm16) -> _Codes:
    """Encode int16 samples, cut to 13 bits, as G.711 A-law; else as `ulaw_encode`.

    Raises:
        AudioFormatError: Another dtype, more than one dimension, or an odd number of bytes.
    """

@overload
def alaw_encode(pcm: Buffer) -> bytes: ...
@overload
def alaw_decode(codes: _Codes) -> _Pcm16:
    """Decode G.711 A-law to int16 samples. An ndarray gives an ndarray; bytes give bytes.

    Raises:
        AudioFormatError: An array of another dtype than uint8, or of more than one dimension.
    """

@overload
def alaw_decode(codes: Buffer) -> bytes: ...

# --------------------------------------------------------------------------- dsp

@final
class Resampler:
    """A streaming resampler: a polyphase FIR of fixed ratio.

    The output does not depend on how the input was cut, bit for bit (on one machine; see
    `simd_backend`). Output frame ``k`` is centred on input time ``k * in_hz / out_hz``: nothing
    is prepended. After `flush` of ``n`` input frames at ratio L/M the total output is
    ``(2 * n * L + M) // (2 * M)`` frames. Equal rates pass bit for bit, without delay. A float32
    NaN becomes 0, an infinity (and anything beyond ±1e30, so that no sum overflows) ±1.0; int16
    is rounded to nearest even and saturates.

    Making one designs its filter (0.02 to 30 ms, by ratio and profile). A 10 ms block costs
    about a microsecond; blocks over 200 ms let go of the interpreter while they are filtered.

    Args:
        in_hz: Input rate, 4,000 to 384,000.
        out_hz: Output rate, likewise. The reduced terms of the ratio may not exceed 2,000.
        profile: ``voice`` (flat to .85 of the lower Nyquist frequency, >= 85 dB beyond it),
            ``voice_plus`` (.90, 98 dB) or ``hq`` (.913, 125 dB). More costs delay: 2.5, 3.9 or
            6.0 ms where the lower rate is 16 kHz; see `delay_s`. ``lowlatency`` is ``voice``
            without the delay: it uses nothing ahead (a frame is held back by less than half an
            output frame), but its output is not aligned in time and is late, there by 0.18 ms
            at 1 kHz, 0.22 ms at 3.4 kHz and 0.8 ms at .85; see `group_delay_s`.
        dtype: ``float32`` or ``int16``: what goes in and comes out. Filtering is in float32.

    Raises:
        AudioFormatError: A rate, ratio, profile or dtype that is not supported.
    """

    def __new__(
        cls,
        in_hz: int,
        out_hz: int,
        profile: _Profile = "voice",
        dtype: Literal["float32", "int16"] = "float32",
    ) -> Resampler: ...
    @overload
    def process(self, x: _Float32, last: bool = False) -> _Float32:
        """Feed one mono block of any length; return what is ready.

        An ndarray of `dtype` gives an ndarray; bytes-like (little-endian samples of `dtype`)
        gives bytes. ``last=True`` flushes.

        Raises:
            AudioFormatError: Another dtype, more than one dimension, or a byte count that is
                not a whole number of samples (nothing is consumed).
        """

    @overload
    def process(self, x: _Pcm16, last: bool = False) -> _Pcm16: ...
    @overload
    def process(self, x: bytes | bytearray | memoryview, last: bool = False) -> bytes: ...
    def process_into(self, x: _Float32 | _Pcm16, out: _Float32 | _Pcm16) -> int:
        """Like `process`, into ``out``; returns the frames written.

        The filter takes no memory; of the call only NumPy's record of the arrays in use does, a
        small block that is given back. An input of up to 480 samples, one that is no array, and
        one not in one piece is copied first. Keeps the interpreter for blocks of any length.

        Raises:
            AudioFormatError: ``out`` is shorter than `max_output_frames` of this input, of
                another dtype, not contiguous, read-only, or shares memory with ``x`` (nothing is
                consumed).
        """
    def max_output_frames(self, in_frames: int) -> int:
        """The most frames that one call with ``in_frames`` can return (without ``last``)."""
    def skip(self, frames: int) -> tuple[NDArray[Any], int]:
        """Pass over a known gap, as if ``frames`` of silence were fed, however long, in the
        time that the filter's length takes.

        Returns:
            The frames in which the past still rings, as `dtype`, and how many frames of digital
            silence come after them. Together they are just what `process` of zeros would have
            returned.

        Raises:
            AudioFormatError: ``frames`` is negative, or 2**32 or more (nothing happens).
        """
    def flush(self) -> NDArray[Any]:
        """Return what is left, as `dtype`, and `reset`."""
    def reset(self) -> None:
        """Forget all input, as if newly made."""
    @property
    def in_hz(self) -> int: ...
    @property
    def out_hz(self) -> int: ...
    @property
    def profile(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def delay_frames(self) -> Fraction:
        """Look-ahead in output frames: how much later than its centre a frame can be made.

        0 for ``lowlatency``, which uses nothing ahead. Its frames are held back all the same until
        it is known that they belong to the stream: by ``(M - 1) // 2 / L`` input frames, which is
        less than half an output frame (0.02 ms at 48 to 16 kHz).
        """
    @property
    def delay_s(self) -> float:
        """`delay_frames` in seconds."""
    def group_delay_s(self, hz: float) -> float:
        """How much later than it went in a tone of ``hz`` can come out, in seconds.

        `delay_s` at every frequency, but for ``lowlatency``: there the group delay of the filter,
        found by designing it again (some milliseconds); what is held back (see `delay_frames`)
        comes on top.

        Raises:
            AudioFormatError: ``hz`` is not 0 to the lower Nyquist frequency.
        """

@overload
def resample(x: _Float32, in_hz: int, out_hz: int, profile: _Profile = "voice") -> _Float32:
    """Resample a whole mono signal of any length.

    What a `Resampler` makes of it, flushed, bit for bit; but for ``hq``, where no frame differs by
    more than -117 dB of the loudest one (-120 dBFS if the output stays within ±0.7), and int16 by
    more than 1. An ndarray of float32 or int16 gives an ndarray; bytes are int16 and give bytes.
    Lets go of the interpreter.

    Raises:
        AudioFormatError: A rate, ratio or profile that is not supported, another dtype, more
            than one dimension, or an odd number of bytes.
    """

@overload
def resample(x: _Pcm16, in_hz: int, out_hz: int, profile: _Profile = "voice") -> _Pcm16: ...
@overload
def resample(x: Buffer, in_hz: int, out_hz: int, profile: _Profile = "voice") -> bytes: ...

@final
class DriftResampler:
    """A streaming resampler whose ratio may vary at any time, for two clocks that drift.

    The filter of ``voice``, at 512 phases and linearly between them: 110 dB SNR and more at any
    fixed ratio. The ratio moves by at most 10 ppm per millisecond, and phase is continuous, so
    no change of it is heard. Output does not depend on how the input was cut between two calls
    of `set_ppm`. At 0 ppm the total after `flush` is as long as that of a `Resampler`, and at any
    other ratio by the same rule: frames that end, half a step after their centre, within the
    input. Other promises are as for `Resampler`, but equal rates are filtered too, and there is
    no ``skip``.

    Args:
        nominal_in_hz: Input rate, 4,000 to 384,000.
        nominal_out_hz: Output rate, likewise; any ratio.
        max_ppm: The largest deviation, 1 to 5,000.
        dtype: ``float32`` or ``int16``.

    Raises:
        AudioFormatError: A value out of range.
    """

    def __new__(
        cls,
        nominal_in_hz: int,
        nominal_out_hz: int,
        max_ppm: int = 1000,
        dtype: Literal["float32", "int16"] = "float32",
    ) -> DriftResampler: ...
    @overload
    def process(self, x: _Float32, last: bool = False) -> _Float32:
        """Feed one mono block of any length; return what is ready. See `Resampler.process`.

        Raises:
            AudioFormatError: Another dtype, more than one dimension, or a byte count that is
                not a whole number of samples (nothing is consumed).
        """
    @overload
    def process(self, x: _Pcm16, last: bool = False) -> _Pcm16: ...
    @overload
    def process(self, x: bytes | bytearray | memoryview, last: bool = False) -> bytes: ...
    def process_into(self, x: _Float32 | _Pcm16, out: _Float32 | _Pcm16) -> int:
        """Like `process`, into ``out``; returns the frames written.

        Raises:
            AudioFormatError: As for `Resampler.process_into` (nothing is consumed).
        """
    def max_output_frames(self, in_frames: int) -> int:
        """The most frames that one call with ``in_frames`` can return (without ``last``)."""
    def input_frames_for(self, out_frames: int) -> int:
        """How many more input frames make ``out_frames`` more frames ready: the size of the next
        input when a device asks for a fixed number of frames.
        """
    def flush(self) -> NDArray[Any]:
        """Return what is left, as `dtype`, and `reset`."""
    def reset(self) -> None:
        """Forget all input and the deviation of the ratio, as if newly made."""
    def set_ppm(self, ppm: float) -> None:
        """Use input up faster by ``ppm`` than nominally (slower if negative); limited to
        ``max_ppm``.

        Raises:
            AudioFormatError: ``ppm`` is not a number.
        """
    @property
    def ppm(self) -> float:
        """By how much input is used up faster than nominally, now."""
    @property
    def max_ppm(self) -> int: ...
    @property
    def nominal_in_hz(self) -> int: ...
    @property
    def nominal_out_hz(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def delay_s(self) -> float:
        """The look-ahead: how much later than its centre a frame can be made."""

@final
class ClockDriftEstimator:
    """Finds how much faster one clock runs than another, from the fill of the ring between them.

    A proportional-integral loop; give its answer to `DriftResampler.set_ppm`. It settles on
    ±200 ppm within 20 s, and then keeps the fill within 2 ms: of a writer of single frames, or of
    blocks whose time is given to `update`.

    Args:
        rate_hz: Rate of the frames in the ring, 4,000 to 384,000.
        target_frames: How many there should be.
        max_ppm: Limit of the answer, 1 to 5,000.

    Raises:
        AudioFormatError: A value out of range.
    """

    def __new__(
        cls, rate_hz: int, target_frames: int, max_ppm: int = 1000
    ) -> ClockDriftEstimator: ...
    def update(self, fill_frames: float, now_us: int, written_us: int | None = None) -> float:
        """Take the fill at ``now_us``; return by how many ppm to use it up faster than nominally.

        Call it at one point of the loop, such as before each read. Time that stands still or
        runs backwards changes nothing, nor does a fill that is not finite. A fill further than a
        second from its target counts as a second.

        A writer of blocks makes the fill a sawtooth, and as its clock slides past the reader's
        that looks like drift: the answer swings by hundreds of ppm, up to ``max_ppm``, and the
        fill by up to one block. Give the time at which the last block was written as
        ``written_us``: the frames since then count as if they had come one by one (for the target
        too, so the fill is on average half a block less), and the promises above hold.

        Raises:
            AudioFormatError: ``now_us`` is not of 64 bits.
        """
    def reset(self) -> None:
        """Forget everything, as if newly made."""
    @property
    def ppm(self) -> float:
        """The last answer of `update`."""
    @property
    def drift_ppm(self) -> float:
        """By how much the writer's clock runs faster than the reader's, as far as is known."""
    @property
    def target_frames(self) -> int: ...

@final
class G711Decoder:
    """From G.711 at 8 kHz to int16 at another rate, as one stream: one call per chunk.

    Bit for bit what `ulaw_decode` or `alaw_decode` and an int16 `Resampler` make.

    Args:
        law: ``ulaw`` or ``alaw``.
        out_hz: Rate of the samples; see `Resampler`.
        profile: See `Resampler`.

    Raises:
        AudioFormatError: A law, rate or profile that is not supported.
    """

    def __new__(
        cls, law: _Law, out_hz: int = 16000, profile: _Profile = "voice"
    ) -> G711Decoder: ...
    @overload
    def process(self, codes: _Codes, last: bool = False) -> _Pcm16:
        """Decode any number of codes; return the samples that are ready.

        An ndarray of uint8 gives an ndarray; bytes give bytes. ``last=True`` flushes.

        Raises:
            AudioFormatError: An array of another dtype, or of more than one dimension (nothing
                is consumed).
        """
    @overload
    def process(self, codes: Buffer, last: bool = False) -> bytes: ...
    def flush(self) -> _Pcm16:
        """Return the samples that are left, and `reset`."""
    def reset(self) -> None:
        """Forget all input, as if newly made."""
    @property
    def law(self) -> str: ...
    @property
    def out_hz(self) -> int: ...
    @property
    def delay_s(self) -> float:
        """Delay of the resampler."""

@final
class G711Encoder:
    """From int16 at another rate to G.711 at 8 kHz, as one stream: one call per chunk.

    Bit for bit what an int16 `Resampler` and `ulaw_encode` or `alaw_encode` make.

    Args:
        law: ``ulaw`` or ``alaw``.
        in_hz: Rate of the samples; see `Resampler`.
        profile: See `Resampler`.

    Raises:
        AudioFormatError: A law, rate or profile that is not supported.
    """

    def __new__(cls, law: _Law, in_hz: int = 24000, profile: _Profile = "voice") -> G711Encoder: ...
    @overload
    def process(self, pcm: _Pcm16, last: bool = False) -> _Codes:
        """Take any number of samples; return the codes that are ready.

        An ndarray gives an ndarray of uint8; bytes give bytes. ``last=True`` flushes.

        Raises:
            AudioFormatError: Another dtype, more than one dimension, or an odd number of bytes
                (nothing is consumed).
        """
    @overload
    def process(self, pcm: Buffer, last: bool = False) -> bytes: ...
    def flush(self) -> bytes:
        """Return the codes that are left, and `reset`."""
    def reset(self) -> None:
        """Forget all input, as if newly made."""
    @property
    def law(self) -> str: ...
    @property
    def in_hz(self) -> int: ...
    @property
    def delay_s(self) -> float:
        """Delay of the resampler."""

# --------------------------------------------------------------------------- uplink

@final
class Packet:
    """A fixed duration of mono int16 PCM."""

    @property
    def sequence(self) -> int:
        """0, 1, 2 … since the packetizer was made; pauses do not skip numbers."""
    @property
    def capture_us(self) -> int:
        """When the first frame of the packet was captured."""
    @property
    def pcm(self) -> bytes:
        """Little-endian int16."""
    @property
    def frames(self) -> int: ...

@final
class Packetizer:
    """Cuts mono int16 PCM into packets of one duration.

    Args:
        sample_rate_hz: Rate of the PCM.
        packet_ms: 10 to 100; must be a whole number of frames at this rate.

    Raises:
        AudioFormatError: A rate or duration out of range.
    """

    def __new__(cls, sample_rate_hz: int = 16000, packet_ms: int = 20) -> Packetizer: ...
    def push(self, pcm: _Pcm16 | Buffer, *, now_us: int) -> list[Packet]:
        """Add PCM whose first frame was captured at ``now_us``; return the full packets.

        Capture times count on from the first push in frames; a push whose ``now_us`` differs
        from that by more than one packet re-anchors them (a gap in capture). A packet that
        straddles the gap keeps the time of its first frame.

        Raises:
            AudioFormatError: An odd number of bytes, another dtype, or more than one dimension
                (nothing is consumed).
        """
    def flush(self, *, pad: bool = True) -> list[Packet]:
        """End the stream: return the unfinished packet padded with silence, or drop it.

        The next push anchors the capture times anew; the sequence goes on.
        """
    @property
    def packet_frames(self) -> int:
        """Frames of a packet."""
    @property
    def pending_frames(self) -> int:
        """Frames of the unfinished packet."""

@final
class Uplink:
    """Microphone blocks in, ready ``realtimeInput`` messages out, in one call.

    downmix → resample to ``out_hz`` → quantize → packetize → JSON with base64.

    Args:
        in_hz: Rate of the blocks.
        channels: Channels of the blocks, 1 to 256; they are averaged to mono.
        out_hz: Rate on the wire. 16,000 is the service's own.
        packet_ms: 10 to 100.
        profile: Filter of the resampler.

    Raises:
        AudioFormatError: A rate, ratio, channel count or duration out of range.
    """

    def __new__(
        cls,
        in_hz: int,
        channels: int = 1,
        out_hz: int = 16000,
        packet_ms: int = 20,
        profile: _Profile = "voice",
    ) -> Uplink: ...
    def push(self, block: _Float32 | _Pcm16 | Buffer, *, now_us: int) -> list[bytes]:
        """Feed a block; return the messages that became full, each complete JSON as bytes.

        ``block`` is float32 or int16, shape (frames,) or (frames, channels), or int16 bytes
        (interleaved). NaN becomes silence; infinities saturate.

        Raises:
            AudioFormatError: Another dtype, channel count, or a byte count that is not a whole
                number of frames (nothing is consumed).
        """
    def flush(self, *, pad: bool = True) -> list[bytes]:
        """End of the stream: drain the resampler and the packetizer; then as newly made, except
        that `packets` counts on and `level_dbfs` stays.
        """
    @property
    def packets(self) -> int:
        """Packets made so far."""
    @property
    def packet_frames(self) -> int:
        """Frames of a packet at ``out_hz``."""
    @property
    def level_dbfs(self) -> float:
        """RMS level of the last packet; -inf for digital silence or before the first."""
    @property
    def delay_s(self) -> float:
        """Delay of the resampler (the packet's own duration comes on top)."""

def encode_realtime_audio(pcm: _Pcm16 | Buffer, rate_hz: int = 16000) -> bytes:
    """One ``realtimeInput.audio`` message as compact JSON bytes.

    Raises:
        AudioFormatError: An odd number of bytes, another dtype, more than one dimension, or a
            rate outside of 4,000 to 384,000.
    """

@final
class VoiceActivityDetector:
    """Finds where speech starts and ends in a mono int16 stream, by level over a noise floor.

    10 ms frames; a frame is voiced when its level is ``threshold_db`` above the tracked noise
    floor and above ``min_dbfs``. Speech starts after ``prefix_padding_ms`` of (nearly)
    unbroken voice and ends after ``silence_duration_ms`` without. Durations are rounded up to
    whole 10 ms frames.

    The noise floor follows quieter frames within some 50 ms and louder ones that are not voiced
    within a second. During voice it rises by 1.5 dB/s: a noise that became louder is forgotten
    after some seconds, and a tone of several seconds is still voice.

    Args:
        sample_rate_hz: 8,000 to 48,000, a multiple of 100.
        prefix_padding_ms: Voice needed before a start is reported; 0 to 2,000.
        silence_duration_ms: Silence needed before an end is reported; 10 to 10,000.
        threshold_db: Above the noise floor; 0 to 60.
        min_dbfs: Never voiced below this level; -100 to 0.

    Raises:
        AudioFormatError: A value out of range.
    """

    def __new__(
        cls,
        sample_rate_hz: int = 16000,
        prefix_padding_ms: int = 60,
        silence_duration_ms: int = 500,
        threshold_db: float = 12.0,
        min_dbfs: float = -50.0,
    ) -> VoiceActivityDetector: ...
    def push(self, pcm: _Pcm16 | Buffer) -> list[tuple[Literal["start", "end"], int]]:
        """Feed PCM; return the events, each with the frame (since `reset`) where speech really
        began or ended, which lies before the frame at which it was decided.

        Raises:
            AudioFormatError: An odd number of bytes, another dtype, or more than one dimension
                (nothing is consumed).
        """
    def reset(self) -> None:
        """Forget the stream; the noise floor too."""
    @property
    def speaking(self) -> bool:
        """Whether a start was reported and no end since."""
    @property
    def frames(self) -> int:
        """Frames fed since `reset`."""
    @property
    def level_dbfs(self) -> float:
        """RMS level of the last whole 10 ms frame; -inf for digital silence or before it."""
    @property
    def noise_floor_dbfs(self) -> float:
        """The tracked noise floor; -inf before the first frame. During voice it is at least
        ``min_dbfs - threshold_db``, below which it decides nothing.
        """

# --------------------------------------------------------------------------- downlink

def text_frame(text: bytes, key: bytes, /) -> bytes:
    """Make the WebSocket frame of a text message, as a client sends it (RFC 6455, section 5.2).

    ``key`` masks it: four bytes that nobody can foresee. Cost: one copy. Thread-safe.

    Raises:
        ValueError: ``key`` does not have four bytes.
    """

def whole_messages(data: bytes, max_bytes: int, /) -> tuple[list[bytes], int]:
    """Take the whole messages from the beginning of what a WebSocket server sent.

    A whole message is text or bytes in one frame, not masked, of at most ``max_bytes`` (RFC 6455,
    section 5.2). Returns the messages in order, and where the last of them ends: what is behind
    it is something else, or not complete.

    Cost: a copy of each message. Thread-safe.

    Raises:
        TypeError: ``data`` is not `bytes`.
        OverflowError: ``max_bytes`` is negative or too large.
    """

def split_server_message(data: Buffer, /) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Take the audio out of a server message in one scan.

    Returns the message with every ``serverContent.modelTurn.parts[].inlineData.data`` of an
    ``audio/pcm`` part replaced by ``""``, and the audio of those parts in order, as (rate in
    Hz, little-endian int16 bytes). A mime type without a rate means 24,000.

    Any shape that the scan does not know (another audio encoding, bad base64, an odd byte count,
    a key twice or written with escapes, nesting beyond 64, invalid JSON) gives the message back
    unchanged with an empty list: the full parser decides. The remainder is valid JSON and else
    byte for byte the message; `bytes` without audio come back as the same object.

    Base64 may be standard or URL-safe, padded or not. Cost: one pass over the message.

    Raises:
        TypeError: ``data`` is neither `bytes` nor a buffer of bytes.

    Raises:
        TypeError: ``data`` is not bytes-like.
    """

@final
class Playhead:
    """Where playing stands, at the end of the last pull."""

    @property
    def turn(self) -> int | None:
        """The turn that is or was last played; None before the first."""
    @property
    def media_frames(self) -> int:
        """Frames of that turn handed over so far, at the buffer's own rate."""
    @property
    def queued_frames(self) -> int:
        """Frames waiting, of all turns. Unlike the rest, this one is as of now."""
    @property
    def state(self) -> Literal["idle", "prebuffer", "playing", "starved", "fading"]:
        """What the buffer is doing: ``idle`` nothing to play; ``prebuffer`` waiting for the
        cushion; ``starved`` ran dry in the middle of a turn; ``fading`` after a flush.
        """
    @property
    def emitted_frames(self) -> int:
        """All frames handed over since the start, silence included: the device's own clock."""
    @property
    def flushes(self) -> int:
        """How many flushes have taken effect."""
    @property
    def flushed_turn(self) -> int | None:
        """The turn that the last effective flush cut; None if none was playing."""
    @property
    def flushed_media_frames(self) -> int:
        """How many frames of that turn were handed over, the fade included: exact, and final
        once `state` is no longer ``fading``.
        """

@final
class JitterBuffer:
    """A playout buffer for int16 mono, at its own rate.

    Regime ``stream`` (TCP, turn by turn, often faster than it plays). Backlog is content: nothing
    is dropped or sped up. A turn starts when a cushion is queued, its end is known, or
    ``max_wait_ms`` have passed since its first audio. The cushion is ``cushion_ms`` at first, and
    what seven of the last eight turns would have needed, at most ``cushion_ms``, after seven turns.
    A turn that comes hesitatingly, or slower than its sound, is played slower, down to 0.75 of its
    speed and at its own pitch, while little is queued: in pauses first. A turn that runs dry all
    the same goes on by itself for 20 ms and then is silent; after that its last 5 ms come once
    more, fading in, so that nothing is lost in a fade. A turn begins with its own first sample,
    unfaded, and if its end is known in time it also ends with its own last one: without jitter,
    what is pushed comes out bit for bit. Only behind an end in the middle of a sound, above
    -48 dBFS, the sound goes on for 5 ms, fading, if nothing follows at once: it would click. After
    400 ms without audio the turn is taken to be over and nothing is counted any more. What comes
    out does not depend on how it is cut into pulls, nor on small jitter of ``now_us``.

    Regime ``packet`` (RTP, WebRTC, telephony): packets with a number, all of ``packet_ms``, that
    may be late, lost, twice or out of order. The delay follows what the network does: it is where
    delay and late packets together cost least, and ``smoothness`` says what counts more. It is
    changed by leaving out or repeating pieces of the sound, at once in pauses and by whole periods
    of the voice in speech. What is missing is replaced by the voice going on. ``cushion_ms``,
    ``max_wait_ms`` and ``capacity_s`` do not matter here; 5 s of packets are kept ahead.

    This is the unsplit form, for tests and simple uses; `Playout` holds the same buffer split
    into its two ends.

    Args:
        sample_rate_hz: 8,000 to 48,000.
        regime: ``stream`` or ``packet``.
        packet_ms: Duration of every packet, 2 to 120, in whole frames.
        smoothness: 0.0 least delay, 1.0 fewest gaps.
        cushion_ms: Most audio to wait for at the start of a turn, and what to wait for after
            running dry; 0 to 10,000, in effect at least 5 ms.
        max_wait_ms: But never longer than this; 0 to 60,000.
        capacity_s: Most audio that can wait, 1 to 3,600. Memory is taken in blocks of 1 s as
            needed; what has been played is freed with the next call of the pushing side, all but
            two blocks. What of it goes back to the system is the allocator's choice.

    Raises:
        AudioFormatError: An argument out of its range.
    """

    def __new__(
        cls,
        sample_rate_hz: int = 24000,
        regime: Literal["stream", "packet"] = "stream",
        *,
        packet_ms: int = 20,
        smoothness: float = 0.5,
        cushion_ms: int = 60,
        max_wait_ms: int = 120,
        capacity_s: int = 600,
    ) -> JitterBuffer: ...
    def push(
        self,
        pcm: _Pcm16 | Buffer,
        *,
        now_us: int,
        seq: int | None = None,
        turn: int | None = None,
    ) -> int:
        """Queue audio of ``turn`` (None: the current one), or packet ``seq``. Returns the frames
        accepted.

        Packets: ``seq``, 0 to 65,535, counts them and wraps around; it does not count pauses, so
        say `end_of_turn` where the sender pauses. A jump of more than 3,000, or of 2 s between
        number and clock, begins anew behind what is queued as soon as a second packet confirms it
        (RFC 3550, A.1); a single one counts as late. Packets that come after their time, or twice,
        are dropped and counted when they are seen; when 1,024 wait for a pull, one more is
        refused.

        Turn numbers, 0 to 2**32 - 2, only grow; a new turn queues behind the ones before it. The
        current turn is the newest one; once that has ended or was flushed, it is a new one, one
        higher (the first is 1).

        Audio of a turn that was flushed, or that is older than the newest, is dropped and counted
        (returns 0). Audio of the newest turn after its `end_of_turn` is played all the same. Never
        partial: audio beyond ``capacity_s`` is refused whole, counted, and returns 0; and so is
        audio of a turn that is new, or had ended, while 256 turns wait, each time that one goes on
        after its `end_of_turn` counting as one more.

        Raises:
            AudioFormatError: An odd number of bytes, another dtype, more than one dimension, or
                a negative time or turn; a packet of another length, ``seq`` missing in the packet
                regime or given in the other.
        """
    def end_of_turn(self, *, now_us: int, turn: int | None = None) -> None:
        """No more audio of this turn will come: running dry now is not an underrun.

        Does nothing for a turn that has ended, was flushed, or is not the newest.
        """
    def flush(self, *, now_us: int, turn: int | None = None) -> None:
        """Drop everything queued, with a 5 ms fade of what is sounding, in the next pull.

        Late audio of the flushed turn (``turn``, or else the newest one pushed) and of earlier
        turns is dropped when it comes. If turns newer than ``turn`` are queued already, they stay:
        to drop whatever there is, leave ``turn`` out. What is missing of the 5 ms because less is
        queued is made up.
        """
    def pull(self, frames: int, *, now_us: int) -> _Pcm16:
        """The next ``frames`` frames; silence where there is nothing to play."""
    def pull_into(self, out: _Pcm16, *, now_us: int) -> None:
        """Like `pull`, filling ``out``. Allocates nothing, takes no lock of the push side."""
    @property
    def playhead(self) -> Playhead: ...
    @property
    def sample_rate_hz(self) -> int: ...
    def stats(self) -> dict[str, int | float]:
        """Counters with W3C webrtc-stats names, in snake case (``jitter_buffer_emitted_count``,
        ``concealed_samples``, ``concealment_events``, ``inserted_samples_for_deceleration``,
        ``removed_samples_for_acceleration``, ``interruption_count`` …), and our own:
        ``first_sound_delay_us``, ``underrun_us``, ``flush_count``, ``dropped_late_frames``,
        ``refused_frames``, ``duplicate_frames``, ``lost_frames``.
        """

# --------------------------------------------------------------------------- devices

@final
class Playout:
    """The downlink: a split jitter buffer, a resampler and a device callback.

    One end is fed from Python (`push`, `end_of_turn`, `flush`); the other end is the C function
    at `callback_address`, which a device calls with `user_data`::

        int callback(const void *input, void *output, unsigned long frames,
                     const struct { double input_adc, current, output_dac; } *time,
                     unsigned long flags, void *user_data);      /* PortAudio's signature */

    ``output`` is interleaved float32. ``time->current`` is the device's clock in seconds; all
    ``now_us`` must be of the same clock. ``time`` may be null: then frames count as time. The
    callback never takes the GIL, never allocates, never locks, never panics. Keep this object
    alive as long as a device may call it: stop the stream first. One device at a time: a second
    one gets silence, counted as ``callback_failures``.

    With equal rates the samples pass as they are (int16 / 32768). Otherwise the playhead is ahead
    of the output by `delay_s`, since it counts what the jitter buffer has handed to the
    resampler; the device's own latency comes on top. The tail of a turn in the resampler comes
    out with the silence after it.

    Args:
        device_hz: Rate of the device.
        channels: Channels of the device, 1 to 64; the same signal goes to each.
        source_hz: Rate of what is pushed, 8,000 to 48,000.
        cushion_ms, max_wait_ms, capacity_s: See `JitterBuffer`.
        profile: Filter of the resampler (none if the rates are equal).
    """

    def __new__(
        cls,
        device_hz: int,
        channels: int = 1,
        source_hz: int = 24000,
        *,
        cushion_ms: int = 60,
        max_wait_ms: int = 120,
        capacity_s: int = 600,
        profile: _Profile = "voice",
    ) -> Playout: ...
    def push(self, pcm: _Pcm16 | Buffer, *, now_us: int, turn: int | None = None) -> int:
        """See `JitterBuffer.push`."""
    def end_of_turn(self, *, now_us: int, turn: int | None = None) -> None:
        """See `JitterBuffer.end_of_turn`."""
    def flush(self, *, now_us: int, turn: int | None = None) -> None:
        """See `JitterBuffer.flush`; it takes effect in the next callback."""
    @property
    def callback_address(self) -> int:
        """Address of the C function."""
    @property
    def user_data(self) -> int:
        """Its last argument. Valid while this object lives."""
    @property
    def playhead(self) -> Playhead:
        """As of the end of the last callback; readable from any thread without waiting."""
    @property
    def device_hz(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def source_hz(self) -> int: ...
    @property
    def delay_s(self) -> float:
        """Delay of the resampler."""
    def stats(self) -> dict[str, int | float]:
        """See `JitterBuffer.stats`; with ``callbacks``, ``device_underflows`` (as flagged) and
        ``callback_failures`` (blocks of silence because of a bug or of a second device).
        """

@final
class Capture:
    """The first stage of the uplink: a device callback and the ring it fills.

    The C function at `callback_address` has the signature shown in `Playout`; ``input`` is
    interleaved float32. It never takes the GIL, allocates, locks or panics. When the ring is
    full the oldest frames are kept and the new ones dropped and counted: read often. Keep this
    object alive as long as a device may call it.

    Args:
        device_hz: Rate of the device, 4,000 to 384,000.
        channels: Channels of the device, 1 to 64.
        capacity_ms: Size of the ring, 1 to 60,000.

    Raises:
        AudioFormatError: An argument out of its range.
    """

    def __new__(cls, device_hz: int, channels: int = 1, *, capacity_ms: int = 2000) -> Capture: ...
    def read(self, max_frames: int | None = None) -> tuple[_Float32, int]:
        """Take what was captured: float32 of shape (frames, channels), and the time in
        microseconds at which its first frame was captured (0 if there is nothing).
        """
    @property
    def available_frames(self) -> int: ...
    @property
    def dropped_frames(self) -> int: ...
    @property
    def callback_address(self) -> int: ...
    @property
    def user_data(self) -> int: ...
    @property
    def device_hz(self) -> int: ...
    @property
    def channels(self) -> int: ...

def simd_backend() -> str:
    """The kernels in use: ``scalar``, ``avx2`` or ``neon``.

    The fastest of this machine, unless the environment variable ``ANTIPHON_SIMD`` named one when
    the module was imported. Between two of them, float32 output may differ in its last bits.
    """
