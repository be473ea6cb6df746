"""A conversation with the local server in memory, in virtual time."""

import asyncio
import contextlib
from importlib.resources import files
from pathlib import Path

from antiphon import LiveModel, tool
from antiphon.channel import memory_channel_pair
from antiphon.conversation import Conversation, TurnComplete, TurnHeard
from antiphon.devices import FileDevice
from antiphon.emulator import Emulator

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
async def talk(*, device=None, record_to=None, tools=(), emulator=None):
    """In virtual time there are no threads, so tools run inline."""
    server = emulator or Emulator()
    connector = MemoryConnector(server)
    model = LiveModel(
        backend=server.backend("google"),
        tools=[tool(function, inline=True) for function in tools],
        connector=connector,
        continuity=None,
    )
    try:
        async with model.connect() as session:
            device = device or FileDevice()
            conversation = Conversation(session, device, record_to=record_to)
            async with conversation:
                yield Talk(session, device, conversation, connector)
    finally:
        await asyncio.gather(*connector.serving)
        server.close()
