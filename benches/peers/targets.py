"""What the resampler must show, beside what it showed.

``python -m benches.peers.targets`` checks the last full run again, and fails if something is short.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from benches.peers.gil import DETACHING, KEPT, SOXR
from benches.peers.measured import Case, Measured, load
from benches.peers.quality import Quality
from benches.report import RESULTS
from benches.targets import Target, render

# Profile: worst delay in ms at 48→16 and where a side has 8 kHz, and rejection in dB.
DELAYS_MS = {
    "voice": (2.6, 5.0),
    "voice_plus": (4.1, 8.0),
    "hq": (6.1, 12.1),
    "lowlatency": (0.6, 1.8),
}
REJECTIONS_DB = {"voice": 80, "voice_plus": 96, "hq": 124, "lowlatency": 78}
VOICE_SPEEDS = {"48→16": 2.0, "24→48": 1.8, "24→16": 2.8, "16→24": 2.8, "44.1→16": 1.5}
ONE_SHOT_SPEEDS = {"48→16": 1.0, "24→48": 0.9}


def check(measured: Measured) -> list[Target]:
    """Every line, in the order in which they are asked."""
    return [
        *_delays(measured),
        *_rejections(measured),
        *_purity(measured),
        *_every_ratio(measured),
        *_stream_speeds(measured),
        *_one_shot_speeds(measured),
        *_calls(measured),
        *_gil(measured),
    ]


def _ours(
    cases: list[Case], profile: str | None = None, dtype: str = "float32"
) -> Iterator[tuple[Case, str, Quality]]:
    """Our rows: of one profile or all, of one dtype."""
    for case in cases:
        for name, quality in case.qualities.items():
            words = name.split()
            is_dtype = (words[-1] == "int16") == (dtype == "int16")
            if words[0] == "antiphon" and is_dtype and profile in (None, words[1]):
                yield case, name, quality


def _worst(
    what: str,
    asked: str,
    rows: list[tuple[Case, str, Quality]],
    value: Callable[[Quality], float],
    limit: float,
    *,
    at_most: bool,
    unit: str,
    digits: int = 2,
) -> Target:
    """The worst of these rows against a limit."""
    if not rows:
        return Target(what, asked, "not measured", None)
    pick = max if at_most else min
    case, name, quality = pick(rows, key=lambda row: value(row[2]))
    worst = value(quality)
    met = worst <= limit if at_most else worst >= limit
    where = f"{name.removeprefix('antiphon ')}, {case.name}"
    return Target(what, asked, f"{worst:.{digits}f} {unit} ({where})", met)


def _delays(measured: Measured) -> Iterator[Target]:
    for profile, (limit_ms, limit_8k_ms) in DELAYS_MS.items():
        rows = [*_ours(measured.streams, profile), *_ours(measured.streams, profile, "int16")]
        sides = {
            "48→16": (limit_ms, [row for row in rows if row[0].name == "48→16"]),
            "8 kHz sides": (
                limit_8k_ms,
                [row for row in rows if 8_000 in (row[0].in_hz, row[0].out_hz)],
            ),
        }
        for side, (limit, chosen) in sides.items():
            yield _worst(
                f"worst delay, 10 ms calls, {side}, `{profile}`",
                f"≤ {limit:g} ms",
                chosen,
                lambda quality: quality.delay_ms,
                limit,
                at_most=True,
                unit="ms",
            )
    rows = [*_ours(measured.streams), *_ours(measured.streams, dtype="int16")]
    yield _worst(
        "worst hold = mean hold",
        "no bursts",
        rows,
        lambda quality: quality.hold_max_ms - quality.hold_mean_ms,
        1e-6,
        at_most=True,
        unit="ms apart",
        digits=6,
    )


def _rejections(measured: Measured) -> Iterator[Target]:
    for profile, limit_db in REJECTIONS_DB.items():
        yield _worst(
            f"rejection from 1.0 × Nyquist, `{profile}`",
            f"≥ {limit_db} dB",
            list(_ours(measured.streams, profile)),
            lambda quality: quality.rejection_db,
            limit_db,
            at_most=False,
            unit="dB",
            digits=1,
        )


def _purity(measured: Measured) -> Iterator[Target]:
    yield _worst(
        "ripple up to .85 of Nyquist",
        "≤ 0.01 dB",
        list(_ours(measured.streams)),
        lambda quality: quality.ripple_db,
        0.01,
        at_most=True,
        unit="dB",
        digits=4,
    )
    for dtype, limit_db in (("float32", 118), ("int16", 95)):
        yield _worst(
            f"SNR at 997 Hz and 6 kHz, {dtype}",
            f"≥ {limit_db} dB",
            list(_ours(measured.streams, dtype=dtype)),
            lambda quality: min(quality.snr_997_db, quality.snr_6k_db),
            limit_db,
            at_most=False,
            unit="dB",
            digits=1,
        )


def _every_ratio(measured: Measured) -> Iterator[Target]:
    every = measured.every_ratio
    for what, wrong in (("chunk invariance", every.cut), ("length after flush", every.length)):
        shown = f"{every.combinations} ratios, profiles and types: "
        shown += f"{len(wrong)} differ, such as {wrong[0]}" if wrong else "all exact"
        yield Target(what, "exact", shown, not wrong if every.combinations else None)


def _speed(case: Case | None, name: str, what: str, limit: float) -> Target:
    asked = f"≥ {limit:g} × soxr HQ"
    if case is None or (name not in case.speeds and name not in case.short):
        return Target(what, asked, "not measured", None)
    if name in case.short:
        return Target(what, asked, "not timed: " + ", ".join(case.short[name]), False)
    times = case.speeds[name].times_baseline
    return Target(what, asked, f"{times:.2f}", times >= limit)


def _stream_speeds(measured: Measured) -> Iterator[Target]:
    for name, limit in VOICE_SPEEDS.items():
        yield _speed(measured.stream(name), "antiphon voice", f"speed, `voice`, {name}", limit)
    for case in measured.streams:
        limit = 0.9 if 44_100 in (case.in_hz, case.out_hz) else 1.1
        yield _speed(case, "antiphon hq", f"speed, `hq`, {case.name}", limit)
    times = [
        (speed.times_pipecat, case.name)
        for case in measured.streams
        if (speed := case.speeds.get("antiphon voice int16")) and speed.times_pipecat
    ]
    what = "speed, int16 bytes in and out, `voice`"
    if not times:
        yield Target(what, "≥ 2.5 × Pipecat", "not measured", None)
    else:
        worst, where = min(times)
        yield Target(what, "≥ 2.5 × Pipecat", f"{worst:.2f} ({where})", worst >= 2.5)


def _one_shot_speeds(measured: Measured) -> Iterator[Target]:
    for name, limit in ONE_SHOT_SPEEDS.items():
        case = measured.one_shot(name)
        yield _speed(case, "antiphon hq", f"one-shot 10 s, `hq`, {name}", limit)
    yield _worst(
        "one-shot against the stream",
        "≤ -120 dBFS",
        list(_ours(measured.one_shots)),
        lambda quality: quality.deviation_dbfs,
        -120,
        at_most=True,
        unit="dBFS",
        digits=0,
    )


def _calls(measured: Measured) -> Iterator[Target]:
    ours = {name: cost for name, cost in measured.overhead.items() if name.startswith("antiphon")}
    what, asked = "call with 3 frames", "≤ 12 empty Python calls"
    if ours:
        name, cost = max(ours.items(), key=lambda item: item[1])
        where = name.removeprefix("antiphon ")
        yield Target(what, asked, f"{cost:.1f} at worst ({where})", cost <= 12)
    else:
        yield Target(what, asked, "not measured", None)
    rows = {row.task: row for row in measured.conversions if row.name == "antiphon"}
    what, asked = "float32 → int16, 10 s", "≤ 1.5 × np.copyto"
    if row := rows.get("float32 → int16"):
        yield Target(what, asked, f"{row.times_copy:.2f}", row.times_copy <= 1.5)
    else:
        yield Target(what, asked, "not measured", None)
    what, asked = "µ-law encode, 10 s", "≥ 20 × audioop"
    encode = rows.get("µ-law encode")
    if encode and encode.times_audioop is not None:
        yield Target(what, asked, f"{encode.times_audioop:.1f}", encode.times_audioop >= 20)
    else:
        yield Target(what, asked, "not measured", None)


def _gil(measured: Measured) -> Iterator[Target]:
    kept = measured.waits.get(KEPT)
    if kept is None:
        yield Target("beside a busy Python thread", "p99 ≤ 5 × median", "not measured", None)
        return
    times = kept.p99_us / kept.p50_us
    shown = f"{times:.1f} × ({kept.p99_us:.0f} µs)"
    yield Target("p99 beside a busy Python thread", "≤ 5 × median", shown, times <= 5)
    for variant in (DETACHING, SOXR):
        other = measured.waits[variant]
        times = other.p999_us / kept.p999_us
        shown = f"1/{times:.0f} ({kept.p999_us:.0f} of {other.p999_us:.0f} µs)"
        yield Target(f"p99.9 there, of {variant}", "≤ 1/20", shown, times >= 20)


def main() -> int:
    """Check the last full run."""
    found = check(load(RESULTS / "resample.json"))
    print(render(found))
    return int(any(target.met is False for target in found))


if __name__ == "__main__":
    sys.exit(main())
