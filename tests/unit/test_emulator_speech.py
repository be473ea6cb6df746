"""The voice and the understanding of the local server, with what is really installed."""

import asyncio
import importlib.util
import logging
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from emulator_support import Client, ToneSynthesizer, recording, silence

from antiphon.emulator import Clips, Echo, Emulator, Recognizer, SpeechUnavailable, Turn, Voice
from antiphon.emulator.brains.concierge import Concierge
from antiphon.emulator.session.jobs import SPEECH_HZ, JobFailed, Recognize, Synthesize
from antiphon.emulator.session.pacing import split_sentences
from antiphon.emulator.speech.synthesis import EspeakProgram, installed_synthesizers

GO = {
    "functionDeclarations": [
        {
            "name": "go_forward",
            "parameters": {"type": "OBJECT", "properties": {"distance_meters": {"type": "NUMBER"}}},
        }
    ]
}

needs_voice = pytest.mark.skipif(
    not (shutil.which("espeak-ng") or importlib.util.find_spec("espeakng_loader")),
    reason="no espeak-ng",
)
needs_pocketsphinx = pytest.mark.skipif(
    importlib.util.find_spec("pocketsphinx") is None, reason="no pocketsphinx"
)


def level_dbfs(pcm):
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return 20 * np.log10(np.sqrt((samples**2).mean()) / 32768)


# ------------------------------------------------------------------ the voice


@pytest.mark.speech
@needs_voice
@pytest.mark.parametrize("number", range(len(installed_synthesizers()) - 1))
def test_each_installed_synthesizer_speaks(number):
    synthesizer = installed_synthesizers()[number]
    short = synthesizer.synthesize("Good day.", "Puck")
    long = synthesizer.synthesize("Good day, and welcome to the grand hotel. How are you?", "Puck")
    assert 0.4 < len(short.pcm) / 2 / SPEECH_HZ < 2
    assert len(long.pcm) > 2 * len(short.pcm)
    assert -40 < level_dbfs(long.pcm) < -6


@pytest.mark.speech
@needs_voice
@pytest.mark.parametrize("voice", ["Puck", "Orus", "Zephyr", "Zubenelgenubi"])
def test_voices_of_either_accent_speak(voice):
    assert installed_synthesizers()[0].synthesize("Good day.", voice).pcm


@pytest.mark.speech
@needs_voice
def test_voices_differ_and_results_are_cached():
    voice = Voice()
    first = voice.synthesize("Good day, and welcome.", "Puck")
    assert voice.synthesize("Good day, and welcome.", "Puck") is first
    assert voice.synthesize("Good day, and welcome.", "Kore").pcm != first.pcm


@pytest.mark.speech
@needs_voice
def test_options_in_the_text_are_just_text():
    speech = Voice().synthesize("-v xx $(touch /tmp/antiphon-pwned) `id` --help", "Puck")
    assert len(speech.pcm) > SPEECH_HZ


@pytest.mark.speech
@needs_voice
@pytest.mark.parametrize("text", ["W." * 250, "a" * 1_000, "9" * 1_000, "x-'" * 300])
def test_words_longer_than_any_do_no_harm_to_the_synthesizer(text):
    for synthesizer in installed_synthesizers()[:-1]:
        assert len(synthesizer.synthesize(text, "Puck").pcm) > SPEECH_HZ


def test_text_without_words_is_a_breath():
    assert len(Voice([]).synthesize("…!", "Puck").pcm) == 4800


def program(tmp_path, body):
    """A program that passes for espeak-ng."""
    path = tmp_path / "espeak-ng"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return EspeakProgram(str(path))


