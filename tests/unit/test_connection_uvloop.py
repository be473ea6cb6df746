"""Another event loop: its transports have the methods of asyncio's, and are none of them."""

import asyncio
import json

import pytest
from live_script import DONE, KEY, audio
from websocket_support import accept, say, serving

from antiphon import Continuity
from antiphon.protocol import Resumed
from antiphon.session import LiveModel, WebSocketConnector
from antiphon.wire import GoogleAI

uvloop = pytest.importorskip("uvloop")


def run(main):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main, 20))


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def tls(request, tmp_path):
    """Who serves with its context, is trusted by its client's; None: without."""
    if not request.param:
        return None
    pytest.importorskip("trustme")
    from antiphon.emulator.http.tls import Tls

    return Tls(folder=tmp_path)


def test_a_session_talks_and_outlives_its_connection(tls):
    heard = []

    async def handler(socket_):
        await accept(socket_)
        heard.append([])
        if len(heard) == 2:
            await say(socket_, audio(), DONE)
        async for message in socket_:
            heard[-1].append(json.loads(message)["realtimeInput"]["text"])
            if len(heard[-1]) == 50 and len(heard) == 1:
                socket_.transport.abort()

    async def main():
        async with serving(handler, ssl=tls and tls.context) as port:
            scheme = "wss" if tls else "ws"
            model = LiveModel(
                backend=GoogleAI(api_key=KEY, base_url=f"{scheme}://127.0.0.1:{port}"),
                connector=WebSocketConnector(tls=tls and tls.client_context()),
                continuity=Continuity(history=False),
            )
            async with model.connect() as session:
                events, replies = session.events(), session.turns()
                for number in range(50):
                    text = json.dumps({"realtimeInput": {"text": f"{number}"}}).encode()
                    await session.send_audio_message(text, 0.02)
                while not isinstance(await anext(events), Resumed):
                    pass
                reply = await anext(replies)
                return reply.audio

    assert run(main()) is not None
    numbers = [f"{number}" for number in range(50)]
    assert heard[0] == numbers
    assert heard[1] == numbers  # nothing had said that it was heard


def test_what_is_slow_to_leave_is_waited_for(tls):
    """Senders wait for a peer that does not read, and go on when it does."""
    count, size = 300, 50_000

    async def main():
        go_on = asyncio.Event()
        heard = []

        async def handler(socket_):
            await go_on.wait()
            async for message in socket_:
                heard.append(len(message))
                if len(heard) == count:
                    return

        async with serving(handler, ssl=tls and tls.context, max_queue=1) as port:
            url = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}"
            connector = WebSocketConnector(tls=tls and tls.client_context())
            channel = await connector.connect(url, {}, timeout_s=5.0)
            sent = 0

            async def send_all():
                nonlocal sent
                while sent < count:
                    await channel.send(b"x" * size)
                    sent += 1

            sending = asyncio.create_task(send_all())
            await asyncio.sleep(0.2)
            assert 0 < sent < count
            go_on.set()
            await sending
            while len(heard) < count:  # noqa: ASYNC110 - of the other end there is no event
                await asyncio.sleep(0.005)
            await channel.close()
            return heard

    assert run(main()) == [size] * count
