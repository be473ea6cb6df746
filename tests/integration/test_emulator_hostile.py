"""Clients that mean harm, or are broken: the server goes on, and nothing of them is left.

``make test-hostile`` adds 10,000 connects.
"""

import asyncio
import contextlib
import gc
import ipaddress
import json
import random
import socket
import struct
import threading
from pathlib import Path

import pytest
import websockets
from hostile_support import MIB, PATH, SETUP, TEXT_MODEL, Mutator, Tones, spoken, typed

from antiphon.emulator import Echo, Emulator, Recognizer, Settings, Voice
from antiphon.emulator import server as server_module
from antiphon.emulator.http import door as door_module
from antiphon.emulator.http import websocket as websocket_module
from antiphon.emulator.session.jobs import Recognition
from antiphon.emulator.world import driver as driver_module

UPGRADE = (
    f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
).encode()
# Nothing is asserted about time: whoever waits so long waits in vain.
IN_VAIN_S = 25.0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """What only waits for a client that is gone is not waited for here."""
    monkeypatch.setattr(server_module, "_CLOSE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(websocket_module, "_DROP_TIMEOUT_S", 0.2)


def frame(opcode, data=b"", *, fin=True, masked=True, claims=None):
    """A frame of a client, or of one that does not know how."""
    size = len(data) if claims is None else claims
    long = (
        b"" if size < 126 else struct.pack("!H", size) if size < 2**16 else struct.pack("!Q", size)
    )
    short = size if size < 126 else 126 if size < 2**16 else 127
    head = bytes([opcode | fin << 7, short | masked << 7]) + long
    return head + (bytes(4) if masked else b"") + data  # the mask that changes nothing


def text_frame(message):
    return frame(1, json.dumps(message).encode())


async def connected(emulator, data=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
    writer.write(data)
    return reader, writer


async def upgraded(emulator, *frames):
    reader, writer = await connected(emulator, UPGRADE)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IN_VAIN_S)
    assert answer.startswith(b"HTTP/1.1 101 ")
    writer.write(b"".join(frames))
    return reader, writer


async def drop(writer):
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def rest(reader):
    """All that comes until the server ends the connection."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), IN_VAIN_S)
    return b""


async def until(condition):
    async with asyncio.timeout(IN_VAIN_S):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def is_served(emulator, text="still there", setup=SETUP):
    """Someone with manners gets an answer."""
    async with websockets.connect(emulator.url + PATH, max_size=None) as client:
        await client.send(json.dumps(setup))
        await client.send(json.dumps(typed(text)))
        while True:
            message = json.loads(await asyncio.wait_for(client.recv(), IN_VAIN_S))
            if message.get("serverContent", {}).get("turnComplete"):
                return


def is_idle(emulator):
    return not (emulator._inside or emulator._server.connections or emulator._door.inside)


def counts():
    """Tasks, open files, threads."""
    gc.collect()
    folder = Path("/proc/self/fd")
    files = len(list(folder.iterdir())) if folder.is_dir() else 0
    return len(asyncio.all_tasks()), files, threading.active_count()


def rss_mib():
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    lines = status.read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def survives(abuse, **options):
    """Run it against a server: afterwards others are served, and counts are as before."""

    async def main():
        defaults = {
            "brain": Echo(),
            "settings": Settings(reply_delay_s=(0, 0), speed=(50, 100)),
            "voice": Voice([Tones()]),
            "recognizer": Recognizer(enabled=False),
        }
        async with Emulator(**defaults | options) as emulator:
            await is_served(emulator)
            await until(lambda: is_idle(emulator))
            before = counts()
            await abuse(emulator)
            await is_served(emulator)
            await until(lambda: is_idle(emulator) and len(asyncio.all_tasks()) <= before[0])
            after = counts()
            assert after[1] <= before[1]
            assert after[2] <= before[2] + 5  # voices and the ear, which start when needed

    asyncio.run(main())


_NOISE = random.Random(0).randbytes(20_000)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00" + _NOISE[:512],
        _NOISE,
        UPGRADE.replace(b"GET", b"POST"),
        UPGRADE.replace(PATH.encode(), b"/../../etc/passwd"),
        UPGRADE.replace(PATH.encode(), b"http://[::1"),
        UPGRADE.replace(PATH.encode(), b"/" * 7_000),
        UPGRADE[:-2] + b"X: " + b"y" * 200_000,
        UPGRADE[:-2] + b"X: y\r\n" * 1_000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
        + bytes(1_200_000),
        UPGRADE[:-2] + b"Content-Length: 9999999999\r\n\r\n",
        UPGRADE[:-2] + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
    ids=lambda data: f"{data[:20]!r} {len(data)}",
)
def test_what_is_no_upgrade(data):
    async def abuse(emulator):
        reader, writer = await connected(emulator, data)
        answer = await rest(reader)
        assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
        await drop(writer)

    survives(abuse)


def test_half_a_handshake_and_then_silence(monkeypatch):
    """They are ended without their help; meanwhile others come in."""
    monkeypatch.setattr(door_module, "_TIMEOUT_S", 0.3)

    async def abuse(emulator):
        silent = [await connected(emulator, UPGRADE[:n]) for n in range(len(UPGRADE) - 1)]
        await is_served(emulator)
        for reader, writer in silent:
            await rest(reader)
            await drop(writer)

    survives(abuse)


def test_who_waits_at_the_door_longest_goes_first(monkeypatch):
    monkeypatch.setattr(door_module, "_MAX_INSIDE", 10)

    async def abuse(emulator):
        silent = [await connected(emulator, UPGRADE[:40]) for _ in range(30)]
        for reader, writer in silent[:20]:
            await rest(reader)
            await drop(writer)
        assert len(emulator._door.inside) == 10
        await is_served(emulator)
        for _, writer in silent[20:]:
            await drop(writer)

    survives(abuse)


def test_half_a_tls_handshake_and_then_silence(monkeypatch):
    monkeypatch.setattr(server_module, "_TLS_TIMEOUT_S", 0.3)

    async def main():
        async with Emulator(tls=True, recognizer=Recognizer(enabled=False)) as emulator:
            for part in (b"", b"\x16\x03\x01\x02\x00\x01", _NOISE):
                reader, writer = await connected(emulator, part)
                await rest(reader)
                await drop(writer)
            async with websockets.connect(
                emulator.url + PATH, ssl=emulator.tls.client_context()
            ) as client:
                await client.send(json.dumps(SETUP))
                assert b"setupComplete" in await asyncio.wait_for(client.recv(), IN_VAIN_S)

    asyncio.run(main())


def test_it_listens_on_loopback_only():
    async def main():
        async with Emulator(recognizer=Recognizer(enabled=False)) as emulator:
            names = [each.getsockname()[0] for each in emulator._server.sockets]
            assert [ipaddress.ip_address(name).is_loopback for name in names] == [True]

    asyncio.run(main())


def test_more_connections_than_are_taken(monkeypatch):
    monkeypatch.setattr(server_module, "_MAX_CONNECTIONS", 5)

    async def abuse(emulator):
        inside = [await upgraded(emulator) for _ in range(5)]
        reader, writer = await connected(emulator, UPGRADE)
        assert (await rest(reader)).startswith(b"HTTP/1.1 503 ")
        await drop(writer)
        for _, each in inside:
            await drop(each)
        await until(lambda: not emulator._inside)

    survives(abuse)


_DEEP = b'{"setup":' * 120 + b"{}" + b"}" * 120


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(1, b"{}", masked=False), 1002),
        (frame(3), 1002),
        (frame(0, b"of what?"), 1002),
        (frame(9, bytes(126)), 1002),
        (frame(9, b"", fin=False), 1002),
        (frame(8, b"\x00"), 1002),
        (frame(2, b"", claims=16 * MIB + 1), 1009),
        (frame(2, b"", claims=2**63 - 1), 1009),
        (b"".join(frame(2 if not n else 0, b" " * MIB, fin=False) for n in range(17)), 1009),
        (frame(1, b"", fin=False) + frame(0, b"", fin=False) * 5_000, 1009),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(2, _NOISE), 1007),
        (frame(1, b"[" * MIB), 1007),
        (frame(1, _DEEP), 1007),
        (frame(1, b'{"setup":[' + b"{}," * 5_000_000 + b"{}]}"), 1007),
        (text_frame({"setup": {"model": TEXT_MODEL, "systemInstruction": {"parts": [
            {"text": "x" * 10 * MIB}]}}}), 1007),
        (text_frame({"setup": {"model": TEXT_MODEL, "tools": [{"functionDeclarations": [
            {"name": f"f{n}"} for n in range(100_000)]}]}}), 1007),
    ],
    ids=range(17),
)  # fmt: skip
def test_what_is_no_message(data, code):
    async def abuse(emulator):
        reader, writer = await upgraded(emulator)
        # The server may close before it has all.
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(data), MIB):
                writer.write(data[at : at + MIB])
                await writer.drain()
        close = await asyncio.wait_for(reader.readexactly(4), IN_VAIN_S)
        assert close[0] == 0x88
        assert int.from_bytes(close[2:], "big") == code
        await drop(writer)

    survives(abuse)


def test_random_frames_over_sockets():
    async def abuse(emulator):
        for seed in range(40):
            mutator = Mutator(1_000 + seed)
            rng = mutator.rng
            opcodes = [1, 2, 2, 2, 2, 2, 2, 9, 10, rng.randrange(16)]
            frames = [
                frame(rng.choice(opcodes), mutator.frame()[:60_000], fin=rng.random() < 0.95)
                for _ in range(15)
            ]
            reader, writer = await upgraded(emulator, text_frame(SETUP), *frames)
            with contextlib.suppress(ConnectionError):
                writer.write_eof()
            await rest(reader)
            await drop(writer)

    survives(abuse)


def test_pings_whose_answers_are_not_read():
    async def abuse(emulator):
        _, writer = await upgraded(emulator)
        writer.transport.pause_reading()
        await until(lambda: len(emulator._inside) == 1)
        (connection,) = emulator._server.connections
        most = 0
        for _ in range(400):
            writer.write((frame(9, bytes(125)) + frame(10, bytes(125))) * 400)
            await writer.drain()
            await asyncio.sleep(0)
            most = max(most, connection.transport.get_write_buffer_size())
        assert 0 < most < 2 * MIB  # 20 MiB of pongs were due
        await drop(writer)

    survives(abuse)


async def deaf(emulator):
    """A client that never reads, and the server's end of it."""
    # A small window, so that it takes less to fill what lies between.
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    narrow.connect(("127.0.0.1", emulator.port))
    reader, writer = await asyncio.open_connection(sock=narrow)
    writer.write(UPGRADE + text_frame(SETUP))
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IN_VAIN_S)
    writer.transport.pause_reading()
    await until(lambda: emulator._inside)
    return writer, next(iter(emulator._inside))


