"""Timing traces of real sessions with the local server, over a line with jitter."""

import asyncio
import base64
import errno
import json
import random
from itertools import accumulate

import numpy as np
import pytest

from antiphon import LiveModel, LiveSession, RecordingError, SessionClosed, SetupRejected
from antiphon.channel import ChannelClosed, memory_channel_pair
from antiphon.emulator import Emulator, Voice
from antiphon.emulator.session.jobs import Speech
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import GoogleAI

KEY = "key-that-must-never-show"
WORDS = "the quick brown fox jumps over the lazy dog"


class Tone:
    """Speaks in a sine, 60 ms a character."""

    def synthesize(self, text, voice):
        tone = 8000 * np.sin(2 * np.pi * 220 / 24_000 * np.arange(1440 * len(text)))
        return Speech(tone.astype("<i2").tobytes())


class Line:
    """The server's end of a channel: what is sent arrives later, in order, and is noted."""

    def __init__(self, channel, seed):
        self.channel = channel
        self.arrived = []  # (loop time, message)
        self.random = random.Random(seed)
        self.sent = asyncio.Queue()
        self.pump = asyncio.create_task(self.carry())

    async def send(self, data):
        loop = asyncio.get_running_loop()
        await self.sent.put((loop.time() + self.random.choice([0.15, 0.16, 0.35]), data))

    async def carry(self):
        loop = asyncio.get_running_loop()
        while True:
            due_s, data = await self.sent.get()
            await asyncio.sleep(due_s - loop.time())
            try:
                await self.channel.send(data)
            except ChannelClosed:
                return
            self.arrived.append((loop.time(), json.loads(data)))

    async def receive(self):
        return await self.channel.receive()

    async def close(self, code=1000, reason=""):
        await self.channel.close(code, reason)

    def expected(self, start_s=0.0):
        """The turns that came over the line: the arrival of every 1 ms of audio, and the ends."""
        turns, fresh = [], True
        for at_s, message in self.arrived:
            content = message.get("serverContent", {})
            at_us = round((at_s - start_s) * 1e6)
            size_ms = audio_ms(content)
            if size_ms and fresh:
                turns.append({"arrived": [], "flush_us": None, "end_us": None})
                fresh = False
            if not turns:
                continue
            turn = turns[-1]
            if turn["flush_us"] is None:
                turn["arrived"] += [at_us] * size_ms
            if "interrupted" in content:
                turn["flush_us"] = at_us
            if {"generationComplete", "turnComplete"} & set(content) and turn["end_us"] is None:
                turn["end_us"] = at_us
            fresh = fresh or "turnComplete" in content
        return turns


def audio_ms(content):
    parts = content.get("modelTurn", {}).get("parts", [])
    data = [part["inlineData"]["data"] for part in parts if "inlineData" in part]
    return sum(len(base64.b64decode(item)) for item in data) // 48


