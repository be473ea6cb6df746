"""The demo from its start to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from antiphon.audio.wav import read_wav
from antiphon.channel import Connector
from antiphon.conversation import Conversation
from antiphon.conversation.picture import draw_timeline
from antiphon.conversation.verify import verify_recording
from antiphon.demo.display import Display
from antiphon.demo.report import Outcome, summary
from antiphon.demo.scenario import STEPS, DemoFailed, Scenario, go_forward
from antiphon.demo.server import read_sent, running_emulator
from antiphon.devices import FileDevice
from antiphon.errors import RecordingError
from antiphon.session import LiveGenerationConfig, LiveModel, tool
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import GoogleAI

__all__ = ["run_demo"]

_VOICE = "Puck"
_MARK = ".antiphon-demo"
_DEVICE_HZ = 48_000
# Sentences that nobody says in the demo, for the check of the words.
_DECOYS = (
    "The weather in Paris is mild and clear with a light wind from the west",
    "Once upon a time a fox lived at the edge of a quiet wood",
    "Your table for two is booked for eight in the evening",
    "The train to the airport leaves from platform nine every half hour",
)


def run_demo(folder: Path, *, simulated: bool = False) -> int:
    """Hold the conversation, leave its files in ``folder``, check them, say how it went.

    Args:
        folder: For ``conversation.wav``, ``transcript.json`` and ``.txt``, ``timeline.png``,
            ``report.json``, and in ``server/`` what the server sent.
        simulated: In virtual time, within this process: the same talk in a few seconds.

    Returns:
        0 if the recording is what was sent and everything happened; 1 if not.

    Raises:
        AntiphonError: The demo could not be run.
    """
    started_s = time.monotonic()
    if find_spec("pocketsphinx") is None:
        raise DemoFailed(
            "The demo needs pocketsphinx, with which the local server recognizes the voice: "
            "pip install 'antiphon[speech]'."
        )
    files = _Files.prepared_in(folder)
    with Display(STEPS) as display:
        talk = _Talk(files, display, simulated=simulated)
        failure: DemoFailed | None = None
        try:
            run_in_virtual_time(talk.hold()) if simulated else asyncio.run(talk.hold())
        except DemoFailed as error:
            failure = error
        display.say("checking the recording against what the server sent")
        with _named_if_unwritable(folder):
            outcome = _conclude(files, talk.conversation, failure, display)
            outcome.wall_s = time.monotonic() - started_s
            files.report.write_text(json.dumps(outcome.to_dict(), indent=2) + "\n", "utf-8")
    print(summary(outcome, folder))
    return 0 if outcome.passed else 1


@dataclass(frozen=True)
class _Files:
    wav: Path
    transcript_json: Path
    transcript_text: Path
    picture: Path
    report: Path
    server: Path

    @classmethod
    def prepared_in(cls, folder: Path) -> _Files:
        """The files' places; what an earlier demo left there is gone, and nothing else.

        Raises:
            RecordingError: A file of that name is there and no demo made it.
        """
        files = cls(
            wav=folder / "conversation.wav",
            transcript_json=folder / "transcript.json",
            transcript_text=folder / "transcript.txt",
            picture=folder / "timeline.png",
            report=folder / "report.json",
            server=folder / "server",
        )
        with _named_if_unwritable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            mark = folder / _MARK
            foreign = [] if mark.exists() else [path for path in files.all if path.exists()]
            if foreign or files.server.is_symlink():
                names = ", ".join(path.name for path in foreign or [files.server])
                raise RecordingError(
                    f"{folder} holds {names}, which no demo made and the demo would replace. "
                    "Choose another --dir."
                )
            mark.write_text("Made by `antiphon demo`, which replaces its own files here.\n")
            for path in files.all:
                if path != files.server:
                    path.unlink(missing_ok=True)
            for record in files.server.glob("session-*.jsonl"):
                record.unlink()
        return files

    @property
    def all(self) -> tuple[Path, ...]:
        """Everything that the demo leaves."""
        return (
            self.wav,
            self.transcript_json,
            self.transcript_text,
            self.picture,
            self.report,
            self.server,
        )


@contextlib.contextmanager
def _named_if_unwritable(folder: Path) -> Iterator[None]:
    try:
        yield
    except RecordingError:
        raise
    except OSError as error:
        raise RecordingError(
            f"The demo cannot write to {folder}: {error.strerror}. Choose another --dir."
        ) from error


class _Talk:
    """Server, session, device and conversation of one run."""

    def __init__(self, files: _Files, display: Display, *, simulated: bool) -> None:
        self._files = files
        self._display = display
        self._simulated = simulated
        self._conversation: Conversation | None = None

    @property
    def conversation(self) -> Conversation:
        """The conversation; what it knows stays readable after its end."""
        assert self._conversation is not None
        return self._conversation

    async def hold(self) -> None:
        """Raises DemoFailed if it does not go as it should."""
        self._display.say("starting the local Live server")
        server = _emulator_in_memory if self._simulated else _emulator_process
        async with server(self._files.server) as (backend, connector):
            model = LiveModel(
                backend=backend,
                config=LiveGenerationConfig(voice=_VOICE),
                system_instruction="You are a friendly concierge.",
                # In virtual time there are no threads.
                tools=[tool(go_forward, inline=self._simulated, behavior="BLOCKING")],
                connector=connector,
            )
            async with model.connect() as session:
                device = FileDevice(rate_hz=_DEVICE_HZ)
                self._conversation = Conversation(session, device, record_to=self._files.wav)
                async with self._conversation:
                    await Scenario(
                        self._conversation,
                        device,
                        tell_step=self._display.step,
                        tell_event=self._display.event,
                    ).play()


@contextlib.asynccontextmanager
async def _emulator_process(
    record_dir: Path,
) -> AsyncIterator[tuple[GoogleAI, Connector | None]]:
    async with running_emulator(record_dir) as url:
        yield GoogleAI(api_key="local", base_url=url), None


@contextlib.asynccontextmanager
async def _emulator_in_memory(
    record_dir: Path,
) -> AsyncIterator[tuple[GoogleAI, Connector | None]]:
    from antiphon.emulator import Emulator

    emulator = Emulator(record_dir=record_dir)
    try:
        async with emulator.connector() as connector:
            yield GoogleAI(api_key="local", base_url="ws://emulator.invalid"), connector
    finally:
        emulator.close()


def _conclude(
    files: _Files, conversation: Conversation, failure: DemoFailed | None, display: Display
) -> Outcome:
    """Write the transcript, check the recording, draw the picture."""
    transcript, timeline = conversation.transcript, conversation.timeline
    files.transcript_json.write_text(transcript.to_json() + "\n", "utf-8")
    files.transcript_text.write_text(transcript.to_text(), "utf-8")
    recording, rate_hz = read_wav(files.wav)
    check = verify_recording(
        recording, rate_hz, read_sent(files.server), conversation.playback, decoys=_DECOYS
    )
    display.say("drawing the timeline")
    drawn = draw_timeline(
        files.picture,
        recording,
        rate_hz,
        timeline,
        transcript,
        title="antiphon demo: a conversation with an interruption and a function call",
    )
    return Outcome(
        duration_s=len(recording) / rate_hz,
        check=check,
        timeline=timeline,
        transcript=transcript,
        failure=str(failure) if failure else None,
        picture=drawn,
        playout=conversation.stats(),
    )
