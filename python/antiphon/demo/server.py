"""The server of the demo: ``antiphon emulator`` in a process of its own, and what it sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from antiphon.audio.wav import read_wav
from antiphon.conversation.verify import SentTurn
from antiphon.errors import ConnectError, RecordingError

__all__ = ["read_sent", "running_emulator"]

_START_S = 30.0
_STOP_S = 5.0
_COMMAND = "from antiphon.cli import main; raise SystemExit(main())"


@contextlib.asynccontextmanager
async def running_emulator(record_dir: Path) -> AsyncIterator[str]:
    """Run the emulator on a free port; gives its URL, and ends it afterwards.

    Raises:
        ConnectError: It did not start; its own words are in the message.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", _COMMAND, "emulator", "--port", "0", "--record", str(record_dir), "--until-eof"),
        stdin=asyncio.subprocess.PIPE,  # ends with us, whatever ends us
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stderr = _Tail(process.stderr)
    try:
        yield await _read_url(process, stderr)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        await stderr.finish()


class _Tail:
    """Keeps reading a stream, so that its writer never blocks, and remembers its end."""

    def __init__(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        self._stream = stream
        self._last = b""
        self._reading = asyncio.create_task(self._read(), name="emulator's messages")

    async def finish(self) -> str:
        """Read to the end; return the last of it."""
        await self._reading
        return self._last.decode(errors="replace").strip()

    async def _read(self) -> None:
        while data := await self._stream.read(4096):
            self._last = (self._last + data)[-2000:]


async def _read_url(process: asyncio.subprocess.Process, stderr: _Tail) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_S):
            async for line in process.stdout:
                if b"ws://" in line:
                    return "ws://" + line.decode().split("ws://", 1)[1].split()[0].rstrip("/")
    except TimeoutError:
        raise ConnectError(
            f"The local server did not say within {_START_S:.0f} s where it listens. Run "
            "`antiphon emulator` to see why."
        ) from None
    code = await process.wait()
    raise ConnectError(
        f"The local server ended with code {code} before it was ready. It said: "
        f"{await stderr.finish() or 'nothing'}"
    )


def read_sent(record_dir: Path) -> list[SentTurn]:
    """What the server really sent in its first session: one entry a turn with audio, in order.

    Raises:
        RecordingError: There is no record of a session.
    """
    records = sorted(record_dir.glob("session-*.jsonl"))
    if not records:
        raise RecordingError(f"The local server left no record of a session in {record_dir}.")
    events = [json.loads(line) for line in records[0].read_text("utf-8").splitlines()]
    return [_sent_turn(record_dir, e) for e in events if e["event"] == "turn_ended" and e["wav"]]


def _sent_turn(record_dir: Path, ended: dict[str, Any]) -> SentTurn:
    pcm, rate_hz = read_wav(record_dir / ended["wav"])
    return SentTurn(
        turn=ended["turn"] + 1,  # the server counts from 0, the client from 1
        pcm=np.ascontiguousarray(pcm[:, 0]),
        rate_hz=rate_hz,
        text=ended["text_sent"],
        interrupted=ended["interrupted"],
    )