@pytest.mark.skipif(sys.platform == "win32", reason="no shell")
@pytest.mark.parametrize(
    ("body", "timeout_s", "told"),
    [
        ("exec sleep 60", 0.3, r"not done with 9 characters after 0\.3 s"),
        ("cat >&2; exit 3", 30, "exit status 3, 0 bytes, 'Good day.'"),
        ("cat >/dev/null; seq 100", 30, "bytes that are not speech"),
        ("cat >/dev/null; printf 'RIFF    WAVEfmt %60s' x", 30, "bytes that are not speech"),
    ],
)
def test_a_voice_that_fails_is_not_taken_for_none(tmp_path, monkeypatch, body, timeout_s, told):
    monkeypatch.setattr("antiphon.emulator.speech.synthesis._TIMEOUT_S", timeout_s)
    failing = program(tmp_path, body)
    with pytest.raises(SpeechUnavailable, match=told) as caught:
        Voice([failing, Clips()]).synthesize("Good day.", "Puck")
    assert "install espeak-ng" not in str(caught.value)
    spoken = Voice([failing, ToneSynthesizer()]).synthesize("Good day.", "Puck")
    assert len(spoken.pcm) > 4800


def test_a_voice_or_recognizer_with_a_defect_fails_its_own_job_only(caplog):
    class Broken:
        def synthesize(self, text, voice):
            raise ZeroDivisionError

    emulator = Emulator(voice=Voice([Broken()]), recognizer=Recognizer(enabled=False))
    result = emulator._run(Synthesize(1, "Good day.", "Puck"))
    assert result == JobFailed("Internal error: ZeroDivisionError.")
    assert "ZeroDivisionError" in caplog.text


# ------------------------------------------------------------------ clips


def demo_answers():
    """What the concierge says in the demo, and to a greeting."""
    concierge = Concierge()
    for text in ("ten of clubs", "seven of clubs", "hello"):
        yield concierge.respond(Turn(text=text)).text
    yield "Certainly. We went forward ten meters."


def test_clips_hold_the_demo_without_any_synthesizer():
    voice = Voice([Clips()])
    for answer in demo_answers():
        pcm = b"".join(voice.synthesize(part, "Puck").pcm for part in split_sentences(answer))
        assert len(pcm) / 2 / SPEECH_HZ > (6.0 if "clubs" in answer else 2.0)
        assert -40 < level_dbfs(pcm) < -6


def test_without_clip_and_synthesizer_the_error_names_what_to_install():
    with pytest.raises(SpeechUnavailable, match=r"espeak-ng.*antiphon\[espeak\]"):
        Voice([Clips()]).synthesize("A sentence that no clip holds.", "Puck")


def test_a_session_without_a_voice_closes_with_those_words():
    from antiphon.emulator.session.jobs import JobFailed

    client = Client(voice=Voice([Clips()]))
    client._do = lambda job: JobFailed("No voice: install espeak-ng.")
    client.setup()
    client.say("something new")
    assert (client.closed.code, client.closed.reason) == (1011, "No voice: install espeak-ng.")


# ------------------------------------------------------------------ understanding


@pytest.fixture(scope="module")
def recognizer():
    recognizer = Recognizer()
    yield recognizer
    recognizer.close()


@pytest.mark.speech
@needs_pocketsphinx
@pytest.mark.parametrize("noise", [0, 4, 30])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("go-forward-ten-meters", "go forward ten meters"),
        ("cards-001", "ten of clubs"),
        ("cards-002", "four queen of clubs"),
        ("cards-003", "seven of clubs"),
    ],
)
def test_human_commands_come_out_right(recognizer, name, words, noise):
    pcm = np.frombuffer(silence(0.8) + recording(name) + silence(1.2), "<i2")
    rng = np.random.default_rng(7)
    noisy = np.clip(pcm + rng.normal(0, noise, len(pcm)), -32768, 32767).astype("<i2").tobytes()
    client = Client(recognizer=recognizer).setup(inputAudioTranscription={}, tools=[GO])
    client.hear(noisy)
    (message,) = client.all("inputTranscription")
    assert message["serverContent"]["inputTranscription"]["text"] == words
    assert client.session.record.heard == [words]


