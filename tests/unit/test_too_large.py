"""A message that is too large: for the service it is not sent again, for us there is a way."""

import asyncio

import pytest
from websocket_support import accept, run, say, serving
from world_support import over_sockets, small_server

from antiphon import Continuity, LiveModel, WebSocketConnector
from antiphon.errors import SessionClosed
from antiphon.protocol import ConnectionLost
from antiphon.wire import Blob, GoogleAI

IMAGE = Blob.of(bytes(12_600_000), "image/jpeg")  # as base64 it is more than 16 MiB


def test_what_is_too_large_for_the_service_is_not_sent_again(caplog):
    emulator = small_server()

    async def main():
        async with over_sockets(emulator, continuity=Continuity()) as model:
            async with model.connect() as session:
                with pytest.raises(SessionClosed) as caught:
                    await session.ask([IMAGE, "What is this?"])
                return caught.value, session.closure

    error, closure = asyncio.run(asyncio.wait_for(main(), 20))
    assert len(emulator.sessions) == 1
    assert (error.code, error.cause) == (1009, "argument")
    assert "too large for the service. Send smaller images" in str(error)
    assert "exceeds limit of 16777216 bytes" in error.reason
    assert (closure.by, closure.retry) == ("service", False)
    assert "did not close well" not in caplog.text


def test_what_is_too_large_for_us_is_our_own_close_and_may_be_said_again_in_less():
    sizes = [2_000, 10]
    refusals = []

    async def handler(socket_):
        await accept(socket_)
        await socket_.recv()
        words = {"outputTranscription": {"text": "x" * sizes.pop(0)}}
        await say(socket_, {"serverContent": words | {"turnComplete": True}})
        await socket_.wait_closed()
        refusals.append(socket_.close_code)

    async def main():
        async with serving(handler) as port:
            model = LiveModel(
                backend=GoogleAI(api_key="k", base_url=f"ws://127.0.0.1:{port}"),
                connector=WebSocketConnector(max_message_bytes=1_000),
                continuity=Continuity(seed=1),
            )
            async with model.connect() as session:
                events = session.events()
                reply = await session.ask("hi")
                return reply.text, await anext(events)

    said, lost = run(main())
    assert said == "x" * 10
    assert refusals[0] == 1009
    assert isinstance(lost, ConnectionLost)
    assert (lost.closure.code, lost.closure.by, lost.closure.retry) == (1009, "us", True)
    words = str(lost.closure.error())
    assert "The session was closed: a message was too large for this side" in words
    assert "exceeds limit of 1000 bytes" in words
    assert "max_message_bytes=" in words
