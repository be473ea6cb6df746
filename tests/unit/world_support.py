"""The real session and the real server in one process, in virtual time."""

import asyncio
import contextlib
import json

from emulator_support import ToneSynthesizer

from antiphon import LiveGenerationConfig, LiveModel, WebSocketConnector
from antiphon.emulator import Echo, Emulator, Recognizer, Settings, Voice
from antiphon.errors import SessionClosed

SETTINGS = Settings(reply_delay_s=(0.1, 0.2), speed=(4, 5))


def small_server(**options):
    """An echo that speaks in sines: it needs nothing that may not be installed."""
    options.setdefault("settings", SETTINGS)
    options.setdefault("brain", Echo())
    options.setdefault("voice", Voice([ToneSynthesizer()]))
    return Emulator(recognizer=Recognizer(enabled=False), **options)


def model_of(emulator, connector, *, continuity=None, **config):
    return LiveModel(
        backend=emulator.backend(),
        connector=connector,
        config=LiveGenerationConfig(**config),
        continuity=continuity,
    )


@contextlib.asynccontextmanager
async def in_memory(emulator, **config):
    """A model whose sessions reach the server without a socket."""
    async with emulator.connector() as connector:
        yield model_of(emulator, connector, **config)
    emulator.close()


async def all_of(messages):
    """Every one until the session ends: (loop time of its arrival, as JSON, its audio)."""
    return [
        (
            asyncio.get_running_loop().time(),
            json.dumps(message.raw, sort_keys=True),
            b"" if message.audio is None else message.audio.tobytes(),
        )
        async for message in messages
    ]


@contextlib.asynccontextmanager
async def over_sockets(emulator, connector=None, **config):
    """A model whose sessions reach the server over loopback, on the loop that runs."""
    async with emulator:
        yield model_of(emulator, connector or WebSocketConnector(), **config)


def shape(message):
    """A message as a test compares it: its JSON without audio, and the audio."""
    audio = b"" if message.audio is None else message.audio.tobytes()
    return json.dumps(message.raw, sort_keys=True), audio


async def until(messages, name):
    """Messages up to the first one that has this attribute, or to the end, however it comes.

    Resumption handles are left out: they may come at any time.
    """
    seen = []
    with contextlib.suppress(SessionClosed):
        async for message in messages:
            if "sessionResumptionUpdate" in message.raw:
                continue
            seen.append(message)
            if (value := getattr(message, name)) is not None and value is not False:
                break
    return seen
