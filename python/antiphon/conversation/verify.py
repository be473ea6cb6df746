"""The self-check of a recording: is what was heard what was sent?

The model's channel is compared with the PCM that the server sent, converted to the recording's
rate by the same filter as in the playout, and aligned once per turn. Then every window must be
there, in order, at that one lag: voiced windows by normalized correlation, all windows by what is
left after subtraction. Silence is allowed only where the playout reported it, an interrupted
turn ends where its flush took effect, and where no turn sounds there must be silence.

So anything lost, repeated, zeroed, swapped or put in shows: what is lost moves the rest off the
lag, what is repeated does so too or sounds where nothing should. The threshold was measured with
human and synthetic speech through the whole playout: undamaged, every voiced window correlates at
0.99999 and better (8 to 48 kHz); of the damages in the tests, the mildest, 20 ms zeroed, leaves a
window at 0.46.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from antiphon.audio import Resampler, int16_to_float
from antiphon.conversation.playback import TurnPlayback
from antiphon.conversation.verify_words import WordCheck, check_words
from antiphon.errors import AudioFormatError

__all__ = ["CheckReport", "SentTurn", "TurnCheck", "verify_recording"]

Pcm16 = NDArray[np.int16]
Float64 = NDArray[np.float64]
Complex128 = NDArray[np.complex128]

_WINDOW_S = 0.025
_HOP_S = 0.0125
_MIN_CORRELATION = 0.98
_VOICED_DBFS = -45.0
_QUIET_DBFS = -55.0
_FADE_S = 0.005
_BLOCK_S = 0.010
_CUTS_S = (0.0, 0.1, 0.2)
_SEARCH_S = 0.25
_MAX_START_ERROR_S = 0.020


@dataclass(frozen=True)
class SentTurn:
    """What the server sent in one turn: mono int16, and what it knows of the turn.

    Attributes:
        turn: Its number, from 1.
        pcm: Mono int16 at ``rate_hz``.
        text: Its words; empty: they are not checked.
        interrupted: Whether the server saw it interrupted; None: not known.
    """

    turn: int
    pcm: Pcm16
    rate_hz: int
    text: str = ""
    interrupted: bool | None = None


@dataclass
class TurnCheck:
    """How one turn did.

    Attributes:
        turn: Its number.
        expected_s: How much of it the playout said was heard.
        found_s: Where it begins in the recording; None if it is not there.
        windows, voiced_windows: Compared.
        worst_correlation: Of the voiced windows; 1.0 is equal.
        failed_s: Where windows differ, in seconds of the turn's audio: (from, to).
        gaps_ms: Underruns that the playout reported.
        words: Whether the words can be recognized; None if that was not checked.
        problems: In words; empty if all is well.
    """

    turn: int
    expected_s: float
    found_s: float | None = None
    windows: int = 0
    voiced_windows: int = 0
    worst_correlation: float = 1.0
    failed_s: list[tuple[float, float]] = field(default_factory=list)
    gaps_ms: float = 0.0
    words: WordCheck | None = None
    problems: list[str] = field(default_factory=list)


@dataclass
class CheckReport:
    """The verdict on a recording.

    Attributes:
        turns: In order.
        stray_s: Sound in the model's channel where no turn sounds: (from, to).
        problems: Of the recording as a whole.
    """

    turns: list[TurnCheck] = field(default_factory=list)
    stray_s: list[tuple[float, float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Nothing is wrong."""
        return not self.all_problems

    @property
    def all_problems(self) -> list[str]:
        """Everything that is wrong, in words."""
        return self.problems + [f"turn {t.turn}: {p}" for t in self.turns for p in t.problems]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"passed": self.passed, **asdict(self)}


