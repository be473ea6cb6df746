"""How many sessions the local server holds in real time on one core, and what an idle one costs.

The server is a process on one core (`served`), the load another on another core: a small program in
Rust, so that it is not the load that is measured (``benches/live-load``). Every session
sends a packet each 20 ms, each at a moment of its own, and is answered without an end in chunks of
40 ms; the detector of voice activity hears every packet, and speech ends and begins in them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from antiphon.assets import recording
from antiphon.audio.wav import read_wav
from antiphon.emulator import Emulator
from antiphon.wire import bytes_to_base64
from benches.emulator.served import CHUNK_MS, Served
from benches.rust_programs import ROOT, two_cores

PACKET_MS = 20
#: The worst of a hundred messages may be so late.
MAX_LATE_MS = 10.0
#: A generator that has more of its core than this measures itself.
MAX_GENERATOR_SHARE = 0.7

_TRIES = 3
_RATE_HZ = 16_000
_LOOP_S = 4.0
_MODEL = "models/gemini-3.8-live"


class Generated(msgspec.Struct, frozen=True):
    """What the load measured: how late chunks came, against even times through the earliest."""

    seconds: float
    cpu_share: float
    packets: int
    stalls: int
    behind_p99_ms: float
    chunks: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float


class Load(msgspec.Struct, frozen=True):
    """One number of sessions, as both ends saw it."""

    sessions: int
    server: Served
    generator: Generated
    load_average: float

    @property
    def valid(self) -> bool:
        """Whether it was the server that was measured, and it was asked what it should be."""
        asked = self.sessions * self.generator.seconds * 1000
        return (
            self.generator.cpu_share <= MAX_GENERATOR_SHARE
            and self.generator.packets >= 0.98 * asked / PACKET_MS
        )

    @property
    def held(self) -> bool:
        """Whether messages were in time and none was left out."""
        asked = self.sessions * self.generator.seconds * 1000
        late_ms = max(self.server.late_p99_ms, self.generator.late_p99_ms)
        return late_ms <= MAX_LATE_MS and self.generator.chunks >= 0.97 * asked / CHUNK_MS


class Idle(msgspec.Struct, frozen=True):
    """Sessions that only were set up."""

    sessions: int
    bytes_per_session: int


def under_load(generator: Path, sessions: int, *, warm_up_s: float, seconds: float) -> Load:
    """Let sessions talk for a while."""
    with (
        _server() as server,
        _load(generator, server, sessions, warm_up_s=warm_up_s, seconds=seconds) as load,
    ):
        _expect(load, "measuring")
        server.say("begin")
        generated = msgspec.json.decode(load.line(), type=Generated)
        served = msgspec.json.decode(server.ask("end"), type=Served)
    return Load(sessions, served, generated, round(os.getloadavg()[0], 2))


def ramp(
    generator: Path,
    counts: Iterable[int],
    *,
    warm_up_s: float,
    seconds: float,
    say: Callable[[str], None],
) -> Iterator[Load]:
    """Ever more sessions, until there are too many. What else runs here may spoil a try."""
    for sessions in counts:
        for _ in range(_TRIES):
            load = under_load(generator, sessions, warm_up_s=warm_up_s, seconds=seconds)
            say(summary(load))
            yield load
            if load.held and load.valid:
                break
        else:
            return


def limit(loads: Iterable[Load]) -> int:
    """The most sessions that were held; runs that measured the generator do not count."""
    return max((load.sessions for load in loads if load.held and load.valid), default=0)


def summary(load: Load) -> str:
    """A line about a run."""
    word = "held" if load.held else "too late"
    return (
        f"{load.sessions} sessions: {word if load.valid else 'discarded'}, "
        f"p99 {load.server.late_p99_ms:.1f} ms in the server, "
        f"{load.generator.late_p99_ms:.1f} ms at the clients; "
        f"cores {load.server.cpu_share:.0%} and {load.generator.cpu_share:.0%}"
    )


def idle(generator: Path, sessions: int) -> Idle:
    """Set sessions up and leave them alone: the memory of the server beside that before."""
    with _server() as server:
        # The first ones bring along what all of them share.
        with _load(generator, server, 20, warm_up_s=0, seconds=0) as load:
            _expect(load, "idle")
        before = msgspec.json.decode(server.ask("end"), type=Served)
        with _load(generator, server, sessions, warm_up_s=0, seconds=0) as load:
            _expect(load, "idle")
            after = msgspec.json.decode(server.ask("end"), type=Served)
    if after.sessions != sessions:
        raise RuntimeError(f"{after.sessions} of {sessions} idle sessions were there.")
    return Idle(sessions, round((after.rss_bytes - before.rss_bytes) / sessions))


class _Process:
    """Somebody who is spoken with in lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def say(self, words: str) -> None:
        """A line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """A line from it."""
        out: IO[str] | None = self._process.stdout
        assert out is not None
        if not (line := out.readline()):
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}.")
        return line

    def ask(self, words: str) -> str:
        """A line to it, and its answer."""
        self.say(words)
        return self.line()


def _expect(process: _Process, words: str) -> None:
    if (line := process.line().strip()) != words:
        raise RuntimeError(f"The generator said {line!r} instead of {words!r}.")


@contextmanager
def _server() -> Iterator[_Server]:
    core, _ = two_cores()
    with _running([sys.executable, "-m", "benches.emulator.served", str(core)]) as process:
        yield _Server(process)


class _Server(_Process):
    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(process)
        self.port = int(self.line())


@contextmanager
def _load(
    generator: Path, server: _Server, sessions: int, *, warm_up_s: float, seconds: float
) -> Iterator[_Process]:
    _, core = two_cores()
    backend = Emulator().backend("google")
    path = backend.url().removeprefix("ws://emulator.invalid")
    with tempfile.TemporaryDirectory() as folder:
        scripts = [Path(folder) / f"{client.__name__}.jsonl" for client in (_antiphon, _genai)]
        for client, script in zip((_antiphon, _genai), scripts, strict=True):
            script.write_text("\n".join(client(_packets())))
        arguments = {
            "--address": f"127.0.0.1:{server.port}",
            "--path": path,
            "--sessions": str(sessions),
            "--warm-up-ms": str(round(warm_up_s * 1000)),
            "--measured-ms": str(round(seconds * 1000)),
            "--packet-ms": str(PACKET_MS),
            "--chunk-ms": str(CHUNK_MS),
            "--scripts": ",".join(map(str, scripts)),
        }
        words = [word for pair in arguments.items() for word in pair]
        with _running(["taskset", "-c", str(core), str(generator), *words]) as process:
            yield _Process(process)


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with its input."""
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
        finally:
            process.kill()


