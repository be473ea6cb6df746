"""The demo ends well when all is well, and says so when it is not."""

import asyncio
import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from conversation_support import talk

from antiphon.audio.wav import read_wav
from antiphon.conversation import Timeline, Transcript
from antiphon.conversation.playback import TurnPlayback
from antiphon.conversation.timeline import Interruption
from antiphon.conversation.verify import CheckReport, SentTurn, verify_recording
from antiphon.demo import run, run_demo
from antiphon.demo.report import Outcome
from antiphon.demo.scenario import DemoFailed, Scenario, go_forward
from antiphon.demo.server import read_sent, running_emulator
from antiphon.emulator import Echo, Emulator
from antiphon.errors import ConnectError, RecordingError
from antiphon.virtual_time import run_in_virtual_time

pytestmark = pytest.mark.speech
pytest.importorskip("pocketsphinx")


def test_the_simulated_demo_proves_itself(tmp_path, capsys):
    assert run_demo(tmp_path, simulated=True) == 0
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["passed"]
    assert report["failure"] is None
    assert [turn["turn"] for turn in report["check"]["turns"]] == [1, 2, 3, 4]
    assert all(turn["worst_correlation"] > 0.999 for turn in report["check"]["turns"])
    (interruption,) = report["timeline"]["interruptions"]
    assert interruption["turn"] == 2
    assert report["timeline"]["tools"][0]["arguments"] == {"distance_meters": 10}
    recording, rate_hz = read_wav(tmp_path / "conversation.wav")
    assert rate_hz == 48_000
    assert 20 < len(recording) / rate_hz < 45
    words = json.loads((tmp_path / "transcript.json").read_text("utf-8"))
    assert [u["text"] for u in words if u["speaker"] == "user"] == [
        "Hello!",
        "ten of clubs",
        "seven of clubs",
        "go forward ten meters",
    ]
    assert "[interrupted" in (tmp_path / "transcript.txt").read_text("utf-8")
    said = capsys.readouterr().out
    assert "Checked: every 25 ms window" in said
    assert "go_forward(distance_meters=10)" in said
    if find_spec("matplotlib") is not None:
        picture = (tmp_path / "timeline.png").read_bytes()
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        assert len(picture) > 50_000


def other_audio(folder):
    """The third turn was another one, says the server."""
    sent = read_sent(folder)
    wrong = SentTurn(3, np.ascontiguousarray(sent[2].pcm[::-1]), sent[2].rate_hz, sent[2].text)
    return [*sent[:2], wrong, *sent[3:]]


def test_the_demo_fails_if_its_recording_is_not_what_was_sent(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "read_sent", other_audio)
    assert run_demo(tmp_path, simulated=True) == 1
    assert "FAILED: turn 3" in capsys.readouterr().out
    assert not json.loads((tmp_path / "report.json").read_text("utf-8"))["passed"]


def test_a_server_that_calls_no_function_is_a_failed_demo():
    steps = []

    async def main():
        async with talk(emulator=Emulator(brain=Echo()), tools=[go_forward]) as t:
            await Scenario(
                t.conversation,
                t.device,
                tell_step=lambda number, words: steps.append(number),
                tell_event=lambda event: None,
            ).play()

    with pytest.raises(DemoFailed):
        run_in_virtual_time(main())
    assert steps[:2] == [1, 2]


def test_a_folder_that_cannot_be_made_is_named():
    with pytest.raises(RecordingError, match="--dir"):
        run_demo(run.Path(os.devnull) / "demo", simulated=True)


def test_the_emulator_process_is_there_and_then_gone(tmp_path):
    async def main():
        async with running_emulator(tmp_path / "record") as url:
            host, port = url.removeprefix("ws://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            await writer.wait_closed()
        with pytest.raises(OSError, match=port):
            await asyncio.open_connection(host, int(port))

    asyncio.run(main())


def test_an_emulator_that_does_not_start_says_why(tmp_path):
    (tmp_path / "record").write_text("a file where a folder should be")

    async def main():
        async with running_emulator(tmp_path / "record"):
            raise AssertionError("it cannot have started")

    with pytest.raises(ConnectError, match="recording folder"):
        asyncio.run(main())


def test_a_record_without_a_session_is_an_error(tmp_path):
    with pytest.raises(RecordingError, match="no record"):
        read_sent(tmp_path)


@pytest.mark.parametrize("name", ["report.json", "server/app.py"])
def test_a_file_that_no_demo_made_is_not_touched(tmp_path, name):
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("mine")
    with pytest.raises(RecordingError, match="no demo made"):
        run_demo(tmp_path, simulated=True)
    assert own.read_text() == "mine"


def test_the_server_ends_with_whoever_started_it(tmp_path):
    """Its standard input is a pipe that closes when the demo dies, however it dies."""
    command = [sys.executable, "-m", "antiphon.cli", "emulator", "--port", "0", "--until-eof"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as server:
        assert b"ws://" in server.stdout.readline()
        server.stdin.close()
        assert server.wait(timeout=20) == 0


def test_a_cut_that_the_server_knows_nothing_of_is_found(tmp_path):
    assert run_demo(tmp_path, simulated=True) == 0
    sent = read_sent(tmp_path / "server")
    assert [turn.interrupted for turn in sent] == [False, True, False, False]
    recording, rate_hz = read_wav(tmp_path / "conversation.wav")
    lost = TurnPlayback(3, received_frames=100, heard_frames=0, interrupted=True, done=True)
    report = verify_recording(recording, rate_hz, [sent[2]], {3: lost})
    assert "it was cut short, but the server was not interrupted there" in str(report.all_problems)


def test_a_voice_that_sounds_on_fails_the_demo():
    timeline = Timeline()
    timeline.interruptions.append(Interruption(2, message_s=1.0, silent_s=1.021, heard_ms=900.0))
    outcome = Outcome(3.0, CheckReport(), timeline, Transcript(), None, False, {})
    assert not outcome.passed
    assert "21.0 ms" in outcome.problems[0]
