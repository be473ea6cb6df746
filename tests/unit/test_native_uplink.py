"""Packets, messages and voice activity, as Python sees them."""

from __future__ import annotations

import array
import base64
import json
import math
import threading
import wave
from importlib import resources
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon._native import (
    Packetizer,
    Resampler,
    Uplink,
    VoiceActivityDetector,
    downmix,
    encode_realtime_audio,
    float_to_int16,
)
from antiphon.errors import AudioFormatError

RNG = np.random.default_rng(2)
PCM = RNG.integers(-32_768, 32_768, 16_000).astype(np.int16)


def payload(message: bytes, rate_hz: int = 16_000) -> bytes:
    """The PCM of a message whose shape is just what the service reads."""
    audio = json.loads(message)["realtimeInput"]["audio"]
    assert json.loads(message) == {"realtimeInput": {"audio": audio}}
    assert audio.keys() == {"mimeType", "data"}
    assert audio["mimeType"] == f"audio/pcm;rate={rate_hz}"
    return base64.b64decode(audio["data"], validate=True)


def tone(hz: float, dbfs: float, seconds: float) -> NDArray[np.int16]:
    peak = math.sqrt(2) * 32_768 * 10 ** (dbfs / 20)
    t = np.arange(int(seconds * 16_000)) / 16_000
    return (peak * np.sin(2 * np.pi * hz * t)).astype(np.int16)


class TestPacketizer:
    def test_packets(self) -> None:
        packetizer = Packetizer()
        assert packetizer.packet_frames == 320
        assert packetizer.push(PCM[:319], now_us=1_000_000) == []
        assert packetizer.pending_frames == 319
        packets = packetizer.push(PCM[319:1_000], now_us=1_019_938)
        assert [p.sequence for p in packets] == [0, 1, 2]
        assert [p.capture_us for p in packets] == [1_000_000, 1_020_000, 1_040_000]
        assert b"".join(p.pcm for p in packets) == PCM[:960].tobytes()
        assert [p.frames for p in packets] == [320] * 3

    def test_bytes_and_arrays_are_the_same(self) -> None:
        raw = PCM[:640].tobytes()
        for like in (PCM[:640], raw, bytearray(raw), memoryview(raw), array.array("h", raw)):
            packets = Packetizer().push(like, now_us=0)
            assert b"".join(p.pcm for p in packets) == raw

    def test_a_gap_in_capture_moves_the_time_but_not_the_sequence(self) -> None:
        packetizer = Packetizer()
        times = [0, 20_000 + 15_000, 40_000 - 15_000, 10_000_000]
        packets = [packetizer.push(PCM[:320], now_us=t)[0] for t in times]
        assert [p.capture_us for p in packets] == [0, 20_000, 40_000, 10_000_000]
        assert [p.sequence for p in packets] == [0, 1, 2, 3]

    def test_flush_pads_or_drops(self) -> None:
        packetizer = Packetizer(8_000, 10)
        packetizer.push(PCM[:30], now_us=0)
        (packet,) = packetizer.flush()
        assert packet.pcm == PCM[:30].tobytes() + bytes(100)
        packetizer.push(PCM[:30], now_us=0)
        assert packetizer.flush(pad=False) == []
        assert packetizer.pending_frames == 0
        assert packetizer.flush() == []
        assert packetizer.push(PCM[:80], now_us=-7)[0].capture_us == -7

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((16_000, 9), "packet_ms is 9; it must be 10 to 100"),
            ((16_000, 101), "packet_ms is 101"),
            ((0, 20), "sample_rate_hz is 0"),
            ((-16_000, 20), "sample_rate_hz is -16000"),
            ((22_050, 10), "10 ms at 22050 Hz is not a whole number of frames"),
        ],
    )
    def test_what_is_not_supported_is_refused(
        self, arguments: tuple[int, int], message: str
    ) -> None:
        with pytest.raises(AudioFormatError, match=message):
            Packetizer(*arguments)

    @pytest.mark.parametrize(
        "pcm", [b"\0", np.zeros(3, np.float32), np.zeros((3, 1), np.int16), "text", [1]]
    )
    def test_another_kind_of_pcm_is_refused_and_not_consumed(self, pcm: Any) -> None:
        packetizer = Packetizer()
        with pytest.raises(AudioFormatError):
            packetizer.push(pcm, now_us=0)
        assert packetizer.pending_frames == 0

    def test_time_is_given_by_name(self) -> None:
        with pytest.raises(TypeError):
            Packetizer().push(PCM, 0)  # type: ignore[call-arg]


