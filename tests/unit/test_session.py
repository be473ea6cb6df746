"""The session on asyncio, in virtual time, against a scripted service."""

import asyncio
import base64
import gc
import json
import logging
import math
import tracemalloc

import numpy as np
import pytest
from live_script import (
    DONE,
    KEY,
    READY,
    accept_and_wait,
    audio,
    content,
    model_for,
    nothing_left_behind,
    spoken,
    written,
)

from antiphon.channel import ChannelClosed
from antiphon.emulator import Emulator
from antiphon.errors import (
    AudioFormatError,
    AuthError,
    ConnectError,
    SessionClosed,
    SetupRejected,
)
from antiphon.session import LiveGenerationConfig, LiveModel, LiveSession, connect
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import ClientMessage, FunctionResponse, GoogleAI, RealtimeInput


def in_session(script, use, **settings):
    """Run ``use(session)`` against a script; afterwards no task may be left."""

    async def main():
        model = model_for(script, **settings)
        async with model.connect() as session:
            result = await use(session)
        await nothing_left_behind(session)
        for task in model._connector.tasks:
            await task
        return result, model._connector.servers[0].received

    return run_in_virtual_time(main())


# ---------------------------------------------------------------------- opening


def test_connecting_sends_the_setup_and_works_both_ways():
    async def main():
        model = model_for(accept_and_wait, system_instruction="Be brief.")
        session = await model.connect()
        assert not session.closed
        async with session:
            pass
        assert session.closed
        await nothing_left_behind(session)
        async with model.connect() as second:
            assert not second.closed
        await nothing_left_behind(second)
        return model._connector

    connector = run_in_virtual_time(main())
    (setup,) = connector.servers[0].received
    assert setup["setup"]["model"] == "models/gemini-3.8-live"
    assert setup["setup"]["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert KEY not in connector.url


def refusing(code, reason):
    async def script(server):
        await server.hear()
        await server.channel.close(code, reason)

    return script


def test_a_refusal_is_raised_with_code_and_reason_and_leaves_nothing():
    async def main():
        with pytest.raises(AuthError) as caught:
            await model_for(refusing(1007, "API key not valid.")).connect()
        assert caught.value.code == 1007
        assert "API key not valid." in str(caught.value)
        with pytest.raises(SetupRejected):
            async with model_for(refusing(1008, "models/x is not found")).connect():
                raise AssertionError
        await asyncio.sleep(0)
        assert [t for t in asyncio.all_tasks() if t.get_name().startswith("antiphon")] == []

    run_in_virtual_time(main())


def test_a_silent_service_times_out_at_the_time_asked_for():
    async def silent(server):
        await server.hear_all()

    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(ConnectError) as caught:
            await model_for(silent).connect(timeout_s=3)
        assert caught.value.cause == "timeout"
        assert loop.time() == pytest.approx(3)
        await asyncio.sleep(0)
        assert [t for t in asyncio.all_tasks() if t.get_name().startswith("antiphon")] == []

    run_in_virtual_time(main())


def test_cancelling_connect_leaves_nothing():
    async def silent(server):
        return await server.hear_all()

    async def main():
        model = model_for(silent)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await model.connect()
        assert [t for t in asyncio.all_tasks() if t.get_name().startswith("antiphon")] == []
        closed = await model._connector.tasks[0]
        assert closed.code == 1000

    run_in_virtual_time(main())


def test_a_missing_key_is_told_before_any_connection(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)

    async def main():
        model = model_for(accept_and_wait)
        model.backend = GoogleAI()
        with pytest.raises(AuthError, match="GEMINI_API_KEY"):
            await model.connect()
        assert model._connector.servers == []

    # The model's name is made without a key; only connecting needs it.
    run_in_virtual_time(main())


def test_history_goes_first_and_asks_for_no_answer():
    async def main():
        model = model_for(accept_and_wait)
        history = [
            {"role": "user", "parts": "I am Ann"},
            {"role": "model", "parts": [{"text": "Hi Ann"}]},
        ]
        async with model.connect(history) as session:
            await session.send("Who am I?")
        return model._connector.servers[0].received

    _, past, question = run_in_virtual_time(main())
    assert [turn["role"] for turn in past["clientContent"]["turns"]] == ["user", "model"]
    assert "turnComplete" not in past["clientContent"]
    assert question["clientContent"]["turnComplete"] is True


def test_an_announced_history_is_not_answered_and_is_remembered():
    async def main():
        emulator = Emulator(seed=1)
        async with emulator.connector() as connector:
            model = LiveModel(
                "gemini-2.5-flash-native-audio-preview-12-2025",
                backend=emulator.backend(),
                connector=connector,
                config=LiveGenerationConfig(initial_history=True),
            )
            history = [
                {"role": "user", "parts": "remember the word lighthouse"},
                {"role": "model", "parts": "I will."},
                {"role": "user", "parts": "and nothing else"},
            ]
            async with model.connect(history) as session:
                await asyncio.sleep(5.0)
                assert session.turn == 0
                reply = await session.ask("the sky is blue")
                return session.usage, reply

    usage, reply = run_in_virtual_time(main())
    assert "the sky is blue" in reply.output_transcription.lower()
    assert usage.reports == 1
    assert usage.response["AUDIO"] == usage.last.response_tokens_details[0].token_count


def test_history_that_cannot_be_read_closes_the_connection():
    async def main():
        model = model_for(accept_and_wait)
        with pytest.raises(ValueError, match="role"):
            await model.connect([{"role": "nobody", "parts": "x"}])
        await model._connector.tasks[0]
        assert [t for t in asyncio.all_tasks() if t.get_name().startswith("antiphon")] == []

    run_in_virtual_time(main())


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


# ---------------------------------------------------------------------- ask and turns


async def answering(server):
    """Answers every turn with its own words, spoken."""
    await server.accept()
    while True:
        try:
            message = await server.hear()
        except ChannelClosed:
            return
        text = message["clientContent"]["turns"][-1]["parts"][0]["text"]
        await server.say(content(inputTranscription={"text": "heard "}), spoken(text), audio(240))
        await server.say(spoken("!"), audio(120), content(generationComplete=True))
        await asyncio.sleep(0.015)
        await server.say(DONE | {"usageMetadata": {"totalTokenCount": 9}})


def test_ask_gives_the_whole_turn():
    async def use(session):
        first = await session.ask("one")
        second = await session.ask("two")
        assert (first.turn, second.turn) == (1, 2)
        assert (first.text, second.text) == ("one!", "two!")
        assert first.audio.shape == (360,)
        assert first.audio_s == 0.015
        assert first.input_transcription == "heard "
        assert first.usage.total_token_count == 9
        assert session.usage.total_tokens == 18
        assert not first.interrupted
        assert session.turn == 2
        assert not session.turn_open

    in_session(answering, use)


def test_ask_waits_for_its_own_answer_when_another_turn_is_still_open():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(spoken("old"), audio())
        await server.hear()
        await server.say(content(interrupted=True), audio(99), DONE)
        await server.say(spoken("new"), DONE)
        await server.hear_all()

    async def use(session):
        await session.send("first")
        await asyncio.sleep(1)
        reply = await session.ask("second")
        assert (reply.turn, reply.text) == (2, "new")
        assert session.dropped_audio_frames == 99

    in_session(script, use)


def test_ask_is_not_misled_by_turns_of_before():
    async def script(server):
        await server.accept()
        await server.say(spoken("uncalled"), DONE)
        await server.hear()
        await server.say(content(interrupted=True), DONE)
        await server.say(spoken("called"), DONE)
        await server.hear_all()

    async def use(session):
        await asyncio.sleep(1)
        assert (await session.ask("x")).text == "called"

    in_session(script, use)


def test_an_empty_answer_is_a_reply_too():
    async def script(server):
        await server.accept()
        for _ in range(2):
            await server.hear()
            await server.say(content(turnComplete=True, turnCompleteReason="BLOCKLIST"))
        await server.hear()
        await server.say(spoken("ok"), DONE)
        await server.hear()
        await server.say(content(turnComplete=True, turnCompleteReason="BLOCKLIST"))
        await server.hear_all()

    async def use(session):
        for _ in range(2):
            reply = await session.ask("x")
            assert (reply.turn, reply.text, reply.reason) == (None, "", "BLOCKLIST")
            assert reply.audio.shape == (0,)
        assert (await session.ask("x")).text == "ok"
        assert (await session.ask("x")).turn is None

    in_session(script, use)


def test_an_answer_in_several_turns_is_waited_for():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(spoken("Let me think."))
        await server.say(content(turnComplete=True, interactionStatus="IN_PROGRESS"))
        await server.say(spoken(" 42."), content(turnComplete=True, interactionStatus="IDLE"))
        await server.hear_all()

    async def use(session):
        assert (await session.ask("x")).text == "Let me think. 42."

    in_session(script, use)


@pytest.mark.parametrize("code", [1000, 1011])
def test_ask_raises_when_the_session_ends(code):
    async def script(server):
        await server.accept()
        await server.hear()
        await server.channel.close(code, "over")

    async def use(session):
        with pytest.raises(SessionClosed) as caught:
            await session.ask("x")
        assert caught.value.code == code

    in_session(script, use)


def test_turns_gives_complete_turns_and_a_cancelled_wait_loses_nothing():
    async def script(server):
        await server.accept()
        await server.say(spoken("a"))
        await asyncio.sleep(2)
        await server.say(DONE, spoken("b"), content(interrupted=True), DONE)
        await server.channel.close(1000)

    async def use(session):
        turns = session.turns()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(turns)
        got = [reply async for reply in turns]
        assert [(reply.turn, reply.text, reply.interrupted) for reply in got] == [
            (1, "a", False),
            (2, "b", True),
        ]
        turns.close()

    in_session(script, use)


# ---------------------------------------------------------------------- TEXT


def test_text_of_a_speech_model_is_its_transcription():
    async def use(session):
        assert session.notes
        assert "speech only" in session.notes[0]
        reply = await session.ask("one")
        assert reply.text == "one!"
        assert reply.audio.size == 0

    _, received = in_session(
        answering, use, config=LiveGenerationConfig(response_modalities=["TEXT"])
    )
    setup = received[0]["setup"]
    assert setup["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert setup["outputAudioTranscription"] == {}


def test_text_of_a_text_model_is_text():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(
            written("Hel"),
            written(
                "lo",
            ),
            DONE,
        )
        await server.hear_all()

    async def use(session):
        assert [note for note in session.notes if "retired" not in note] == []
        assert (await session.ask("x")).text == "Hello"

    _, received = in_session(
        script,
        use,
        name="gemini-2.0-flash-live-001",
        config=LiveGenerationConfig(response_modalities=["text"]),
    )
    setup = received[0]["setup"]
    assert setup["generationConfig"]["responseModalities"] == ["TEXT"]
    assert "outputAudioTranscription" not in setup


# ---------------------------------------------------------------------- ends


def test_closing_twice_and_at_once_is_harmless():
    async def use(session):
        await asyncio.gather(session.close(), session.close())
        await session.close()
        assert session.closure.by == "us"

    in_session(accept_and_wait, use)


def test_a_cancelled_close_still_closes():
    async def deaf(server):
        await server.accept()
        await asyncio.sleep(3)
        await server.hear_all()

    async def main():
        model = model_for(deaf, max_messages=1)
        session = await model.connect()
        for number in range(5):
            await session.send_text_realtime(str(number))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await session.close()
        await asyncio.sleep(10)
        assert session.closure is not None
        assert [t for t in asyncio.all_tasks() if t.get_name().startswith("antiphon")] == []
        return model._connector.servers[0].received

    assert len(run_in_virtual_time(main())) == 6


def test_cancelling_one_of_two_closes_leaves_the_other():
    async def slow(server):
        await server.accept()
        await asyncio.sleep(3)
        await server.hear_all()

    async def main():
        session = await model_for(slow, max_messages=1).connect()
        for number in range(5):
            await session.send_text_realtime(str(number))
        first, second = (asyncio.create_task(session.close()) for _ in range(2))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.wait({first})
        assert first.cancelled()
        assert not second.done()
        await second
        assert session.closure.by == "us"
        assert asyncio.get_running_loop().time() < 4  # as soon as what waited was sent

    run_in_virtual_time(main())


def test_close_gives_up_on_a_peer_that_takes_nothing(caplog):
    async def stuck(server):
        await server.accept()
        await asyncio.sleep(60)

    async def main():
        session = await model_for(stuck, max_messages=1).connect()
        for number in range(5):
            await session.send_text_realtime(str(number))
        with caplog.at_level(logging.WARNING):
            await session.close()
        assert asyncio.get_running_loop().time() < 11
        assert "were not sent" in caplog.text
        await nothing_left_behind(session)

    run_in_virtual_time(main())


def test_a_service_that_ends_the_session_leaves_no_task_even_without_close():
    async def script(server):
        await server.accept()
        await asyncio.sleep(1)
        await server.channel.close(1001, "bye")

    async def main():
        session = await model_for(script).connect()
        closure = await session.wait_closed()
        assert closure.code == 1001
        await asyncio.sleep(0.1)
        assert [t for t in asyncio.all_tasks() if t.get_name().startswith("antiphon")] == []

    run_in_virtual_time(main())


def test_a_violation_is_logged_and_the_session_goes_on(caplog):
    async def script(server):
        await server.accept()
        await server.say(b"{not json", spoken("fine"))
        for rate in ("0", "9" * 5000):
            blob = {"mimeType": f"audio/pcm;rate={rate}", "data": "AAA="}
            await server.say(content(modelTurn={"parts": [{"inlineData": blob}]}))
        await server.say(DONE)
        await server.hear_all()

    async def use(session):
        reply = await anext(session.turns())
        assert reply.text == "fine"

    with caplog.at_level(logging.WARNING):
        in_session(script, use)
    assert "{not json" in caplog.text


class BrokenChannel:
    """A channel whose code is at fault."""

    def __init__(self, *, broken: str) -> None:
        self.broken = broken
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.inbox.put_nowait(json.dumps(READY).encode())
        self.closed = False

    async def send(self, data):
        if self.broken == "send" and b"setup" not in data:
            raise RuntimeError("defect")

    async def receive(self):
        if self.broken == "receive" and self.inbox.empty():
            raise RuntimeError("defect")
        return await self.inbox.get()

    async def close(self, code=1000, reason=""):
        self.closed = True
        if self.broken == "close":
            raise RuntimeError("defect")


@pytest.mark.parametrize("broken", ["send", "receive", "close"])
def test_a_defect_below_ends_the_session_and_hangs_nothing(broken, caplog):
    async def main():
        channel = BrokenChannel(broken=broken)

        class Connector:
            async def connect(self, url, headers, *, timeout_s):
                return channel

        session = await connect(
            backend=GoogleAI(api_key=KEY), connector=Connector(), continuity=None
        )
        if broken == "close":
            await session.close()
            return
        if broken == "send":
            await session.send_text_realtime("x")
        closure = await session.wait_closed()
        assert closure.code == 1006
        assert "defect" in closure.reason
        await nothing_left_behind(session)
        assert channel.closed

    run_in_virtual_time(main())
    assert "defect" in caplog.text


def test_the_key_shows_nowhere(caplog):
    with caplog.at_level(logging.DEBUG):

        async def use(session):
            assert KEY not in repr(session)
            assert KEY not in repr(session.__dict__)

        _, received = in_session(accept_and_wait, use)
    assert KEY not in caplog.text
    assert KEY not in json.dumps(received)
    assert KEY not in repr(model_for(accept_and_wait).__dict__)


def test_ten_minutes_of_voice_hold_no_memory():
    async def talkative(server):
        await server.accept()
        for _ in range(2500):
            await server.say(audio(5760))
            await asyncio.sleep(0.24)
        await server.say(DONE)
        await server.hear_all()

    async def use(session):
        tracemalloc.start()
        try:
            async for message in session.receive():
                if message.turn_complete:
                    break
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    held_bytes, _ = in_session(talkative, use)
    assert held_bytes < 2_000_000


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


def test_a_peer_that_sends_nonsense_does_not_fill_the_log(caplog):
    async def script(server):
        await server.accept()
        for _ in range(5_000):
            await server.say(b"{nonsense")
        await server.say(written("Still here."), DONE)
        await server.hear_all()

    async def use(session):
        return (await anext(session.turns())).text

    assert in_session(script, use)[0] == "Still here."
    assert 100 <= len(caplog.records) <= 120


def test_a_key_that_the_service_says_shows_nowhere(caplog):
    async def refuse(server):
        await server.hear()
        await server.say({"error": {"code": 400, "message": f"API key not valid: {KEY}."}})
        await server.hear_all()

    async def main():
        with pytest.raises(AuthError) as caught:
            await model_for(refuse).connect()
        return caught.value

    error = run_in_virtual_time(main())
    assert error.reason == "API key not valid: ***."

    async def echo(server):
        await server.hear()
        await server.say(written(KEY), READY, f'{{"x: {KEY}'.encode(), {"toolCall": KEY})
        await server.hear_all()

    async def use(session):
        await asyncio.sleep(1)

    in_session(echo, use)
    assert len(caplog.records) == 3
    assert KEY not in caplog.text + str(error)
