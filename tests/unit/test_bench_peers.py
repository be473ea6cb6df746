"""The measures of `benches.peers` are right: known filters measure as they must."""

import itertools
import json
import math
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest

from antiphon.audio import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from benches.peers import conversions, quality, ratios, speed, table, targets, timing
from benches.peers.engine import Engine, Floor
from benches.peers.engines import BASELINE, collect
from benches.peers.measured import load

ROOT = Path(__file__).resolve().parent.parent.parent
ANYTHING = Floor(rejection_db=-300, snr_db=-300, ripple_db=300)


def engine(open_stream, name="known", dtype="float32", **more):
    return Engine(name, "known", dtype, open_stream, more.pop("floor", ANYTHING), **more)


def whole(function):
    """A stream that gives everything at its end, of a function of the whole signal."""

    def open_stream(in_hz, out_hz):
        fed = []

        def process(block, last=False):
            fed.append(block)
            return function(np.concatenate(fed), in_hz, out_hz) if last else block[:0]

        return process

    return open_stream


def fifo(initial_frames=0, hold_frames=0, burst_frames=1):
    """Equal rates: begins with silence, keeps some frames back, gives whole bursts only."""

    def open_stream(_in_hz, _out_hz):
        kept = np.zeros(initial_frames, np.float32)
        dropped = initial_frames

        def process(block, last=False):
            nonlocal kept
            kept = np.concatenate([kept, block])
            if last:
                return kept[: len(kept) - dropped]
            ready = max(0, len(kept) - hold_frames) // burst_frames * burst_frames
            out, kept = kept[:ready], kept[ready:]
            return out

        return process

    return open_stream


def lowpass(x, factor, half_frames=2400, beta=16.0, cutoff=0.95):
    """A long windowed sinc, centred: as near to ideal as a test needs."""
    at = np.arange(-half_frames, half_frames + 1)
    taps = np.sinc(at * cutoff / factor) * np.kaiser(len(at), beta)
    return np.convolve(x, taps / taps.sum(), "same")


