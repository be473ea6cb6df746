"""The audio core: the native classes, in the order in which sound flows through them.

Up: `Capture` → `downmix` → `Resampler` → `float_to_int16` → `Packetizer` →
`encode_realtime_audio`, or all after capture in one call: `Uplink`. `VoiceActivityDetector`
listens in. Down: `split_server_message` → `JitterBuffer`, or with resampling and a device
callback in one object: `Playout`.

For clocks that drift: `DriftResampler`, steered by `ClockDriftEstimator`. For telephones:
`G711Decoder` and `G711Encoder`, or the codes alone by `ulaw_decode` and the like. Whole signals:
`resample`.

WAV files are in `antiphon.audio.wav`.
"""

from antiphon._native import (
    Capture,
    ClockDriftEstimator,
    DriftResampler,
    G711Decoder,
    G711Encoder,
    JitterBuffer,
    Packet,
    Packetizer,
    Playhead,
    Playout,
    Resampler,
    Uplink,
    VoiceActivityDetector,
    alaw_decode,
    alaw_encode,
    downmix,
    encode_realtime_audio,
    float_to_int16,
    int16_to_float,
    interleave,
    resample,
    simd_backend,
    split_server_message,
    ulaw_decode,
    ulaw_encode,
)

__all__ = [  # noqa: RUF022 -- in the order of the flow
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
    "interleave",
    # Whole signals
    "resample",
    # Clocks that drift
    "DriftResampler",
    "ClockDriftEstimator",
    # Telephones
    "ulaw_encode",
    "ulaw_decode",
    "alaw_encode",
    "alaw_decode",
    "G711Decoder",
    "G711Encoder",
    # The kernels in use
    "simd_backend",
]
