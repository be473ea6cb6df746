"""One turn of the model on its way out: from the brain's reply to ``turnComplete``.

Messages come out of `step` when their time has come. The order is the recorded one: audio and
transcription, ``generationComplete`` when all is sent, and ``turnComplete`` only when the
client will have played it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from antiphon.emulator.brain import Call, Reply, Send, Step, Wait
from antiphon.emulator.dialect import Dialect
from antiphon.emulator.faults import Fault
from antiphon.emulator.jobs import SPEECH_HZ, Speech, Word
from antiphon.emulator.pacing import (
    FIRST_CHUNK_BYTES,
    NEXT_CHUNK_BYTES,
    Pace,
    split_sentences,
    time_words,
)
from antiphon.emulator.record import TurnRecord

__all__ = ["Act", "Generation", "Options"]

#: What is to be done now: a message to send, a function to call, a rule that begins to apply, or
#: the reply that follows in the same turn.
Act: TypeAlias = dict[str, Any] | Call | Fault | Reply

# Transcription runs ahead of its audio by about this much.
_TRANSCRIPT_LEAD_S = 0.4
# `generationComplete` follows the last chunk by a few milliseconds.
_LAST_GAP_S = 0.004
_TEXT_GAP_S = 0.05
_TEXT_PIECE_WORDS = 6


@dataclass(frozen=True)
class Options:
    """What the setup decided about output."""

    dialect: Dialect
    text_output: bool
    transcribe: bool
    speed: tuple[float, float]


class Generation:
    """Sends what the brain says; one object per turn.

    The owner feeds it with `take` and `spoken`, and calls `step` when `due` has come.
    """

    def __init__(
        self,
        record: TurnRecord,
        options: Options,
        rng: random.Random,
        *,
        start_at: float,
        epoch: float,
    ) -> None:
        self.record = record
        self.open_calls: dict[str, Call] = {}
        self.generation_complete = False
        self.completes = True
        self.after: list[Step] = []
        self._steps: deque[Step] = deque()
        self._call: Call | None = None
        self._then: Reply | None = None
        self._options = options
        self._rng = rng
        self._epoch = epoch
        self._next_at = start_at
        self._playback_end = start_at
        self._pace: Pace | None = None
        self._anything_sent = False
        self._reset_speech()

    def _reset_speech(self) -> None:
        self._sentences: deque[str] = deque()
        self._text = ""
        self._unspoken = 0
        self._pcm = bytearray()
        self._words: deque[Word] = deque()
        self._timed_frames = 0
        self._sent_frames = 0
        self._pieces: deque[str] = deque()
        self._has_output = False
        self._transcript_closed = False

    # -------------------------------------------------------------- feeding

    def take(self, reply: Reply, now: float) -> list[str]:
        """Take a reply; returns the sentences to synthesize, in order."""
        self._next_at = max(self._next_at, now)
        self._reset_speech()
        self._steps.extend(reply.before)
        self.after.extend(reply.after)
        self.completes = reply.completes
        self._call, self._then = reply.call, reply.then
        if reply.holds_open:
            return []
        self._has_output = True
        self._text = " ".join(reply.text.split())
        self.record.text = " ".join(filter(None, (self.record.text, reply.text)))
        sentences = split_sentences(reply.text)
        if self._options.text_output:
            words = reply.text.split(" ") if reply.text else []
            self._pieces.extend(
                (" " if first or self.record.text_sent else "")
                + " ".join(words[first : first + _TEXT_PIECE_WORDS])
                for first in range(0, len(words), _TEXT_PIECE_WORDS)
            )
            return []
        self._pace = Pace(self._rng, self._options.speed, reply.max_speed)
        if reply.speech is not None:
            self._sentences.append(reply.text)
            self._unspoken = 1
            self.spoken(reply.speech, now)
            return []
        self._sentences.extend(sentences)
        self._unspoken = len(sentences)
        return sentences

    def spoken(self, speech: Speech, now: float) -> None:
        """Take the audio of the next sentence."""
        sentence = self._sentences.popleft()
        start_s = self._timed_frames / SPEECH_HZ
        frames = len(speech.pcm) // 2
        for word in time_words(sentence, frames / SPEECH_HZ, speech.words):
            self._words.append(Word(word.text, start_s + word.start_s, start_s + word.end_s))
        self._timed_frames += frames
        self._pcm += speech.pcm
        self._unspoken -= 1
        self._next_at = max(self._next_at, now)

    # -------------------------------------------------------------- sending

    @property
    def waits_for_tool(self) -> bool:
        """Whether the turn is held open by a call that was not answered yet."""
        return bool(self.open_calls) and not self._has_output

    @property
    def due(self) -> float | None:
        """When `step` has something to do; None while it waits for audio or a tool."""
        if self._steps or self._call is not None:
            return self._next_at
        if self.generation_complete:
            return self._playback_end
        if not self._has_output:
            return None
        if self._options.text_output or not self._unspoken or self._chunk_ready():
            return self._next_at
        return None

    def step(self, now: float) -> Sequence[Act] | None:
        """What to do now, in order; None when the turn is over (the owner ends it)."""
        if self.generation_complete:
            return None
        if self._steps:
            return self._take_step(self._steps.popleft(), now)
        if self._call is not None:
            call, self._call = self._call, None
            return [*self._opening(), call]
        if not self._pieces and not self._pcm:
            if self._then is not None:
                return [self._then]
            if not self.completes:
                return None
        messages = self._opening()
        if self._pieces:
            piece = self._pieces.popleft()
            self.record.text_sent += piece
            turn = self._options.dialect.model_turn({"text": piece})
            messages.append({"serverContent": {"modelTurn": turn}})
            self._next_at = now + _TEXT_GAP_S
        elif self._pcm:
            messages += self._chunk(now)
        else:
            messages += self._complete(now)
        return messages

    def _take_step(self, step: Step, now: float) -> Sequence[Act]:
        if isinstance(step, Wait):
            self._next_at = now + step.seconds
            return []
        return [dict(step.message) if isinstance(step, Send) else step]

    def _opening(self) -> list[dict[str, Any]]:
        """What precedes the first message of a turn, once."""
        first = not self._anything_sent
        self._anything_sent = True
        if first and self._options.dialect.empty_first:
            return [{"serverContent": {}}]
        return []

    def _chunk_ready(self) -> bool:
        return len(self._pcm) >= self._chunk_bytes()

    def _chunk_bytes(self) -> int:
        return NEXT_CHUNK_BYTES if self._sent_frames else FIRST_CHUNK_BYTES

    def _chunk(self, now: float) -> list[dict[str, Any]]:
        size = self._chunk_bytes()
        chunk = bytes(self._pcm[:size])
        del self._pcm[:size]
        dialect, record = self._options.dialect, self.record
        media_before_s = record.frames_sent / SPEECH_HZ - self._sent_frames / SPEECH_HZ
        self._sent_frames += len(chunk) // 2
        record.frames_sent += len(chunk) // 2
        record.pcm += chunk
        if record.first_audio_s is None:
            record.first_audio_s = now - self._epoch
        delta = self._transcript_delta(media_before_s)
        audio: dict[str, Any] = {"modelTurn": dialect.audio(chunk)}
        before: list[dict[str, Any]] = []
        if self._options.transcribe:
            before, bundled = self._transcription(delta)
            audio |= bundled
        self._playback_end = max(self._playback_end, now) + len(chunk) / 2 / SPEECH_HZ
        assert self._pace is not None
        last = not self._pcm and not self._unspoken
        self._next_at = now + (_LAST_GAP_S if last else self._pace.gap_s(len(chunk)))
        return [*before, {"serverContent": audio}]

    def _transcript_delta(self, media_before_s: float) -> str:
        """The words that start before the end of the audio sent so far, and a little more."""
        until_s = self._sent_frames / SPEECH_HZ + _TRANSCRIPT_LEAD_S
        delta = ""
        last = not self._pcm and not self._unspoken
        while self._words and (last or self._words[0].start_s < until_s):
            word = self._words.popleft()
            delta += (" " if self.record.text_sent or delta else "") + word.text
            self.record.words.append(
                Word(word.text, media_before_s + word.start_s, media_before_s + word.end_s)
            )
        self.record.text_sent += delta
        return delta

    def _transcription(self, delta: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Messages before a chunk, and members to put beside its audio."""
        dialect = self._options.dialect
        if dialect.vertex:
            if self._transcript_closed:
                return [], {}
            # Vertex transcribes the whole answer before its first audio.
            self._transcript_closed = True
            first, _, rest = self._text.partition(" ")
            texts: list[dict[str, Any]] = [{}, {"text": first}]
            texts += [{"text": f" {rest}"}] if rest else []
            texts.append({"finished": True})
            return [{"serverContent": {"outputTranscription": text}} for text in texts], {}
        if not delta:
            return [], {}
        if dialect.bundles:
            return [], {"outputTranscription": {"text": delta}}
        return [{"serverContent": {"outputTranscription": {"text": delta}}}], {}

    def _complete(self, now: float) -> list[dict[str, Any]]:
        self.generation_complete = True
        self.record.generation_complete_s = now - self._epoch
        self._playback_end = max(self._playback_end, now)
        return [{"serverContent": {"generationComplete": True}}]

    def cut_short(self, now: float) -> list[dict[str, Any]]:
        """End the generation where it is, as Vertex does when a tool's answer arrives."""
        self._reset_speech()
        return self._complete(now)
