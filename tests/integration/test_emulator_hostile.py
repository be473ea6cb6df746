"""Clients that mean harm, or know no better: the server goes on, and keeps nothing of them.

`make test-hostile` adds 10,000 connects.
"""

import asyncio
import base64
import contextlib
import gc
import json
import os
import random
import resource
import socket
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import websockets

from antiphon.emulator import Echo, Emulator, Recognizer, Settings, Voice
from antiphon.emulator.jobs import Speech

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
MODEL = "models/gemini-live-2.5-flash-preview"
SETUP = {"setup": {"model": MODEL, "generationConfig": {"responseModalities": ["TEXT"]}}}
UPGRADE = (
    f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
).encode()
LIMIT_S = 20.0


class Tones:
    def synthesize(self, text, voice):
        return Speech(np.full(240 * len(text), 1000, "<i2").tobytes())


def frame(opcode, data=b"", *, fin=True, masked=True, claimed=None):
    """One frame as a client makes it, or as none may."""
    size = len(data) if claimed is None else claimed
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head = bytes([size | mask_bit])
    elif size < 2**16:
        head = bytes([126 | mask_bit]) + struct.pack("!H", size)
    else:
        head = bytes([127 | mask_bit]) + struct.pack("!Q", size)
    mask = bytes(4) if masked else b""
    return bytes([opcode | (0x80 if fin else 0)]) + head + mask + data


def text_frame(message):
    return frame(1, json.dumps(message).encode())


def typed(text):
    turns = [{"role": "user", "parts": [{"text": text}]}]
    return {"clientContent": {"turns": turns, "turnComplete": True}}


async def opened(emulator, *frames):
    """A connection after the upgrade, with these frames sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
    writer.write(UPGRADE)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT_S)
    assert head.startswith(b"HTTP/1.1 101")
    writer.write(b"".join(frames))
    return reader, writer


async def ended(reader, writer):
    """All that the server sends until it has closed."""
    try:
        data = await asyncio.wait_for(reader.read(), LIMIT_S)
    except ConnectionError:
        data = b""
    await gone(writer)
    return data


async def gone(writer):
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def counts():
    gc.collect()
    folder = Path("/proc/self/fd")
    fds = len(list(folder.iterdir())) if folder.is_dir() else 0
    return len(asyncio.all_tasks()), fds, threading.active_count()


async def is_served(emulator):
    async with websockets.connect(emulator.url + PATH) as client:
        await client.send(json.dumps(SETUP))
        await client.send(json.dumps(typed("still there")))
        said = ""
        while True:
            message = json.loads(await asyncio.wait_for(client.recv(), LIMIT_S))
            content = message.get("serverContent", {})
            for part in content.get("modelTurn", {}).get("parts", []):
                said += part.get("text", "")
            if content.get("turnComplete"):
                assert said.strip() == "still there"
                return


def survives(abuse):
    """Whatever the client does: others are served, and nothing of it is left."""

    async def main():
        settings = Settings(reply_delay_s=(0, 0), speed=(50, 100))
        recognizer = Recognizer(enabled=False)
        voice = Voice([Tones()])
        emulator = Emulator(brain=Echo(), settings=settings, voice=voice, recognizer=recognizer)
        async with emulator:
            await is_served(emulator)
            await settled(emulator)
            before = counts()
            await abuse(emulator)
            await is_served(emulator)
            await settled(emulator)
            after = counts()
            assert after[0] == before[0]
            assert after[1] <= before[1]
            assert after[2] <= before[2] + 3  # the threads of the voice start when needed

    asyncio.run(main())


async def settled(emulator):
    """Every connection has ended on the server's side too."""
    async with asyncio.timeout(LIMIT_S):
        while (  # noqa: ASYNC110 - there is no event for it
            emulator._server.connections or emulator._door.inside or len(asyncio.all_tasks()) > 2
        ):
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- before the upgrade


@pytest.mark.parametrize(
    "data",
    [
        *(random.Random(seed).randbytes(4_000) for seed in range(5)),
        b"GET / HTTP/1.1\r\n" + b"X-Bomb: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(20_000)) + b"\r\n",
        UPGRADE[:-2] + b"".join(b"X-%d: a\r\n" % n for n in range(300)) + b"\r\n",
        UPGRADE[:-2] + b"X-Long: " + b"a" * 12_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n" + bytes(1_200_000),
    ],
    ids=lambda data: f"{data[:12]!r} {len(data)}",
)
def test_what_is_no_handshake(data):
    async def abuse(emulator):
        reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
        writer.write(data)
        writer.write_eof()
        answer = await ended(reader, writer)
        assert not answer or answer.startswith(b"HTTP/1.1 4")

    survives(abuse)


def test_connections_that_break_in_every_phase():
    async def abuse(emulator):
        whole = UPGRADE + text_frame(SETUP) + text_frame(typed("hello " * 40))
        for cut in [*range(0, len(whole), 17), len(whole)]:
            _, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
            writer.write(whole[:cut])
            await writer.drain()
            await asyncio.sleep(0)
            await gone(writer)

    survives(abuse)


