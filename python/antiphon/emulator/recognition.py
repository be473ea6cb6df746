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

from antiphon.emulator.jobs import Grammar, Recognition

__all__ = ["Recognizer"]

_log = logging.getLogger("antiphon.emulator")


class Recognizer:
    """One worker process, started when it is first needed. Thread-safe; calls queue up.

    Args:
        enabled: False acts as if pocketsphinx were not installed.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._available = enabled and importlib.util.find_spec("pocketsphinx") is not None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
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
        if self._available:
            with self._lock:
                self._started()

    def recognize(self, pcm: bytes, grammar: Grammar | None) -> Recognition:
        """Recognize mono int16 at 16,000 Hz; blocks for 0.1 to 0.5 s per second of speech."""
        if not self._available:
            return Recognition("", available=False)
        request = {"grammar": None if grammar is None else _as_json(grammar)}
        with self._lock:
            try:
                return self._ask(json.dumps(request).encode(), pcm)
            except (OSError, EOFError, ValueError) as error:
                self._stop()
                _log.warning("The recognizer failed (%s); this utterance is lost.", error)
                return Recognition("")

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            self._stop()

    def _ask(self, request: bytes, pcm: bytes) -> Recognition:
        process = self._started()
        to_worker, from_worker = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)
        for frame in (request, pcm):
            to_worker.write(struct.pack("<I", len(frame)) + frame)
        to_worker.flush()
        head = from_worker.read(4)
        if len(head) < 4:
            raise EOFError("its process ended")
        answer: dict[str, Any] = json.loads(from_worker.read(struct.unpack("<I", head)[0]))
        return Recognition(answer["text"], command=answer["command"])

    def _started(self) -> subprocess.Popen[bytes]:
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
