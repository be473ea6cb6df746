"""Real connections over loopback: every end, and a key that shows nowhere."""

import asyncio
import logging
import queue
import threading

import pytest
from live_script import DONE, KEY, audio, spoken
from websocket_support import accept, all_text_of, model_at, run, say, serving

from antiphon import ask
from antiphon.channel import ChannelClosed
from antiphon.errors import AuthError, ConsumerTooSlow, SessionClosed, SetupRejected
from antiphon.session import WebSocketConnector
from antiphon.session.subscription import MessageStream
from antiphon.wire import FirebaseAI, GoogleAI, VertexAI, bytes_to_base64

# ---------------------------------------------------------------------- a good connection


@pytest.mark.parametrize("binary", [True, False])
def test_a_turn_over_a_real_socket(binary):
    seen = {}

    async def handler(socket_):
        seen["headers"] = dict(socket_.request.headers)
        seen["path"] = socket_.request.path
        seen["setup"] = await accept(socket_, binary=binary)
        frame = await socket_.recv()
        seen["is_text"] = isinstance(frame, str)
        await say(socket_, spoken("Grüße"), audio(240), DONE, binary=binary)
        await socket_.wait_closed()
        seen["close"] = (socket_.close_code, socket_.close_reason)

    async def main():
        async with serving(handler) as port, model_at(port).connect() as session:
            reply = await session.ask("hi")
            assert reply.text == "Grüße"
            assert reply.audio.shape == (240,)
        return session

    session = run(main())
    assert session.closure.by == "us"
    assert seen["is_text"]
    assert seen["headers"]["x-goog-api-key"] == KEY
    assert "sec-websocket-extensions" not in {name.lower() for name in seen["headers"]}
    assert KEY not in seen["path"]
    assert seen["close"] == (1000, "")
    assert seen["setup"]["setup"]["model"] == "models/gemini-3.8-live"


def test_scripts_ask_without_asyncio():
    async def handler(socket_):
        await accept(socket_)
        await socket_.recv()
        await say(socket_, spoken("An answer."), DONE)
        await socket_.wait_closed()

    ports: queue.Queue[int] = queue.Queue()
    stop = threading.Event()

    async def server():
        async with serving(handler) as port:
            ports.put(port)
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(server()))
    thread.start()
    try:
        backend = GoogleAI(api_key=KEY, base_url=f"ws://127.0.0.1:{ports.get(timeout=5)}")
        assert ask("A question?", backend=backend, voice="Puck").text == "An answer."
    finally:
        stop.set()
        thread.join()


def test_asking_without_asyncio_inside_asyncio_is_told():
    async def main():
        with pytest.raises(RuntimeError, match="event loop"):
            ask("x", backend=GoogleAI(api_key=KEY))

    run(main())


def test_two_mebibytes_in_one_message_are_fine_and_the_bound_holds():
    big = bytes(2 * 1024 * 1024)
    blob = {"mimeType": "audio/pcm;rate=24000", "data": bytes_to_base64(big)}
    message = {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}

    async def handler(socket_):
        await accept(socket_)
        await socket_.recv()
        await say(socket_, message, DONE)
        await socket_.wait_closed()

    async def main():
        async with serving(handler) as port:
            async with model_at(port).connect() as session:
                assert (await session.ask("x")).audio.size == len(big) // 2
            async with model_at(port, max_message_bytes=1 << 20).connect() as session:
                with pytest.raises(SessionClosed) as caught:
                    await session.ask("x")
                assert caught.value.code == 1009
                assert "too large" in str(caught.value)

    run(main())


# ---------------------------------------------------------------------- ends


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1007, "API key not valid. Please pass a valid API key.", AuthError),
        (1008, "models/x is not found for API version v1beta", SetupRejected),
        (1000, "", SetupRejected),
    ],
)
def test_a_close_during_setup(code, reason, kind):
    async def handler(socket_):
        await socket_.recv()
        await socket_.close(code, reason)

    async def main():
        async with serving(handler) as port:
            with pytest.raises(kind) as caught:
                await model_at(port).connect()
        assert caught.value.code == code
        assert caught.value.reason == reason
        assert reason in str(caught.value)

    run(main())


def test_a_key_in_a_close_reason_is_hidden():
    async def handler(socket_):
        await socket_.recv()
        await socket_.close(1007, f"API key {KEY} not valid")

    async def main():
        async with serving(handler) as port:
            with pytest.raises(AuthError, match=r"API key \*\*\* not valid") as caught:
                await model_at(port).connect()
        assert KEY not in all_text_of(caught.value)

    run(main())


def test_a_connection_that_breaks_during_setup():
    async def handler(socket_):
        await socket_.recv()
        socket_.transport.abort()

    async def main():
        async with serving(handler) as port:
            with pytest.raises(SetupRejected) as caught:
                await model_at(port).connect()
        assert caught.value.code == 1006

    run(main())


