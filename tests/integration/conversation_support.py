"""A conversation with the local server in memory, in virtual time."""

import asyncio
import base64
import contextlib
import json
import math
from importlib.resources import files
from pathlib import Path

import numpy as np

from antiphon import LiveModel, tool
from antiphon.channel import memory_channel_pair
from antiphon.conversation import Conversation, TurnComplete, TurnHeard
from antiphon.devices import FileDevice
from antiphon.emulator import Emulator
from antiphon.errors import ConnectError
from antiphon.wire import DEFAULT_MODEL, GoogleAI

SPEECH = Path(str(files("antiphon"))) / "assets" / "speech"
STEP_LIMIT_S = 30.0


class MemoryConnector:
    def __init__(self, emulator):
        self.emulator = emulator
        self.serving = []
        self.server_end = None

    async def connect(self, url, headers, *, timeout_s):
        ours, theirs = memory_channel_pair()
        self.server_end = theirs
        self.serving.append(asyncio.create_task(self.emulator.handle(theirs, url, headers)))
        return ours


class ByHand:
    """A service whose part the test plays: every connection is the test's to speak on.

    Args:
        refuse_after: So many connections are made; the next are refused until it is raised.
    """

    def __init__(self, refuse_after=math.inf):
        self.refuse_after = refuse_after
        self.attempts = 0
        self.channel = None

    async def connect(self, url, headers, *, timeout_s):
        self.attempts += 1
        if self.attempts > self.refuse_after:
            raise ConnectError("nobody is there", cause="unreachable")
        ours, self.channel = memory_channel_pair(10_000)
        await self.say({"setupComplete": {}})
        return ours

    async def say(self, *messages):
        for message in messages:
            await self.channel.send(json.dumps(message).encode())

    async def speak(self, seconds, *, rate_hz=24_000, **fields):
        """Audio of the model: a loud tone."""
        samples = np.round(9_000 * np.sin(np.arange(round(rate_hz * seconds)) * 0.1))
        data = base64.b64encode(samples.astype("<i2").tobytes()).decode()
        blob = {"mimeType": f"audio/pcm;rate={rate_hz}", "data": data}
        turn = {"parts": [{"inlineData": blob}]}
        await self.say({"serverContent": {"modelTurn": turn, **fields}})

    async def heard_of(self):
        """All messages of the client up to the end of its audio stream."""
        messages = []
        while not messages or "audioStreamEnd" not in messages[-1].get("realtimeInput", {}):
            messages.append(json.loads(await self.channel.receive()))
        return messages


@contextlib.asynccontextmanager
async def talk_by_hand(
    service, *, name=DEFAULT_MODEL, device=None, record_to=None, continuity=None, **options
):
    """A conversation whose model is the test."""
    backend = GoogleAI(api_key="key")
    model = LiveModel(name, backend=backend, connector=service, continuity=continuity)
    async with model.connect() as session:
        device = device or FileDevice()
        async with Conversation(session, device, record_to=record_to, **options) as conversation:
            yield Talk(session, device, conversation, service)


class Talk:
    """What a test holds: session, device, conversation and its events so far."""

    def __init__(self, session, device, conversation, connector=None):
        self.session, self.device, self.conversation = session, device, conversation
        self.connector = connector
        self.events = conversation.events()
        self.seen = []

    async def until(self, kind, **fields):
        """The next event of a kind, with these fields."""
        async with asyncio.timeout(STEP_LIMIT_S):
            async for event in self.events:
                self.seen.append(event)
                if isinstance(event, kind) and all(
                    getattr(event, name) == value for name, value in fields.items()
                ):
                    return event
        raise AssertionError(f"the conversation ended before {kind.__name__}")

    async def until_over(self):
        """The next turn was heard to its end, and the service has ended it."""
        heard = await self.until(TurnHeard)
        while not any(isinstance(e, TurnComplete) and e.turn >= heard.turn for e in self.seen):
            await self.until(TurnComplete)
        return heard

    def say(self, name, **options):
        return self.device.say(SPEECH / name, **options)


@contextlib.asynccontextmanager
async def talk(*, device=None, record_to=None, tools=(), emulator=None, continuity=None, **options):
    """In virtual time there are no threads, so tools run inline."""
    server = emulator or Emulator()
    connector = MemoryConnector(server)
    model = LiveModel(
        backend=server.backend("google"),
        tools=[tool(function, inline=True) for function in tools],
        connector=connector,
        continuity=continuity,
    )
    try:
        async with model.connect() as session:
            device = device or FileDevice()
            conversation = Conversation(session, device, record_to=record_to, **options)
            async with conversation:
                yield Talk(session, device, conversation, connector)
    finally:
        await asyncio.gather(*connector.serving)
        server.close()
