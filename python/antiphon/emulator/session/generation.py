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

from antiphon.emulator.faults import Fault
from antiphon.emulator.service.dialect import Dialect
from antiphon.emulator.session.brain import Call, Reply, Send, Step, Wait
from antiphon.emulator.session.jobs import SPEECH_HZ, Speech, Word
from antiphon.emulator.session.pacing import TRANSCRIPT_LEAD_S, Pace, split_sentences, time_words
from antiphon.emulator.session.record import TurnRecord
from antiphon.emulator.settings import Settings

__all__ = ["Act", "Generation", "Options"]

#: What is to be done now: a message to send, a function to call, a rule that begins to apply, or
#: the reply that follows in the same turn.
Act: TypeAlias = dict[str, Any] | Call | Fault | Reply

# `generationComplete` follows the last chunk by a few milliseconds.
_LAST_GAP_S = 0.004
_TEXT_GAP_S = 0.05
# A turn that ends with a tool call ends so long after it.
_CALL_GAP_S = 0.01
_TEXT_PIECE_WORDS = 6


@dataclass(frozen=True)
class Options:
    """What the setup decided about output."""

    dialect: Dialect
    text_output: bool
    transcribe: bool
    settings: Settings
    show_thoughts: bool
    empty_frames: bool


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
        self._opened = False
        self._thought = ""
        self._transcribing = False
        self._reset_speech()

    def _reset_speech(self) -> None:
        self._sentences: deque[str] = deque()
        self._text = ""
        self._unspoken = 0
        self._unsent = _Unsent()
        self._words: deque[Word] = deque()
        self._timed_frames = 0
        self._sent_frames = 0
        self._pieces: deque[str] = deque()
        self._has_output = False
        self._transcribed = False

    # -------------------------------------------------------------- feeding

    def think(self, thought: str) -> None:
        """Take a thought that precedes the reply that is taken next."""
        self._thought = thought
        self.record.thought += thought

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
        self._pace = Pace(self._rng, self._options.settings, reply.max_speed)
        if reply.speech is not None:
            self._sentences.append(reply.text)
            self._unspoken = 1
            self.spoken(reply.speech, now)
            return []
        self._sentences.extend(sentences)
        self._unspoken = len(sentences)
        return sentences

    def end_with_call(self, now: float) -> None:
        """Wait for no result: a turn that does not talk on ends here."""
        if not self._has_output:
            self._has_output = True
            self._next_at = now + _CALL_GAP_S

    def take_up_again(self) -> None:
        """The results are there: what comes now is opened as a turn is."""
        self._opened = False

    def spoken(self, speech: Speech, now: float) -> None:
        """Take the audio of the next sentence."""
        sentence = self._sentences.popleft()
        start_s = self._timed_frames / SPEECH_HZ
        frames = len(speech.pcm) // 2
        for word in time_words(sentence, frames / SPEECH_HZ, speech.words):
            self._words.append(Word(word.text, start_s + word.start_s, start_s + word.end_s))
        self._timed_frames += frames
        self._unsent.append(speech.pcm)
        self._unspoken -= 1
        self._next_at = max(self._next_at, now)

    # -------------------------------------------------------------- sending

    @property
    def unsent_bytes(self) -> int:
        """Speech that is there and waits for its time."""
        return len(self._unsent)

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
        if not (self._pieces or self._unsent or self._words):
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
        elif self._unsent:
            messages += self._chunk(now)
        elif self._words:  # of speech without sound
            messages += self._transcription(self._transcript_delta())
        else:
            messages += self._complete(now)
        return messages

    def _take_step(self, step: Step, now: float) -> Sequence[Act]:
        if isinstance(step, Wait):
            self._next_at = now + step.seconds
            return []
        return [dict(step.message) if isinstance(step, Send) else step]

    def _opening(self) -> list[dict[str, Any]]:
        """What precedes the first message: of a turn, of its transcription, of a thought."""
        messages: list[dict[str, Any]] = []
        dialect = self._options.dialect
        if not self._opened and dialect.empty_first:
            messages += [*self._empty_frame(), {"serverContent": {}}]
        self._opened = True
        if self._options.transcribe and dialect.vertex:
            if not self._transcribing and not self._transcribed:
                messages.append({"serverContent": {"outputTranscription": {}}})
            self._transcribing = not self._transcribed
        if self._thought and self._options.show_thoughts:
            turn = dialect.model_turn({"text": self._thought, "thought": True})
            messages.append({"serverContent": {"modelTurn": turn}})
        self._thought = ""
        return messages

    def _empty_frame(self) -> list[dict[str, Any]]:
        return [{}] if self._options.empty_frames else []

    def _chunk_ready(self) -> bool:
        return len(self._unsent) >= self._chunk_bytes()

    def _chunk_bytes(self) -> int:
        assert self._pace is not None
        return self._pace.next_chunk_bytes if self._sent_frames else self._pace.first_chunk_bytes

    def _chunk(self, now: float) -> list[dict[str, Any]]:
        size = self._chunk_bytes()
        chunk = self._unsent.take(size)
        dialect, record = self._options.dialect, self.record
        self._sent_frames += len(chunk) // 2
        record.frames_sent += len(chunk) // 2
        record.pcm += chunk
        if record.first_audio_s is None:
            record.first_audio_s = now - self._epoch
        delta = self._transcript_delta()
        audio: dict[str, Any] = {"modelTurn": dialect.audio(chunk)}
        before: list[dict[str, Any]] = []
        if dialect.bundles and self._options.transcribe and delta:
            audio["outputTranscription"] = {"text": delta}
        else:
            before = self._transcription(delta)
        self._playback_end = max(self._playback_end, now) + len(chunk) / 2 / SPEECH_HZ
        assert self._pace is not None
        last = not self._unsent and not self._unspoken
        self._next_at = now + (_LAST_GAP_S if last else self._pace.gap_s(len(chunk)))
        return [*before, *self._empty_frame(), {"serverContent": audio}]

    def _transcript_delta(self) -> str:
        """The words that start before the end of the audio sent so far, and a little more."""
        before_s = (self.record.frames_sent - self._sent_frames) / SPEECH_HZ
        until_s = self._sent_frames / SPEECH_HZ + TRANSCRIPT_LEAD_S
        delta = ""
        last = not self._unsent and not self._unspoken
        while self._words and (last or self._words[0].start_s < until_s):
            word = self._words.popleft()
            delta += (" " if self.record.text_sent or delta else "") + word.text
            self.record.words.append(
                Word(word.text, before_s + word.start_s, before_s + word.end_s)
            )
        self.record.text_sent += delta
        return delta

    def _transcription(self, delta: str) -> list[dict[str, Any]]:
        """Messages of their own for what is said next."""
        texts: list[dict[str, Any]] = [{"text": delta}] if delta else []
        if self._options.dialect.vertex:
            # Vertex transcribes the whole answer before its first audio.
            first, space, rest = self._text.partition(" ")
            texts = [{"text": text} for text in (first, space + rest) if text]
            texts = [*texts, {"finished": True}] if self._transcribing else []
            self._transcribing, self._transcribed = False, True
        if not self._options.transcribe:
            return []
        return [{"serverContent": {"outputTranscription": text}} for text in texts]

    def _complete(self, now: float) -> list[dict[str, Any]]:
        messages = self._transcription("")
        self.generation_complete = True
        self.record.generation_complete_s = now - self._epoch
        self._playback_end = max(self._playback_end, now)
        return [*messages, {"serverContent": {"generationComplete": True}}]


class _Unsent:
    """Audio that waits: not copied, because many sessions may say the same."""

    def __init__(self) -> None:
        self._sentences: deque[bytes] = deque()
        self._taken = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._bytes

    def append(self, pcm: bytes) -> None:
        """Put it behind what is there."""
        if pcm:
            self._sentences.append(pcm)
            self._bytes += len(pcm)

    def take(self, size: int) -> bytes:
        """The first ``size`` bytes, or all there are."""
        taken = b""
        while self._sentences and len(taken) < size:
            first = self._sentences[0]
            piece = first[self._taken : self._taken + size - len(taken)]
            taken += piece
            self._taken += len(piece)
            if self._taken == len(first):
                self._sentences.popleft()
                self._taken = 0
        self._bytes -= len(taken)
        return taken
