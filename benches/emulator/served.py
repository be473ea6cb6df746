"""The local server as a process of its own, on one core: what `capacity` loads.

``python -m benches.emulator.served CORE`` writes a line with the port. Then it reads lines: after
``begin`` it measures, after ``end`` it writes what it measured, as a line of JSON. It ends with its
input.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from unittest import mock

import msgspec
import numpy as np

from antiphon.channel import Channel
from antiphon.emulator import CallableBrain, Emulator, Recognizer, Settings, Voice, server
from antiphon.emulator.session.jobs import SPEECH_HZ, Job, JobResult, Speech
from antiphon.emulator.world import driver

CHUNK_MS = 40

#: Answers in real time, in even chunks, without a pause between two of them.
SETTINGS = Settings(
    reply_delay_s=(0.0, 0.0),
    speed=(1.0, 1.0),
    first_chunk_ms=CHUNK_MS,
    next_chunk_ms=CHUNK_MS,
    even_gaps=True,
    max_pcm_bytes=1024 * 1024,
)
_SENTENCE_S = 10.0
_ANSWER = "One sentence. Another sentence."


class Served(msgspec.Struct, frozen=True):
    """What the server measured: how late messages left, beside when they were due."""

    sent: int
    cpu_share: float
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    sessions: int
    rss_bytes: int


class _Tone:
    """Speaks: every sentence is ten seconds of the same sound."""

    def __init__(self) -> None:
        tone = 8000 * np.sin(2 * np.pi * 220 / SPEECH_HZ * np.arange(_SENTENCE_S * SPEECH_HZ))
        self._speech = Speech(tone.astype("<i2").tobytes())

    def synthesize(self, text: str, voice: str) -> Speech:
        del text, voice
        return self._speech


class _Punctuality:
    """Collects how late every timed message is."""

    def __init__(self) -> None:
        self.late_s: list[float] = []
        self.measuring = False

    async def drive(
        self,
        session: driver.Session,
        channel: Channel,
        run_job: Callable[[Job], Awaitable[JobResult]],
        woken: asyncio.Event,
    ) -> None:
        """As the driver does, with an eye on the clock."""
        await driver.drive(_Watched(session, self), channel, run_job, woken)


class _Watched:
    """A session whose messages are looked at when they leave."""

    def __init__(self, session: driver.Session, punctuality: _Punctuality) -> None:
        self._session = session
        self._punctuality = punctuality
        for name in ("receive", "jobs", "next_timeout", "job_done", "connection_lost"):
            setattr(self, name, getattr(session, name))
        self.record = session.record

    @property
    def unsent(self) -> int:
        return self._session.unsent

    def outgoing(self, now: float) -> object:
        due = self._session.next_timeout()
        items = self._session.outgoing(now)
        if self._punctuality.measuring and due is not None and due <= now:
            # Not `now`: what it took to make the message counts, too.
            self._punctuality.late_s.append(time.monotonic() - due)
        return items


async def serve() -> None:
    """Serve until the input ends."""
    punctuality = _Punctuality()
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    emulator = Emulator(
        settings=SETTINGS,
        brain=CallableBrain(lambda _: _ANSWER),
        voice=Voice([_Tone()]),
        recognizer=Recognizer(enabled=False),
    )
    with mock.patch.object(server, "drive", punctuality.drive):
        async with emulator:
            gc.freeze()  # as the server's command does
            _say(str(emulator.port))
            began_s = cpu_s = 0.0
            async for command in commands:
                if command == b"begin\n":
                    punctuality.measuring = True
                    began_s, cpu_s = time.monotonic(), time.process_time()
                    continue
                punctuality.measuring = False
                share = (time.process_time() - cpu_s) / (time.monotonic() - began_s)
                _say(msgspec.json.encode(_measured(punctuality, emulator, share)).decode())


def _measured(punctuality: _Punctuality, emulator: Emulator, cpu_share: float) -> Served:
    late_ms = np.array(punctuality.late_s or [0.0]) * 1e3
    return Served(
        sent=len(punctuality.late_s),
        cpu_share=cpu_share,
        late_p50_ms=float(np.percentile(late_ms, 50)),
        late_p99_ms=float(np.percentile(late_ms, 99)),
        late_max_ms=float(late_ms.max()),
        sessions=sum(record.close_code is None for record in emulator.sessions),
        rss_bytes=_rss_bytes(),
    )


def _rss_bytes() -> int:
    """Memory of this process."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 - a file of the kernel
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    logging.getLogger("antiphon.emulator").setLevel(logging.ERROR)  # that nothing is recognized
    asyncio.run(serve())
