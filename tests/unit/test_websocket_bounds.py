"""Real connections: what waits unread is bounded, and a key that goes in plain is warned of."""

import asyncio
import contextlib
import logging
import socket
import tracemalloc

import pytest
from live_script import KEY
from raw_server import raw_server
from websocket_support import free_port, model_at, run, serving

from antiphon.errors import ConnectError
from antiphon.session import WebSocketConnector, create_token
from antiphon.wire import GoogleAI

MIB = 1024 * 1024


@pytest.mark.parametrize(("count", "size"), [(40, MIB // 2), (3, 4 * MIB), (500, 100)])
def test_what_comes_before_anyone_listens_is_bounded_in_bytes_and_in_messages(count, size):
    """Then the peer waits; and all of it comes, in order, once it is read."""
    messages = [number.to_bytes(2, "big") + bytes(size) for number in range(count)]

    async def handler(socket_):
        for message in messages:
            await socket_.send(message)
        await socket_.wait_closed()

    async def main():
        async with serving(handler) as port:
            channel = await WebSocketConnector().connect(f"ws://127.0.0.1:{port}", {}, timeout_s=10)
            connection = channel._connection
            while connection.transport.is_reading():  # noqa: ASYNC110 - nobody tells of a pause
                await asyncio.sleep(0.001)
            waits = list(connection.unread)
            assert [await channel.receive() for _ in messages] == messages
            assert connection.transport.is_reading()
            await channel.close()
            return waits

    waits = run(main())
    # One message may go over the bound; what one reading of the socket gives is in memory anyway.
    assert sum(map(len, waits)) < MIB + len(messages[0]) + 256 * 1024
    assert len(waits) < 64 + 256 * 1024 // len(messages[0])


def test_answers_to_pings_that_the_peer_does_not_take_are_bounded():
    """A connection that only ever asks for answers is given up; they would fill the memory."""
    pings = (b"\x89\x7d" + bytes(125)) * 500
    taken = []

    async def handler(peer):
        await peer.accept()
        with contextlib.suppress(ConnectionError):
            for _ in range(400):
                await peer.say(pings)
                taken.append(len(pings))

    async def main():
        async with raw_server(handler, receive_bytes=4096) as port, model_at(port).connect() as it:
            return await it.wait_closed()

    closure = run(main())
    assert closure.code == 1006
    assert sum(taken) < 20 * MIB


def test_the_pieces_of_a_message_take_no_more_memory_than_their_bytes():
    """A message that never ends has as many as the peer likes, empty ones too."""
    pieces = b"\x00\x00" + b"\x00\x02  "
    taken = []

    async def handler(peer):
        await peer.accept()
        await peer.say(b"\x01\x01{")  # the first of several
        for _ in range(30):
            await peer.say(pieces * 1_000)
        await peer.say(b"\x89\x01!")  # whose answer tells that all before it was read
        while peer._frame() is None:
            await peer._more()
        taken.append(tracemalloc.get_traced_memory()[0])
        await peer.say(b"\x80\x0d" + b'"goAway": {}}')
        await peer.hear_all()

    async def main():
        async with raw_server(handler) as port, model_at(port).connect() as session:
            tracemalloc.start()
            taken.append(tracemalloc.get_traced_memory()[0])
            return await anext(session.receive())

    try:
        message = run(main())
    finally:
        tracemalloc.stop()
    assert message.raw["goAway"] == {}
    assert taken[1] - taken[0] < MIB // 2


def test_a_long_message_on_a_slow_link_is_not_taken_for_a_dead_peer():
    """It takes longer than the limits, but some of it leaves all the time.

    A ping waits behind it, so that nothing can come.
    """
    size = 8 * MIB

    async def handler(peer):
        await peer.accept()
        loop = asyncio.get_running_loop()
        taken = 0
        while taken < size:
            taken += len(await loop.sock_recv(peer.sock, 64 * 1024))
            await asyncio.sleep(0.01)

    async def main():
        async with (
            raw_server(handler, receive_bytes=64 * 1024) as port,
            model_at(port, write_timeout_s=0.3, silence_timeout_s=0.8).connect() as session,
        ):
            transport = session._driver._line._channel._connection.transport
            # What is under way is none of ours, and may take longer than these limits.
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, 65536
            )
            await session.send_text_realtime("x" * size)
            return await session.wait_closed()

    assert run(main()).reason == ""  # the peer's end, and no other


PLAIN_ELSEWHERE = "ws://live.example:81"


@pytest.fixture
def proxy(monkeypatch):
    """Nothing of these tests leaves the machine: a proxy that refuses stands in the way."""
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("url", "headers", "warned"),
    [
        (PLAIN_ELSEWHERE, {"x-goog-api-key": KEY}, True),
        (PLAIN_ELSEWHERE, {"Authorization": f"Bearer {KEY}"}, True),
        (PLAIN_ELSEWHERE, {"User-Agent": "nothing secret"}, False),
        ("wss://live.example", {"x-goog-api-key": KEY}, False),
        ("ws://127.0.0.1:1", {"x-goog-api-key": KEY}, False),
        ("ws://localhost:1", {"x-goog-api-key": KEY}, False),
    ],
)
def test_a_key_that_goes_in_plain_to_another_machine_is_warned_of(
    url, headers, warned, caplog, proxy
):
    async def main():
        connector = WebSocketConnector()
        for _ in range(2):
            with pytest.raises(ConnectError):
                await connector.connect(url, headers, timeout_s=5)

    run(main())
    told = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(told) == 2 * warned  # once for each connection
    assert all(f"unencrypted to {url}" in words for words in told)
    assert KEY not in caplog.text


def test_a_key_with_which_a_token_is_made_is_warned_of_too(caplog, proxy):
    async def main():
        backend = GoogleAI(api_key=KEY, base_url="http://live.example:81")
        with pytest.raises(ConnectError):
            await create_token(backend=backend)

    run(main())
    (told,) = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert "unencrypted to http://live.example:81" in told
    assert KEY not in caplog.text