class TestEncode:
    @pytest.mark.parametrize("frames", [0, 1, 2, 3, 320, 767, 768, 769, 16_000])
    def test_the_message_is_compact_and_complete(self, frames: int) -> None:
        pcm = PCM[:frames]
        message = encode_realtime_audio(pcm)
        assert payload(message) == pcm.tobytes()
        assert message == encode_realtime_audio(pcm.tobytes())
        assert message == json.dumps(json.loads(message), separators=(",", ":")).encode()

    def test_another_rate(self) -> None:
        assert payload(encode_realtime_audio(PCM[:5], 24_000), 24_000) == PCM[:5].tobytes()
        for rate_hz in (0, -1, 3_999, 384_001):
            with pytest.raises(AudioFormatError, match=f"rate_hz is {rate_hz}"):
                encode_realtime_audio(PCM[:5], rate_hz)

    @pytest.mark.parametrize("pcm", [b"\0\0\0", np.zeros(2), np.zeros((2, 2), np.int16)])
    def test_another_kind_of_pcm_is_refused(self, pcm: Any) -> None:
        with pytest.raises(AudioFormatError):
            encode_realtime_audio(pcm)


class TestUplink:
    def test_int16_at_16_khz_passes_bit_for_bit(self) -> None:
        uplink = Uplink(16_000)
        assert (uplink.packet_frames, uplink.delay_s) == (320, 0.0)
        messages: list[bytes] = []
        for block in np.split(PCM, 100):
            messages += uplink.push(block, now_us=0)
        assert b"".join(payload(m) for m in messages) == PCM.tobytes()
        assert uplink.packets == len(messages) == 50
        assert uplink.flush() == []

    def test_it_is_the_sum_of_its_stages(self) -> None:
        stereo = RNG.uniform(-0.8, 0.8, (48_000, 2)).astype(np.float32)
        mono = Resampler(48_000, 16_000).process(downmix(stereo), last=True)
        expected = float_to_int16(mono).tobytes()
        uplink = Uplink(48_000, channels=2)
        long = [*uplink.push(stereo, now_us=0), *uplink.flush()]
        blocks = np.array_split(stereo, 77)
        short = [m for block in blocks for m in uplink.push(block, now_us=0)] + uplink.flush()
        assert long == short
        assert b"".join(payload(m) for m in long) == expected
        assert uplink.delay_s == Resampler(48_000, 16_000).delay_s

    def test_each_kind_of_block(self) -> None:
        pcm = np.stack([PCM[:3_200], PCM[3_200:6_400]], axis=1)
        expected = Uplink(16_000, 2).push(pcm, now_us=0)
        for block in (pcm.tobytes(), bytearray(pcm.tobytes()), np.asfortranarray(pcm)):
            assert Uplink(16_000, 2).push(block, now_us=0) == expected
        floats = (pcm / 32_768).astype(np.float32)
        assert Uplink(16_000, 2).push(floats, now_us=0) == expected
        column = PCM[:3_200].reshape(-1, 1)
        assert Uplink(16_000).push(column, now_us=0) == Uplink(16_000).push(PCM[:3_200], now_us=0)

    def test_flush_pads_or_drops_and_starts_anew(self) -> None:
        uplink = Uplink(48_000)
        x = np.full(1_000, 0.25, np.float32)
        first = [*uplink.push(x, now_us=0), *uplink.flush()]
        assert len(first) == 2
        assert [*uplink.push(x, now_us=99), *uplink.flush()] == first
        uplink.push(x[:100], now_us=0)
        assert uplink.flush(pad=False) == []
        assert uplink.packets == 4

    def test_the_level_is_that_of_the_last_packet(self) -> None:
        uplink = Uplink(16_000)
        assert uplink.level_dbfs == -math.inf
        uplink.push(tone(400, -20.0, 0.1), now_us=0)
        assert uplink.level_dbfs == pytest.approx(-20.0, abs=0.01)
        uplink.push(np.zeros(320, np.int16), now_us=100_000)
        assert uplink.level_dbfs == -math.inf

    def test_nan_is_silence_and_infinity_saturates(self) -> None:
        block = np.zeros(320, np.float32)
        block[:3] = [np.nan, np.inf, -np.inf]
        (message,) = Uplink(16_000).push(block, now_us=0)
        assert np.frombuffer(payload(message), np.int16)[:4].tolist() == [0, 32_767, -32_768, 0]

    @pytest.mark.parametrize(
        ("block", "message"),
        [
            (np.zeros(4, np.int16), r"shape \(4,\); it must be \(frames, 2\)"),
            (np.zeros((4, 1), np.float32), r"\(4, 1\)"),
            (np.zeros((4, 2, 1), np.float32), r"\(4, 2, 1\)"),
            (np.zeros((4, 2)), "float64; it must be float32 or int16"),
            (b"\0" * 5, "5 bytes are not a whole number of int16 samples"),
            (b"\0" * 6, "3 samples are not a whole number of frames of 2 channels"),
            ("text", "type str"),
        ],
    )
    def test_another_kind_of_block_is_refused_and_not_consumed(
        self, block: Any, message: str
    ) -> None:
        uplink = Uplink(16_000, channels=2)
        with pytest.raises(AudioFormatError, match=message):
            uplink.push(block, now_us=0)
        assert uplink.flush() == []

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"in_hz": 1}, "in_hz is 1"),
            ({"in_hz": 48_000, "channels": 0}, "channels is 0; it must be 1 to 256"),
            ({"in_hz": 48_000, "channels": 257}, "channels is 257"),
            ({"in_hz": 48_000, "out_hz": 2}, "out_hz is 2"),
            ({"in_hz": 48_000, "packet_ms": 5}, "packet_ms is 5"),
            ({"in_hz": 48_000, "profile": "x"}, "profile is"),
            ({"in_hz": 44_101}, "at most 2000"),
        ],
    )
    def test_what_is_not_supported_is_refused(self, arguments: Any, message: str) -> None:
        with pytest.raises(AudioFormatError, match=message):
            Uplink(**arguments)

    def test_two_threads_on_one_object_take_turns(self) -> None:
        uplink = Uplink(48_000)
        made: list[bytes] = []
        short, long = np.zeros(480, np.float32), np.zeros(14_400, np.float32)

        def feed(block: NDArray[np.float32], times: int) -> None:
            for _ in range(times):
                made.extend(uplink.push(block, now_us=0))

        threads = [
            threading.Thread(target=feed, args=(short, 900)),
            threading.Thread(target=feed, args=(long, 30)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        made += uplink.flush()
        assert len(made) == uplink.packets == (900 * 480 + 30 * 14_400) // 960


def recordings() -> list[str]:
    folder = resources.files("antiphon") / "assets" / "speech"
    return sorted(file.name for file in folder.iterdir() if file.name.endswith(".wav"))


def load(name: str) -> NDArray[np.int16]:
    file = resources.files("antiphon") / "assets" / "speech" / name
    with file.open("rb") as stream, wave.open(stream) as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (16_000, 1)
        return np.frombuffer(reader.readframes(reader.getnframes()), np.int16)


class TestVoiceActivityDetector:
    def test_there_are_recordings(self) -> None:
        assert len(recordings()) == 7

    @pytest.mark.parametrize("name", recordings())
    @pytest.mark.parametrize("noise_dbfs", [-90.0, -60.0, -45.0])
    def test_a_recording_is_one_utterance(self, name: str, noise_dbfs: float) -> None:
        silence = np.zeros(16_000, np.int16)
        pcm = np.concatenate([silence, load(name), silence])
        noise = np.random.default_rng(5).normal(0, 32_768 * 10 ** (noise_dbfs / 20), len(pcm))
        detector = VoiceActivityDetector()
        events = []
        for block in np.array_split((pcm + noise).clip(-32_768, 32_767).astype(np.int16), 97):
            events += detector.push(block)
        assert [kind for kind, _ in events] == ["start", "end"]
        (_, start), (_, end) = events
        assert 16_000 <= start < end <= len(pcm) - 16_000 + 160
        assert not detector.speaking
        assert detector.frames == len(pcm)

    def test_a_tone_is_voice_for_its_whole_length(self) -> None:
        detector = VoiceActivityDetector()
        silence = bytes(32_000)
        assert detector.push(silence) == []
        assert detector.push(tone(440, -11, 2).tobytes()) == [("start", 16_000)]
        assert detector.speaking
        assert detector.level_dbfs == pytest.approx(-11, abs=0.1)
        assert detector.push(silence) == [("end", 48_000)]

    def test_before_and_after_a_stream(self) -> None:
        detector = VoiceActivityDetector(8_000)
        assert (detector.level_dbfs, detector.noise_floor_dbfs) == (-math.inf, -math.inf)
        detector.push(PCM[:79] // 1_000)
        assert detector.level_dbfs == -math.inf
        detector.push(PCM[79:8_000] // 1_000)
        assert detector.noise_floor_dbfs == pytest.approx(-64.8, abs=1.0)
        assert detector.frames == 8_000
        detector.reset()
        assert (detector.frames, detector.noise_floor_dbfs) == (0, -math.inf)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"sample_rate_hz": 7_900}, "sample_rate_hz is 7900; it must be 8000 to 48000"),
            ({"sample_rate_hz": 16_050}, "10 ms at 16050 Hz"),
            ({"prefix_padding_ms": -1}, "prefix_padding_ms is -1"),
            ({"prefix_padding_ms": 2_001}, "prefix_padding_ms is 2001"),
            ({"silence_duration_ms": 0}, "silence_duration_ms is 0"),
            ({"threshold_db": math.nan}, "threshold_db is NaN; it must be 0 to 60"),
            ({"min_dbfs": 1.0}, "min_dbfs is 1; it must be -100 to 0"),
        ],
    )
    def test_what_is_not_supported_is_refused(self, arguments: Any, message: str) -> None:
        with pytest.raises(AudioFormatError, match=message):
            VoiceActivityDetector(**arguments)

    @pytest.mark.parametrize("pcm", [b"\0", np.zeros(3, np.float32), np.zeros((3, 1), np.int16)])
    def test_another_kind_of_pcm_is_refused_and_not_consumed(self, pcm: Any) -> None:
        detector = VoiceActivityDetector()
        with pytest.raises(AudioFormatError):
            detector.push(pcm)
        assert detector.frames == 0
