"""Which sample of which turn was heard when: bookkeeping over the playhead of the playout.

No clock and no I/O: `Playback.observe` is told the playhead, at least once per device block if
the places of underruns matter, and says what came to pass since the call before. All positions
are frames at the rate of the model's audio; ``emitted`` counts everything that the buffer handed
over, silence included, so it is the speaker's timeline at that rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from antiphon.conversation.transcript import KEPT_TURNS

__all__ = ["Cut", "Finished", "Gap", "Playback", "PlayheadView", "Started", "TurnPlayback"]

# A turn may go on for hours, on a line that breaks up all the time.
_MAX_GAPS = 100


class PlayheadView(Protocol):
    """What is read of `antiphon.audio.Playhead`."""

    @property
    def turn(self) -> int | None:
        """The turn that is or was last played."""
        ...

    @property
    def media_frames(self) -> int:
        """Frames of it handed over."""
        ...

    @property
    def emitted_frames(self) -> int:
        """All frames handed over."""
        ...

    @property
    def flushes(self) -> int:
        """Flushes that took effect."""
        ...

    @property
    def flushed_turn(self) -> int | None:
        """The turn that the last of them cut."""
        ...

    @property
    def flushed_media_frames(self) -> int:
        """Frames of that turn that were heard."""
        ...


@dataclass
class Gap:
    """An underrun: ``frames`` of silence, somewhere between two places of the turn's audio."""

    from_frame: int
    to_frame: int
    frames: int


@dataclass
class TurnPlayback:
    """How the audio of one turn was played.

    Attributes:
        turn: Its number.
        received_frames: Audio that was queued.
        complete: No more audio will come.
        start_frame: Where its first frame was emitted; None before.
        heard_frames: Frames of it that were emitted so far.
        gaps: Underruns within it; of more than 100, the earliest are told as one.
        interrupted: It was flushed.
        done: Nothing more of it will be heard.
    """

    turn: int
    received_frames: int = 0
    complete: bool = False
    start_frame: int | None = None
    heard_frames: int = 0
    gaps: list[Gap] = field(default_factory=list)
    interrupted: bool = False
    done: bool = False

    @property
    def end_frame(self) -> int:
        """Where its last heard frame was emitted, plus one; needs ``start_frame``."""
        assert self.start_frame is not None
        return self.start_frame + self.heard_frames + sum(gap.frames for gap in self.gaps)


@dataclass(frozen=True)
class Started:
    """The first frame of a turn was emitted."""

    playback: TurnPlayback


@dataclass(frozen=True)
class Finished:
    """A turn was emitted to its last frame."""

    playback: TurnPlayback


@dataclass(frozen=True)
class Cut:
    """A flush took effect on a turn: ``heard_frames`` is final."""

    playback: TurnPlayback


