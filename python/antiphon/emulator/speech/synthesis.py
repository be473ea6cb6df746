"""The server's voice: text to 24 kHz PCM, by what is installed.

In this order: the program espeak-ng; the espeak-ng library of the package espeakng-loader, in a
helper process; clips that come with antiphon and know the demo's sentences only. Speaking takes
some 0.1 s of another process's time a sentence; results are cached.
"""

from __future__ import annotations

import importlib.util
import io
import json
import re
import shutil
import subprocess
import sys
import threading
import wave
from collections import OrderedDict
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Protocol

import numpy as np

from antiphon._native import Resampler
from antiphon.emulator.session.jobs import SPEECH_HZ, Speech, Word
from antiphon.emulator.speech.voices import espeak_voice
from antiphon.errors import AntiphonError

__all__ = [
    "Clips",
    "EspeakLibrary",
    "EspeakProgram",
    "SpeechUnavailable",
    "Synthesizer",
    "Voice",
    "installed_synthesizers",
]

_NO_VOICE = "No voice: install espeak-ng, or pip install 'antiphon[espeak]'."
_TIMEOUT_S = 30.0
_WAV_HEADER_BYTES = 44
# espeak-ng overruns its buffers in words of hundreds of characters.
_MAX_WORD = 60
_MAX_CACHE_BYTES = 32 * 1024 * 1024


class SpeechUnavailable(AntiphonError):
    """Nothing installed can speak this text, or what could has failed."""


class Synthesizer(Protocol):
    """One way to speak."""

    def synthesize(self, text: str, voice: str) -> Speech | None:
        """Speak, blocking; None if this one cannot speak this text.

        Raises:
            SpeechUnavailable: It could, but failed; the message says how.
        """
        ...