# ---------------------------------------------------------------- after it


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (frame(1, b'{"setup": {}}', masked=False), 1002),
        (frame(2, b"half", claimed=2**40), 1009),
        (frame(2, b"half", claimed=2**63 + 1), 1009),
        (frame(3, b"reserved"), 1002),
        (frame(0, b"goes on with nothing"), 1002),
        (frame(9, bytes(126)), 1002),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(1, b"", fin=False) + frame(0, b"", fin=False) * 5_000, 1009),
        (frame(2, b" " * 9_000_000, fin=False) + frame(0, b" " * 9_000_000), 1009),
        (frame(2, random.Random(1).randbytes(2_000)), 1007),
        (frame(1, b'{"setup":' * 50_000), 1007),
        (frame(1, b'{"a":' * 150 + b"{}" + b"}" * 150), 1007),
        (frame(1, b'{"clientContent":{"turns":[' + b"{}," * 200_000 + b"{}]}}"), 1007),
    ],
)
def test_frames_that_cannot_be_taken(frames, code):
    async def abuse(emulator):
        reader, writer = await opened(emulator, frames)
        close = await asyncio.wait_for(reader.readexactly(4), LIMIT_S)
        assert close[:1] == b"\x88"
        assert struct.unpack("!H", close[2:])[0] == code
        writer.write(frame(8, close[2:]))
        await ended(reader, writer)

    survives(abuse)


def test_half_a_frame_and_then_nothing():
    async def abuse(emulator):
        for part in (b"\x81", frame(1, b"{", claimed=1_000), frame(1, b"{", fin=False)):
            _, writer = await opened(emulator, part)
            await writer.drain()
            await gone(writer)

    survives(abuse)


def test_random_frames():
    async def abuse(emulator):
        for seed in range(40):
            rng = random.Random(seed)
            frames = [
                frame(
                    rng.choice([0, 1, 2, 8, 9, 10, rng.randrange(16)]),
                    rng.randbytes(rng.randrange(125)),
                    fin=rng.random() < 0.7,
                )
                for _ in range(30)
            ]
            reader, writer = await opened(emulator, *frames)
            writer.write_eof()
            await ended(reader, writer)

    survives(abuse)


def test_a_flood_of_pings_that_is_not_read():
    async def abuse(emulator):
        _, writer = await opened(emulator)
        writer.transport.pause_reading()
        (connection,) = emulator._server.connections
        for _ in range(200):
            writer.write(frame(9, bytes(125)) * 1_000)
            await writer.drain()
            assert connection.transport.get_write_buffer_size() < 512 * 1024
        await gone(writer)

    survives(abuse)


def test_a_client_that_talks_and_never_reads():
    async def abuse(emulator):
        endless = {"contextWindowCompression": {"slidingWindow": {}}}
        _, writer = await opened(emulator, text_frame({"setup": SETUP["setup"] | endless}))
        writer.transport.pause_reading()
        (connection,) = emulator._server.connections
        for transport, option in (
            (writer.transport, socket.SO_RCVBUF),
            (connection.transport, socket.SO_SNDBUF),
        ):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, 8_192)
        questions = text_frame(typed("word " * 100)) * 100
        sent = 0
        try:
            while sent < 1_000:
                writer.write(questions)
                async with asyncio.timeout(1.0):
                    await writer.drain()
                sent += 1
        except TimeoutError:
            pass  # it does not listen any more
        assert sent < 1_000
        assert emulator.sessions[-1].close_code is None
        assert connection.transport.get_write_buffer_size() < 2 * 1024 * 1024
        await gone(writer)

    survives(abuse)


def test_audio_without_end_that_nobody_can_recognize_in_time():
    async def abuse(emulator):
        sound = random.Random(0).randbytes(320_000)
        audio = {"data": base64.b64encode(sound).decode(), "mimeType": "audio/pcm"}
        manual = {"automaticActivityDetection": {"disabled": True}}
        setup = {"setup": SETUP["setup"] | {"realtimeInputConfig": manual}}
        utterance = b"".join(
            text_frame({"realtimeInput": part})
            for part in ({"activityStart": {}}, {"audio": audio}, {"activityEnd": {}})
        )
        _, writer = await opened(emulator, text_frame(setup), utterance * 20)
        await writer.drain()
        await gone(writer)

    survives(abuse)


def connect_in_a_row(number):
    async def abuse(emulator):
        kinds = (b"", UPGRADE[:60], UPGRADE, UPGRADE + text_frame(SETUP))
        for n in range(number):
            reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
            sent = kinds[n % len(kinds)]
            writer.write(sent)
            await asyncio.sleep(0)
            if UPGRADE in sent:
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT_S)
            if sent.startswith(UPGRADE) and sent != UPGRADE:
                await asyncio.wait_for(reader.readuntil(b"setupComplete"), LIMIT_S)
            await gone(writer)
        await settled(emulator)
        if number >= 10_000:
            rss_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(f"{number} connects: {counts()}, RSS at most {rss_kib} KiB", file=sys.stderr)  # noqa: T201

    return abuse


def test_300_connects():
    survives(connect_in_a_row(300))


@pytest.mark.skipif("ANTIPHON_HOSTILE" not in os.environ, reason="make test-hostile runs it")
@pytest.mark.timeout(300)
def test_10000_connects():
    rss_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"before: RSS at most {rss_kib} KiB", file=sys.stderr)  # noqa: T201
    survives(connect_in_a_row(10_000))