class Playback:
    """The turns of a conversation, as they were heard.

    Args:
        keep_turns: So many are kept; older ones are forgotten when they are over.
    """

    def __init__(self, keep_turns: int = KEPT_TURNS) -> None:
        self.turns: dict[int, TurnPlayback] = {}
        self._keep_turns = keep_turns
        # Those that are not done, because all are looked at for every block of the device.
        self._going_on: dict[int, TurnPlayback] = {}
        self._emitted = 0
        self._flushes = 0
        self._flushing: list[int] = []

    @property
    def drained(self) -> bool:
        """Everything that came was heard."""
        return not self._going_on

    def settled(self, turn: int) -> bool:
        """Nothing more will come to pass with a turn."""
        return turn not in self._going_on and turn not in self._flushing

    def received(self, turn: int, frames: int) -> None:
        """``frames`` of ``turn`` were accepted by the playout."""
        self._turn(turn).received_frames += frames

    def ended(self, turn: int) -> None:
        """No more audio of ``turn`` will come."""
        self._turn(turn).complete = True

    def flushed(self, turn: int) -> list[int]:
        """The playout was told to flush all up to ``turn``; it is heard at the next callback.

        Returns:
            The turns that this may cut: ``turn``, should it have come, and what waits before it.
        """
        cut = sorted(number for number in self._going_on if number < turn)
        if turn in self.turns:
            cut.append(turn)
        for number in cut:
            self.turns[number].complete = True
            if number not in self._flushing:
                self._flushing.append(number)
        return cut

    def observe(self, playhead: PlayheadView) -> list[Started | Finished | Cut]:
        """What came to pass since the call before."""
        seen = self._follow(playhead)
        if playhead.flushes > self._flushes:
            self._flushes = playhead.flushes
            seen += self._settle_flush(playhead)
        for playback in list(self._going_on.values()):
            if self._played_out(playback, playhead):
                playback.heard_frames = playback.received_frames
                self._close(playback)
                seen.append(Finished(playback))
        self._emitted = playhead.emitted_frames
        return seen

    def _turn(self, turn: int) -> TurnPlayback:
        if (playback := self.turns.get(turn)) is None:
            playback = self.turns[turn] = self._going_on[turn] = TurnPlayback(turn)
            oldest = next(iter(self.turns))
            if len(self.turns) > self._keep_turns and self.settled(oldest):
                del self.turns[oldest]
        return playback

    def _follow(self, playhead: PlayheadView) -> list[Started | Finished | Cut]:
        """Take over the progress of the turn that is playing; note its start and its gaps."""
        if playhead.turn is None or playhead.media_frames == 0:
            return []
        playback = self.turns.get(playhead.turn)
        if playback is None or playback.done:
            return []  # it is told of until the next one sounds, which may be after it is forgotten
        if playback.start_frame is None:
            playback.start_frame = playhead.emitted_frames - playhead.media_frames
            playback.heard_frames = playhead.media_frames
            return [Started(playback)]
        before, now = playback.heard_frames, playhead.media_frames
        silent = playhead.emitted_frames - self._emitted - (now - before)
        if silent > 0:
            self._add_gap(playback, before, now, silent)
        playback.heard_frames = now
        return []

    @staticmethod
    def _add_gap(playback: TurnPlayback, before: int, now: int, silent: int) -> None:
        """Silence in one observation continues the gap of the one before."""
        if playback.gaps and playback.gaps[-1].to_frame == before:
            playback.gaps[-1].frames += silent
            playback.gaps[-1].to_frame = now
        else:
            playback.gaps.append(Gap(before, now, silent))
            if len(playback.gaps) > _MAX_GAPS:
                first, second = playback.gaps[:2]
                frames = first.frames + second.frames
                playback.gaps[:2] = [Gap(first.from_frame, second.to_frame, frames)]

    def _settle_flush(self, playhead: PlayheadView) -> list[Started | Finished | Cut]:
        """A flush took effect: a turn ends where the playhead says, unless it was over."""
        seen: list[Started | Finished | Cut] = []
        sounding = playhead.flushed_turn
        for turn in self._flushing:
            playback = self._turn(turn)
            if not playback.done:
                if sounding is not None and sounding > turn:
                    playback.heard_frames = playback.received_frames
                    self._close(playback)
                    seen.append(Finished(playback))
                    continue
                if sounding == turn:
                    playback.heard_frames = playhead.flushed_media_frames
                self._close(playback)
            playback.interrupted = True
            seen.append(Cut(playback))
        self._flushing.clear()
        return seen

    def _played_out(self, playback: TurnPlayback, playhead: PlayheadView) -> bool:
        if playback.done or not playback.complete or playback.turn in self._flushing:
            return False
        if playhead.turn is not None and playhead.turn > playback.turn:
            return True
        return playback.heard_frames >= playback.received_frames

    def _close(self, playback: TurnPlayback) -> None:
        """Silence after the last frame was no underrun."""
        playback.done = True
        del self._going_on[playback.turn]
        gaps = playback.gaps
        if gaps and gaps[-1].to_frame >= playback.heard_frames:
            gaps.pop()