def decimate(x, in_hz, out_hz):
    return lowpass(x.astype(np.float64), in_hz // out_hz)[:: in_hz // out_hz]


def alike(function):
    """Equal rates, in one piece."""
    return whole(lambda x, _in_hz, _out_hz: function(x.astype(np.float64)))


# ------------------------------------------------------------------------------ delay


def test_a_delay_line_leaves_its_delay_in_the_output():
    delay_line = engine(fifo(initial_frames=32, hold_frames=32))
    measured = quality.measure(delay_line, 16_000, 16_000)
    assert measured.shift_ms == pytest.approx(2.0, abs=1e-3)
    assert measured.hold_max_ms == 0
    assert measured.delay_ms == pytest.approx(2.0, abs=1e-3)
    assert measured.ripple_db < 1e-6
    assert measured.invariant


@pytest.mark.parametrize("delay_frames", [7, 160, 800])
def test_a_delay_of_many_periods_is_told_from_one_of_few(delay_frames):
    system = partial(quality.run, engine(fifo(delay_frames, delay_frames)), 16_000, 16_000)
    shift_ms = 1000 * quality.shift_s(system, 16_000, 16_000)
    assert shift_ms == pytest.approx(delay_frames / 16, abs=1e-3)


def test_what_is_held_back_is_delay_though_the_output_is_aligned():
    measured = quality.measure(engine(fifo(hold_frames=480)), 16_000, 16_000)
    assert measured.shift_ms == pytest.approx(0, abs=1e-3)
    assert measured.hold_max_ms == measured.hold_mean_ms == 30
    assert measured.delay_ms == pytest.approx(30, abs=1e-3)


def test_bursts_show_as_a_worst_hold_above_the_mean():
    holds_ms = quality.hold_back_ms(engine(fifo(burst_frames=1600)), 16_000, 16_000)
    assert holds_ms.max() == 90
    assert 40 < holds_ms.mean() < 50


# ------------------------------------------------------------------------------ the band


def test_a_nearly_ideal_filter_measures_as_one():
    measured = quality.measure(engine(whole(decimate)), 48_000, 16_000)
    assert measured.rejection_db > 115
    assert measured.ripple_db < 1e-4
    assert measured.edge_3db == pytest.approx(0.95, abs=0.01)
    assert min(measured.snr_997_db, measured.snr_6k_db) > 140
    assert measured.length_error_frames == 0


def test_a_linear_interpolator_lets_its_images_through():
    def double(x, _in_hz, _out_hz):
        return np.interp(np.arange(2 * len(x)) / 2, np.arange(len(x)), x)

    measured = quality.measure(engine(whole(double)), 24_000, 48_000)
    # Between two frames stands their mean: cos(w/2) of a tone, so (1 - cos(w/2)) / 2 is image.
    image = (1 - math.cos(0.98 * math.pi / 2)) / 2
    assert measured.rejection_db == pytest.approx(-20 * math.log10(image), abs=0.4)
    passed = (1 + math.cos(0.85 * math.pi / 2)) / 2
    assert measured.ripple_db == pytest.approx(-20 * math.log10(passed), abs=0.05)


def test_no_low_pass_means_no_rejection():
    measured = quality.measure(engine(whole(lambda x, *_: x[::3])), 48_000, 16_000)
    assert measured.rejection_db < 1


@pytest.mark.parametrize("leak_db", [40, 70])
def test_a_known_leak_is_found_at_its_level(leak_db):
    def leaky(x, in_hz, out_hz):
        return decimate(x, in_hz, out_hz) + 10 ** (-leak_db / 20) * x[::3]

    system = partial(quality.run, engine(whole(leaky)), 48_000, 16_000)
    assert quality.rejection_db(system, 48_000, 16_000) == pytest.approx(leak_db, abs=0.6)


def test_the_ripple_of_a_known_filter():
    a = 0.004
    measured = quality.measure(
        engine(alike(lambda x: np.convolve(x, [a, 1 - 2 * a, a], "same"))), 16_000, 16_000
    )
    gain = 1 - 2 * a + 2 * a * math.cos(0.85 * math.pi)
    assert measured.ripple_db == pytest.approx(-20 * math.log10(gain), rel=0.02)


# ------------------------------------------------------------------------------ purity


@pytest.mark.parametrize("snr_db", [30, 80, 110])
def test_noise_at_a_known_level_is_the_snr(snr_db):
    def noisy(x):
        rms = 0.999 / math.sqrt(2) * 10 ** (-snr_db / 20)
        return x + rms * np.random.default_rng(1).standard_normal(len(x))

    system = partial(quality.run, engine(alike(noisy)), 16_000, 16_000)
    assert quality.snr_db(system, 16_000, 16_000, 997.0) == pytest.approx(snr_db, abs=0.5)


def test_dc_and_gain_are_no_noise():
    system = partial(quality.run, engine(alike(lambda x: 0.7 * x + 0.01)), 16_000, 16_000)
    assert quality.snr_db(system, 16_000, 16_000, 997.0) > 130


def test_int16_bytes_have_the_noise_of_rounding():
    through = engine(lambda *_: lambda block, _last=False: block, dtype="int16")
    measured = quality.measure(through, 16_000, 16_000)
    assert measured.snr_997_db == pytest.approx(98, abs=1)
    assert measured.invariant


# ------------------------------------------------------------------------------ streams


def test_a_truncated_stream_is_short():
    measured = quality.measure(engine(alike(lambda x: x[:-40])), 16_000, 16_000)
    assert measured.length_error_frames == -40


def test_what_forgets_between_calls_depends_on_the_cut():
    def open_stateless(_in_hz, _out_hz):
        return lambda block, _last=False: np.convolve(block, [0.25, 0.5, 0.25], "same")

    exact, deviation_dbfs = quality.invariance(engine(open_stateless), 16_000, 16_000)
    assert not exact
    assert deviation_dbfs > -40


def test_a_stream_that_differs_by_one_bit_is_not_exact():
    def open_counting(_in_hz, _out_hz):
        calls = itertools.count()
        return lambda block, _last=False: block * (1 + 2e-7 * (next(calls) % 2))

    exact, deviation_dbfs = quality.invariance(engine(open_counting), 16_000, 16_000)
    assert not exact
    assert deviation_dbfs < -120


def test_a_lost_frame_is_no_exact_stream():
    def open_short(_in_hz, _out_hz):
        return lambda block, _last=False: block[:-1] if len(block) == 882 else block

    assert not quality.invariance(engine(open_short), 16_000, 16_000)[0]


@pytest.mark.parametrize(
    ("frames", "in_hz", "out_hz", "wanted"),
    [
        (0, 48_000, 16_000, 0),
        (1, 48_000, 16_000, 0),
        (2, 48_000, 16_000, 1),
        (3, 16_000, 24_000, 5),
    ],
)
def test_lengths_are_rounded_half_up(frames, in_hz, out_hz, wanted):
    assert quality.exact_length(frames, in_hz, out_hz) == wanted


def test_every_ratio_finds_what_is_cut_short_and_what_depends_on_the_cut():
    rates_hz = (8_000, 16_000)
    ours = next(e for e in collect()[0] if e.name == "antiphon voice")
    every = ratios.measure([ours], rates_hz=rates_hz)
    assert (every.combinations, every.cut, every.length) == (2, [], [])
    broken = engine(lambda *_: lambda block, _last=False: block[: len(block) // 2 * 2 or 1])
    found = ratios.measure([broken], rates_hz=rates_hz)
    assert len(found.cut) == 2
    assert found.length


# ------------------------------------------------------------------------------ speed


def noise_free(**changes):
    good = {
        "shift_ms": 0.0,
        "hold_max_ms": 2.0,
        "hold_mean_ms": 2.0,
        "ripple_db": 0.001,
        "edge_3db": 0.9,
        "rejection_db": 90.0,
        "snr_997_db": 120.0,
        "snr_6k_db": 120.0,
        "length_error_frames": 0,
        "invariant": True,
        "deviation_dbfs": -240.0,
    }
    return quality.Quality(**{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"rejection_db": 79.9}, "rejection"),
        ({"snr_6k_db": 99.0}, "SNR"),
        ({"snr_997_db": float("nan")}, "SNR"),
        ({"ripple_db": 0.02}, "ripple"),
        ({"length_error_frames": 1}, "length"),
        ({"invariant": False}, "cut"),
    ],
)
def test_a_floor_names_what_is_below_it(changes, word):
    floor = Floor(rejection_db=80, snr_db=100, ripple_db=0.01, exact=True)
    assert floor.failures(noise_free()) == []
    (failure,) = floor.failures(noise_free(**changes))
    assert word in failure


def test_who_is_below_the_floor_is_not_timed():
    floor = Floor(rejection_db=80, snr_db=100)
    engines = [engine(fifo(), name, floor=floor) for name in (BASELINE, "good", "bad")]
    qualities = {BASELINE: noise_free(), "good": noise_free(), "bad": noise_free(rejection_db=10)}
    timed = speed.streams(engines, qualities, 16_000, 16_000, rounds=1)
    assert set(timed) == {BASELINE, "good"}
    assert timed[BASELINE].times_baseline == 1


def test_without_a_baseline_there_is_no_speed():
    with pytest.raises(SystemExit, match=BASELINE):
        speed.streams([], {}, 16_000, 16_000, rounds=1)


def test_ratios_are_taken_within_a_round():
    rounds = {"a": [1.0, 10.0, 100.0], "b": [2.0, 20.0, 200.0]}
    assert timing.times_as_fast(rounds, "a", "b") == 2
    assert timing.times_as_fast(rounds, "b", "a") == 0.5


def test_a_batch_calls_as_often_as_it_is_told():
    seen = []
    timing.over(seen.append, [1, 2, 3])(7)
    assert seen == [1, 2, 3, 1, 2, 3, 1]


# ------------------------------------------------------------------------------ G.711


def test_a_wrong_codec_gets_no_speed():
    encoders = {"ulaw": ulaw_encode, "alaw": alaw_encode}
    decoders = {"ulaw": ulaw_decode, "alaw": alaw_decode}
    check = conversions._check_g711
    check(lambda law, x: encoders[law](x), lambda law, x: decoders[law](x))

    def off_by_one(law, x):
        codes = np.frombuffer(encoders[law](x), np.uint8).copy()
        codes[40_000] ^= 1
        return codes

    with pytest.raises(conversions.WrongResult, match="encode: 1 sample"):
        check(off_by_one, lambda law, x: decoders[law](x))
    with pytest.raises(conversions.WrongResult, match="ulaw decode"):
        check(lambda law, x: encoders[law](x), lambda _law, x: decoders["alaw"](x))


# ------------------------------------------------------------------------------ the published run


@pytest.fixture(scope="module")
def published():
    return load(ROOT / "benches/results/resample.json")


def test_the_published_table_is_what_was_measured(published):
    assert (ROOT / "benches/results/resample.md").read_text() == table.render(published)


def test_everything_that_is_asked_was_measured(published):
    found = targets.check(published)
    assert len(found) >= 35
    assert [target.what for target in found if target.met is None] == []


def test_a_target_that_is_missed_says_so(published):
    data = json.loads((ROOT / "benches/results/resample.json").read_text())
    case = next(c for c in data["streams"] if (c["in_hz"], c["out_hz"]) == (48_000, 16_000))
    case["qualities"]["antiphon voice"]["hold_max_ms"] = 30.0
    del case["speeds"]["antiphon hq"]
    case["short"]["antiphon hq"] = ["rejection 3.0 < 124 dB"]
    worse = msgspec.convert(data, type(published))
    missed = {t.what: t.measured for t in targets.check(worse) if t.met is False}
    assert "30.00 ms" in missed["worst delay, 10 ms calls, 48→16, `voice`"]
    assert "not timed" in missed["speed, `hq`, 48→16"]
    assert "worst hold = mean hold" in missed
