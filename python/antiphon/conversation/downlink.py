"""The model's side: its messages become sound, words and events.

Two things happen here. Messages of the session are taken as they come: audio goes to the
playout, an interruption flushes it at once. And the playhead is watched, because what was
*heard* is known there only.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import Protocol

from antiphon.audio import Playout, Resampler
from antiphon.conversation.events import (
    AnswerCut,
    AnswerDropped,
    Event,
    Interrupted,
    ModelTranscript,
    ToolCalled,
    TurnComplete,
    TurnHeard,
    TurnSounded,
    UserTranscript,
)
from antiphon.conversation.heard import HeardWords
from antiphon.conversation.playback import Cut, Finished, Playback, Started, TurnPlayback
from antiphon.conversation.timeline import (
    Interruption,
    InterruptionCause,
    Span,
    Timeline,
    TurnTiming,
)
from antiphon.conversation.transcript import KEPT_TURNS, Transcript
from antiphon.devices import Device
from antiphon.errors import AntiphonError, AudioFormatError
from antiphon.protocol import AnswerCut as CutAnswer
from antiphon.wire import AudioPart, ToolCall

__all__ = ["DownlinkMessage", "DownlinkPump"]

_FILL_SAMPLE_S = 0.05
_MAX_RATES = 8


class DownlinkMessage(Protocol):
    """What is read of a message of the session."""

    @property
    def turn(self) -> int | None:
        """The turn it belongs to."""
        ...

    @property
    def audio_parts(self) -> tuple[AudioPart, ...]:
        """Its audio."""
        ...

    @property
    def input_transcription(self) -> str | None:
        """More words of the user."""
        ...

    @property
    def output_transcription(self) -> str | None:
        """More words of the model."""
        ...

    @property
    def generation_complete(self) -> bool:
        """No more output of this turn."""
        ...

    @property
    def interrupted(self) -> bool:
        """The turn was interrupted."""
        ...

    @property
    def provoked(self) -> bool:
        """Something that was sent asked for that."""
        ...

    @property
    def audio_ended(self) -> bool:
        """No more audio of the turn will come."""
        ...

    @property
    def turn_complete(self) -> bool:
        """The turn has ended."""
        ...

    @property
    def tool_call(self) -> ToolCall | None:
        """Functions to be called."""
        ...

    @property
    def answer_cut(self) -> CutAnswer | None:
        """Set where the connection broke in the middle of the turn."""
        ...

    @property
    def received_s(self) -> float:
        """When it came, on the loop's clock."""
        ...


@dataclass
class _Stop:
    """Turns have to stop: told at ``at_s``, on the timeline."""

    at_s: float
    by_us: bool
    counted: bool = False


