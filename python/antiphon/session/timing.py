"""When the model's audio arrived, written to a file that can be sent to us: a timing trace.

A trace has arrival times and durations only, and nothing of what was said. It is what a jitter
buffer is built and judged by. JSON lines:

* The first line: ``v`` (1), ``regime`` ("stream"), ``cls`` ("recorded"), ``seed`` and ``ppm``
  (0), ``n_turns``, and of our own ``library``, ``model`` (the public name of a Gemini model, or
  "other") and ``left_out_ms``: audio that arrived and is not in the trace, because it was late
  audio of an interrupted turn, which nobody plays, or because a turn was beyond all bounds.
* Then one line for every turn of the model that had audio: ``turn`` (0, 1, 2 …), ``media0_ms``
  (where it starts in the audio of all turns, with 500 ms between them), ``media_ms``,
  ``chunk_ms``, ``pace`` (burst, fast, near or slow, by the speed at which it arrived),
  ``dchunk_us`` (arrival times: the first one, then the differences), ``flush_us`` (when it was
  interrupted, by the service or the application, or null) and ``end_us`` (when
  ``generationComplete`` or ``turnComplete`` arrived, whichever came first, or null).

Times are whole microseconds of the event loop's clock since `LiveModel.connect` began to connect.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
import re
from array import array
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from antiphon.errors import AntiphonError, RecordingError
from antiphon.protocol import LiveServerMessage
from antiphon.session.daemon_threads import DaemonThreads
from antiphon.wire import AudioPart, model_id

__all__ = ["TimingRecorder", "TurnTiming"]

logger = logging.getLogger("antiphon.session")

# A line's bounds: ten minutes of audio, and as many messages as that is at 10 ms each.
_MAX_TURN_MS = 600_000
_MAX_TURN_MESSAGES = 60_000
_MAX_WAITING_TURNS = 16
_PAUSE_MS = 500
_HEADER_BYTES = 256
_CLOSE_TIMEOUT_S = 10.0
# Media over arrival time, and the word for it from there up.
_PACES = ((10.0, "burst"), (1.6, "fast"), (1.025, "near"))
# What is public of a model's name; a tuned model or an endpoint is named by somebody's id.
_PUBLIC_MODEL = re.compile(r"gemini-[a-z0-9.-]{1,56}")


@dataclass(slots=True)
class TurnTiming:
    """When the audio of one turn arrived. No I/O, no clock.

    A line of the trace has pieces of one duration only, while messages vary. So the audio of
    each message is cut into pieces of the greatest duration in whole milliseconds that divides
    all messages of the turn; the pieces of a message have its arrival time. Where messages are
    no whole milliseconds, the running total is rounded: at every moment, what the trace has of
    the turn is within 1 ms of what came, however long the turn is.

    Attributes:
        number: The session's number of the turn.
        flush_us: When it was interrupted.
        end_us: When its end arrived.
        written: What of these is in the file; None while the turn is not.
    """

    number: int
    flush_us: int | None = None
    end_us: int | None = None
    written: tuple[int | None, int | None] | None = None
    _arrived_us: array[int] = field(default_factory=lambda: array("q"))
    _sizes_ms: array[int] = field(default_factory=lambda: array("i"))
    _total_ns: int = 0
    _full: bool = False

    @property
    def media_ms(self) -> int:
        """The audio of the turn that was added."""
        return _whole_ms(self._total_ns)

    def add(self, audio_ns: int, at_us: int) -> bool:
        """Add the audio of a message; False if the turn is beyond its bounds, now and later."""
        total_ms = _whole_ms(self._total_ns + audio_ns)
        self._full = (
            self._full or total_ms > _MAX_TURN_MS or len(self._sizes_ms) == _MAX_TURN_MESSAGES
        )
        if self._full:
            return False
        if size_ms := total_ms - self.media_ms:
            self._arrived_us.append(at_us)
            self._sizes_ms.append(size_ms)
        self._total_ns += audio_ns
        return True

    def line(self, index: int, media0_ms: int) -> dict[str, Any]:
        """The turn as a line of the trace; it must have audio."""
        chunk_ms = math.gcd(*self._sizes_ms)
        dchunk_us, last_us = [], 0
        for at_us, size_ms in zip(self._arrived_us, self._sizes_ms, strict=True):
            dchunk_us += [at_us - last_us, *[0] * (size_ms // chunk_ms - 1)]
            last_us = at_us
        return {
            "turn": index,
            "media0_ms": media0_ms,
            "media_ms": self.media_ms,
            "chunk_ms": chunk_ms,
            "pace": self._pace(),
            "flush_us": self.flush_us,
            "end_us": self.end_us,
            "dchunk_us": dchunk_us,
        }

    def _pace(self) -> str:
        """How fast it came: what is played until the last message came, over that time."""
        media_ms = self.media_ms - self._sizes_ms[-1]
        took_ms = (self._arrived_us[-1] - self._arrived_us[0]) / 1000
        for speed, word in _PACES:
            if media_ms >= speed * took_ms:
                return word
        return "slow"


class TimingRecorder:
    """Writes the timing trace of a session, turn by turn, while the session goes on.

    The disk is used from a thread of its own. After every turn the file is a whole trace: what
    happens later, to us or to the session, costs no turn that was complete; the end of the process
    waits for the disk, for up to 10 s. A turn that the end of the session cut is kept as far as it
    came. If the file cannot be written any more (a full disk), the recording stops with what is
    there, `error` is set, a warning is logged, and nothing else is disturbed.

    Memory is bounded, whatever the service sends: a turn is recorded up to ten minutes of audio
    and 60,000 messages, and up to 16 turns wait for the disk, all in less than 30 MB; speech of a
    minute is some 20 kB. What is beyond is left out, and counted in the trace.

    Args:
        path: The file; one that exists is replaced.
        start_s: The loop time from which the trace counts.
        model: The name of the model, in any form.

    Raises:
        RecordingError: The file cannot be made or written.
    """

    def __init__(self, path: str | os.PathLike[str], *, start_s: float, model: str) -> None:
        self._start_s = start_s
        self._path = os.fspath(path)
        self._turn: TurnTiming | None = None
        self._left_out_ns = 0
        self._error: RecordingError | None = None
        try:
            self._file = _TraceFile(self._path, model)
        except OSError as error:
            raise RecordingError(
                f"The timing trace {self._path} cannot be written: {error.strerror or error}. "
                "Choose another file for timing_trace."
            ) from error
        self._worker = DaemonThreads(1, "antiphon timing", awaited=True)
        self._waiting: deque[Future[None]] = deque()
        self._closing: Future[None] | None = None

    @property
    def error(self) -> RecordingError | None:
        """Why the recording stopped early; None while all is well."""
        return self._error

    def take(self, message: LiveServerMessage) -> None:
        """Account for a message of the service. Does not wait."""
        if message.turn is None:
            return
        if self._turn is None or message.turn != self._turn.number:
            self._hand_over()
            self._turn = TurnTiming(message.turn)
        turn, at_us = self._turn, self._us(message.received_s)
        if message.interrupted and turn.flush_us is None:
            turn.flush_us = at_us
        if (message.generation_complete or message.turn_complete) and turn.end_us is None:
            turn.end_us = at_us
        audio_ns = sum(_duration_ns(part) for part in message.received_audio_parts)
        if audio_ns and (turn.flush_us is not None or not turn.add(audio_ns, at_us)):
            self._left_out_ns += audio_ns
        if message.turn_complete or turn.written is not None:
            self._hand_over()

    def interrupt(self, now_s: float) -> None:
        """The application cuts the turn that is open. Does not wait."""
        if self._turn is not None and self._turn.flush_us is None:
            self._turn.flush_us = self._us(now_s)

    def end(self) -> None:
        """The session is over: have what is left written, and the file closed. Does not wait."""
        if self._closing is None:
            self._hand_over()
            left_out_ms = _whole_ms(self._left_out_ns)
            with contextlib.suppress(AntiphonError):  # no turn was written, and no thread begins
                self._closing = self._worker.submit(self._use_disk, self._file.close, left_out_ms)
            self._worker.shutdown()

    def wait(self) -> None:
        """After `end`: wait for the disk, for 10 s at most."""
        if self._closing is not None:
            try:
                self._closing.result(_CLOSE_TIMEOUT_S)
            except TimeoutError:
                self._stop(f"the disk did not take it within {_CLOSE_TIMEOUT_S:.0f} s")

    def _us(self, at_s: float) -> int:
        return round((at_s - self._start_s) * 1e6)

    def _hand_over(self) -> None:
        """Give the turn to the thread; again, if more has become known of it."""
        turn = self._turn
        if turn is None or not turn.media_ms or self._error is not None:
            return
        known = turn.flush_us, turn.end_us
        if turn.written == known:
            return
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if len(self._waiting) >= _MAX_WAITING_TURNS:
            self._stop(f"the disk is {_MAX_WAITING_TURNS} turns behind")
            return
        try:
            self._waiting.append(
                self._worker.submit(
                    self._use_disk, self._file.put, replace(turn), _whole_ms(self._left_out_ns)
                )
            )
        except AntiphonError as error:
            self._stop(str(error))
        turn.written = known

    def _use_disk(self, act: Callable[..., None], *args: object) -> None:
        """On the thread; nobody looks at what it raises."""
        try:
            act(*args)
        except OSError as error:
            self._stop(error.strerror or str(error))
        except Exception as error:
            self._stop(repr(error))

    def _stop(self, why: str) -> None:
        if self._error is None:
            self._error = RecordingError(
                f"The timing trace {self._path} stopped: {why}. What was written is kept."
            )
            logger.warning("%s", self._error)


class _TraceFile:
    """A trace that is whole after every call. It blocks on the disk.

    The first line is padded to a fixed size, so that it can be written again in place. After a
    turn that could not be written, none is: a trace has no holes.
    """

    def __init__(self, path: str, model: str) -> None:
        from antiphon import __version__

        public = _PUBLIC_MODEL.fullmatch(model_id(model))
        self._library = f"antiphon {__version__}"
        self._model = public[0] if public else "other"
        self._turns = 0
        self._last_start = self._end = _HEADER_BYTES
        self._last_media0_ms = self._media0_ms = 0
        self._last_line = b""
        self._failed = False
        self._file = io.FileIO(path, "w")
        try:
            self._write_at(0, self._header(0))
        except OSError:
            self._file.close()
            raise

    def put(self, turn: TurnTiming, left_out_ms: int) -> None:
        """Add a turn, or replace the last one, if this is the same with more known of it."""
        if self._failed:
            return
        again = turn.written is not None
        if again:
            start, media0_ms, index = self._last_start, self._last_media0_ms, self._turns - 1
        else:
            start, media0_ms, index = self._end, self._media0_ms, self._turns
        data = _json_line(turn.line(index, media0_ms))
        try:
            self._write_at(start, data)
            self._file.truncate()
        except OSError:
            self._failed = True
            with contextlib.suppress(OSError):  # as it was before
                self._write_at(start, self._last_line if again else b"")
                self._file.truncate()
            raise
        self._turns, self._last_start, self._last_media0_ms = index + 1, start, media0_ms
        self._last_line = data
        self._end, self._media0_ms = start + len(data), media0_ms + turn.media_ms + _PAUSE_MS
        self._write_at(0, self._header(left_out_ms))

    def close(self, left_out_ms: int) -> None:
        """Complete the first line and close the file."""
        with self._file:
            self._write_at(0, self._header(left_out_ms))

    def _write_at(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def _header(self, left_out_ms: int) -> bytes:
        header = {
            "v": 1,
            "regime": "stream",
            "cls": "recorded",
            "seed": 0,
            "ppm": 0,
            "n_turns": self._turns,
            "library": self._library,
            "model": self._model,
            "left_out_ms": left_out_ms,
        }
        return _json_line(header).rstrip().ljust(_HEADER_BYTES - 1) + b"\n"


def _duration_ns(part: AudioPart) -> int:
    """To the nearest; an hour of messages is exact to a tenth of a millisecond."""
    return (2_000_000_000 * part.frames + part.rate_hz) // (2 * part.rate_hz)


def _whole_ms(ns: int) -> int:
    return (ns + 500_000) // 1_000_000


def _json_line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
