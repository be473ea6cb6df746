"""The session on asyncio, in virtual time, against a scripted service."""

import asyncio
import gc
import json
import logging
import tracemalloc

import pytest
from live_script import (
    DONE,
    KEY,
    READY,
    accept_and_wait,
    audio,
    content,
    in_session,
    model_for,
    nothing_left_behind,
    spoken,
    written,
)

from antiphon.emulator import Emulator
from antiphon.errors import AuthError, ConnectError, SetupRejected
from antiphon.session import LiveGenerationConfig, LiveModel, connect
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import GoogleAI

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
