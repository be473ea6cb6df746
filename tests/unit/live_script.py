"""The other end of a session, written out by a test: an in-memory channel and a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from antiphon.channel import Channel, ChannelClosed, memory_channel_pair
from antiphon.session import LiveModel, LiveSession
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import GoogleAI, bytes_to_base64

READY = {"setupComplete": {}}
KEY = "key-that-must-never-show"


def content(**fields: Any) -> dict[str, Any]:
    return {"serverContent": fields}


def audio(
    frames: int = 240, value: int = 7, *, rate_hz: int = 24_000, **fields: Any
) -> dict[str, Any]:
    pcm = value.to_bytes(2, "little", signed=True) * frames
    blob = {"mimeType": f"audio/pcm;rate={rate_hz}", "data": bytes_to_base64(pcm)}
    return content(modelTurn={"parts": [{"inlineData": blob}]}, **fields)


def spoken(text: str) -> dict[str, Any]:
    return content(outputTranscription={"text": text})


def written(text: str, **fields: Any) -> dict[str, Any]:
    return content(modelTurn={"parts": [{"text": text}]}, **fields)


DONE = content(turnComplete=True)


class Server:
    """The service's end of the channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.received: list[dict[str, Any]] = []

    async def say(self, *messages: dict[str, Any] | bytes) -> None:
        for message in messages:
            data = message if isinstance(message, bytes) else json.dumps(message).encode()
            await self.channel.send(data)

    async def hear(self) -> dict[str, Any]:
        message = json.loads(await self.channel.receive())
        self.received.append(message)
        return message

    async def accept(self) -> dict[str, Any]:
        """Take the setup and accept it."""
        message = await self.hear()
        await self.say(READY)
        return message["setup"]

    async def hear_all(self) -> ChannelClosed:
        """Everything until the client closes."""
        while True:
            try:
                await self.hear()
            except ChannelClosed as closed:
                return closed


Script = Callable[[Server], Awaitable[Any]]


class ScriptedConnector:
    """Connects to a script instead of to the service."""

    def __init__(self, script: Script, *, max_messages: int = 1024) -> None:
        self.script = script
        self.max_messages = max_messages
        self.servers: list[Server] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.url = ""

    async def connect(self, url: str, headers: Any, *, timeout_s: float) -> Channel:
        ours, theirs = memory_channel_pair(self.max_messages)
        self.url = url
        server = Server(theirs)
        self.servers.append(server)
        self.tasks.append(asyncio.ensure_future(self.script(server)))
        return ours


def model_for(script: Script, *, max_messages: int = 1024, **settings: Any) -> LiveModel:
    settings.setdefault("continuity", None)  # one script is one connection
    return LiveModel(
        settings.pop("name", "gemini-3.8-live"),
        backend=settings.pop("backend", None) or GoogleAI(api_key=KEY),
        connector=ScriptedConnector(script, max_messages=max_messages),
        **settings,
    )


async def accept_and_wait(server: Server) -> None:
    """The quiet service: accepts, and hears until the client closes."""
    await server.accept()
    await server.hear_all()


async def nothing_left_behind(session: LiveSession) -> None:
    """Close, and check that no task of the session is left."""
    await session.close()
    left = [task for task in asyncio.all_tasks() if task.get_name().startswith("antiphon")]
    assert left == []


def in_session(
    script: Script, use: Callable[[LiveSession], Awaitable[Any]], **settings: Any
) -> tuple[Any, list[dict[str, Any]]]:
    """Run ``use(session)`` against a script; afterwards no task may be left.

    Returns what it returned, and what the service received.
    """

    async def main() -> tuple[Any, list[dict[str, Any]]]:
        model = model_for(script, **settings)
        async with model.connect() as session:
            result = await use(session)
        await nothing_left_behind(session)
        for task in model._connector.tasks:
            await task
        return result, model._connector.servers[0].received

    return run_in_virtual_time(main())
