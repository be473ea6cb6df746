"""What a session sends: every way, in order and whole, or refused."""

import asyncio
import base64
import math

import numpy as np
import pytest
from live_script import accept_and_wait, audio, in_session, model_for

from antiphon.errors import AudioFormatError, SessionClosed
from antiphon.session import LiveGenerationConfig, LiveSession
from antiphon.wire import ClientMessage, FunctionResponse, RealtimeInput

# ---------------------------------------------------------------------- sending


def test_every_way_of_sending():
    async def use(session: LiveSession):
        await session.send("hi", turn_complete=False)
        await session.send()
        await session.send_text_realtime("now")
        await session.send_video_realtime(b"\xff\xd8")
        await session.start_activity()
        await session.end_activity()
        await session.end_audio_stream()
        await session.send_function_responses([FunctionResponse(id="1", name="f")])
        await session.update_context(system_instruction="New rules.", tools=[])
        await session.send_raw(ClientMessage(realtime_input=RealtimeInput(text="raw")))
        await session.interrupt()

    _, received = in_session(accept_and_wait, use)
    assert [next(iter(message)) for message in received] == (
        ["setup"]
        + ["clientContent"] * 2
        + ["realtimeInput"] * 5
        + ["toolResponse", "contextUpdate", "realtimeInput"]
    )


@pytest.mark.parametrize("text", [123, None, b"hello", ["hello"]])
def test_what_is_no_text_is_refused_and_ends_nothing(text):
    async def use(session):
        with pytest.raises(TypeError, match=f"text is a {type(text).__name__}"):
            await session.send_text_realtime(text)
        await session.send_text_realtime("hello")

    _, received = in_session(accept_and_wait, use)
    assert received[1:] == [{"realtimeInput": {"text": "hello"}}]


def pcm_of(received):
    blobs = [message["realtimeInput"]["audio"] for message in received[1:]]
    assert {blob["mimeType"] for blob in blobs} <= {"audio/pcm;rate=16000"}
    return [np.frombuffer(base64.b64decode(blob["data"]), "<i2") for blob in blobs]


@pytest.mark.parametrize("kind", ["int16", "bytes", "float32", "stereo"])
def test_audio_of_any_length_arrives_whole_and_in_packets(kind):
    samples = (np.arange(16_000 * 3 + 123) % 1000).astype(np.int16)
    given = {
        "int16": samples,
        "bytes": samples.tobytes(),
        "float32": (samples / np.float32(32768)).astype(np.float32),
        "stereo": np.stack([samples, samples], axis=1),
    }[kind]

    async def use(session):
        await session.send_audio_realtime(given[:100] if kind != "bytes" else given[:200])
        await session.send_audio_realtime(given[100:] if kind != "bytes" else given[200:])
        await session.end_audio_stream()

    _, received = in_session(accept_and_wait, use)
    assert received[-1] == {"realtimeInput": {"audioStreamEnd": True}}
    packets = pcm_of(received[:-1])
    assert {len(packet) for packet in packets} == {320}
    sent = np.concatenate(packets)
    assert np.array_equal(sent[: len(samples)], samples)
    assert not sent[len(samples) :].any()


def test_audio_of_another_rate_is_resampled_and_a_change_of_rate_loses_no_tail():
    async def use(session):
        await session.send_audio_realtime(np.full(48_000, 1000, np.int16), rate_hz=48_000)
        await session.send_audio_realtime(np.full(8_000, 1000, np.int16), rate_hz=8_000)
        await session.end_activity()

    _, received = in_session(accept_and_wait, use)
    frames = sum(len(packet) for packet in pcm_of(received[:-1]))
    assert 32_000 <= frames <= 32_000 + 2 * 320


@pytest.mark.parametrize(
    "pcm", [b"\0", np.zeros(4, np.int32), np.zeros((1, 1, 1), np.int16), np.zeros(4)]
)
def test_audio_of_the_wrong_kind_is_refused_and_nothing_is_sent(pcm):
    async def use(session):
        with pytest.raises(AudioFormatError):
            await session.send_audio_realtime(pcm)

    _, received = in_session(accept_and_wait, use)
    assert len(received) == 1


def test_a_bad_rate_is_refused():
    async def use(session):
        with pytest.raises(AudioFormatError):
            await session.send_audio_realtime(np.zeros(100, np.int16), rate_hz=1)

    in_session(accept_and_wait, use)


def test_video_must_be_an_image():
    async def use(session):
        with pytest.raises(ValueError, match="video/mp4"):
            await session.send_video_realtime(b"", "video/mp4")

    in_session(accept_and_wait, use)


def test_senders_wait_for_room_and_a_cancelled_one_has_sent_whole_packets():
    async def slow(server):
        await server.accept()
        await asyncio.sleep(100)
        await server.hear_all()

    told = []

    async def use(session):
        voice = np.arange(16_000 * 60, dtype=np.int16)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await session.send_audio_realtime(voice)
        assert session.unsent_messages <= 65
        told.append(session.sent_audio_packets)
        # Room comes back with time; nothing of the cancelled call is in the way.
        await session.send_text_realtime("still in order")

    _, received = in_session(slow, use, max_messages=8)
    assert received[-1] == {"realtimeInput": {"text": "still in order"}}
    sent = np.concatenate(pcm_of(received[:-1]))
    assert told == [len(sent) / 320]
    assert np.array_equal(sent, np.arange(len(sent), dtype=np.int16))


