"""Measure everything, and write the table and the pictures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benches import report
from benches.circumstances import circumstances
from benches.peers import (
    conversions,
    gil,
    measured,
    overhead,
    pictures,
    quality,
    ratios,
    speed,
    table,
    targets,
)
from benches.peers.engine import Engine
from benches.peers.engines import collect

PACKAGES = ("soxr", "samplerate", "av", "scipy", "livekit", "g711", "audioop-lts", "numpy")
CASES = (
    (48_000, 16_000),
    (44_100, 16_000),
    (24_000, 48_000),
    (24_000, 16_000),
    (16_000, 24_000),
    (8_000, 16_000),
    (24_000, 8_000),
)
ONE_SHOT_CASES = ((48_000, 16_000), (24_000, 48_000))
QUICK_OUT = Path("target/bench-peers")


def main() -> None:
    """Parse the command line; measure; write; show what was asked."""
    parser = argparse.ArgumentParser(prog="python -m benches.peers", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"two ratios and few rounds, into {QUICK_OUT}: to see whether it works",
    )
    parser.add_argument("--out", type=Path, default=None, help="where the results go")
    options = parser.parse_args()
    out = options.out or (QUICK_OUT if options.quick else report.RESULTS)
    out.mkdir(parents=True, exist_ok=True)
    run = measure(quick=options.quick, arguments=sys.argv[1:])
    report.save(run, out / "resample.json")
    pictures.draw(run, out)
    (out / "resample.md").write_text(table.render(run))
    print(targets.render(targets.check(run)))
    print(f"written: {out}/resample.md, resample.json and two pictures")


def measure(*, quick: bool, arguments: list[str]) -> measured.Measured:
    """A whole run; minutes, or half a minute if it has to be quick."""
    engines, absent = collect()
    for missing in absent:
        report.say(f"not measured: {missing.name}: {missing.reason}")
    ours = [engine for engine in engines if engine.family == "antiphon"]
    rounds = 9 if quick else 41
    report.say("qualities and speeds of streams")
    streams = [
        stream_case(engines, in_hz, out_hz, rounds=rounds)
        for in_hz, out_hz in (ONE_SHOT_CASES if quick else CASES)
    ]
    report.say("ten seconds in one call")
    one_shots = [
        one_shot_case(engines, in_hz, out_hz, rounds=5 if quick else 21)
        for in_hz, out_hz in ONE_SHOT_CASES
    ]
    report.say("calls with three frames")
    calls = overhead.measure(engines, rounds=rounds)
    report.say("conversions")
    converted, unconverted = conversions.measure(rounds=rounds)
    report.say("beside a busy Python thread")
    waits = gil.measure(turns=1, calls=200) if quick else gil.measure(turns=5, calls=1000)
    report.say("every ratio of ours")
    every_ratio = ratios.measure(
        ours, rates_hz=(16_000, 44_100, 48_000) if quick else ratios.RATES_HZ
    )
    report.say("gain over frequency")
    curves = {engine.name: curve(engine) for engine in engines if engine.name in pictures.CURVES}
    return measured.Measured(
        circumstances=circumstances(arguments, program="benches.peers", packages=PACKAGES),
        streams=streams,
        one_shots=one_shots,
        overhead=calls,
        conversions=converted,
        waits=waits,
        every_ratio=every_ratio,
        curves=curves,
        absent={missing.name: missing.reason for missing in [*absent, *unconverted]},
    )


def stream_case(
    engines: Sequence[Engine], in_hz: int, out_hz: int, *, rounds: int
) -> measured.Case:
    """First what every engine is worth, then how fast those are that are worth it."""
    qualities = {engine.name: quality.measure(engine, in_hz, out_hz) for engine in engines}
    return _case(engines, qualities, in_hz, out_hz, partial(speed.streams, rounds=rounds))


def one_shot_case(
    engines: Sequence[Engine], in_hz: int, out_hz: int, *, rounds: int
) -> measured.Case:
    """Likewise, for the functions that take a whole signal."""
    able = [engine for engine in engines if engine.one_shot]
    qualities = {engine.name: quality.measure_one_shot(engine, in_hz, out_hz) for engine in able}
    return _case(able, qualities, in_hz, out_hz, partial(speed.one_shots, rounds=rounds))


def _case(
    engines: Sequence[Engine],
    qualities: Mapping[str, quality.Quality],
    in_hz: int,
    out_hz: int,
    time_them: Callable[..., dict[str, speed.Speed]],
) -> measured.Case:
    short = {e.name: e.floor.failures(qualities[e.name]) for e in engines}
    return measured.Case(
        in_hz=in_hz,
        out_hz=out_hz,
        qualities=dict(qualities),
        speeds=time_them(engines, qualities, in_hz, out_hz),
        short={name: failures for name, failures in short.items() if failures},
    )


def curve(engine: Engine) -> quality.Gains:
    """48 to 16 kHz: gain up to the new Nyquist frequency, and what is heard of tones above it."""
    system = partial(quality.run, engine, 48_000, 16_000)
    gains = quality.response(system, 48_000, 16_000, np.arange(0.70, 1.0001, 0.005))
    heard = quality.aliases(system, 48_000, 16_000, np.arange(1.005, 1.3, 0.005))
    return [(round(at, 4), round(db, 4)) for at, db in [*gains, *heard]]


if __name__ == "__main__":
    main()