def test_a_client_that_asks_and_never_reads(monkeypatch):
    """It is ended when it has taken nothing for a while; until then little is kept for it."""
    monkeypatch.setattr(driver_module, "_SEND_TIMEOUT_S", 0.5)
    monkeypatch.setattr(websocket_module, "_CLOSE_TIMEOUT_S", 0.2)

    async def abuse(emulator):
        question = text_frame(typed("Good day. " * 10))
        writer, connection = await deaf(emulator)
        record = emulator.sessions[-1]
        most = 0
        async with asyncio.timeout(IN_VAIN_S):
            while record.close_code is None:
                # For ever; what is not listened to stays on this side.
                if writer.transport.get_write_buffer_size() < MIB:
                    writer.write(question * 200)
                most = max(most, connection.transport.get_write_buffer_size())
                await asyncio.sleep(0.005)
        assert record.close_code == 1006  # nobody could be told why
        assert MIB < most < 2 * MIB
        await drop(writer)

    survives(abuse)


def test_the_server_ends_though_a_client_does_not_read(monkeypatch):
    monkeypatch.setattr(server_module, "_END_TIMEOUT_S", 0.2)

    async def main():
        async with Emulator(brain=Echo(), recognizer=Recognizer(enabled=False)) as emulator:
            writer, connection = await deaf(emulator)
            async with asyncio.timeout(IN_VAIN_S):
                while not connection.paused:
                    if writer.transport.get_write_buffer_size() < MIB:
                        writer.write(text_frame(typed("Good day. " * 10)) * 200)
                    await asyncio.sleep(0.005)
            leaving = asyncio.current_task()
            assert leaving is not None
            asyncio.get_running_loop().call_later(IN_VAIN_S, leaving.cancel)
        await drop(writer)

    asyncio.run(main())


