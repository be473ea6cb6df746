"""Sound that clients send to the local server: marks, rates, formats, bounds."""

import pytest
from emulator_support import HALF_CASCADE, Client, recording, silence

from antiphon.emulator.session.record import SessionRecord
from antiphon.wire import bytes_to_base64


def speech_blob(pcm=b"\0\0"):
    return {"mimeType": "audio/pcm;rate=16000", "data": bytes_to_base64(pcm)}


def test_manual_activity():
    client = Client().setup(realtimeInputConfig={"automaticActivityDetection": {"disabled": True}})
    client.hear(recording("cards-001"))
    assert not client.turns
    client.send({"realtimeInput": {"activityStart": {}}})
    client.hear(recording("cards-001"))
    client.send({"realtimeInput": {"activityEnd": {}}})
    client.run_to("turnComplete")
    assert len(client.turns) == 1
    assert client.turns[0].spoken


def test_activity_marks_need_manual_activity():
    client = Client().setup()
    client.send({"realtimeInput": {"activityStart": {}}})
    assert client.closed.code == 1007
    assert "automatic activity detection" in client.closed.reason


def test_audio_stream_end_ends_the_utterance_at_once():
    client = Client().setup()
    client.hear(silence(0.5) + recording("cards-001")[: 2 * 16000 * 9 // 10])
    assert not client.session.record.heard
    client.send({"realtimeInput": {"audioStreamEnd": True}})
    assert len(client.session.record.heard) == 1


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000])
def test_any_rate_is_resampled(rate):
    import numpy as np

    from antiphon._native import Resampler

    pcm = silence(0.5) + recording("cards-003") + silence(1.0)
    if rate != 16000:
        resampler = Resampler(16000, rate, "voice", "int16")
        samples = resampler.process(np.frombuffer(pcm, "<i2"), last=True)
        pcm = samples.tobytes()
    client = Client().setup()
    client.hear(pcm, rate=rate)
    (utterance,) = client.session.record.heard
    assert utterance == ""
    offsets = [m["voiceActivity"]["audioOffset"] for m in client.all("voiceActivity")]
    assert float(offsets[0][:-1]) == pytest.approx(0.57, abs=0.1)


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        ({"mimeType": "audio/pcm", "data": "AAAA"}, "3 bytes are not a whole number"),
        ({"mimeType": "audio/pcm", "data": "!!!!"}, "Base64 decoding failed"),
        ({"mimeType": "audio/ogg", "data": "AAA="}, "audio/ogg"),
        ({"mimeType": "audio/pcm;rate=3", "data": "AAA="}, "Unsupported sample rate 3"),
        ({"mimeType": "audio/pcm;rate=99999999999999999999", "data": "AAA="}, "sample rate"),
        ({"mimeType": f"audio/pcm;rate={'9' * 5000}", "data": "AAA="}, "sample rate"),
        ({"mimeType": "audio/pcm;rate=0", "data": "AAA="}, "sample rate"),
        ({"mimeType": "audio/pcm;channels=2", "data": "AAA="}, "channels"),
    ],
)
def test_bad_audio_closes_with_words(blob, words):
    client = Client().setup()
    client.send({"realtimeInput": {"audio": blob}})
    assert client.closed.code == 1007
    assert words in client.closed.reason


def test_url_safe_unpadded_base64_in_snake_case():
    client = Client().setup()
    client.send({"realtime_input": {"audio": {"mime_type": "audio/pcm", "data": "__77_w"}}})
    assert client.closed is None


def test_media_chunks_by_model():
    blob = speech_blob(silence(0.1))
    old = Client().setup(HALF_CASCADE)
    old.send({"realtimeInput": {"mediaChunks": [blob]}})
    assert old.closed is None
    new = Client().setup("models/gemini-3.1-flash-live-preview")
    new.send({"realtimeInput": {"mediaChunks": [blob]}})
    assert new.closed.code == 1007
    assert new.closed.reason == (
        "realtime_input.media_chunks is deprecated. Use audio, video, or text instead."
    )


def test_images_are_counted():
    client = Client().setup()
    for _ in range(3):
        client.send({"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AAAA"}}})
    assert client.session.record.video_frames == 3
    assert client.closed is None


def test_endless_speech_is_cut_and_kept_in_bounds():
    import numpy as np

    rng = np.random.default_rng(0)
    client = Client(max_utterance_s=2.0).setup(
        realtimeInputConfig={"automaticActivityDetection": {"disabled": True}}
    )
    client.send({"realtimeInput": {"activityStart": {}}})
    for _ in range(40):
        client.hear(rng.integers(-8000, 8000, 3200, np.int16).tobytes(), packet_ms=200)
        assert len(client.session._ear._kept) <= 2 * 16000 * 4
    assert len(client.session.record.heard) == 1


def test_the_oldest_pcm_is_given_up():
    client = Client(max_pcm_bytes=300_000).setup()
    for _ in range(3):
        client.say("hello")
        client.run_to("turnComplete")
    assert [bool(turn.pcm) for turn in client.turns] == [False, False, True]
    assert all(turn.frames_sent for turn in client.turns)


def test_records_of_a_long_session_are_bounded():
    record = SessionRecord(0, "google")
    for number in range(2500):
        turn = record.begin_turn("hi", spoken=False, started_s=number)
        turn.pcm += bytes(100)
        record.end_turn(turn, max_pcm_bytes=1000)
        record.add_heard(str(number))
    assert [turn.index for turn in record.turns] == list(range(1500, 2500))
    assert record.heard == [str(number) for number in range(1500, 2500)]
    assert [bool(turn.pcm) for turn in record.turns] == [False] * 990 + [True] * 10