def verify_recording(
    recording: Pcm16,
    rate_hz: int,
    sent: Sequence[SentTurn],
    heard: Mapping[int, TurnPlayback],
    *,
    decoys: Sequence[str] = (),
) -> CheckReport:
    """Compare the model's channel of a recording with what was sent.

    Args:
        recording: int16, shape (frames, 2): user left, model right.
        rate_hz: Its rate.
        sent: What the server sent, in order; every turn must be in ``heard`` or unheard there.
        heard: What the playout said about each turn: `Conversation.playback`.
        decoys: Sentences that were *not* said; with any, the words are checked as well.

    Raises:
        AudioFormatError: The recording is not stereo int16.
    """
    if recording.ndim != 2 or recording.shape[1] != 2 or recording.dtype != np.int16:
        raise AudioFormatError(
            f"The recording has shape {recording.shape} and dtype {recording.dtype}; the check "
            "needs int16 of shape (frames, 2): the user left, the model right."
        )
    model = int16_to_float(np.ascontiguousarray(recording[:, 1])).astype(np.float64)
    report = CheckReport()
    if not sent:
        report.problems.append("the server sent no audio at all")
    spans: list[tuple[int, int]] = []
    for turn in sent:
        heard_turn = _HeardTurn(turn, heard.get(turn.turn, TurnPlayback(turn.turn)), rate_hz)
        check, span = _check_turn(model, heard_turn)
        report.turns.append(check)
        if span is None:
            continue
        if spans and span[0] < spans[-1][1] - round(_BLOCK_S * rate_hz):
            check.problems.append("it sounds before the turn before it has ended")
        spans.append(span)
        if decoys and turn.text:
            _check_words(check, model[span[0] : span[1]], heard_turn, decoys)
    report.stray_s = list(_stray_sound(model, rate_hz, spans))
    if report.stray_s:
        report.problems.append(f"sound where no turn sounds, at {_places(report.stray_s)} s")
    return report


@dataclass(frozen=True)
class _HeardTurn:
    """A turn as it was sent and as the playout says that it was heard, at the recording's rate."""

    sent: SentTurn
    playback: TurnPlayback
    rate_hz: int

    def at_rate(self, media_frames: int) -> int:
        """Frames of the turn's audio as frames of the recording."""
        return round(media_frames * self.rate_hz / self.sent.rate_hz)

    @property
    def sent_s(self) -> float:
        return len(self.sent.pcm) / self.sent.rate_hz

    @property
    def heard_s(self) -> float:
        return self.playback.heard_frames / self.sent.rate_hz

    @property
    def gaps_s(self) -> float:
        return sum(gap.frames for gap in self.playback.gaps) / self.sent.rate_hz

    @property
    def unbroken_frames(self) -> int:
        """From its beginning to its first underrun, or to its end."""
        ends = [gap.from_frame for gap in self.playback.gaps] + [self.playback.heard_frames]
        return self.at_rate(ends[0])


def _check_turn(model: Float64, turn: _HeardTurn) -> tuple[TurnCheck, tuple[int, int] | None]:
    """Check one turn; also return where it sounds, in frames of the recording."""
    check = TurnCheck(turn.sent.turn, turn.heard_s, gaps_ms=turn.gaps_s * 1000)
    if turn.heard_s < turn.sent_s and not turn.playback.interrupted:
        check.problems.append(
            f"only {turn.heard_s:.2f} of {turn.sent_s:.2f} s were played, and nobody interrupted"
        )
    if turn.playback.interrupted and turn.sent.interrupted is False:
        check.problems.append("it was cut short, but the server was not interrupted there")
    if turn.playback.heard_frames == 0 or turn.playback.start_frame is None:
        return check, None
    reference = _reference(turn)
    claimed_s = turn.playback.start_frame / turn.sent.rate_hz
    lag = _align(model, reference[: turn.unbroken_frames], claimed_s, turn.rate_hz)
    if lag is None:
        check.problems.append(f"it cannot be found near {claimed_s:.2f} s")
        return check, None
    check.found_s = lag / turn.rate_hz
    if abs(check.found_s - claimed_s) > _MAX_START_ERROR_S:
        check.problems.append(
            f"it sounds at {check.found_s:.3f} s; the playout said {claimed_s:.3f} s"
        )
    begin = math.floor(lag)
    failed = _compare(check, model[begin:], _delayed(reference, lag - begin), turn)
    check.failed_s = _merged(failed)
    if failed:
        check.problems.append(
            f"{len(failed)} of {check.windows} windows differ from what was sent, at "
            f"{_places(check.failed_s)} s of its audio (worst correlation "
            f"{check.worst_correlation:.3f})"
        )
    end_s = check.found_s + turn.heard_s + turn.gaps_s
    return check, (begin, round(end_s * turn.rate_hz))