# ------------------------------------------------------------------ what the clients send


def _packets() -> list[bytes]:
    """Speech and a pause, in packets."""
    sound = np.random.default_rng(1).normal(0, 4, round(_LOOP_S * _RATE_HZ)).astype(np.int16)
    said = read_wav(recording("cards-003"))[0][:, 0]
    sound[_RATE_HZ : _RATE_HZ + len(said)] += said
    return [packet.tobytes() for packet in np.split(sound, round(_LOOP_S * 1000) // PACKET_MS)]


def _antiphon(packets: Sequence[bytes]) -> Iterator[str]:
    """As our own client writes, and those of JavaScript and Go: camelCase, compact."""
    realtime = {"activityHandling": "NO_INTERRUPTION"}
    yield _compact({"setup": {"model": _MODEL, "realtimeInputConfig": realtime}})
    turn = {"role": "user", "parts": [{"text": "Talk."}]}
    yield _compact({"clientContent": {"turns": [turn], "turnComplete": True}})
    for packet in packets:
        blob = {"mimeType": f"audio/pcm;rate={_RATE_HZ}", "data": bytes_to_base64(packet)}
        yield _compact({"realtimeInput": {"audio": blob}})


def _genai(packets: Sequence[bytes]) -> Iterator[str]:
    """As the Python client google-genai writes: snake_case, with spaces."""
    realtime = {"activityHandling": "NO_INTERRUPTION"}
    yield json.dumps({"setup": {"model": _MODEL, "realtimeInputConfig": realtime}})
    turn = {"role": "user", "parts": [{"text": "Talk."}]}
    yield json.dumps({"client_content": {"turns": [turn], "turn_complete": True}})
    for packet in packets:
        blob = {"data": bytes_to_base64(packet), "mime_type": f"audio/pcm;rate={_RATE_HZ}"}
        yield json.dumps({"realtime_input": {"audio": blob}})


def _compact(message: dict[str, object]) -> str:
    return json.dumps(message, separators=(",", ":"))