@pytest.mark.parametrize("head", [0, 100, 321])
def test_who_goes_on_behind_the_packets_of_a_cancelled_call_is_heard_without_a_seam(head):
    async def slow(server):
        await server.accept()
        await asyncio.sleep(100)
        await server.hear_all()

    voice = (np.arange(16_000 * 3) % 30_000).astype(np.int16)

    async def use(session):
        await session.send_audio_realtime(voice[:head])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await session.send_audio_realtime(voice[head:])
        await session.send_audio_realtime(voice[session.sent_audio_packets * 320 :])
        await session.end_audio_stream()

    _, received = in_session(slow, use, max_messages=8)
    sent = np.concatenate(pcm_of(received[:-1]))
    assert np.array_equal(sent[: len(voice)], voice)
    assert len(sent) < len(voice) + 320


def test_an_end_of_the_audio_that_is_cancelled_loses_none_of_it():
    async def slow(server):
        await server.accept()
        await asyncio.sleep(100)
        await server.hear_all()

    async def use(session):
        await session.send_audio_realtime(np.full(100, 7, np.int16))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                while True:
                    await session.send_text_realtime("full")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await session.end_audio_stream()
        await session.end_audio_stream()

    _, received = in_session(slow, use, max_messages=8)
    said = [message["realtimeInput"] for message in received[1:]]
    assert said[-1] == {"audioStreamEnd": True}
    (packet,) = pcm_of([None, {"realtimeInput": said[-2]}])
    assert np.count_nonzero(packet) == 100


def test_sending_after_the_end_raises_and_waiting_senders_are_woken():
    async def dying(server):
        await server.accept()
        await asyncio.sleep(10)
        await server.channel.close(1011, "The service is currently unavailable.")

    async def use(session):
        senders = [
            asyncio.create_task(session.send_text_realtime(f"{number}")) for number in range(200)
        ]
        results = await asyncio.gather(*senders, return_exceptions=True)
        errors = [error for error in results if error is not None]
        assert errors
        assert all(type(error) is SessionClosed for error in errors)
        assert len({id(error) for error in errors}) == len(errors)
        assert errors[0].code == 1011
        with pytest.raises(SessionClosed, match="currently unavailable"):
            await session.send("late")
        assert session.closed
        assert (await session.wait_closed()).code == 1011

    in_session(dying, use, max_messages=4)


def test_messages_of_one_sender_keep_their_order_and_close_sends_what_waits():
    async def use(session):
        for number in range(300):
            await session.send_text_realtime(str(number))

    _, received = in_session(accept_and_wait, use, max_messages=2)
    texts = [message["realtimeInput"]["text"] for message in received[1:]]
    assert texts == [str(number) for number in range(300)]


# ---------------------------------------------------------------------- careless and hostile


@pytest.mark.parametrize("pcm", [4, 5, [1, 2, 3, 4], "abcd", None, 1.5, object()])
def test_what_is_no_audio_is_not_sent_as_zeros(pcm):
    async def use(session):
        with pytest.raises(AudioFormatError, match="Nothing was sent"):
            await session.send_audio_realtime(pcm)

    assert len(in_session(accept_and_wait, use)[1]) == 1


@pytest.mark.parametrize("rate_hz", [44_100.5, "x", None, math.nan])
def test_a_rate_is_a_whole_number(rate_hz):
    async def use(session):
        for _ in range(2):
            with pytest.raises(AudioFormatError):
                await session.send_audio_realtime(np.zeros(10, np.int16), rate_hz)
            await session.send_audio_realtime(np.zeros(10, np.int16))

    in_session(accept_and_wait, use)


@pytest.mark.parametrize("duration_s", [0.0, -1.0, math.nan, math.inf])
def test_live_audio_that_lasts_no_time_could_never_be_dropped(duration_s):
    async def use(session):
        with pytest.raises(ValueError, match="more than 0 s"):
            session.send_live_audio_message(b"{}", duration_s)

    in_session(accept_and_wait, use)


@pytest.mark.parametrize("message", ["{}", None, {"setup": {}}])
def test_raw_is_bytes_or_a_message(message):
    async def use(session):
        with pytest.raises(TypeError, match="ClientMessage"):
            await session.send_raw(message)

    in_session(accept_and_wait, use)


@pytest.mark.parametrize("settings", [{"system_instruction": "\ud800"}, {"extra": {"x": object()}}])
def test_a_setup_that_json_cannot_say_is_refused_before_any_connection(settings):
    instruction = settings.pop("system_instruction", None)
    with pytest.raises((TypeError, ValueError)):
        model_for(
            accept_and_wait,
            system_instruction=instruction,
            config=LiveGenerationConfig(**settings),
        )


def test_interrupt_does_not_wait_behind_what_waits():
    """A voice that is held back while a function runs, or by a slow connection."""

    async def script(server):
        await server.accept()
        await server.say(audio())
        await asyncio.sleep(30)
        await server.say(audio())
        await server.hear_all()

    async def use(session):
        await asyncio.sleep(1)
        voice = asyncio.create_task(session.send_audio_realtime(bytes(320_000)))
        await asyncio.sleep(1)
        assert session.unsent_messages == 64
        async with asyncio.timeout(1):
            await session.interrupt()
        await asyncio.sleep(40)
        assert session.dropped_audio_frames == 240
        await voice

    _, received = in_session(script, use, max_messages=1)
    assert {"clientContent": {}} in received