def _reference(turn: _HeardTurn) -> Float64:
    pcm = int16_to_float(np.ascontiguousarray(turn.sent.pcm))
    if turn.sent.rate_hz != turn.rate_hz:
        pcm = Resampler(turn.sent.rate_hz, turn.rate_hz).process(pcm, last=True)
    return pcm.astype(np.float64)


def _align(model: Float64, reference: Float64, claimed_s: float, rate_hz: int) -> float | None:
    """Where the reference begins in the recording, near ``claimed_s``; to a fraction of a frame.

    It is aligned by its first two seconds from its first loud sample on; None if nothing there
    is alike.
    """
    claimed = round(claimed_s * rate_hz)
    loud = np.flatnonzero(np.abs(reference) > _amplitude(_VOICED_DBFS))
    begin = int(loud[0]) if len(loud) else 0
    pattern = reference[begin : begin + 2 * rate_hz]
    if not len(loud) or len(pattern) < round(_WINDOW_S * rate_hz):
        return float(claimed)
    search = round(_SEARCH_S * rate_hz)
    first = max(0, claimed + begin - search)
    region = model[first : claimed + begin + len(pattern) + search]
    region = np.pad(region, (0, max(0, len(pattern) - len(region))))
    size = 1 << int(len(region) + len(pattern)).bit_length()
    product = np.fft.rfft(region, size) * np.conj(np.fft.rfft(pattern, size))
    match = np.fft.irfft(product, size)[: len(region) - len(pattern) + 1]
    best = int(np.argmax(match))
    found = region[best : best + len(pattern)]
    # An undamaged beginning is enough: the windows say what is wrong with the rest.
    half = min(len(pattern), rate_hz // 2)
    if max(_correlation(found[:half], pattern[:half]), _correlation(found, pattern)) < 0.5:
        return None
    return max(0.0, first - begin + _between_frames(product, size, best))


def _between_frames(product: Complex128, size: int, best: int) -> float:
    """The lag of the highest correlation near ``best``, by Newton's method on the spectrum."""
    omega = 2 * np.pi * np.fft.rfftfreq(size)
    lag = float(best)
    for _ in range(4):
        turned = product * np.exp(1j * omega * lag)
        bend = -float(np.dot(omega * omega, turned.real))
        if bend >= 0.0:
            return float(best)
        lag += float(np.dot(omega, turned.imag)) / bend
    return lag if abs(lag - best) <= 1.0 else float(best)


def _delayed(signal: Float64, frames: float) -> Float64:
    """The signal later by a fraction of a frame."""
    if frames == 0.0:
        return signal
    size = 1 << int(len(signal) + 64).bit_length()
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * frames)
    return np.fft.irfft(np.fft.rfft(signal, size) * turn, size)[: len(signal)]


def _compare(
    check: TurnCheck, model: Float64, reference: Float64, turn: _HeardTurn
) -> list[tuple[float, float]]:
    """Compare window by window; return those that differ, in seconds of the turn's audio."""
    window = round(_WINDOW_S * turn.rate_hz)
    failed = []
    for begin, shift in _windows(turn):
        want = reference[begin : begin + window]
        got = model[begin + shift : begin + shift + len(want)]
        got = np.pad(got, (0, len(want) - len(got)))  # where the recording ends too early
        check.windows += 1
        level = _rms(want)
        alike = _rms(got - want) <= max(level / 4, _amplitude(_QUIET_DBFS))
        if level > _amplitude(_VOICED_DBFS):
            check.voiced_windows += 1
            correlation = _correlation(got, want)
            check.worst_correlation = min(check.worst_correlation, correlation)
            alike = alike and correlation >= _MIN_CORRELATION
        if not alike:
            failed.append((begin / turn.rate_hz, (begin + window) / turn.rate_hz))
    return failed