class SlowRecognizer(Recognizer):
    """One that is never done, until it may."""

    def __init__(self):
        super().__init__(enabled=False)
        self.may = threading.Event()
        self.asked = 0

    def recognize(self, pcm, grammar):
        self.asked += 1
        self.may.wait()
        return Recognition("words")


def test_utterances_faster_than_anyone_understands_them():
    """A slow recognizer, shared by all: what waits for it is bounded, and others are spoken to."""
    recognizer = SlowRecognizer()

    async def abuse(emulator):
        manual = {"automaticActivityDetection": {"disabled": True}}
        setup = {"setup": SETUP["setup"] | {"realtimeInputConfig": manual}}
        sound = spoken(bytes(3_200))["realtimeInput"]
        utterance = b"".join(
            text_frame({"realtimeInput": part})
            for part in ({"activityStart": {}}, sound, {"activityEnd": {}})
        )
        idle = len(asyncio.all_tasks())
        try:
            _, writer = await upgraded(emulator, text_frame(setup), utterance * 1_000)
            await until(lambda: recognizer.asked == 1 and len(asyncio.all_tasks()) > idle + 8)
            spoken_to = {"setup": {"model": "models/gemini-3.8-live"}}
            await is_served(emulator, "Good day.", spoken_to)
            assert len(asyncio.all_tasks()) < idle + 20
        finally:
            recognizer.may.set()  # or the server would wait for it
        await drop(writer)

    survives(abuse, recognizer=recognizer)


