"""What TLS changes for a connection: what was sent passes through one more pair of hands."""

import asyncio
import json
import socket
import struct
import time

import pytest
from live_script import KEY
from websocket_support import accept, run, serving

from antiphon import Continuity
from antiphon.session import LiveModel, WebSocketConnector
from antiphon.wire import GoogleAI

MESSAGE = b"x" * 1000
LONG = 16 * 1024 * 1024


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Who serves with its context, is trusted by its client's."""
    pytest.importorskip("trustme")
    from antiphon.emulator.http.tls import Tls

    return Tls(folder=tmp_path_factory.mktemp("tls"))


async def until(condition):
    while not condition():  # noqa: ASYNC110 - of the other end there is no event
        await asyncio.sleep(0)


def connector(tls):
    return WebSocketConnector(tls=tls.client_context())


def test_what_has_not_left_is_known(tls):
    """Up to 64 KiB waited below TLS, and counted as sent."""

    async def main():
        done = asyncio.Event()

        async def handler(socket_):
            await done.wait()  # its queue is full soon, and then it reads no more
            socket_.transport.abort()

        async with serving(handler, ssl=tls.context, max_queue=1) as port:
            url = f"wss://127.0.0.1:{port}"
            channel = await connector(tls).connect(url, {}, timeout_s=5.0)
            connection = channel._connection
            below = connection.transport._ssl_protocol._transport
            waits = 0
            while channel.ready and waits < 2 * len(MESSAGE):
                channel.send_now(MESSAGE)
                waits = below.get_write_buffer_size()
                await asyncio.sleep(0)
            done.set()
            connection.transport.abort()
            assert 0 < waits < 1.1 * len(MESSAGE)  # of one, a part may have left

    run(main())


def test_a_long_message_has_not_left_before_its_last_byte(tls):
    """All of it waited below TLS, and counted as sent."""
    heard = []

    async def main():
        go_on = asyncio.Event()

        async def handler(socket_):
            socket_.transport.pause_reading()
            await go_on.wait()
            socket_.transport.resume_reading()
            heard.append(len(await socket_.recv()))

        async with serving(handler, ssl=tls.context) as port:
            channel = await connector(tls).connect(f"wss://127.0.0.1:{port}", {}, timeout_s=5.0)
            left = channel.send_now(b"x" * LONG)
            go_on.set()
            await channel.drain()
            assert channel._connection.waiting_bytes == 0
            await until(lambda: heard)
            await channel.close()
            return left

    assert not run(main())
    assert heard == [LONG]


def test_what_a_broken_connection_refuses_has_not_left(tls):
    """Not sent again, but sent: no byte of it had left this machine."""
    heard = []

    async def handler(socket_):
        await accept(socket_)
        heard.append([])
        if len(heard) == 1:
            raw = socket_.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket_.transport.abort()
        async for message in socket_:
            heard[-1].append(json.loads(message)["realtimeInput"]["text"])

    async def main():
        async with serving(handler, ssl=tls.context) as port:
            model = LiveModel(
                backend=GoogleAI(api_key=KEY, base_url=f"wss://127.0.0.1:{port}"),
                connector=connector(tls),
                continuity=Continuity(history=False, send_again=False),
            )
            async with model.connect() as session:
                connection = session._driver._line._channel._connection
                await until(lambda: heard)
                time.sleep(0.02)  # noqa: ASYNC251 - the loop must not learn of it in between
                assert not connection.lost
                for number in range(20):
                    message = json.dumps({"realtimeInput": {"text": f"{number}"}}).encode()
                    session.send_live_audio_message(message, 0.02)
                await until(lambda: len(heard) == 2 and len(heard[1]) == 20)

    run(main())
    assert heard == [[], [f"{number}" for number in range(20)]]