def _windows(turn: _HeardTurn) -> Iterator[tuple[int, int]]:
    """First frame of each window to compare, and how far underruns have moved it by then.

    Windows that touch a fade (of a flush, or around an underrun) are left out.
    """
    playback, rate_hz = turn.playback, turn.rate_hz
    window, hop = round(_WINDOW_S * rate_hz), round(_HOP_S * rate_hz)
    unsure = round(_BLOCK_S * rate_hz)
    begin, shift = 0, 0
    for gap in playback.gaps:
        while begin + window <= turn.at_rate(gap.from_frame) - unsure:
            yield begin, shift
            begin += hop
        begin = max(begin, turn.at_rate(gap.to_frame) + unsure)
        shift += turn.at_rate(gap.frames)
    end = turn.at_rate(playback.heard_frames)
    if playback.interrupted:
        end -= round(_FADE_S * rate_hz)
    while begin + window <= end:
        yield begin, shift
        begin += hop
    if begin - hop + window < end:
        yield max(0, end - window), shift


def _stray_sound(
    model: Float64, rate_hz: int, spans: Sequence[tuple[int, int]]
) -> Iterator[tuple[float, float]]:
    """Where the model's channel sounds although no turn does."""
    block = round(_BLOCK_S * rate_hz)
    quiet = np.ones(len(model), bool)
    for begin, end in spans:
        quiet[max(0, begin - block) : end + block] = False
    silent_model = np.where(quiet, model, 0.0)
    whole = len(model) // block * block
    levels = np.sqrt(np.mean(silent_model[:whole].reshape(-1, block) ** 2, axis=1))
    loud = np.flatnonzero(levels > _amplitude(_QUIET_DBFS))
    block_s = block / rate_hz
    yield from _merged([(b * block_s, (b + 1) * block_s) for b in loud.tolist()])


def _check_words(check: TurnCheck, sound: Float64, turn: _HeardTurn, decoys: Sequence[str]) -> None:
    """A cut in the middle of a word can spoil the recognition of all: a little less is tried."""
    for shorter_s in _CUTS_S if turn.playback.interrupted else _CUTS_S[:1]:
        heard_s = turn.heard_s - shorter_s
        if heard_s <= 0:
            break
        check.words = check_words(
            sound[: len(sound) - round(shorter_s * turn.rate_hz)].astype(np.float32),
            turn.rate_hz,
            turn.sent.text,
            decoys,
            heard_part=min(1.0, heard_s / turn.sent_s),
        )
        if check.words is None or check.words.recognized:
            break
    if check.words is not None and not check.words.recognized:
        check.problems.append(
            f'its words cannot be recognized: understood "{check.words.understood}"'
        )


def _merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans that touch become one."""
    merged: list[tuple[float, float]] = []
    for begin, end in spans:
        if merged and begin <= merged[-1][1] + 1e-9:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _places(spans: Sequence[tuple[float, float]]) -> str:
    shown = ", ".join(f"{begin:.2f}-{end:.2f}" for begin, end in spans[:3])
    return f"{shown} and {len(spans) - 3} more places" if len(spans) > 3 else shown


def _correlation(a: Float64, b: Float64) -> float:
    norm = float(np.sqrt(np.dot(a, a) * np.dot(b, b)))
    return float(np.dot(a, b)) / norm if norm else 0.0


def _rms(x: Float64) -> float:
    return float(np.sqrt(np.mean(x * x))) if len(x) else 0.0


def _amplitude(dbfs: float) -> float:
    return float(10 ** (dbfs / 20))
