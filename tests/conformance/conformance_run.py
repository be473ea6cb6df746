"""Drives one client through scenarios against a server of its own, and keeps what came of it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
import time
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from antiphon.assets import recording
from antiphon.emulator import Emulator, SessionRecord, Settings

if TYPE_CHECKING:
    from conformance_clients import Client
    from conformance_scenarios import Scenario

API_KEY = "conformance-key"
#: Short, so that the clients do not wait; the paces are the service's otherwise.
SETTINGS = Settings(reply_delay_s=(0.02, 0.05), speed=(20.0, 30.0))
_STEP_TIMEOUT_S = 15.0
_SILENCE_S = 1.0


class DriverFailed(Exception):
    """A driver ended, or did not answer."""


@dataclass(frozen=True)
class Seen:
    """One session as the client saw it: events in order, each a dict with ``event`` and more."""

    events: list[dict[str, Any]]

    def all(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]

    def first(self, event: str) -> dict[str, Any] | None:
        return next(iter(self.all(event)), None)

    def _joined(self, event: str) -> str:
        return "".join(one["text"] for one in self.all(event))

    @property
    def text(self) -> str:
        """What was answered, written or as it was transcribed."""
        return self._joined("text") or self.said

    @property
    def heard(self) -> str:
        return self._joined("heard")

    @property
    def said(self) -> str:
        return self._joined("said")

    @property
    def audio_bytes(self) -> int:
        return sum(one["bytes"] for one in self.all("audio"))

    def bytes_before(self, event: str) -> int:
        at = [one["event"] for one in self.events].index(event)
        return sum(one["bytes"] for one in self.events[:at] if one["event"] == "audio")

    @property
    def error(self) -> str | None:
        """What the client said went wrong, code included where it told one."""
        found = self.first("error") or self.first("closed")
        return None if found is None else f"{found.get('code', '')} {found.get('text', '')}"


@dataclass(frozen=True)
class Outcome:
    """A scenario that was driven.

    Attributes:
        seen: What the client saw, a session each.
        served: What the server recorded, a connection each.
        lines: What it wrote of each connection: messages in shape.
    """

    client: Client
    scenario: Scenario
    seen: list[Seen]
    served: list[SessionRecord]
    lines: list[list[dict[str, Any]]]

    @property
    def pairs(self) -> list[tuple[Seen, SessionRecord]]:
        return list(zip(self.seen, self.served, strict=True))

    @property
    def only(self) -> tuple[Seen, SessionRecord]:
        (pair,) = self.pairs
        assert not pair[0].all("timed_out"), pair[0].events
        return pair

    def assert_order(self, seen: Seen, *events: str) -> None:
        """These came in this order, whatever lay between, as far as the client shows them."""
        names = iter(one["event"] for one in seen.events)
        for event in events:
            if event not in self.client.hides:
                assert event in names, (event, [one["event"] for one in seen.events])

    def setup(self, index: int) -> dict[str, Any]:
        message = self._messages(index, "received")[0]
        return message["setup"]

    def received(self, index: int, *path: str) -> int:
        """How many messages of the client have this member."""
        found = 0
        for message in self._messages(index, "received"):
            member: Any = message
            for name in path:
                member = member.get(name) if isinstance(member, dict) else None
            found += member is not None
        return found

    def sent(self, member: str) -> list[Any]:
        """This member of every message that has it, of the first connection."""
        return [message[member] for message in self._messages(0, "sent") if member in message]

    def handles(self, index: int) -> list[str]:
        updates = [m.get("sessionResumptionUpdate", {}) for m in self._messages(index, "sent")]
        return [update["newHandle"] for update in updates if "newHandle" in update]

    @property
    def audio_received(self) -> tuple[int, int]:
        """Messages and bytes of audio that the client sent in its first session."""
        lines = [line for line in self.lines[0] if line["event"] == "audio_received"]
        return sum(line["messages"] for line in lines), sum(line["bytes"] for line in lines)

    def _messages(self, index: int, event: str) -> list[dict[str, Any]]:
        return [
            line["message"]
            for line in self.lines[index]
            if line["event"] == event and "message" in line
        ]


class Run:
    """A client's way through some scenarios: `drive` it once, then take the outcomes."""

    def __init__(self, client: Client, scenarios: Sequence[Scenario], folder: Path) -> None:
        self.client = client
        self._scenarios = scenarios
        self._folder = folder
        self._outcomes: dict[str, Outcome] = {}
        self._failure: Exception | None = None

    def drive(self) -> None:
        """Drive them all; what fails is raised by `outcome`. Blocks."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        try:
            with Emulator(
                tls=True, api_key=API_KEY, settings=SETTINGS, record_dir=self._folder
            ) as emulator:
                driver = _Driver(self.client, emulator, self._folder)
                try:
                    for scenario in self._scenarios:
                        self._outcomes[scenario.name] = self._drive(driver, emulator, scenario)
                finally:
                    driver.close()
        except Exception as error:
            self._failure = error

    def outcome(self, scenario: Scenario) -> Outcome:
        found = self._outcomes.get(scenario.name)
        if found is None:
            raise self._failure or DriverFailed(f"{scenario.name} was not driven")
        return found

    def _drive(self, driver: _Driver, emulator: Emulator, scenario: Scenario) -> Outcome:
        before = len(emulator.sessions)
        seen = driver.ask(scenario)
        served = emulator.sessions[before:]
        _wait_until_closed(served)
        lines = [self._lines(record) for record in served]
        return Outcome(self.client, scenario, seen, served, lines)

    def _lines(self, record: SessionRecord) -> list[dict[str, Any]]:
        path = self._folder / f"session-{record.index}.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _wait_until_closed(served: list[SessionRecord]) -> None:
    """The server learns of a close a moment after the client has made it."""
    deadline = time.monotonic() + 5.0
    while any(record.close_code is None for record in served) and time.monotonic() < deadline:
        time.sleep(0.02)


class _Driver:
    """The process that has the client in it: a JSON line in, a JSON line out."""

    def __init__(self, client: Client, emulator: Emulator, folder: Path) -> None:
        self._client = client
        self._emulator = emulator
        self._folder = folder
        self._log = (folder / "driver.log").open("wb")
        environment = {
            **os.environ,
            "EMULATOR_URL": emulator.url,
            "SSL_CERT_FILE": str(emulator.ca_file),
            "NODE_EXTRA_CA_CERTS": str(emulator.ca_file),
            "JAVA_TOOL_OPTIONS": (
                f"-Djavax.net.ssl.trustStore={emulator.tls.trust_store} "
                f"-Djavax.net.ssl.trustStorePassword={emulator.tls.trust_store_password}"
            ),
        }
        self._process = subprocess.Popen(
            client.command,
            cwd=client.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # frameworks print what they like
                self._answers.put(line)
        self._answers.put(None)

    def ask(self, scenario: Scenario) -> list[Seen]:
        assert self._process.stdin is not None
        request = {
            "scenario": scenario.name,
            "base_url": self._emulator.url.replace("wss", "https", 1),
            "step_timeout_s": _STEP_TIMEOUT_S,
            "sessions": [self._setup(scenario, session) for session in scenario.sessions],
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        steps = sum(len(session["steps"]) for session in scenario.sessions)
        try:
            # The first answer waits for the program to load.
            line = self._answers.get(timeout=60 + steps * _STEP_TIMEOUT_S)
        except queue.Empty:
            line = None
        if line is None:
            raise DriverFailed(f"no answer to {scenario.name!r}; see {self._log.name}")
        return [Seen(session["events"]) for session in json.loads(line)["sessions"]]

    def _setup(self, scenario: Scenario, session: dict[str, Any]) -> dict[str, Any]:
        setup = {"api_key": API_KEY, **session, "steps": list(self._steps(session["steps"]))}
        if self._client.always_speaks and not scenario.needs_text:
            setup |= {"modality": "AUDIO", "transcribe": True}
        return setup

    def _steps(self, steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for step in steps:
            yield {**step, "speak": str(self._pcm(step["speak"]))} if "speak" in step else step

    def _pcm(self, name: str) -> Path:
        """The recording as bare PCM at 16 kHz, with silence behind it that ends the turn."""
        path = self._folder / f"{Path(name).stem}.pcm"
        if not path.exists():
            with wave.open(str(recording(Path(name).stem)), "rb") as reader:
                assert (reader.getnchannels(), reader.getframerate()) == (1, 16_000)
                pcm = reader.readframes(reader.getnframes())
            path.write_bytes(pcm + bytes(2 * int(_SILENCE_S * 16_000)))
        return path

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._log.close()


def start(
    wanted: Mapping[Client, Sequence[Scenario]], folder: Path, at_a_time: int = 3
) -> dict[Client, tuple[Run, threading.Thread]]:
    """Drive clients, each on a thread of its own, at most so many at a time."""
    slots = threading.Semaphore(at_a_time)

    def drive(run: Run) -> None:
        with slots:
            run.drive()

    started = {}
    for client, scenarios in wanted.items():
        run = Run(client, scenarios, folder / client.name)
        thread = threading.Thread(target=drive, args=(run,), daemon=True)
        thread.start()
        started[client] = (run, thread)
    return started