@pytest.mark.parametrize("end", [1000, 1001, 1011, 1005, "abort"])
def test_an_end_in_mid_session_comes_after_all_messages(end):
    async def handler(socket_):
        await accept(socket_)
        await say(socket_, *[spoken(str(number)) for number in range(50)])
        if end == "abort":
            await asyncio.sleep(0.1)
            socket_.transport.abort()
        elif end == 1005:
            socket_.transport.write(b"\x88\x00")
        else:
            await socket_.close(end, "why")

    async def read(stream: MessageStream):
        got = []
        try:
            async for message in stream:
                got.append(message)
        except SessionClosed as error:
            return got, error
        return got, None

    async def main():
        async with serving(handler) as port:
            session = await model_at(port).connect()
            got, error = await read(session.receive())
            await session.close()
        assert len(got) == 50
        if end == 1000:
            assert error is None
        else:
            assert error.code == (1006 if end == "abort" else end)
            assert not isinstance(error, ConsumerTooSlow)

    run(main())


def test_malformed_json_is_survived():
    async def handler(socket_):
        await accept(socket_)
        await socket_.send(b"{not json")
        await socket_.send("also not")
        await say(socket_, spoken("fine"), DONE)
        await socket_.wait_closed()

    async def main():
        async with serving(handler) as port, model_at(port).connect() as session:
            assert (await anext(session.turns())).text == "fine"

    run(main())


def test_a_silent_connection_is_found_dead():
    async def handler(socket_):
        await accept(socket_)
        socket_.transport.pause_reading()  # no pongs from now on
        await asyncio.sleep(1)
        socket_.transport.abort()

    async def main():
        async with serving(handler) as port:
            connecting = model_at(port, ping_interval_s=0.05, silence_timeout_s=0.3).connect()
            async with connecting as session:
                loop = asyncio.get_running_loop()
                began_s = loop.time()
                closure = await session.wait_closed()
                assert loop.time() - began_s < 0.8
                assert closure.code == 1006
                assert "neither data nor a pong came for 0.3 s" in closure.reason

    run(main())


def test_pongs_alone_keep_a_connection_alive():
    async def handler(socket_):
        await accept(socket_)
        await asyncio.sleep(0.8)
        await say(socket_, spoken("patience"), DONE)
        await socket_.wait_closed()

    async def main():
        async with serving(handler) as port:
            connecting = model_at(port, ping_interval_s=0.05, silence_timeout_s=0.3).connect()
            async with connecting as session:
                assert (await anext(session.turns())).text == "patience"

    run(main())


def test_a_peer_that_takes_nothing_is_found_dead():
    async def handler(socket_):
        await accept(socket_)
        socket_.transport.pause_reading()
        await asyncio.sleep(3)
        socket_.transport.abort()

    async def main():
        async with serving(handler) as port:
            connecting = model_at(port, write_timeout_s=0.3).connect()
            async with connecting as session:
                with pytest.raises(SessionClosed) as caught:
                    while True:
                        await session.send_video_realtime(bytes(1 << 20))
                assert "has left for 0.3 s" in caught.value.reason

    run(main())


def test_a_close_that_is_not_waited_for_leaves_no_connection():
    async def main():
        done = asyncio.Event()

        async def deaf(socket_):
            socket_.transport.pause_reading()
            await done.wait()
            socket_.transport.abort()

        async with serving(deaf) as port:
            url = f"ws://127.0.0.1:{port}"
            channel = await WebSocketConnector().connect(url, {}, timeout_s=5)
            closing = asyncio.create_task(channel.close())
            await asyncio.sleep(0.05)
            assert not closing.done()
            closing.cancel()
            await asyncio.wait([closing])
            await asyncio.sleep(0)
            lost = channel._connection.lost
            done.set()
        return lost

    assert run(main())


def test_a_closed_channel_refuses_to_send_and_receive():
    async def handler(socket_):
        await socket_.close(1001, "bye")

    async def main():
        async with serving(handler) as port:
            channel = await WebSocketConnector().connect(f"ws://127.0.0.1:{port}", {}, timeout_s=5)
            for act in (channel.receive, lambda: channel.send(b"x")):
                with pytest.raises(ChannelClosed) as caught:
                    await act()
                assert (caught.value.code, caught.value.reason) == (1001, "bye")
            await channel.close(1000, "x" * 500)

    run(main())


# ---------------------------------------------------------------------- secrets


@pytest.mark.parametrize("family", ["google", "token", "vertex", "firebase"])
def test_no_log_at_any_level_shows_a_credential(family, caplog):
    secrets = [KEY, "app-check-secret", "user-secret"]

    async def handler(socket_):
        await accept(socket_)
        await socket_.recv()
        await socket_.close(1011, "done")

    async def main():
        async with serving(handler, logger=logging.getLogger("server-of-test")) as port:
            base_url = f"ws://127.0.0.1:{port}"
            backend = {
                "google": GoogleAI(api_key=KEY, base_url=base_url),
                "token": GoogleAI(api_key=f"auth_tokens/{KEY}", base_url=base_url),
                "vertex": VertexAI(project="p", access_token=lambda: KEY, base_url=base_url),
                "firebase": FirebaseAI(
                    api_key=KEY,
                    project="p",
                    app_check_token=secrets[1],
                    user_token=secrets[2],
                    base_url=base_url,
                ),
            }[family]
            model = model_at(port, backend=backend)
            async with model.connect() as session:
                with pytest.raises(SessionClosed) as caught:
                    await session.ask("x")
            return all_text_of(caught.value) + repr(model) + repr(vars(model)) + repr(session)

    with caplog.at_level(logging.DEBUG):
        logging.getLogger("server-of-test").setLevel(logging.CRITICAL)
        shown = run(main())
    for secret in secrets:
        assert secret not in shown
        assert secret not in caplog.text
