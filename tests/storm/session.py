"""One session in a storm: ten simulated minutes in which connections go wrong in every way.

The real session talks to the real server's logic over channels in memory, in virtual time. A live
microphone sends numbered packets all the time; typed questions come in between. Beside it stands
a witness, between the connection and the server: it sees which packets the server took, which
handles it gave, and which audio left.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field

from antiphon import Continuity, LiveGenerationConfig, LiveModel, LiveSession
from antiphon.emulator import Echo, Emulator, Recognizer, Settings, Voice
from antiphon.emulator.faults import (
    Close,
    Drop,
    Duplicate,
    EmptyTurn,
    HalfOpen,
    Malformed,
    Oversized,
    PhantomInterruption,
    RefusedResume,
    Stall,
    WithheldHandle,
)
from antiphon.emulator.session.jobs import Speech
from antiphon.emulator.world.memory import MemoryConnector
from antiphon.errors import AntiphonError
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import bytes_to_base64

__all__ = ["Report", "Tones", "run_session"]

DURATION_S = 600.0
PACKET_S = 0.1
_SILENCE = bytes_to_base64(bytes(3_200))
_CODES = (1000, 1001, 1007, 1008, 1011)


@dataclass
class Report:
    """What a session went through, and what is wrong with it."""

    seed: int
    mode: str
    outcome: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    gaps_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run_session(seed: int) -> Report:
    """Run one session; the same seed gives the same report."""
    return run_in_virtual_time(_Storm(seed).run())


class Tones:
    """Speech of a known length, without a synthesizer: 60 ms a character."""

    def synthesize(self, text: str, voice: str) -> Speech:
        return Speech(b"\x00\x10" * (1_440 * len(text)))


@dataclass
class _Connection:
    """What the witness saw on one connection."""

    taken: list[int] = field(default_factory=list)
    """Numbers of the live packets that the server took, in order."""
    messages: int = 0
    """Messages after the setup that it took."""
    numbers: list[int | None] = field(default_factory=list)
    """For each of those: the packet's number, or None for other messages."""
    handed: list[int] = field(default_factory=list)
    """Packets that the client gave to the connection."""
    resumed_from: str = ""
    accepted: bool = False


