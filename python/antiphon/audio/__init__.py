"""The audio core: the native classes, in the order in which sound flows through them.

Up: `Capture` → `downmix` → `Resampler` → `float_to_int16` → `Packetizer` →
`encode_realtime_audio`, or all after capture in one call: `Uplink`. `VoiceActivityDetector`
listens in. Down: `split_server_message` → `JitterBuffer`, or with resampling and a device
callback in one object: `Playout`.

WAV files are in `antiphon.audio.wav`.
"""

from antiphon._native import (
    Capture,
    JitterBuffer,
    Packet,
    Packetizer,
    Playhead,
    Playout,
    Resampler,
    Uplink,
    VoiceActivityDetector,
    downmix,
    encode_realtime_audio,
    float_to_int16,
    int16_to_float,
    split_server_message,
)

__all__ = [
    # Uplink
    "Capture",
    "downmix",
    "Resampler",
    "float_to_int16",
    "VoiceActivityDetector",
    "Packetizer",
    "Packet",
    "encode_realtime_audio",
    "Uplink",
    # Downlink
    "split_server_message",
    "JitterBuffer",
    "Playhead",
    "int16_to_float",
    "Playout",
]
