"""The other end: `live-sink`, a program in Rust on the other core, and what it is given to send."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from typing import Any

from benches.rust_programs import build

CHUNK_MS = 40
RATE_HZ = 24_000
CHUNKS = 32


def chunks() -> list[bytes]:
    """The sound that is sent, again and again: 40 ms of mono int16 each."""
    dice = random.Random(7)
    return [dice.randbytes(2 * RATE_HZ * CHUNK_MS // 1000) for _ in range(CHUNKS)]


def audio_message(pcm: bytes) -> bytes:
    """As the service sends it: indented JSON."""
    data = {"mimeType": f"audio/pcm;rate={RATE_HZ}", "data": base64.b64encode(pcm).decode()}
    content = {"modelTurn": {"parts": [{"inlineData": data}]}}
    return json.dumps({"serverContent": content}, indent=2).encode() + b"\n"


class BenchServer:
    """The program on the other core; its commands are told in ``benches/live-sink``.

    Args:
        core: Its own.
        awake: It does not sleep between messages, so that no client pays for waking its core.

    Raises:
        NotBuiltError: It cannot be built.
    """

    def __init__(self, core: int | None, *, awake: bool = False) -> None:
        where = [] if core is None else ["taskset", "--cpu-list", str(core)]
        self._process = subprocess.Popen(
            [*where, str(build("live-sink")), *["awake"] * awake],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.port: int = self._answer()["port"]
        for chunk in chunks():
            self.tell("frame", json.dumps(audio_message(chunk).decode()))

    def tell(self, *words: object) -> None:
        """Give it a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self._process.stdin.flush()

    def stats(self) -> dict[str, Any]:
        """What came, and how busy it was since the last time."""
        self.tell("stats")
        return self._answer()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(5)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"live-sink ended with {self._process.wait()}.")
        answer: dict[str, Any] = json.loads(line)
        return answer