class _Storm:
    def __init__(self, seed: int) -> None:
        rng = self.rng = random.Random(seed)
        self.mode = ("at_least_once", "at_most_once", "transparent")[seed % 3]
        self.report = Report(seed, self.mode)
        self.connections: list[_Connection] = []
        self.opened: list[list[int]] = []
        self.handles: dict[str, tuple[_Connection, int]] = {}
        self.audio_sent = 0
        self.emulator = Emulator(
            brain=Echo(),
            voice=Voice([Tones()]),
            recognizer=Recognizer(enabled=False),
            seed=seed,
            faults=_weather(rng, seed),
            settings=Settings(
                reply_delay_s=(0.1, 0.4),
                connection_limit_s=rng.choice([60.0, 120.0, 300.0, 600.0]),
                go_away_lead_s=rng.choice([5.0, 30.0, 60.0]),
            ),
        )
        self.connector = MemoryConnector(
            self.serve, None, silence_timeout_s=rng.choice([10.0, 60.0])
        )

    async def serve(self, channel, url, headers) -> None:
        connection = _Connection(handed=self.opened[len(self.connections)])
        self.connections.append(connection)
        await self.emulator.handle(_Witness(channel, connection, self), url, headers)

    async def run(self) -> Report:
        transparent = self.mode == "transparent"
        backend = self.emulator.backend("vertex" if transparent else "google")
        model = LiveModel(
            "gemini-live-2.5-flash" if transparent else "gemini-3.8-live",
            backend=backend,
            connector=_Connector(self, self.connector),
            config=LiveGenerationConfig(context_window_compression=True),
            continuity=Continuity(
                send_again=self.mode == "at_least_once",
                move_after_s=self.rng.choice([None, 100.0, 540.0]),
                seed=self.report.seed,
            ),
        )
        try:
            async with asyncio.timeout(DURATION_S + 600):
                await self.live(model)
        except TimeoutError:
            self.report.wrong.append("it hangs")
        await self.connector.close()
        self.emulator.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            self.report.wrong.append(f"tasks are left: {[task.get_name() for task in left]}")
        return self.report

    async def live(self, model: LiveModel) -> None:
        try:
            session = await model.connect()
        except AntiphonError as error:
            self.report.outcome = f"not connected: {type(error).__name__}"
            return
        sent = 0
        events = asyncio.create_task(self.watch(session))
        listening = asyncio.create_task(self.listen(session))
        typing = asyncio.create_task(self.type(session))
        try:
            while asyncio.get_running_loop().time() < DURATION_S:
                session.send_live_audio_message(_packet(sent), PACKET_S)
                sent += 1
                await asyncio.sleep(PACKET_S)
            typing.cancel()
            # Whatever came before: it goes on.
            async with asyncio.timeout(180):
                reply = await session.ask("are you still there")
            if not reply.text and not reply.cut and not reply.interrupted:
                self.report.counts["empty last answer"] += 1
            self.report.outcome = "continued"
        except AntiphonError as error:
            self.report.outcome = f"{type(error).__name__} {error.code} {error.cause}"
        except TimeoutError:
            self.report.wrong.append("the last question was never answered")
        typing.cancel()
        dropped = round(session.dropped_user_audio_s / PACKET_S)
        unsent = session.unsent_messages
        # Without an acknowledgement for minutes, what is kept has a bound.
        dropped += session._protocol._journal.forgotten if self.mode == "transparent" else 0
        await session.close()
        await asyncio.gather(events, listening, typing, return_exceptions=True)
        self.check_packets(sent, dropped, unsent)

    async def type(self, session: LiveSession) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(2.0, 20.0))
            await session.send_text_realtime("word " * self.rng.randrange(1, 12))
            self.report.counts["questions"] += 1

    async def watch(self, session: LiveSession) -> None:
        async for event in session.events():
            self.report.counts[type(event).__name__] += 1
            if (gap_s := getattr(event, "gap_s", None)) is not None:
                self.report.gaps_s.append(gap_s)

    async def listen(self, session: LiveSession) -> None:
        """Every frame that came is given to the listener, or counted as void."""
        came = given = 0
        try:
            async for message in session.receive():
                came += sum(part.frames for part in message.received_audio_parts)
                given += message.audio_frames
        except AntiphonError:
            pass
        void = session.dropped_audio_frames
        if came != given + void:
            self.report.wrong.append(f"{came} frames came, {given} were given, {void} void")
        self.report.counts["audio s"] = round(given / 24_000)

    # -------------------------------------------------------------- the judgement

    def check_packets(self, sent: int, dropped: int, unsent: int) -> None:
        """What the server has taken of packets 0, 1, 2 …, over all its connections."""
        report = self.report
        for connection in self.connections:
            if connection.taken != sorted(set(connection.taken)):
                report.wrong.append("packets came out of order or doubled on one connection")
        if self.mode == "transparent":
            taken = self.in_effect()
        else:
            taken = [number for connection in self.connections for number in connection.taken]
        counts = Counter(taken)
        doubled = sum(count - 1 for count in counts.values())
        last = max(counts, default=-1)
        missing = [number for number in range(last + 1) if number not in counts]
        report.counts["packets"] += sent
        report.counts["packets taken twice"] += doubled
        report.counts["packets dropped"] += dropped
        report.counts["packets not taken"] += len(missing)
        if self.mode != "at_least_once" and doubled:
            report.wrong.append(f"{doubled} packets doubled")
        if self.mode == "at_most_once":
            on_the_way = {
                number
                for connection in self.connections
                for number in set(connection.handed) - set(connection.taken)
            }
            missing = [number for number in missing if number not in on_the_way]
        if len(missing) > dropped:
            report.wrong.append(f"{len(missing)} packets missing, {dropped} dropped: {missing[:5]}")
        if report.outcome == "continued" and sent - 1 - last > unsent + 2:
            report.wrong.append(f"the last {sent - 1 - last} packets never came")

    def in_effect(self) -> list[int]:
        """Transparent: a resumed server has forgotten what it took after the handle.

        A new one, where the handle was refused, has heard nothing: it is asked again what was not
        answered, and the rest, which was taken once, is told to it in words.
        """
        effect: dict[int, list[int]] = {}
        taken: set[int] = set()
        last: list[int] = []
        for connection in self.connections:
            if connection.resumed_from:
                origin, index = self.handles[connection.resumed_from]
                numbers = [number for number in origin.numbers[:index] if number is not None]
                before = effect[id(origin)] + numbers
            else:
                before = sorted(taken - set(connection.taken))
            effect[id(connection)] = before
            if connection.accepted:
                last = before + connection.taken
                taken.update(connection.taken)
        return last


