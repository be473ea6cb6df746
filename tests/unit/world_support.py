"""The real session and the real server in one process, in virtual time."""

import asyncio
import contextlib
import json

from emulator_support import ToneSynthesizer

from antiphon import LiveGenerationConfig, LiveModel
from antiphon.emulator import Echo, Emulator, Recognizer, Settings, Voice

SETTINGS = Settings(reply_delay_s=(0.1, 0.2), speed=(4, 5))


def small_server(**options):
    """An echo that speaks in sines: it needs nothing that may not be installed."""
    options.setdefault("settings", SETTINGS)
    options.setdefault("brain", Echo())
    options.setdefault("voice", Voice([ToneSynthesizer()]))
    return Emulator(recognizer=Recognizer(enabled=False), **options)


def model_of(emulator, connector, **config):
    return LiveModel(
        backend=emulator.backend(), connector=connector, config=LiveGenerationConfig(**config)
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
