"""The local server on a socket, on a channel in memory, and as a command."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path

import pytest
import websockets
from emulator_support import HALF_CASCADE, PATHS, ToneSynthesizer, typed
from websockets.sync.client import connect as connect_sync

from antiphon.channel import ChannelClosed, memory_channel_pair
from antiphon.emulator import Echo, Emulator, Recognizer, Settings, Voice
from antiphon.errors import ConnectError, RecordingError
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import FirebaseAI, GoogleAI, VertexAI


def quick(**members):
    """A server that needs nothing installed and does not dawdle."""
    members.setdefault("settings", Settings(reply_delay_s=(0.01, 0.02), speed=(50, 100)))
    members.setdefault("brain", Echo())
    members.setdefault("voice", Voice([ToneSynthesizer()]))
    return Emulator(recognizer=Recognizer(enabled=False), **members)


def setup_message(model=HALF_CASCADE, **members):
    return json.dumps({"setup": {"model": model, **members}})


async def one_turn(socket, text="hi", model=HALF_CASCADE):
    await socket.send(setup_message(model))
    await socket.send(typed(text))
    messages = []
    while not messages or not messages[-1].get("serverContent", {}).get("turnComplete"):
        frame = await asyncio.wait_for(socket.recv(), 10)
        assert isinstance(frame, bytes)
        messages.append(json.loads(frame))
    return messages


async def serve_path(path):
    async with quick() as emulator, websockets.connect(emulator.url + path) as socket:
        messages = await one_turn(socket)
        assert "setupComplete" in messages[0]


@pytest.mark.parametrize(
    "path",
    [
        *PATHS.values(),
        "/" + PATHS["google"] + "?key=anything",
        PATHS["google"].replace("v1beta", "v1"),
        PATHS["google"].replace("v1beta", "v1alpha") + "Constrained",
    ],
)
def test_every_url_family(path):
    asyncio.run(serve_path(path))


def test_an_unknown_path_is_a_404_with_words():
    async def main():
        async with quick() as emulator:
            with pytest.raises(websockets.InvalidStatus) as caught:
                await websockets.connect(emulator.url + "/chat")
            response = caught.value.response
            assert response.status_code == 404
            assert b"/ws/google.ai.generativelanguage" in response.body
            assert emulator.sessions == []

    asyncio.run(main())


def test_a_bad_key_upgrades_and_then_closes():
    async def main():
        async with quick(api_key="sesame") as emulator:
            for headers, accepted in (({"x-goog-api-key": "sesame"}, True), ({}, False)):
                url = emulator.url + PATHS["google"]
                async with websockets.connect(url, additional_headers=headers) as socket:
                    await socket.send(setup_message())
                    if accepted:
                        assert "setupComplete" in json.loads(await socket.recv())
                        continue
                    with pytest.raises(websockets.ConnectionClosedError) as caught:
                        await socket.recv()
                    assert caught.value.rcvd.code == 1007
                    assert caught.value.rcvd.reason == (
                        "API key not valid. Please pass a valid API key."
                    )

    asyncio.run(main())


def test_text_and_binary_frames_are_taken():
    async def main():
        async with quick() as emulator:
            async with websockets.connect(emulator.url + PATHS["google"]) as socket:
                await socket.send(setup_message().encode())
                await socket.send(typed("hi"))
                assert "setupComplete" in json.loads(await socket.recv())

    asyncio.run(main())


def test_two_sessions_at_once_and_what_they_said():
    async def main():
        async with quick() as emulator:
            url = emulator.url + PATHS["google"]
            async with websockets.connect(url) as one, websockets.connect(url) as two:
                await asyncio.gather(one_turn(one, "first"), one_turn(two, "second"))
            texts = {session.turns[0].text for session in emulator.sessions}
            assert texts == {"first", "second"}
            for session in emulator.sessions:
                assert session.turns[0].frames_sent * 2 == len(session.turns[0].pcm) > 0

    asyncio.run(main())


def test_nothing_is_left_behind():
    async def main():
        before = set(threading.enumerate())
        async with quick() as emulator:
            url = emulator.url + PATHS["google"]
            socket = await websockets.connect(url)
            await socket.send(setup_message())
            await socket.send(typed("a long text " * 20))
            await socket.recv()
            abandoned = await websockets.connect(url)
            abandoned.transport.abort()
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await socket.recv()
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        # Besides the loop's own helpers for name look-up and `to_thread`.
        new = set(threading.enumerate()) - before
        assert not [thread for thread in new if "antiphon" in thread.name]
        assert len(new) <= 3

    asyncio.run(main())


def test_the_synchronous_form():
    with quick() as emulator, connect_sync(emulator.url + PATHS["google"]) as socket:
        socket.send(setup_message())
        assert "setupComplete" in json.loads(socket.recv())
    with pytest.raises(ConnectError):
        _ = emulator.url


def test_a_port_in_use_is_a_plain_error():
    with quick() as emulator:
        with pytest.raises(ConnectError, match=f":{emulator.port}.*another port"):
            quick(port=emulator.port).__enter__()


def test_backends_lead_here_and_hide_the_key():
    with quick(api_key="sesame") as emulator:
        for name, kind in (
            ("google", GoogleAI),
            ("vertex", VertexAI),
            ("firebase", FirebaseAI),
            ("firebase-vertex", FirebaseAI),
        ):
            backend = emulator.backend(name)
            assert isinstance(backend, kind)
            assert "sesame" not in repr(backend) + backend.url()
            url, headers = backend.url(), backend.headers()
            with connect_sync(url, additional_headers=headers) as socket:
                socket.send(json.dumps({"setup": {"model": backend.model_name("gemini-3.8-live")}}))
                assert "setupComplete" in json.loads(socket.recv())
        assert [session.family for session in emulator.sessions] == [
            "google",
            "vertex",
            "firebase",
            "firebase-vertex",
        ]
        with pytest.raises(ValueError, match="firebase-vertex"):
            emulator.backend("azure")


# ------------------------------------------------------------------ in memory


def test_ten_minutes_in_virtual_time_over_a_channel_in_memory():
    async def main():
        emulator = quick(settings=Settings(connection_limit_s=None))
        ours, theirs = memory_channel_pair()
        serving = asyncio.create_task(emulator.handle(theirs, PATHS["google"], {}))
        await ours.send(setup_message().encode())
        loop = asyncio.get_running_loop()
        times = []
        while loop.time() < 600:
            await ours.send(typed("a sentence of a few seconds, said again").encode())
            while b"turnComplete" not in await ours.receive():
                pass
            times.append(loop.time())
        await ours.close()
        await serving
        emulator.close()
        return times

    started = time.monotonic()
    times = run_in_virtual_time(main())
    assert time.monotonic() - started < 30
    assert len(times) > 100
    assert times == run_in_virtual_time(main())


def test_a_wrong_path_in_memory():
    async def main():
        ours, theirs = memory_channel_pair()
        await quick().handle(theirs, "ws://emulator.invalid/other", {})
        with pytest.raises(ChannelClosed, match="404"):
            await ours.receive()

    run_in_virtual_time(main())


def test_a_cancelled_session_closes_its_channel():
    async def main():
        ours, theirs = memory_channel_pair()
        serving = asyncio.create_task(quick().handle(theirs, PATHS["google"], {}))
        await ours.send(setup_message().encode())
        await ours.receive()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        with pytest.raises(ChannelClosed) as caught:
            await ours.receive()
        assert caught.value.code == 1001

    run_in_virtual_time(main())


# ------------------------------------------------------------------ records


def test_recording(tmp_path):
    key = "sesame-open"
    old = tmp_path / "run" / "session-0"
    old.mkdir(parents=True)
    (old / "turn-7.wav").write_bytes(b"of an earlier run")
    (tmp_path / "run" / "session-0.jsonl").write_text("of an earlier run")

    async def main():
        emulator = quick(api_key=key, record_dir=tmp_path / "run")
        async with emulator:
            url = emulator.url + PATHS["google"] + f"?key={key}"
            async with websockets.connect(url) as socket:
                await one_turn(socket, "something to say")
                blob = {"mimeType": "audio/pcm", "data": "AAAA" * 40}
                for _ in range(5):
                    await socket.send(json.dumps({"realtimeInput": {"audio": blob}}))
                await socket.send(json.dumps({"realtimeInput": {"audioStreamEnd": True}}))
        return emulator.sessions[0]

    session = asyncio.run(main())
    lines = (tmp_path / "run" / "session-0.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    turn = next(event for event in events if event["event"] == "turn_ended")
    assert turn["text"] == "something to say"
    assert turn["interrupted"] is False
    assert turn["words"][0][0] == "something"
    with wave.open(str(tmp_path / "run" / turn["wav"])) as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (24000, 1)
        assert reader.readframes(reader.getnframes()) == bytes(session.turns[0].pcm)
        assert reader.getnframes() == turn["frames_sent"]
    assert [path.name for path in old.iterdir()] == ["turn-0.wav"]
    audio = next(event for event in events if event["event"] == "audio_received")
    assert (audio["messages"], audio["bytes"]) == (5, 600)
    assert events[-1]["event"] == "closed"
    assert [event["at_s"] for event in events] == sorted(event["at_s"] for event in events)
    everything = "".join(path.read_text("latin-1") for path in tmp_path.rglob("*.jsonl"))
    assert key not in everything
    assert re.search(r'"data": "<9600 bytes>"', everything)


def test_an_interrupted_turn_is_recorded_as_it_was_cut(tmp_path):
    async def main():
        async with quick(record_dir=tmp_path, settings=Settings(speed=(2, 2.1))) as emulator:
            async with websockets.connect(emulator.url + PATHS["google"]) as socket:
                await socket.send(setup_message())
                await socket.send(typed("a long text, and longer still, " * 5))
                while b"modelTurn" not in await socket.recv():
                    pass
                await socket.send(json.dumps({"realtimeInput": {"text": "stop"}}))
                while b"interrupted" not in await socket.recv():
                    pass

    asyncio.run(main())
    lines = (tmp_path / "session-0.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    first, second = (event for event in events if event["event"] == "turn_ended")
    assert first["interrupted"] is True
    assert 0 < first["frames_sent"] < 24000 * 8
    assert second["text"] == "stop"
    assert (tmp_path / first["wav"]).stat().st_size == 44 + 2 * first["frames_sent"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_ends_the_recording_not_the_session(tmp_path, caplog):
    (tmp_path / "session-0.jsonl").symlink_to("/dev/full")

    async def main():
        async with quick(record_dir=tmp_path) as emulator:
            async with websockets.connect(emulator.url + PATHS["google"]) as socket:
                await one_turn(socket)

    asyncio.run(main())
    assert "Recording to" in caplog.text


def test_a_recording_has_an_end_and_the_session_goes_on(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("antiphon.emulator.records.recorder._MAX_BYTES", 500)

    async def main():
        async with quick(record_dir=tmp_path) as emulator:
            async with websockets.connect(emulator.url + PATHS["google"]) as socket:
                await one_turn(socket)

    asyncio.run(main())
    assert "bytes; a session gets no more" in caplog.text
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert 500 < written < 10_000


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="Choose another"):
        quick(record_dir=tmp_path / "file" / "folder")


# ------------------------------------------------------------------ the command


def run_command(*arguments, **options):
    command = [sys.executable, "-m", "antiphon.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, **options
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal(number, tmp_path):
    readable, writable = os.pipe()
    arguments = ["emulator", "--port", "0", "--ready-fd", str(writable), "--record", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "antiphon.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[writable],
        text=True,
    )
    os.close(writable)
    try:
        with os.fdopen(readable) as ready:
            url = ready.readline().strip()
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+", url)
        with connect_sync(url + PATHS["google"]) as socket:
            socket.send(setup_message())
            socket.recv()
            process.send_signal(number)
            out, err = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert url in out
    assert err == ""
    assert json.loads((tmp_path / "session-0.jsonl").read_text().splitlines()[-1])["code"] == 1001


def test_version_and_help():
    assert re.fullmatch(r"antiphon \d+\.\d+.*\n", run_command("--version").stdout)
    assert "emulator" in run_command("--help").stdout


def test_errors_are_one_line_and_exit_code_1():
    with quick() as emulator:
        done = run_command("emulator", "--port", str(emulator.port))
    assert done.returncode == 1
    assert re.fullmatch(r"antiphon: The local server cannot listen on .*\n", done.stderr)


def test_the_command_says_what_is_wrong_with_the_world_it_is_asked_for(tmp_path):
    scenario = tmp_path / "faults.json"
    for text, words in (
        ("nothing", "not a JSON list"),
        ("{}", "not a JSON list of rules"),
        ('[{"fault": "explode"}]', "Rule 0"),
        (None, "cannot be read"),
    ):
        if text is None:
            scenario.unlink()
        else:
            scenario.write_text(text)
        done = run_command("emulator", "--port", "0", "--faults", str(scenario))
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert "wired, wifi" in run_command("emulator", "--port", "0", "--link", "5g").stderr


def test_the_command_serves_a_scenario_over_a_link(tmp_path):
    scenario = tmp_path / "faults.json"
    scenario.write_text('[{"fault": "close", "kind": "setupComplete", "reason": "by rule"}]')
    arguments = ["--port", "0", "--link", "wired", "--faults", str(scenario), "--until-eof"]
    with subprocess.Popen(
        [sys.executable, "-m", "antiphon.cli", "emulator", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        url = process.stdout.readline().split()[-1]
        with connect_sync(url + PATHS["google"]) as socket:
            socket.send(setup_message())
            with pytest.raises(websockets.ConnectionClosedError, match="by rule"):
                socket.recv(timeout=10)
        process.communicate("", timeout=15)
    assert process.returncode == 0


def test_bad_usage_is_exit_code_2():
    assert run_command("emulator", "--port", "70000").returncode == 2
    assert run_command().returncode == 2
