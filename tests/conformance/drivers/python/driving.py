"""What the Python drivers share: a JSON line in, its sessions driven, a JSON line out.

Runs in the environments of the clients, so it imports nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol


class Events:
    """What a client showed, in order, and a way to wait for more."""

    def __init__(self, step_timeout_s: float) -> None:
        self.shown: list[dict[str, Any]] = []
        self._step_timeout_s = step_timeout_s
        self._looked_at = 0
        self._more = asyncio.Event()

    def show(self, event: str, **fields: Any) -> None:
        self.shown.append({"event": event, **fields})
        self._more.set()

    async def until(self, event: str) -> bool:
        """Wait for the next event of this name; False: it does not come any more."""
        try:
            async with asyncio.timeout(self._step_timeout_s):
                while True:
                    while self._looked_at < len(self.shown):
                        name = self.shown[self._looked_at]["event"]
                        self._looked_at += 1
                        if name in (event, "closed", "error"):
                            return name == event
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            self.show("timed_out", waiting_for=event)
            return False


class Session(Protocol):
    """One session of a client. What it shows goes to the events that it was opened with."""

    handle: str | None
    """The last resumption handle."""

    async def say(self, text: str) -> None: ...
    async def speak(self, pcm: bytes, packet_ms: int) -> None: ...
    async def activity(self, kind: str) -> None: ...
    async def close(self) -> None: ...


#: Opens a session: address, setup, handle to resume, events. May raise what the client raises;
#: None: the client did not open it, and the events say so.
Open = Callable[[str, dict[str, Any], str | None, Events], Awaitable[Session | None]]


async def _drive(open_session: Open, request: dict[str, Any]) -> dict[str, Any]:
    sessions = []
    handle: str | None = None
    for setup in request["sessions"]:
        events = Events(request["step_timeout_s"])
        session: Session | None = None
        try:
            async with asyncio.timeout(request["step_timeout_s"]):
                session = await open_session(request["base_url"], setup, handle, events)
            for step in setup["steps"] if session is not None else []:
                if not await _do(session, step, events):
                    break
        except TimeoutError:
            events.show("timed_out", waiting_for="connection")
        except Exception as error:
            events.show("error", text=f"{type(error).__name__}: {error}")
        if session is not None:
            handle = session.handle or handle
            await session.close()
        sessions.append({"events": events.shown})
    return {"sessions": sessions}


async def _do(session: Session, step: dict[str, Any], events: Events) -> bool:
    if "until" in step:
        return await events.until(step["until"])
    if "say" in step:
        await session.say(step["say"])
    elif "speak" in step:
        pcm = await asyncio.to_thread(Path(step["speak"]).read_bytes)
        await session.speak(pcm, step["packet_ms"])
    else:
        await session.activity(step["activity"])
    return True


def packets(pcm: bytes, packet_ms: int) -> list[bytes]:
    """Pieces of that duration at 16 kHz."""
    size = 32 * packet_ms
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


def main(open_session: Open) -> None:
    """Answer every line of standard input."""

    async def serve() -> None:
        while line := await asyncio.to_thread(sys.stdin.readline):
            answer = await _drive(open_session, json.loads(line))
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()

    asyncio.run(serve())
