"""What the calls on the way of a 20 ms packet cost from Python. Each checks its result first."""

import json

import numpy as np
import pytest

from antiphon import _native
from antiphon.audio import JitterBuffer, Resampler, Uplink, split_server_message
from antiphon.wire import bytes_to_base64, decode_server_message

RATE_HZ = 48_000
TONE = (0.5 * np.sin(2 * np.pi * 997 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)


@pytest.fixture
def audio_message():
    """40 ms of the model's speech, as the service frames it."""
    pcm = (TONE[:960] * 32767).astype("<i2").tobytes()
    blob = {"mimeType": "audio/pcm;rate=24000", "data": bytes_to_base64(pcm)}
    content = {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}
    return json.dumps(content, indent=2).encode(), pcm


@pytest.mark.benchmark(group="resample 10 ms")
@pytest.mark.parametrize(("in_hz", "out_hz"), [(48_000, 16_000), (24_000, 48_000)])
def test_resample(benchmark, in_hz, out_hz):
    block = TONE[: in_hz // 100].copy()
    checked = Resampler(in_hz, out_hz)
    out = np.concatenate([checked.process(block), checked.flush()])
    assert len(out) == out_hz // 100
    resampler = Resampler(in_hz, out_hz)
    benchmark(resampler.process, block)


@pytest.mark.benchmark(group="uplink")
def test_uplink_20_ms_stereo_block_to_message(benchmark):
    block = np.repeat(TONE[:960, None], 2, axis=1)
    uplink = Uplink(RATE_HZ, 2)
    messages = [m for _ in range(50) for m in uplink.push(block, now_us=0)]
    assert json.loads(messages[-1])["realtimeInput"]["audio"]["mimeType"] == "audio/pcm;rate=16000"
    benchmark(uplink.push, block, now_us=0)


@pytest.mark.benchmark(group="downlink")
def test_scan_of_an_audio_message(benchmark, audio_message):
    data, pcm = audio_message
    assert split_server_message(data)[1] == [(24_000, pcm)]
    benchmark(split_server_message, data)


@pytest.mark.benchmark(group="downlink")
def test_typed_decode_of_an_audio_message(benchmark, audio_message):
    data, pcm = audio_message
    assert decode_server_message(data).audio[0].pcm == pcm
    benchmark(decode_server_message, data)


@pytest.mark.benchmark(group="downlink")
def test_jitter_buffer_pull_10_ms(benchmark):
    buffer = JitterBuffer(cushion_ms=0)
    speech = (TONE[:240] * 32767).astype(np.int16)
    out = np.empty(240, np.int16)

    def one_more_block():
        buffer.push(speech, now_us=0, turn=1)

    buffer.push(speech, now_us=0, turn=1)
    benchmark.pedantic(lambda: buffer.pull_into(out, now_us=0), setup=one_more_block, rounds=20_000)
    assert np.array_equal(out, speech), "speech was pulled, not silence"


@pytest.mark.benchmark(group="overhead")
def test_call_overhead(benchmark):
    assert _native.simd_backend()
    benchmark(_native.simd_backend)
