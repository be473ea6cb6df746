"""Servers on loopback, written out by a test, and models that connect to them."""

import asyncio
import json
import socket
import traceback
from contextlib import asynccontextmanager

from live_script import KEY, READY
from websockets.asyncio.server import serve

from antiphon.session import LiveModel, WebSocketConnector
from antiphon.wire import GoogleAI


def all_text_of(error: BaseException) -> str:
    """Everything a person could see of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def model_at(port, *, backend=None, **settings):
    return LiveModel(
        backend=backend or GoogleAI(api_key=KEY, base_url=f"ws://127.0.0.1:{port}"),
        connector=WebSocketConnector(**settings),
        continuity=None,
    )


@asynccontextmanager
async def serving(handler, **settings):
    async with serve(handler, "127.0.0.1", 0, max_size=None, **settings) as server:
        yield server.sockets[0].getsockname()[1]


async def accept(socket_, *, binary=True):
    setup = json.loads(await socket_.recv())
    await say(socket_, READY, binary=binary)
    return setup


async def say(socket_, *messages, binary=True):
    for message in messages:
        data = json.dumps(message, indent=2).encode()
        await socket_.send(data if binary else data.decode())


def run(main):
    return asyncio.run(asyncio.wait_for(main, 20))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