class DownlinkPump:
    """Plays the messages of a session and says what was heard.

    Args:
        device: The speaker's clock.
        playout: The writing end; the device pulls from the other.
        transcript: Gets the words.
        timeline: Gets the times.
        publish: Gets the events.
        keep_turns: How many turns `playback` remembers.
    """

    def __init__(
        self,
        device: Device,
        playout: Playout,
        transcript: Transcript,
        timeline: Timeline,
        publish: Callable[[Event], None],
        *,
        keep_turns: int = KEPT_TURNS,
    ) -> None:
        self._device = device
        self._playout = playout
        self._transcript = transcript
        self._timeline = timeline
        self._publish = publish
        self.playback = Playback(keep_turns)
        self._turn = 0
        self._turn_open = False
        self._worded_s = -math.inf
        self._sounded_s = 0.0
        self._progress = asyncio.Event()
        self._words = HeardWords()
        self.interruptions = 0
        """How often the service or the application said so."""
        self.phantom_interruptions = 0
        """… and how often nobody had spoken, and nobody asked for it."""
        self._stops: dict[int, _Stop] = {}
        self._rates: dict[int, Resampler] = {}
        self._overfull: set[int] = set()

    def begin(self, turns_before: int) -> None:
        """The conversation starts in a session that has had ``turns_before`` whole turns."""
        self._turn = turns_before

    @property
    def next_answer(self) -> int:
        """The turn that answers what the user says now."""
        return self._turn if self._turn_open else self._turn + 1

    async def run(self, messages: AsyncIterable[DownlinkMessage]) -> None:
        """Take messages until the session ends; then let what came be heard to its end.

        Raises:
            SessionClosed: The session broke. What came before is heard first.
        """
        failure = None
        try:
            async for message in messages:
                self._take(message)
        except AntiphonError as error:
            failure = error
        self._end_audio(self._turn)
        while not self.playback.drained:
            self._progress.clear()
            await self._progress.wait()
        if failure is not None:
            raise failure

    def _take(self, message: DownlinkMessage) -> None:
        at_s = self._at_s(message.received_s)
        if message.interrupted:
            turn = message.turn if message.turn is not None else self._turn
            self._interrupt(turn, _Stop(at_s, by_us=message.provoked))
        if message.turn is not None and message.turn > self._turn:
            self._turn, self._turn_open = message.turn, True
            self._forget_settled()
        if words := message.input_transcription:
            answer = self.next_answer
            self._add_user_words(answer, words)
            self._publish(UserTranscript(answer, words, at_s))
        self._take_output(message, at_s)
        if message.generation_complete:
            self._timeline.turn(self._turn).generation_complete_s = at_s
        if message.audio_ended:
            self._end_audio(self._turn)
        if (cut := message.answer_cut) is not None:
            # What has come is played to its end; the rest is never heard.
            self._turn_open = False
            self._publish(AnswerCut(cut.turn, cut.received_s * 1000, cut.asked_again, at_s))
        if message.turn_complete:
            self._turn_open = False
            self._timeline.turn(self._turn).complete_s = at_s
            self._publish(TurnComplete(self._turn, at_s))

    def _forget_settled(self) -> None:
        for turn in [turn for turn in self._stops if self.playback.settled(turn)]:
            del self._stops[turn]
        self._overfull -= {turn for turn in self._overfull if self.playback.settled(turn)}

    def _add_user_words(self, answer: int, words: str) -> None:
        """Words come after they were spoken: the speech that has no words yet was theirs."""
        utterance = self._transcript.user(answer)
        self._transcript.add(utterance, words)
        if spoken := self._timeline.speech_after(self._worded_s):
            self._worded_s = spoken[-1].start_s
            if utterance.start_s is None:
                utterance.start_s = spoken[0].start_s
            utterance.end_s = spoken[-1].end_s

    def _take_output(self, message: DownlinkMessage, at_s: float) -> None:
        turn = self._turn if message.turn is None else message.turn
        if words := message.output_transcription:
            self._transcript.add(self._transcript.model(turn), words)
            self._words.words_come(turn, words, self._received_s(turn))
            self._publish(ModelTranscript(turn, words, at_s))
        for part in message.audio_parts:
            self._play(turn, part)
        if message.tool_call is not None:
            for call in message.tool_call.function_calls:
                self._timeline.tool_called(turn, call.name, call.args, at_s)
                self._publish(ToolCalled(turn, call.name, call.args, call.id, at_s))

    def _play(self, turn: int, part: AudioPart) -> None:
        pcm = part.pcm
        if part.rate_hz != self._playout.source_hz:
            try:
                pcm = self._rate_converter(part.rate_hz).process(pcm)
            except AudioFormatError:
                lost_ms = part.frames * 1000 / part.rate_hz
                self._publish(AnswerDropped(turn, lost_ms, self._now_s()))
                return
        if turn not in self._overfull:
            frames = self._playout.push(pcm, now_us=self._device.now_us(), turn=turn)
            self.playback.received(turn, frames)
            if frames or turn in self._stops or not part.frames:
                return
            # No room. The turn ends here, for everyone to see: holes in it would be worse.
            self._overfull.add(turn)
            self._end_audio(turn)
        self._publish(AnswerDropped(turn, part.frames * 1000 / part.rate_hz, self._now_s()))

    def _rate_converter(self, rate_hz: int) -> Resampler:
        """Models speak at 24 kHz; should a part have another rate, it is converted."""
        if rate_hz not in self._rates:
            if len(self._rates) == _MAX_RATES:
                self._rates.clear()
            self._rates[rate_hz] = Resampler(rate_hz, self._playout.source_hz, dtype="int16")
        return self._rates[rate_hz]

    def _end_audio(self, turn: int) -> None:
        if turn in self.playback.turns:
            self._playout.end_of_turn(now_us=self._device.now_us(), turn=turn)
            self.playback.ended(turn)

    def _interrupt(self, turn: int, stop: _Stop) -> None:
        self._turn_open = False
        if turn not in self._stops and (cut := self.playback.flushed(turn)):
            self._playout.flush(now_us=self._device.now_us(), turn=turn)
            for each in cut:
                self._stops.setdefault(each, stop)
        else:
            self._count(stop)

    def _count(self, stop: _Stop) -> InterruptionCause:
        """Why the voice was stopped, as far as it is known by now."""
        spoke = self._timeline.user_spoke_before(stop.at_s)
        cause: InterruptionCause = "speech" if spoke else "unknown"
        if stop.by_us:
            cause = "application"
        if not stop.counted:
            stop.counted = True
            self.interruptions += 1
            self.phantom_interruptions += cause == "unknown"
        return cause

    def interrupt(self) -> None:
        """Stop the voice now, from this side; what still comes of its turn is not played."""
        if not self.playback.drained:
            self._interrupt(self._turn, _Stop(self._now_s(), by_us=True))

    async def watch(self) -> None:
        """Follow the playhead for as long as the device runs.

        Raises:
            DeviceError: The device failed.
        """
        next_fill_s = 0.0
        while True:
            await asyncio.sleep(self._device.block_frames / self._device.rate_hz)
            self._device.check()
            playhead = self._playout.playhead
            for seen in self.playback.observe(playhead):
                self._report(seen)
                self._progress.set()
            now_s = self._now_s()
            if now_s >= next_fill_s:
                next_fill_s = now_s + _FILL_SAMPLE_S
                self._timeline.buffer_fill.append((now_s, self._ms(playhead.queued_frames)))

    def _report(self, seen: Started | Finished | Cut) -> None:
        match seen:
            case Started(playback):
                self._report_start(playback)
            case Finished(playback):
                end_s = self._report_end(playback, self._timeline.turn(playback.turn))
                self._publish(TurnHeard(playback.turn, self._ms(playback.heard_frames), end_s))
            case Cut(playback):
                self._report_cut(playback)

    def _report_start(self, playback: TurnPlayback) -> None:
        assert playback.start_frame is not None
        at_s = self._speaker_s(playback.start_frame)
        timing = self._timeline.turn(playback.turn)
        spoken_s = self._timeline.last_speech_end_s(at_s)
        if spoken_s is not None and spoken_s > self._sounded_s:
            timing.latency_ms = (at_s - spoken_s) * 1000
        self._sounded_s = at_s
        timing.sound = Span(at_s)
        self._transcript.model(playback.turn).start_s = at_s
        self._publish(TurnSounded(playback.turn, at_s, timing.latency_ms))

    def _report_end(self, playback: TurnPlayback, timing: TurnTiming) -> float:
        end_s = self._now_s()
        if playback.start_frame is not None:
            end_s = self._speaker_s(playback.end_frame)
            timing.sound = Span(self._speaker_s(playback.start_frame), end_s)
        timing.received_ms = self._ms(playback.received_frames)
        timing.heard_ms = self._ms(playback.heard_frames)
        timing.gaps = [
            (self._ms(gap.from_frame), self._ms(gap.to_frame), self._ms(gap.frames))
            for gap in playback.gaps
        ]
        utterance = self._transcript.model(playback.turn)
        utterance.end_s = end_s
        utterance.heard_ms = timing.heard_ms
        if timing.generation_complete_s is not None:
            self._words.whole(utterance.text, self._received_s(playback.turn))
        return end_s

    def _report_cut(self, playback: TurnPlayback) -> None:
        turn = playback.turn
        timing = self._timeline.turn(turn)
        silent_s = self._report_end(playback, timing)
        # A barge-in after the last sample cut nothing.
        timing.interrupted = (
            timing.generation_complete_s is None or timing.heard_ms < timing.received_ms
        )
        stop = self._stops[turn]
        heard_ms, cause = self._ms(playback.heard_frames), self._count(stop)
        interruption = Interruption(turn, stop.at_s, silent_s, heard_ms, cause)
        self._timeline.turn_interrupted(interruption)
        utterance = self._transcript.model(turn)
        utterance.interrupted = timing.interrupted
        utterance.heard_text = self._words.estimate(
            turn,
            utterance.text,
            heard_s=timing.heard_ms / 1000,
            received_s=timing.received_ms / 1000,
            whole=timing.generation_complete_s is not None,
        )
        self._publish(
            Interrupted(
                turn,
                interruption.heard_ms,
                utterance.heard_text,
                silent_s,
                interruption.silence_ms,
                cause,
            )
        )

    def _now_s(self) -> float:
        """Now, on the timeline."""
        return self._at_s(self._device.now_us() / 1e6)

    def _at_s(self, clock_s: float) -> float:
        """A time of the device's clock on the timeline."""
        return clock_s - self._device.started_us / 1e6

    def _speaker_s(self, emitted_frames: int) -> float:
        """When a frame that the buffer emitted leaves the speaker, on the timeline."""
        return emitted_frames / self._playout.source_hz

    def _received_s(self, turn: int) -> float:
        played = self.playback.turns.get(turn)
        return 0.0 if played is None else played.received_frames / self._playout.source_hz

    def _ms(self, frames: int) -> float:
        return frames * 1000 / self._playout.source_hz