class Connector:
    """Connects to the local server over a `Line`."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.lines, self.serving = [], []

    async def connect(self, url, headers, *, timeout_s):
        ours, theirs = memory_channel_pair()
        self.lines.append(Line(theirs, seed=len(self.lines)))
        self.serving.append(asyncio.create_task(self.emulator.handle(self.lines[-1], url, headers)))
        return ours


class World:
    """A server, a model that leads to it, and a place for a trace."""

    def __init__(self, tmp_path, **settings):
        self.emulator = Emulator(voice=Voice([Tone()]), api_key=KEY)
        self.connector = Connector(self.emulator)
        self.path = tmp_path / "trace.jsonl"
        self.model = LiveModel(
            backend=GoogleAI(api_key=KEY, base_url="ws://emulator.invalid"),
            connector=self.connector,
            continuity=None,
            **settings,
        )

    def run(self, use):
        async def main():
            try:
                return await use(self)
            finally:
                for line in self.connector.lines:
                    await line.close(1001)
                    line.pump.cancel()
                await asyncio.gather(*self.connector.serving)
                self.emulator.close()

        return run_in_virtual_time(main())

    def connect(self):
        return self.model.connect(timing_trace=self.path)

    @property
    def line(self):
        return self.connector.lines[0]

    def trace(self):
        header, *lines = self.path.read_text().splitlines()
        return json.loads(header), [json.loads(line) for line in lines]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def told(turn):
    """A turn of a trace in the form of `Line.expected`."""
    chunks = list(accumulate(turn["dchunk_us"]))
    return {
        "arrived": [at_us for at_us in chunks for _ in range(turn["chunk_ms"])],
        "flush_us": turn["flush_us"],
        "end_us": turn["end_us"],
    }


async def until(session: LiveSession, wanted):
    async for message in session.receive():
        if wanted(message):
            return
    raise AssertionError("the session ended before")


def test_the_trace_is_what_came_over_the_line(world):
    async def use(world):
        await asyncio.sleep(12.5)  # the trace counts from the connection, not from the loop's 0
        async with world.connect() as session:
            for _ in range(3):
                await session.ask(WORDS)
        return session

    session = world.run(use)
    header, turns = world.trace()
    expected = world.line.expected(start_s=12.5)
    assert [told(turn) for turn in turns] == expected
    assert header["n_turns"] == len(turns) == 3
    sent_ms = [turn.frames_sent // 24 for turn in world.emulator.sessions[0].turns]
    assert [turn["media_ms"] for turn in turns] == sent_ms
    assert turns[2]["media0_ms"] == sent_ms[0] + sent_ms[1] + 1000
    assert len(set(expected[0]["arrived"])) > 10, "a turn comes in many messages"
    assert header["left_out_ms"] == 0
    assert session.timing_error is None


def test_a_session_in_text_is_traced_as_well(tmp_path):
    from antiphon import LiveGenerationConfig

    world = World(tmp_path, config=LiveGenerationConfig(response_modalities=["TEXT"]))

    async def use(world):
        async with world.connect() as session:
            assert (await session.ask(WORDS)).text

    world.run(use)
    assert [told(turn) for turn in world.trace()[1]] == world.line.expected()


def test_an_interruption_by_the_user_is_a_flush(world):
    async def use(world):
        async with world.connect() as session:
            await session.send_text_realtime(WORDS)
            await until(session, lambda message: message.audio_duration_s)
            await session.send_text_realtime("Stop!")
            await until(session, lambda message: message.interrupted)
            await until(session, lambda message: message.turn == 2 and message.turn_complete)

    world.run(use)
    _, turns = world.trace()
    assert [told(turn) for turn in turns] == world.line.expected()
    assert turns[0]["flush_us"] is not None
    assert turns[0]["end_us"] is not None  # of turnComplete, which follows
    assert turns[1]["flush_us"] is None


def test_an_interruption_by_the_application_is_a_flush_where_it_was_said(world):
    async def use(world):
        async with world.connect() as session:
            await session.send_text_realtime(WORDS)
            await until(session, lambda message: message.audio_duration_s)
            await session.interrupt()
            now_us = round(asyncio.get_running_loop().time() * 1e6)
            await session.interrupt()
            await until(session, lambda message: message.turn_complete)
            await session.interrupt()  # nothing is running
            return now_us

    now_us = world.run(use)
    header, (turn,) = world.trace()
    assert turn["flush_us"] == now_us
    (sent,) = world.line.expected()
    assert told(turn)["arrived"] == [at_us for at_us in sent["arrived"] if at_us <= now_us]
    late_ms = sum(audio_ms(m.get("serverContent", {})) for _, m in world.line.arrived)
    assert header["left_out_ms"] == late_ms - turn["media_ms"] > 0


@pytest.mark.parametrize("code", [1006, 1011])
def test_a_session_that_breaks_leaves_what_came(world, code):
    async def use(world):
        async with world.connect() as session:
            await session.ask(WORDS)
            await session.send_text_realtime(WORDS)
            await until(session, lambda message: message.audio_duration_s)
            await world.line.close(code)
            with pytest.raises(SessionClosed):
                await until(session, lambda message: False)

    world.run(use)
    header, turns = world.trace()
    assert header["n_turns"] == 2
    assert [told(turn) for turn in turns] == world.line.expected()
    assert [turn["end_us"] is None for turn in turns] == [False, True]


def test_a_task_that_is_cancelled_leaves_what_came(world):
    async def use(world):
        async def talk():
            async with world.connect() as session:
                while True:
                    await session.ask(WORDS)

        task = asyncio.create_task(talk())
        await asyncio.sleep(20)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    world.run(use)
    header, turns = world.trace()
    assert header["n_turns"] == len(turns) >= 2
    assert [told(turn) for turn in turns] == world.line.expected()


def test_a_session_that_nobody_closes_leaves_its_complete_turns(world):
    async def use(world):
        session = await world.connect()
        await session.ask(WORDS)
        session._timing._waiting[-1].result(10)
        trace = world.trace()
        await session.close()
        return trace

    header, (turn,) = world.run(use)
    assert header["n_turns"] == 1
    assert told(turn) == world.line.expected()[0]
    assert turn["end_us"] is not None


def test_neither_sound_nor_words_nor_keys_are_in_the_file(tmp_path):
    world = World(tmp_path, system_instruction="Say nothing of Xanadu.")

    async def use(world):
        async with world.connect() as session:
            for _ in range(3):
                await session.ask(f"{WORDS} Xanadu")

    world.run(use)
    data = world.path.read_bytes()
    for secret in (KEY, "Xanadu", *WORDS.split(), "ws://", str(tmp_path)):
        assert secret.encode() not in data, secret
    header, turns = world.trace()
    assert set(header) == {
        *("v", "regime", "cls", "seed", "ppm", "n_turns", "library", "model", "left_out_ms")
    }
    words = {value for turn in turns for value in turn.values() if isinstance(value, str)}
    assert words <= {"burst", "fast", "near", "slow"}
    # Times and sizes only: nothing that grows with the sound.
    messages = sum(bool(audio_ms(m.get("serverContent", {}))) for _, m in world.line.arrived)
    media_ms = sum(turn["media_ms"] for turn in turns)
    assert len(data) < 256 + 3 * 150 + 8 * messages + 3 * media_ms / min(
        turn["chunk_ms"] for turn in turns
    )


def test_a_path_that_cannot_be_written_costs_no_connection(world, tmp_path):
    async def use(world):
        with pytest.raises(RecordingError, match="no-such-folder"):
            await world.model.connect(timing_trace=tmp_path / "no-such-folder" / "trace.jsonl")

    world.run(use)
    assert world.connector.lines == []


def test_a_disk_that_fails_later_does_not_disturb(world, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    async def use(world):
        async with world.connect() as session:
            await session.ask(WORDS)
            session._timing._waiting[-1].result(10)
            monkeypatch.setattr(session._timing._file, "put", full)
            replies = [await session.ask(WORDS) for _ in range(2)]
            assert all(reply.audio is not None for reply in replies)
        return session

    session = world.run(use)
    assert isinstance(session.timing_error, RecordingError)
    assert world.trace()[0]["n_turns"] == 1


def test_a_refused_session_leaves_an_empty_trace(world):
    world.model.backend = GoogleAI(api_key="wrong", base_url="ws://emulator.invalid")

    async def use(world):
        with pytest.raises(SetupRejected):
            await world.connect()

    world.run(use)
    header, turns = world.trace()
    assert (header["n_turns"], turns) == (0, [])


def test_without_the_wish_nothing_is_written(world, tmp_path):
    async def use(world):
        async with world.model.connect() as session:
            await session.ask(WORDS)
            assert session.timing_error is None

    world.run(use)
    assert list(tmp_path.iterdir()) == []
