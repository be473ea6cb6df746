"""Ten simulated minutes: the real session talks to the real server, in virtual time.

Somebody asks about cards and has a robot go forward, forty times; the microphone is open all the
while. The server cuts its connections: at each ``goAway`` the session moves to a new one.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from antiphon import LiveModel
from antiphon.assets import recording
from antiphon.audio.wav import read_wav
from antiphon.channel import Channel, Connector
from antiphon.emulator import Emulator, Grammar, Recognizer, Settings, Voice
from antiphon.emulator.session.jobs import Recognition
from antiphon.emulator.speech.synthesis import Clips
from antiphon.protocol import GoingAway, Resumed
from antiphon.session import LiveSession
from antiphon.virtual_time import run_in_virtual_time

HEARING_HZ = 16_000

#: What is said, by turns: the recording, and the words in it.
UTTERANCES = (
    ("cards-001", "ten of clubs"),
    ("cards-003", "seven of clubs"),
    ("go-forward-ten-meters", "go forward ten meters"),
)


class Script(Recognizer):
    """Knows what will be said, in order, and does not listen."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self._words = iter(words)

    def recognize(self, pcm: bytes, grammar: Grammar | None) -> Recognition:
        """The next words."""
        del pcm, grammar
        return Recognition(next(self._words), command=True)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is simulated.

    Attributes:
        name: Such as ``100 ms packets, scripted``.
        packet_ms: Of the microphone.
        scripted: Words are known beforehand; else pocketsphinx recognizes by the brain's grammar.
        turns: How often something is said.
        turn_s: How often.
        connection_limit_s: The server cuts a connection that is so old.
        go_away_lead_s: And warns so long before.
    """

    name: str
    packet_ms: int
    scripted: bool
    turns: int = 40
    turn_s: float = 15.0
    connection_limit_s: float = 240.0
    go_away_lead_s: float = 60.0


PLANS = (
    Plan(name="100 ms packets, scripted recognition", packet_ms=100, scripted=True),
    Plan(name="20 ms packets, grammar recognition", packet_ms=20, scripted=False),
)


class Simulated(msgspec.Struct, frozen=True):
    """What came of a plan."""

    name: str
    simulated_s: float
    wall_s: float
    connections: int
    go_aways: int
    resumptions: int
    turns_heard: int
    turns_answered: int
    messages_up: int
    messages_down: int
    bytes_up: int
    bytes_down: int
    sha256: str


class Wiretap:
    """A connector that digests every byte of both directions, with its direction and length."""

    def __init__(self, inner: Connector) -> None:
        self._inner = inner
        self._digest = hashlib.sha256()
        self.messages = {"up": 0, "down": 0}
        self.bytes = {"up": 0, "down": 0}

    async def connect(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> Channel:
        """A channel that is listened in on."""
        inner = await self._inner.connect(url, headers, timeout_s=timeout_s)
        return _TappedChannel(inner, self)

    def note(self, direction: str, data: bytes) -> None:
        """One message."""
        self._digest.update(f"{direction} {len(data)}\n".encode())
        self._digest.update(data)
        self.messages[direction] += 1
        self.bytes[direction] += len(data)

    @property
    def sha256(self) -> str:
        """Of all that was noted."""
        return self._digest.hexdigest()


class _TappedChannel:
    def __init__(self, inner: Channel, tap: Wiretap) -> None:
        self._inner, self._tap = inner, tap
        self.close = inner.close

    async def send(self, data: bytes) -> None:
        self._tap.note("up", data)
        await self._inner.send(data)

    async def receive(self) -> bytes:
        data = await self._inner.receive()
        self._tap.note("down", data)
        return data


def go_forward(distance_meters: float) -> None:
    """Drive the robot forward.

    Args:
        distance_meters: How far to go.
    """
    del distance_meters


def simulate(plan: Plan, *, seed: int) -> Simulated:
    """Let the time of a plan go by."""
    recognizer = (
        Script([UTTERANCES[turn % len(UTTERANCES)][1] for turn in range(plan.turns)])
        if plan.scripted
        else Recognizer()
    )
    recognizer.preload()
    settings = Settings(
        connection_limit_s=plan.connection_limit_s, go_away_lead_s=plan.go_away_lead_s
    )
    emulator = Emulator(seed=seed, settings=settings, voice=Voice([Clips()]), recognizer=recognizer)
    packets = list(_microphone(plan))
    gc.collect()
    try:
        started_s = time.perf_counter()
        conversation, tap, simulated_s = run_in_virtual_time(_converse(plan, emulator, packets))
        wall_s = time.perf_counter() - started_s
    finally:
        emulator.close()
    turns = [turn for record in emulator.sessions for turn in record.turns]
    return Simulated(
        name=plan.name,
        simulated_s=round(simulated_s, 3),
        wall_s=round(wall_s, 3),
        connections=len(emulator.sessions),
        go_aways=conversation.go_aways,
        resumptions=conversation.resumptions,
        turns_heard=sum(len(record.heard) for record in emulator.sessions),
        turns_answered=sum(turn.frames_sent > 0 for turn in turns),
        messages_up=tap.messages["up"],
        messages_down=tap.messages["down"],
        bytes_up=tap.bytes["up"],
        bytes_down=tap.bytes["down"],
        sha256=tap.sha256,
    )


def _microphone(plan: Plan) -> Iterator[NDArray[np.int16]]:
    """What the microphone hears in packets: a quiet room, and each turn an utterance."""
    said = [read_wav(recording(name))[0][:, 0] for name, _ in UTTERANCES]
    room = np.random.default_rng(1).normal(0, 4, round(plan.turn_s * HEARING_HZ))
    frames = HEARING_HZ * plan.packet_ms // 1000
    for turn in range(plan.turns):
        heard = room.astype(np.int16)
        words = said[turn % len(said)]
        heard[HEARING_HZ : HEARING_HZ + len(words)] += words
        yield from heard.reshape(-1, frames)


async def _converse(
    plan: Plan, emulator: Emulator, packets: list[NDArray[np.int16]]
) -> tuple[_Conversation, Wiretap, float]:
    async with emulator.connector() as connector:
        tap = Wiretap(connector)
        conversation = _Conversation(plan, emulator, tap)
        await conversation.hold(packets)
        return conversation, tap, asyncio.get_running_loop().time()


class _Conversation:
    """One talk: the session goes on over as many connections as it takes."""

    def __init__(self, plan: Plan, emulator: Emulator, connector: Connector) -> None:
        self.go_aways = 0
        self.resumptions = 0
        self._plan = plan
        self._model = LiveModel(
            backend=emulator.backend(),
            connector=connector,
            tools=[go_forward],
            packet_ms=plan.packet_ms,
        )

    async def hold(self, packets: list[NDArray[np.int16]]) -> None:
        """Talk until there is nothing more to say."""
        loop = asyncio.get_running_loop()
        async with self._model.connect() as session:
            counting = asyncio.create_task(self._count(session))
            started_s, packet_s = loop.time(), self._plan.packet_ms / 1000
            for number, packet in enumerate(packets, 1):
                await asyncio.sleep(started_s + number * packet_s - loop.time())
                await session.send_audio_realtime(packet)
        await counting

    async def _count(self, session: LiveSession) -> None:
        async for event in session.events():
            self.go_aways += isinstance(event, GoingAway)
            self.resumptions += isinstance(event, Resumed) and event.with_handle
