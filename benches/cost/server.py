"""The other end: counts what comes, and sends prepared frames on schedule.

A program of its own for the other core, cheap enough never to be what is measured. It speaks just
enough WebSocket, accepts every setup, and obeys the lines of its standard input:

    play CONNECTION FRAMES RATE     send so many frames; RATE per second, 0: at once
    keep CONNECTION MESSAGES        tell that many of the next messages in full
    stats                           what came, and how busy this process was since the last time
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import random
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

CHUNK_MS = 40
RATE_HZ = 24_000
CHUNKS = 32

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PING = 9
_CLOSE = 8


def chunks() -> list[bytes]:
    """The sound that is sent, again and again: 40 ms of mono int16 each."""
    dice = random.Random(7)
    return [dice.randbytes(2 * RATE_HZ * CHUNK_MS // 1000) for _ in range(CHUNKS)]


def frames() -> list[bytes]:
    """The same as the service sends it: indented JSON in binary frames."""
    return [_frame(2, audio_message(chunk)) for chunk in chunks()]


def audio_message(pcm: bytes) -> bytes:
    data = {"mimeType": f"audio/pcm;rate={RATE_HZ}", "data": base64.b64encode(pcm).decode()}
    content = {"modelTurn": {"parts": [{"inlineData": data}]}}
    return json.dumps({"serverContent": content}, indent=2).encode() + b"\n"


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload


class Connection:
    """One client, from the upgrade on."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.messages = 0
        self.bytes = 0
        self.keep = 0
        self.kept: list[str] = []
        self.schedule: Iterator[float] | None = None
        self.due_s: float | None = None
        self._buffer = b""
        self._upgraded = False
        self._set_up = False
        self._frames = itertools.cycle(frames())

    def play(self, number: int, rate: float) -> None:
        """Send so many frames, one after the other or all at once."""
        if not rate:
            self.sock.sendall(b"".join(itertools.islice(self._frames, number)))
            return
        began_s = time.monotonic()
        self.schedule = (began_s + at / rate for at in range(number))
        self.due_s = next(self.schedule)

    def send_due(self, now_s: float) -> None:
        """Send the frames whose time has come."""
        while self.due_s is not None and self.due_s <= now_s:
            assert self.schedule is not None
            self.sock.sendall(next(self._frames))
            self.due_s = next(self.schedule, None)

    def read(self) -> bool:
        """Take what came; False: the client is gone."""
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionError:
            data = b""
        self._buffer += data
        if not self._upgraded:
            self._upgrade()
        else:
            self._take_frames()
        return bool(data)

    def _upgrade(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines}
        digest = hashlib.sha1(headers[b"sec-websocket-key"] + _GUID).digest()
        self.sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        self._upgraded, self._buffer = True, rest

    def _take_frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 14:  # no frame of a client is shorter but an empty one
            size, head = buffer[at + 1] & 127, 2
            if size == 126:
                size, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 10
            end = at + head + 4 + size
            if end > len(buffer):
                break
            opcode = buffer[at] & 15
            if opcode in (1, 2):
                self._message(buffer, at + head, end)
            elif opcode in (_PING, _CLOSE):
                answer = 10 if opcode == _PING else _CLOSE
                self.sock.sendall(_frame(answer, _unmasked(buffer[at + head : end])))
                if opcode == _CLOSE:
                    self.sock.shutdown(socket.SHUT_WR)
            at = end
        self._buffer = buffer[at:]

    def _message(self, buffer: bytes, begin: int, end: int) -> None:
        if not self._set_up:
            self._set_up = True
            self.sock.sendall(_frame(2, b'{\n  "setupComplete": {}\n}\n'))
            return
        self.messages += 1
        self.bytes += end - begin - 4
        if len(self.kept) < self.keep:
            self.kept.append(_unmasked(buffer[begin:end]).decode())


def _unmasked(masked: bytes) -> bytes:
    key = masked[:4]
    return bytes(byte ^ key[at & 3] for at, byte in enumerate(masked[4:]))


class Server:
    """All connections, in the order in which they came."""

    def __init__(self) -> None:
        self._connections: list[Connection] = []
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stdin = b""
        self._cpu_s, self._wall_s = time.process_time(), time.monotonic()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(0, selectors.EVENT_READ, self._command)

    def run(self) -> None:
        """Until the standard input ends."""
        _say({"port": self._listener.getsockname()[1]})
        while self._stdin is not None:
            due = [each.due_s for each in self._connections if each.due_s is not None]
            wait_s = max(0.0, min(due) - time.monotonic()) if due else None
            for key, _ in self._selector.select(wait_s):
                act: Callable[[], bool] = key.data
                if not act():
                    self._selector.unregister(key.fileobj)
                    if key.fileobj == 0:
                        return
            now_s = time.monotonic()
            for each in self._connections:
                each.send_due(now_s)

    def _accept(self) -> bool:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock)
        self._connections.append(connection)
        self._selector.register(sock, selectors.EVENT_READ, connection.read)
        return True

    def _command(self) -> bool:
        data = os.read(0, 4096)
        *lines, self._stdin = (self._stdin + data).split(b"\n")
        for line in lines:
            word, *numbers = line.split()
            if word == b"play":
                self._connections[int(numbers[0])].play(int(numbers[1]), float(numbers[2]))
            elif word == b"keep":
                self._connections[int(numbers[0])].keep = int(numbers[1])
            else:
                self._tell()
        return bool(data)

    def _tell(self) -> None:
        cpu_s, wall_s = time.process_time(), time.monotonic()
        busy = (cpu_s - self._cpu_s) / max(1e-9, wall_s - self._wall_s)
        self._cpu_s, self._wall_s = cpu_s, wall_s
        came = []
        for each in self._connections:
            came.append({"messages": each.messages, "bytes": each.bytes, "kept": each.kept})
            each.messages, each.bytes, each.keep, each.kept = 0, 0, 0, []
        _say({"busy": busy, "connections": came})


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    Server().run()
