"""The server's understanding of speech: pocketsphinx, in a worker process.

Without pocketsphinx a spoken turn is still a turn: the brain learns how long it was.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import struct
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast

from antiphon.emulator.session.jobs import HEARING_HZ, Grammar, Recognition

__all__ = ["Recognizer"]

_log = logging.getLogger("antiphon.emulator")

_TIMEOUT_PER_SPEECH = 3.0


class Recognizer:
    """One worker process, started when it is first needed. Thread-safe; calls queue up.

    Args:
        enabled: False acts as if pocketsphinx were not installed.
        timeout_s: A worker that has not answered after this time, and three times the duration
            of the speech, is ended; the utterance is lost.
    """

    def __init__(self, *, enabled: bool = True, timeout_s: float = 20.0) -> None:
        self._available = enabled and importlib.util.find_spec("pocketsphinx") is not None
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        # One call at a time speaks with the worker. `close` does not wait for it: it ends the
        # worker at once, and a call that began before does not start another.
        self._speaking = threading.Lock()
        self._starting = threading.Lock()
        self._closes = 0
        if not self._available:
            _log.warning(
                "Speech is not recognized: pocketsphinx is not installed. For that: "
                "pip install 'antiphon[speech]'."
            )

    @property
    def available(self) -> bool:
        """Whether pocketsphinx is there."""
        return self._available

    def preload(self) -> None:
        """Start the worker, so that the first utterance does not wait for it (0.5 s)."""
        closes = self._closes
        if self._available:
            with self._speaking, contextlib.suppress(EOFError):
                self._started(closes)

    def recognize(self, pcm: bytes, grammar: Grammar | None) -> Recognition:
        """Recognize mono int16 at 16,000 Hz; blocks for 0.1 to 0.5 s per second of speech."""
        if not self._available:
            return Recognition("", available=False)
        request = {"grammar": None if grammar is None else _as_json(grammar)}
        closes = self._closes
        with self._speaking:
            try:
                process = self._started(closes)
                return self._ask(process, json.dumps(request).encode(), pcm)
            except (OSError, EOFError, ValueError) as error:
                self._stop()
                _log.warning("The recognizer failed (%s); this utterance is lost.", error)
                return Recognition("")

    def close(self) -> None:
        """End the worker, and with it every call that waits; the next call starts another."""
        with self._starting:
            self._closes += 1
            if self._process is not None:
                self._process.kill()
        with self._speaking:
            self._stop()

    def _ask(self, process: subprocess.Popen[bytes], request: bytes, pcm: bytes) -> Recognition:
        limit_s = self._timeout_s + _TIMEOUT_PER_SPEECH * len(pcm) / 2 / HEARING_HZ
        watchdog = threading.Timer(limit_s, process.kill)  # which ends the reads and writes below
        watchdog.daemon = True
        watchdog.start()
        try:
            return self._exchange(process, request, pcm)
        finally:
            watchdog.cancel()

    @staticmethod
    def _exchange(process: subprocess.Popen[bytes], request: bytes, pcm: bytes) -> Recognition:
        to_worker, from_worker = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)
        for frame in (request, pcm):
            to_worker.write(struct.pack("<I", len(frame)) + frame)
        to_worker.flush()
        head = from_worker.read(4)
        if len(head) < 4:
            raise EOFError("its process ended, or took too long")
        answer: dict[str, Any] = json.loads(from_worker.read(struct.unpack("<I", head)[0]))
        return Recognition(answer["text"], command=answer["command"])

    def _started(self, closes: int) -> subprocess.Popen[bytes]:
        """The worker, for a call that began after so many closes."""
        with self._starting:
            if closes != self._closes:
                raise EOFError("it was closed")
            if self._process is None or self._process.poll() is not None:
                self._stop()
                worker = Path(__file__).with_name("recognition_worker.py")
                command = [sys.executable, "-P", str(worker)]
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # the pipe broke with the process
                    stream.close()
        process.wait()


def _as_json(grammar: Grammar) -> dict[str, Any]:
    plain = asdict(grammar)
    return {**plain, "lead": sorted(plain["lead"]), "heads": sorted(plain["heads"])}
