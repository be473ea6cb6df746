"""The rows: each takes the microphone's blocks, and gives the samples to be played."""

from __future__ import annotations

import base64
import functools
import json
import warnings
from collections.abc import AsyncIterator
from typing import Any, Protocol

import numpy as np
import orjson
import pybase64
from google import genai
from google.genai import live, types
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from antiphon import GoogleAI, LiveModel
from antiphon.session import LiveSession
from antiphon.session.subscription import MessageStream
from benches.cost.conversion import IN_HZ, OUT_HZ, TunedConversion

MODEL = "gemini-3.8-live"
MIME_TYPE = f"audio/pcm;rate={OUT_HZ}"
Samples = NDArray[np.int16]
Block = NDArray[np.float32]


class Contestant(Protocol):
    """One row."""

    name: str

    async def open(self, port: int) -> None:
        """Connect to the server on this machine; the setup is accepted."""
        ...

    async def speak(self, block: Block) -> None:
        """Send 20 ms of the microphone: float32, shape (960, 2)."""
        ...

    async def hear(self) -> Samples:
        """The samples of the next message."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


class Antiphon:
    """Our session, as an application uses it."""

    name = "antiphon"

    async def open(self, port: int) -> None:
        backend = GoogleAI(api_key="a-key", base_url=f"ws://127.0.0.1:{port}")
        self._session: LiveSession = await LiveModel(MODEL, backend=backend).connect()
        self._messages: MessageStream = self._session.receive()

    async def speak(self, block: Block) -> None:
        await self._session.send_audio_realtime(block, IN_HZ)

    async def hear(self) -> Samples:
        audio = (await anext(self._messages)).audio
        assert audio is not None
        return audio

    async def close(self) -> None:
        await self._session.close()


class _OverWebsockets:
    """What the peers have in common: a connection of `websockets` at its cheapest."""

    async def open(self, port: int) -> None:
        self._convert = TunedConversion()
        self._socket: ClientConnection = await connect(
            f"ws://127.0.0.1:{port}/ws",
            compression=None,
            ping_interval=None,
            max_size=None,
            proxy=None,
        )
        await self._socket.send(json.dumps({"setup": {"model": f"models/{MODEL}"}}))
        await self._socket.recv()

    async def close(self) -> None:
        await self._socket.close()


@functools.cache
def _client() -> genai.Client:
    """One for all sessions: each takes tens of milliseconds to make."""
    return genai.Client(api_key="a-key")


class GoogleGenAI(_OverWebsockets):
    """The official client's session, on a plain connection without compression: its best case."""

    name = "google-genai"

    async def open(self, port: int) -> None:
        await super().open(port)
        # `Client.live.connect` insists on TLS and compression; the session is the same.
        api: Any = _client()._api_client  # noqa: SLF001
        self._session = live.AsyncSession(api, self._socket)
        self._messages: AsyncIterator[types.LiveServerMessage] = self._session.receive()

    async def speak(self, block: Block) -> None:
        for pcm in self._convert(block):
            await self._session.send_realtime_input(audio=types.Blob(data=pcm, mime_type=MIME_TYPE))

    async def hear(self) -> Samples:
        data = (await anext(self._messages)).data
        assert data is not None
        return np.frombuffer(data, "<i2")


class Json(_OverWebsockets):
    """By hand, with what Python brings along."""

    name = "websockets + json"

    async def speak(self, block: Block) -> None:
        for pcm in self._convert(block):
            data = base64.b64encode(pcm).decode()
            audio = {"data": data, "mimeType": MIME_TYPE}
            await self._socket.send(json.dumps({"realtimeInput": {"audio": audio}}))

    async def hear(self) -> Samples:
        message = json.loads(await self._socket.recv(decode=False))
        return _samples(message, base64.b64decode)


class Orjson(_OverWebsockets):
    """By hand, with the fastest packages there are: the honest best of plain Python."""

    name = "websockets + orjson + pybase64"

    async def speak(self, block: Block) -> None:
        for pcm in self._convert(block):
            data = pybase64.b64encode_as_string(pcm)
            audio = {"data": data, "mimeType": MIME_TYPE}
            message = orjson.dumps({"realtimeInput": {"audio": audio}})
            await self._socket.send(message, text=True)

    async def hear(self) -> Samples:
        message = orjson.loads(await self._socket.recv(decode=False))
        return _samples(message, pybase64.b64decode)


def _samples(message: dict[str, Any], decode: Any) -> Samples:
    parts = message["serverContent"]["modelTurn"]["parts"]
    pcm = b"".join(decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part)
    return np.frombuffer(pcm, "<i2")


def everyone() -> list[Contestant]:
    """All rows; ours first."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    return [Antiphon(), GoogleGenAI(), Json(), Orjson()]
