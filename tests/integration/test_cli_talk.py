"""``antiphon talk``: the same code for every server, and errors that say what to do."""

import json

import numpy as np
import pytest
from conversation_support import SPEECH

from antiphon.audio.wav import WavWriter, read_wav
from antiphon.cli import main
from antiphon.emulator import Emulator

CARD = str(SPEECH / "cards-001.wav")


@pytest.fixture(scope="module")
def emulator():
    with Emulator() as running:
        yield running


def talk(tmp_path, *arguments, source=CARD):
    return main(["talk", "--in", source, "--out", str(tmp_path / "out.wav"), *arguments])


@pytest.mark.realtime
@pytest.mark.speech
def test_a_file_is_spoken_and_the_answer_recorded(tmp_path, emulator, capsys):
    pytest.importorskip("pocketsphinx")
    words = tmp_path / "words.json"
    assert talk(tmp_path, "--url", emulator.url, "--transcript", str(words)) == 0
    user, model = json.loads(words.read_text("utf-8"))
    assert user["text"] == "ten of clubs"
    assert model["text"].startswith("The ten of clubs.")
    recording, rate_hz = read_wav(tmp_path / "out.wav")
    assert len(recording) / rate_hz > model["heard_ms"] / 1000
    assert np.abs(recording[:, 1]).max() > 1000
    assert "The ten of clubs." in capsys.readouterr().out


@pytest.mark.realtime
def test_silence_gets_no_answer_and_says_so(tmp_path, emulator, capsys):
    with WavWriter(tmp_path / "silence.wav", 16_000, 1) as writer:
        writer.write(np.zeros((1600, 1), np.int16))
    source = str(tmp_path / "silence.wav")
    assert talk(tmp_path, "--url", emulator.url, "--wait", "0.5", source=source) == 1
    assert "No answer came within 0.5 s" in capsys.readouterr().err
    assert len(read_wav(tmp_path / "out.wav")[0]) > 20_000


def test_no_key_is_told_with_what_to_do(tmp_path, monkeypatch, capsys):
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert talk(tmp_path) == 1
    assert "Set GEMINI_API_KEY" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_told(tmp_path, capsys):
    assert talk(tmp_path, "--url", "ws://127.0.0.1:1") == 1
    assert "refused" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_told_with_code_and_reason(tmp_path, emulator, capsys):
    assert talk(tmp_path, "--url", emulator.url, "--model", "no-such-model") == 1
    said = capsys.readouterr().err
    assert "1008" in said
    assert "models/no-such-model is not found" in said


def test_a_file_that_is_no_wav_is_told_before_anything_is_connected(tmp_path, capsys):
    path = tmp_path / "in.wav"
    path.write_bytes(b"ID3\3 this is no wav")
    assert talk(tmp_path, "--url", "ws://127.0.0.1:1", source=str(path)) == 1
    assert "not a WAV file" in capsys.readouterr().err
    assert talk(tmp_path, "--url", "ws://127.0.0.1:1", source=str(tmp_path / "no.wav")) == 1
    assert "There is no file" in capsys.readouterr().err


def test_a_recording_that_cannot_be_made_is_told(tmp_path, emulator, capsys):
    out = str(tmp_path / "no" / "out.wav")
    assert main(["talk", "--in", CARD, "--out", out, "--url", emulator.url]) == 1
    assert out in capsys.readouterr().err


def test_the_question_is_not_overwritten_by_its_recording(tmp_path, capsys):
    own = tmp_path / "out.wav"
    own.write_bytes(SPEECH.joinpath("cards-001.wav").read_bytes())
    before = own.read_bytes()
    assert talk(tmp_path, "--url", "ws://127.0.0.1:9", source=str(own)) == 1
    assert "the same file" in capsys.readouterr().err
    assert own.read_bytes() == before


@pytest.mark.parametrize("seconds", ["-5", "nan", "soon"])
def test_a_wait_that_is_no_time_is_refused(tmp_path, seconds, capsys):
    with pytest.raises(SystemExit):
        talk(tmp_path, "--wait", seconds)
    assert "--wait" in capsys.readouterr().err
