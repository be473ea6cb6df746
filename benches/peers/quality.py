"""How good a resampler is, found from its output alone.

* **delay**: the constant delay left inside the output, plus the worst hold-back: how much more
  audio was fed than came out, right after a call with 10 ms, in steady state.
* **ripple**: greatest less smallest gain up to .85 of the lower Nyquist frequency.
* **rejection**: going down, tones above the new Nyquist frequency (from 1.01 times) and whatever is
  heard of them; going up, tones up to .98 of the old one and the loudest that is heard beside them.
* **SNR**: a sine near full scale against what is left when the sine is fitted and taken away.
* **invariant**: the same output, bit for bit, for calls of one frame to one second.
* **length error**: against n·L/M, rounded half up, for a length that does not divide.

Everything is fed in calls of 10 ms (or in one call for a one-shot function), as it is timed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache, partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from benches.peers.engine import Engine

Samples = NDArray[np.float64]
System = Callable[[Samples], Samples]

WARM_UP_S = 0.1  # of every output, before anything is measured
TAIL_S = 0.04  # likewise, at its end
TONE_S = 0.3
FLOOR = 1e-12  # -240 dB, for silence
# Every side lobe below -170 dB; the main lobe is 12 bins to either side.
KAISER_BETA, MAIN_LOBE_BINS = 24.0, 12


class Quality(msgspec.Struct, frozen=True):
    """See the module. `invariant` is None for a one-shot function."""

    shift_ms: float
    hold_max_ms: float
    hold_mean_ms: float
    ripple_db: float
    edge_3db: float  # where the gain is -3 dB, as a fraction of the lower Nyquist frequency
    rejection_db: float
    snr_997_db: float
    snr_6k_db: float
    length_error_frames: int
    invariant: bool | None
    deviation_dbfs: float  # how much the cut changes, or a one-shot from the stream; -240: nothing

    @property
    def delay_ms(self) -> float:
        """The worst delay of a sound, with 10 ms calls."""
        return self.shift_ms + self.hold_max_ms


def measure(engine: Engine, in_hz: int, out_hz: int) -> Quality:
    """Everything about a stream."""
    holds_ms = hold_back_ms(engine, in_hz, out_hz)
    invariant, deviation_dbfs = invariance(engine, in_hz, out_hz)
    frames = in_hz + 137
    fed = run(engine, in_hz, out_hz, np.zeros(frames))
    return _measure(
        partial(run, engine, in_hz, out_hz),
        in_hz,
        out_hz,
        hold_max_ms=float(holds_ms.max()),
        hold_mean_ms=float(holds_ms.mean()),
        length_error_frames=len(fed) - exact_length(frames, in_hz, out_hz),
        invariant=invariant,
        deviation_dbfs=deviation_dbfs,
    )


def measure_one_shot(engine: Engine, in_hz: int, out_hz: int) -> Quality:
    """Everything about a function that takes the whole signal at once."""
    one_shot = engine.one_shot
    assert one_shot is not None, engine.name

    def system(x: Samples) -> Samples:
        return engine.unpack(one_shot(in_hz, out_hz, engine.pack(x)))

    frames = in_hz + 137
    noise = _noise(in_hz)
    streamed = run(engine, in_hz, out_hz, noise)
    return _measure(
        system,
        in_hz,
        out_hz,
        hold_max_ms=0.0,
        hold_mean_ms=0.0,
        length_error_frames=len(system(np.zeros(frames))) - exact_length(frames, in_hz, out_hz),
        invariant=None,
        deviation_dbfs=_deviation_dbfs(system(noise), streamed),
    )


def _measure(
    system: System,
    in_hz: int,
    out_hz: int,
    *,
    hold_max_ms: float,
    hold_mean_ms: float,
    length_error_frames: int,
    invariant: bool | None,
    deviation_dbfs: float,
) -> Quality:
    gains = response(system, in_hz, out_hz, np.r_[0.02:0.8:0.06, 0.8:1.0001:0.01])
    return Quality(
        shift_ms=1000 * shift_s(system, in_hz, out_hz),
        hold_max_ms=hold_max_ms,
        hold_mean_ms=hold_mean_ms,
        ripple_db=ripple_db(gains),
        edge_3db=edge(gains, 3.0),
        rejection_db=rejection_db(system, in_hz, out_hz),
        snr_997_db=snr_db(system, in_hz, out_hz, 997.0),
        snr_6k_db=snr_db(system, in_hz, out_hz, 6000.7 if min(in_hz, out_hz) > 13_200 else 3000.7),
        length_error_frames=length_error_frames,
        invariant=invariant,
        deviation_dbfs=deviation_dbfs,
    )


# ------------------------------------------------------------------------------ running


def exact_length(frames: int, in_hz: int, out_hz: int) -> int:
    """Output frames of a whole input: n·L/M rounded half up."""
    ratio = Fraction(out_hz, in_hz)
    return (2 * frames * ratio.numerator + ratio.denominator) // (2 * ratio.denominator)


def run(
    engine: Engine, in_hz: int, out_hz: int, x: Samples, cuts: Iterable[int] | None = None
) -> Samples:
    """The whole output for ``x``, fed in calls of the lengths in ``cuts`` (10 ms without)."""
    blocks = [emitted for _, emitted in _fed(engine, in_hz, out_hz, x, cuts)]
    return np.concatenate(blocks) if blocks else np.zeros(0)


def _fed(
    engine: Engine, in_hz: int, out_hz: int, x: Samples, cuts: Iterable[int] | None
) -> Iterable[tuple[int, Samples]]:
    """After each call: the frames fed so far, and what this call gave."""
    process = engine.open(in_hz, out_hz)
    sizes = itertools.repeat(in_hz // 100) if cuts is None else itertools.cycle(cuts)
    at = 0
    while at < len(x):
        end = min(at + next(sizes), len(x))
        yield end, engine.unpack(process(engine.pack(x[at:end]), end == len(x)))
        at = end


def hold_back_ms(engine: Engine, in_hz: int, out_hz: int) -> Samples:
    """Audio fed less audio emitted after each 10 ms call of the last .75 s of a second."""
    x = 0.5 * np.sin(2 * np.pi * 997 * np.arange(in_hz) / in_hz)
    emitted, holds = 0, []
    for fed, block in _fed(engine, in_hz, out_hz, x, None):
        emitted += len(block)
        if in_hz / 4 < fed < len(x):  # the last call flushes
            holds.append(1000 * (fed * out_hz - emitted * in_hz) / (in_hz * out_hz))
    return np.array(holds)


def invariance(engine: Engine, in_hz: int, out_hz: int) -> tuple[bool, float]:
    """Whether the cut of the input leaves the output as it is, and else by how much not."""
    noise = _noise(2 * in_hz + 13)
    whole = run(engine, in_hz, out_hz, noise, [len(noise)])
    single = [1] * (in_hz // 20)
    cuts = ([in_hz // 100], [in_hz // 50], [137, 1, 511, 64, 3, 882], [*single, in_hz], [in_hz])
    worst_dbfs, same_length = to_db(0), True
    for sizes in cuts:
        cut = run(engine, in_hz, out_hz, noise, sizes)
        worst_dbfs = max(worst_dbfs, _deviation_dbfs(cut, whole))
        same_length = same_length and len(cut) == len(whole)
    return same_length and worst_dbfs == to_db(0), worst_dbfs


def _noise(frames: int) -> Samples:
    return 0.3 * np.random.default_rng(7).standard_normal(frames).clip(-3, 3)


def _deviation_dbfs(a: Samples, b: Samples) -> float:
    common = min(len(a), len(b))
    return to_db(float(np.abs(a[:common] - b[:common]).max(initial=0.0)))


# ------------------------------------------------------------------------------ measuring


def to_db(amplitude: float) -> float:
    """Amplitude in dB, not below -240."""
    return 20 * math.log10(max(amplitude, FLOOR))


def steady(
    system: System, in_hz: int, out_hz: int, tone_hz: float, *, amplitude: float, seconds: float
) -> tuple[Samples, int]:
    """The output for a tone without its beginning and end, and the frame where it begins."""
    x = amplitude * np.sin(2 * np.pi * tone_hz * np.arange(int(seconds * in_hz)) / in_hz)
    first = int(WARM_UP_S * out_hz)
    return system(x)[first : int((seconds - TAIL_S) * out_hz)], first


def fit_sine(y: Samples, tone_hz: float, rate_hz: int) -> tuple[float, float, float]:
    """Amplitude and phase of the tone in ``y``, and the RMS of the rest (DC belongs to neither)."""
    angle = 2 * np.pi * tone_hz * np.arange(len(y)) / rate_hz
    basis = np.stack([np.sin(angle), np.cos(angle), np.ones_like(angle)], axis=1)
    parts, *_ = np.linalg.lstsq(basis, y, rcond=None)
    rest = y - basis @ parts
    return (
        math.hypot(parts[0], parts[1]),
        math.atan2(parts[1], parts[0]),
        float(np.sqrt(np.mean(rest**2))),
    )


@cache
def _window(frames: int) -> Samples:
    # np.kaiser is symmetric; a periodic window is one longer, without its last point.
    window = np.kaiser(frames + 1, KAISER_BETA)[:-1]
    scaled: Samples = 2 * window / window.sum()
    return scaled


def worst_spur(y: Samples, rate_hz: int, beside_hz: float | None) -> float:
    """Amplitude of the loudest tone in ``y``, other than the one that belongs there."""
    spectrum = np.abs(np.fft.rfft(y * _window(len(y))))
    spectrum[0] /= 2  # the window is scaled for tones
    if beside_hz is not None:
        bin_at = round(beside_hz * len(y) / rate_hz)
        spectrum[max(0, bin_at - MAIN_LOBE_BINS) : bin_at + MAIN_LOBE_BINS + 1] = 0
    return float(spectrum.max())


def shift_s(system: System, in_hz: int, out_hz: int) -> float:
    """How much later a sound stands in the output than in the input.

    The phase of a tone says it to the microsecond but not in which period; the centre of a pulse
    names the period.
    """
    tone_hz = 997.0
    at = np.arange(int(0.6 * in_hz)) / in_hz
    pulse = system(0.8 * np.exp(-0.5 * ((at - 0.3) / 0.002) ** 2)) ** 2
    coarse = float(pulse @ np.arange(len(pulse))) / max(float(pulse.sum()), FLOOR) / out_hz - 0.3
    y, first = steady(system, in_hz, out_hz, tone_hz, amplitude=0.5, seconds=2 * TONE_S)
    _, phase, _ = fit_sine(y, tone_hz, out_hz)
    fine = first / out_hz - phase / (2 * np.pi * tone_hz)
    return fine + round((coarse - fine) * tone_hz) / tone_hz


def snr_db(system: System, in_hz: int, out_hz: int, tone_hz: float) -> float:
    """A sine of -0.009 dBFS against everything else."""
    y, _ = steady(system, in_hz, out_hz, tone_hz, amplitude=0.999, seconds=2 * TONE_S)
    amplitude, _, rest_rms = fit_sine(y, tone_hz, out_hz)
    return to_db(amplitude / math.sqrt(2)) - to_db(rest_rms)


Gains = list[tuple[float, float]]  # (fraction of the lower Nyquist frequency, dB)


def response(system: System, in_hz: int, out_hz: int, fractions: Samples) -> Gains:
    """The gain of tones up to the lower Nyquist frequency."""
    gains = []
    for fraction in fractions:
        tone_hz = fraction * min(in_hz, out_hz) / 2 * 0.99991  # beside the bins, and below the edge
        y, _ = steady(system, in_hz, out_hz, tone_hz, amplitude=0.5, seconds=TONE_S)
        gains.append((float(fraction), to_db(fit_sine(y, tone_hz, out_hz)[0] / 0.5)))
    return gains


def ripple_db(gains: Gains) -> float:
    """Greatest less smallest gain up to .85."""
    flat = [gain for fraction, gain in gains if fraction < 0.855]
    return max(flat) - min(flat)


def edge(gains: Gains, down_db: float) -> float:
    """Where the gain is first ``down_db`` below that of low tones."""
    reference = float(np.mean([gain for fraction, gain in gains if fraction <= 0.3]))
    before = gains[0]
    for fraction, gain in gains:
        if gain < reference - down_db:
            part = (before[1] - reference + down_db) / max(before[1] - gain, 1e-9)
            return before[0] + (fraction - before[0]) * min(max(part, 0.0), 1.0)
        before = (fraction, gain)
    return 1.0


def aliases(system: System, in_hz: int, out_hz: int, fractions: Samples) -> Gains:
    """Going down: the loudest that is heard of tones above the new Nyquist frequency."""
    heard = []
    for fraction in fractions:
        tone_hz = fraction * out_hz / 2 * 1.00007  # no alias falls onto DC or another alias
        y, _ = steady(system, in_hz, out_hz, tone_hz, amplitude=0.5, seconds=TONE_S)
        heard.append((float(fraction), to_db(worst_spur(y, out_hz, None) / 0.5)))
    return heard


def images(system: System, in_hz: int, out_hz: int, fractions: Samples) -> Gains:
    """Going up: the loudest that is heard beside tones below the old Nyquist frequency."""
    heard = []
    for fraction in fractions:
        tone_hz = fraction * in_hz / 2 * 0.99991
        y, _ = steady(system, in_hz, out_hz, tone_hz, amplitude=0.5, seconds=TONE_S)
        heard.append((float(fraction), to_db(worst_spur(y, out_hz, tone_hz) / 0.5)))
    return heard


def rejection_db(system: System, in_hz: int, out_hz: int) -> float:
    """How far below the tone the worst alias (going down) or image (going up) lies."""
    if out_hz < in_hz:
        top = in_hz / out_hz * 0.995
        # None at a multiple of the new rate: there the alias would meet its own mirror at DC.
        fractions = np.r_[1.01 : min(1.3, top) : 0.01, 1.32:top:0.05]
        heard = aliases(system, in_hz, out_hz, fractions)
    else:
        heard = images(system, in_hz, out_hz, np.r_[0.02:0.8:0.06, 0.8:0.981:0.01])
    return -max(level for _, level in heard)