@pytest.mark.speech
@needs_pocketsphinx
def test_a_spoken_command_calls_the_function(recognizer):
    client = Client(recognizer=recognizer).setup(tools=[GO])
    client.hear(silence(0.8) + recording("go-forward-ten-meters") + silence(1.2))
    _, message = client.run_to("toolCall") if not client.all("toolCall") else (0, None)
    (message,) = client.all("toolCall")
    assert message["toolCall"]["functionCalls"][0]["args"] == {"distance_meters": 10}


@pytest.mark.speech
@needs_pocketsphinx
def test_a_spoken_turn_on_2_5_is_transcribed_word_by_word(recognizer):
    client = Client(recognizer=recognizer)
    client.setup("models/gemini-2.5-flash-native-audio-latest", inputAudioTranscription={})
    client.hear(silence(0.8) + recording("cards-001") + silence(1.2))
    pieces = [
        m["serverContent"]["inputTranscription"]["text"] for m in client.all("inputTranscription")
    ]
    assert pieces == [" ten", " of", " clubs"]


@pytest.mark.speech
@needs_pocketsphinx
def test_reading_aloud_is_not_taken_for_a_command(recognizer):
    for name in ("librivox-austen-0870", "librivox-austen-0890", "numbers"):
        assert not recognizer.recognize(recording(name), Concierge().grammar).command


@pytest.mark.speech
@needs_pocketsphinx
def test_the_recognizer_survives_odd_input_and_its_own_death(recognizer):
    assert recognizer.recognize(b"", Concierge().grammar).text == ""
    assert recognizer.recognize(silence(0.01), None).available
    recognizer.close()
    assert recognizer.recognize(recording("cards-001"), Concierge().grammar).text == "ten of clubs"


def stop_the_worker(recognizer):
    """Make it hang, as a machine that swaps or a debugger does."""
    recognizer.preload()
    os.kill(recognizer._process.pid, signal.SIGSTOP)


@pytest.mark.speech
@needs_pocketsphinx
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP")
def test_a_recognizer_that_hangs_loses_one_utterance_only(caplog):
    recognizer = Recognizer(timeout_s=0.5)
    stop_the_worker(recognizer)
    assert recognizer.recognize(silence(0.1), None).text == ""
    assert "took too long" in caplog.text
    recognizer.close()
    patient = Recognizer()
    stop_the_worker(patient)
    with ThreadPoolExecutor(4) as pool:  # one is being recognized, two wait for their turn
        # More than a pipe holds, so that also the writing hangs.
        waiting = [pool.submit(patient.recognize, silence(30), None) for _ in range(3)]
        time.sleep(0.2)
        pool.submit(patient.close).result(10)
        assert [call.result(10).text for call in waiting] == [""] * 3
    assert patient._process is None


@pytest.mark.speech
@needs_pocketsphinx
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP")
def test_the_server_leaves_a_recognizer_that_hangs():
    async def main():
        recognizer = Recognizer()
        emulator = Emulator(recognizer=recognizer, brain=Echo())
        async with emulator:
            await asyncio.to_thread(stop_the_worker, recognizer)
            process = recognizer._process
            job = emulator._run_in_thread(Recognize(1, silence(1), None))
            hanging = asyncio.ensure_future(job)
            await asyncio.sleep(0.2)
            # Held up by the worker, this would never return.
            await emulator.__aexit__(None, None, None)
            assert (await hanging).text == ""
            assert process.returncode is not None
            await emulator.__aenter__()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_without_a_recognizer_the_turn_is_still_a_turn(caplog):
    with caplog.at_level(logging.WARNING):
        recognizer = Recognizer(enabled=False)
    assert "antiphon[speech]" in caplog.text
    client = Client(recognizer=recognizer).setup(inputAudioTranscription={})
    client.hear(silence(0.8) + recording("cards-001") + silence(1.2))
    client.run_to("turnComplete")
    assert not client.all("inputTranscription")
    assert "no recognizer" in client.turns[0].text