class Voice:
    """The chain of synthesizers, with a cache. Thread-safe.

    Args:
        synthesizers: What to try, in order; by default what is installed.
    """

    def __init__(self, synthesizers: Sequence[Synthesizer] | None = None) -> None:
        self._synthesizers = synthesizers
        self._cache: OrderedDict[tuple[str, str], Speech] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()

    def synthesize(self, text: str, voice: str) -> Speech:
        """Speak ``text`` with one of the service's voices; blocks.

        Raises:
            SpeechUnavailable: Nothing can speak it; the message says what to install, or what
                is installed and failed.
        """
        with self._lock:
            if speech := self._cache.get((text, voice)):
                self._cache.move_to_end((text, voice))
                return speech
            synthesizers = self._synthesizers
            if synthesizers is None:
                synthesizers = self._synthesizers = installed_synthesizers()
        if not re.search(r"\w", text):
            return Speech(bytes(2 * SPEECH_HZ // 10))  # nothing to say: a breath
        failures = []
        for synthesizer in synthesizers:
            try:
                found = synthesizer.synthesize(text, voice)
            except SpeechUnavailable as failure:
                failures.append(str(failure))
                continue
            if found is not None:
                self._keep((text, voice), found)
                return found
        raise SpeechUnavailable(" ".join(failures) or _NO_VOICE)

    def _keep(self, key: tuple[str, str], speech: Speech) -> None:
        with self._lock:
            if key not in self._cache:
                self._cache[key] = speech
                self._cached_bytes += len(speech.pcm)
            while self._cached_bytes > _MAX_CACHE_BYTES:
                _, oldest = self._cache.popitem(last=False)
                self._cached_bytes -= len(oldest.pcm)


def installed_synthesizers() -> list[Synthesizer]:
    """What can speak on this machine, best first."""
    found: list[Synthesizer] = []
    if program := shutil.which("espeak-ng"):
        found.append(EspeakProgram(program))
    if (package := importlib.util.find_spec("espeakng_loader")) and package.origin:
        found.append(EspeakLibrary(Path(package.origin).parent))
    found.append(Clips())
    return found


class EspeakProgram:
    """The program espeak-ng; the text goes in by standard input, a WAV comes out."""

    def __init__(self, program: str) -> None:
        self._program = program

    def synthesize(self, text: str, voice: str) -> Speech | None:
        """Speak.

        Raises:
            SpeechUnavailable: The program failed, or took longer than 30 s.
        """
        chosen = espeak_voice(voice)
        options = ["-v", chosen.name, "-s", str(chosen.words_per_minute), "-p", str(chosen.pitch)]
        output = _run("espeak-ng", [self._program, "--stdin", "--stdout", *options], text)
        try:
            # The header of a WAV on a pipe cannot know its length; the data is what follows.
            with wave.open(io.BytesIO(output)) as reader:
                rate_hz = reader.getframerate()
            start = output.index(b"data") + 8
            pcm = output[start : start + (len(output) - start) // 2 * 2]
            return Speech(_at_24_khz(pcm, rate_hz))
        except (wave.Error, EOFError, ValueError) as error:
            raise SpeechUnavailable(
                f"{self._program} wrote {len(output)} bytes that are not speech ({error}). "
                "Is it espeak-ng?"
            ) from error


class EspeakLibrary:
    """The espeak-ng library of the package espeakng-loader, driven by a helper process.

    Args:
        folder: Of that package, which is not imported here.
    """

    def __init__(self, folder: Path) -> None:
        names = ("libespeak-ng.so", "libespeak-ng.dylib", "espeak-ng.dll")
        self._library = next((folder / name for name in names if (folder / name).exists()), None)
        self._data = folder / "espeak-ng-data"

    def synthesize(self, text: str, voice: str) -> Speech | None:
        """Speak, with the times of the words; None if the library is missing.

        Raises:
            SpeechUnavailable: The library failed, or took longer than 30 s.
        """
        if self._library is None:
            return None
        chosen = espeak_voice(voice)
        helper = Path(__file__).with_name("espeak_helper.py")
        command = [sys.executable, "-I", "-S", str(helper), str(self._library), str(self._data)]
        command += [chosen.name, str(chosen.words_per_minute), str(chosen.pitch)]
        output = _run("The espeak-ng library", command, text)
        head, _, pcm = output.partition(b"\n")
        about = json.loads(head)
        rate_hz = about["rate_hz"]
        starts = [start for start, _ in about["words"]]
        ends = [*starts[1:], len(pcm) / 2 / rate_hz]
        tokens = text.split()
        words = tuple(map(Word, tokens, starts, ends)) if len(starts) == len(tokens) else ()
        return Speech(_at_24_khz(pcm, rate_hz), words)


class Clips:
    """Recorded sentences that come with the package: enough for the demo, in one voice."""

    def __init__(self) -> None:
        self._index: dict[str, str] | None = None

    def synthesize(self, text: str, voice: str) -> Speech | None:  # noqa: ARG002 - one voice only
        """The clip of this exact sentence; None if there is none."""
        folder = resources.files("antiphon") / "assets" / "clips"
        if self._index is None:
            index = folder / "index.json"
            self._index = json.loads(index.read_text("utf-8")) if index.is_file() else {}
        name = self._index.get(text)
        if name is None:
            return None
        with (folder / name).open("rb") as file, wave.open(file) as reader:
            return Speech(reader.readframes(reader.getnframes()))


def _run(name: str, command: list[str], text: str) -> bytes:
    """The output of a program that reads ``text``.

    Raises:
        SpeechUnavailable: It did not start, took too long, failed, or wrote next to nothing.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, the text is data
            command,
            input=_in_short_words(text).encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except OSError as error:
        raise SpeechUnavailable(
            f"{name} did not start: {error.strerror or error}. Install it anew."
        ) from error
    except subprocess.TimeoutExpired:
        raise SpeechUnavailable(
            f"{name} was not done with {len(text):,} characters after {_TIMEOUT_S:g} s. "
            "Say less in one sentence."
        ) from None
    if done.returncode != 0 or len(done.stdout) <= _WAV_HEADER_BYTES:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[-200:]
        raise SpeechUnavailable(
            f"{name} failed: exit status {done.returncode}, {len(done.stdout)} bytes"
            + (f", {said!r}." if said else ".")
        )
    return done.stdout


def _in_short_words(text: str) -> str:
    return re.sub(rf"\S{{{_MAX_WORD}}}", r"\g<0> ", text)


def _at_24_khz(pcm: bytes, rate_hz: int) -> bytes:
    samples = np.frombuffer(pcm, "<i2")
    if rate_hz != SPEECH_HZ:
        resampler = Resampler(rate_hz, SPEECH_HZ, "voice", "int16")
        samples = np.concatenate([resampler.process(samples), resampler.flush()])
    return samples.astype("<i2").tobytes()