def test_connections_that_break_anywhere():
    async def abuse(emulator):
        whole = UPGRADE + text_frame(SETUP) + text_frame(typed("Good day. " * 20)) + frame(8)
        for cut in [*range(0, len(whole), 11), len(whole)]:
            _, writer = await connected(emulator, whole[:cut])
            await writer.drain()
            for _ in range(cut % 4):
                await asyncio.sleep(0)
            await drop(writer)
        # And from the other side: the end of what the client sends, and nothing more.
        for cut in range(0, len(whole), 97):
            reader, writer = await connected(emulator, whole[:cut])
            writer.write_eof()
            await rest(reader)
            await drop(writer)

    survives(abuse)


def connects(number):
    """In a row, each left in another state."""

    async def abuse(emulator):
        before, rss_before = counts(), rss_mib()
        states = (b"", UPGRADE[:50], UPGRADE, UPGRADE + text_frame(SETUP))
        for n in range(number):
            state = states[n % len(states)]
            reader, writer = await connected(emulator, state)
            if state.startswith(UPGRADE):
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IN_VAIN_S)
            if len(state) > len(UPGRADE):
                await asyncio.wait_for(reader.readuntil(b"setupComplete"), IN_VAIN_S)
            await drop(writer)
        await until(lambda: is_idle(emulator) and len(asyncio.all_tasks()) <= before[0])
        assert rss_mib() < rss_before + 50  # what 5 KiB of each would be
        print(  # noqa: T201 - for whoever runs it by hand
            f"{number} connects; tasks, files, threads: {before}, then {counts()}; "
            f"RSS {rss_before:.1f} MiB, then {rss_mib():.1f}"
        )

    return abuse


def test_300_connects():
    survives(connects(300))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_10000_connects():
    survives(connects(10_000))
