"""A client that reads messages and does nothing else, in a scenario and in virtual time."""

import asyncio
import json

from emulator_support import ToneSynthesizer, has, kind

from antiphon.channel import ChannelClosed
from antiphon.emulator import Emulator, Recognizer, Voice
from antiphon.virtual_time import run_in_virtual_time

URL = (
    "ws://emulator.invalid"
    "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
)
HANDS_OUT_HANDLES, BLOCKING = "models/gemini-3.8-live", "models/gemini-3.1-flash-live-preview"
PLAIN = "models/gemini-2.5-flash-native-audio-preview-12-2025"
WEATHER = {"functionDeclarations": [{"name": "get_weather"}]}


class Wire:
    """One connection: what came, when, and how it ended."""

    def __init__(self, channel):
        self._channel = channel
        self.arrived = []  # (seconds, message)
        self.closed = None

    async def send(self, message):
        await self._channel.send(json.dumps(message).encode())

    async def say(self, text):
        turn = {"role": "user", "parts": [{"text": text}]}
        await self.send({"clientContent": {"turns": [turn], "turnComplete": True}})

    async def answer(self, call, response):
        given = {"id": call["id"], "name": call["name"], "response": response}
        await self.send({"toolResponse": {"functionResponses": [given]}})

    async def read(self, until=None, limit_s=30.0):
        """What comes up to a message of this kind, or the end, or the limit."""
        first = len(self.arrived)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit_s):
                while not (until and first < len(self.arrived) and has(self.messages[-1], until)):
                    message = json.loads(await self._channel.receive())
                    self.arrived.append((loop.time(), message))
        except TimeoutError:
            assert until is None, f"no {until} came; {self.kinds}"
        except ChannelClosed as closed:
            self.closed = closed.code, closed.reason, loop.time()
        return self.messages[first:]

    async def close(self):
        await self._channel.close()

    @property
    def messages(self):
        return [message for _, message in self.arrived]

    @property
    def kinds(self):
        return kinds(self.messages)

    def when(self, name):
        return [at for at, message in self.arrived if has(message, name)]


def kinds(messages):
    """One word per message; runs of audio as one, and without what only some models send."""
    words = []
    for word in map(kind, messages):
        if word in ("empty", "sessionResumptionUpdate") or words[-1:] == [word] == ["audio"]:
            continue
        words.append(word)
    return words


def play(scenario, talk, *, model=BLOCKING, sessions=None, **setup):
    """Run ``talk(wire)`` in a scenario, after the setup; ``sessions`` gets the server's records."""

    async def meet(open_wire):
        wire = await open_wire()
        await wire.send({"setup": {"model": model, **setup}})
        await talk(wire)
        await wire.close()
        return wire

    return meet_in(scenario, meet, sessions)


def meet_in(scenario, meet, sessions=None):
    """Run ``meet(open_wire)`` in a scenario, in virtual time."""

    async def main():
        emulator = Emulator(
            scenario=scenario,
            voice=Voice([ToneSynthesizer()]),
            recognizer=Recognizer(enabled=False),
        )
        async with emulator.connector() as connector:

            async def open_wire():
                return Wire(await connector.connect(URL, {}, timeout_s=5))

            result = await meet(open_wire)
        emulator.close()
        if sessions is not None:
            sessions.extend(emulator.sessions)
        return result

    return run_in_virtual_time(main())