class _Connector:
    """The client's end: notes what was handed over."""

    def __init__(self, storm: _Storm, inner: MemoryConnector) -> None:
        self._storm = storm
        self._inner = inner

    async def connect(self, url, headers, *, timeout_s):
        channel = await self._inner.connect(url, headers, timeout_s=timeout_s)
        return _Handing(channel, self._storm)


class _Handing:
    def __init__(self, channel, storm: _Storm) -> None:
        self._channel = channel
        self._storm = storm
        self.receive, self.close = channel.receive, channel.close
        self._handed: list[int] = []
        storm.opened.append(self._handed)

    async def send(self, data: bytes) -> None:
        await self._channel.send(data)
        if (number := _number(json.loads(data))) is not None:
            self._handed.append(number)


class _Witness:
    """The server's end of a channel; notes what passes."""

    def __init__(self, channel, connection: _Connection, storm: _Storm) -> None:
        self._channel = channel
        self._connection = connection
        self._storm = storm
        self.misbehave = channel.misbehave

    async def receive(self) -> bytes:
        data = await self._channel.receive()
        message = json.loads(data)
        if "setup" in message:
            wish = message["setup"].get("sessionResumption") or {}
            self._connection.resumed_from = wish.get("handle", "")
            return data
        self._connection.messages += 1
        number = _number(message)
        self._connection.numbers.append(number)
        if number is not None:
            self._connection.taken.append(number)
        return data

    async def send(self, data: bytes) -> None:
        self._connection.accepted = True
        if b"newHandle" in data and data.endswith(b"}\n"):  # not cut short by a fault
            update = json.loads(data)["sessionResumptionUpdate"]
            index = int(update.get("lastConsumedClientMessageIndex", 0))
            self._storm.handles[update["newHandle"]] = (self._connection, index)
        await self._channel.send(data)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._channel.close(code, reason)


def _number(message: dict) -> int | None:
    blob = message.get("realtimeInput", {}).get("audio")
    return int(blob["number"]) if blob else None


def _packet(number: int) -> bytes:
    """Silence with a number on it: the service ignores what it does not know inside a blob."""
    blob = {"mimeType": "audio/pcm;rate=16000", "data": _SILENCE, "number": str(number)}
    return json.dumps({"realtimeInput": {"audio": blob}}).encode()


def _weather(rng: random.Random, seed: int) -> list:
    """Faults: a break at the message whose number the seed is, and some at random."""
    first = rng.choice([Drop, Close])
    faults: list = [first(session=0, number=seed % 200, direction=rng.choice(["server", "client"]))]
    for session in range(1, 12):
        if rng.random() < 0.7:
            faults.append(_fault(rng, session))
    return faults


def _fault(rng: random.Random, session: int):
    when = {"session": session, "number": rng.randrange(0, 150)}
    kinds = [
        lambda: Drop(**when),
        lambda: Drop(**when, direction="client"),
        lambda: Drop(session=session, at_s=rng.uniform(0, 60)),
        lambda: Close(**when, code=rng.choice(_CODES), reason=""),
        lambda: Close(session=session, at_s=rng.uniform(0, 60), code=rng.choice(_CODES)),
        lambda: HalfOpen(**when),
        lambda: Stall(**when, duration_s=rng.uniform(0.5, 30)),
        lambda: RefusedResume(session=session),
        lambda: Close(session=session, kind="resume", direction="client", code=1011),
        lambda: WithheldHandle(session=session),
        lambda: Malformed(**when),
        lambda: Oversized(**when),
        lambda: Duplicate(**when),
        lambda: EmptyTurn(**when),
        lambda: PhantomInterruption(**when),
    ]
    return rng.choice(kinds)()
