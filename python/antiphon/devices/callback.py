"""Calling a native stream callback by address, as PortAudio would."""

from __future__ import annotations

from typing import Any

import cffi

from antiphon.devices.base import Float32, NativeStream
from antiphon.errors import DeviceError

__all__ = ["StreamCallback"]

_ffi = cffi.FFI()
_ffi.cdef(
    """
    typedef struct { double input_adc; double current; double output_dac; } StreamTime;
    typedef int StreamCallback(const void *input, void *output, unsigned long frames,
                               const StreamTime *time, unsigned long flags, void *user_data);
    """
)


class StreamCallback:
    """A native stream that can be called from Python; keeps the stream alive.

    The call runs native code only and lets other Python threads run meanwhile.
    """

    def __init__(self, stream: NativeStream) -> None:
        self._stream = stream
        self._function: Any = _ffi.cast("StreamCallback *", stream.callback_address)
        self._user_data = _ffi.cast("void *", stream.user_data)
        self._time = _ffi.new("StreamTime *")

    def capture(self, block: Float32, *, current_s: float, captured_s: float) -> None:
        """Hand over a captured block; ``captured_s`` is the time of its first frame."""
        self._call(_ffi.from_buffer("float[]", block), _ffi.NULL, block, current_s, captured_s)

    def play(self, block: Float32, *, current_s: float) -> None:
        """Have ``block`` filled with what is to be heard from ``current_s`` on."""
        out = _ffi.from_buffer("float[]", block, require_writable=True)
        self._call(_ffi.NULL, out, block, current_s, current_s)

    def _call(
        self, input_: Any, output: Any, block: Float32, current_s: float, input_s: float
    ) -> None:
        self._time.input_adc = input_s
        self._time.current = current_s
        self._time.output_dac = current_s
        code = self._function(input_, output, len(block), self._time, 0, self._user_data)
        if code != 0:
            raise DeviceError(
                f"A native stream callback asked to stop (code {code}) at {current_s:.3f} s of the "
                "device's clock. Nothing more can be played or captured; start a new conversation."
            )
