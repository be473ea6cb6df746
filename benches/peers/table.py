"""A run as Markdown."""

from __future__ import annotations

from benches import report
from benches.peers import targets
from benches.peers.measured import Case, Measured

NOTES = """\
* **delay**: the worst delay of a sound with 10 ms calls: what is left inside the output plus what
  is held back. **hold**: the worst and the mean of the latter; where they differ, audio comes in
  bursts.
* **ripple**: up to .85 of the lower Nyquist frequency; **-3 dB**: as a fraction of it.
* **rejection**: of aliases of tones from 1.01 × the new Nyquist frequency, or of images of tones up
  to .98 × the old one.
* **SNR**: of a sine near full scale at 997 Hz and at 6 kHz (3 kHz where a side has 8 kHz).
* **any cut**: the same bits for calls of one frame to one second, or by how much they differ, in
  dBFS; "but length": the same bits, but not as many.
* **length**: frames too many or too few after the flush.
* **×**: how many times as fast as soxr HQ (float32 stream) in the same run: CPU time, interleaved
  rounds, median. A row that falls short of what its engine is known for gets no speed.
* int16 goes in and comes out as bytes. Its rounding has tones of its own, about 105 dB down: where
  the images lie below, these are what counts.
"""

WAITS_NOTE = """\
Wall time of a call with 10 ms, 48→16 kHz, a pause of 1 ms before each. *kept*: our `process`, which
keeps the interpreter. *detaching*: the same, and then an empty call that lets go of it, as a
`process` that detached would. *soxr*: an HQ stream. *nothing*: an empty call; what it waits is the
system's doing.
"""

STREAM_COLUMNS = (
    "engine",
    "delay ms",
    "hold ms",
    "ripple dB",
    "-3 dB",
    "rejection dB",
    "SNR dB",
    "any cut",
    "length",
    "×",
)


def render(measured: Measured) -> str:
    """The whole document."""
    at = measured.circumstances
    versions = ", ".join(f"{name} {version}" for name, version in at.versions.items())
    parts = [
        "# Resampling, beside the peers\n",
        f"{at.date} · `{at.command}` · {at.machine}, kernels: {at.simd}  \n{versions}\n",
        "Compare rows of one run, not runs: machines differ and are shared.\n",
        "![Delay against alias rejection](resample-delay.png)\n",
        "![Gain near the edge of the band](resample-response.png)\n",
        "## Asked and measured\n",
        targets.render(targets.check(measured)),
        "## Streams, 10 ms calls\n",
        NOTES,
    ]
    for case in measured.streams:
        parts += [f"### {case.name} kHz\n", _stream_table(case)]
    parts += ["## Ten seconds in one call\n", _one_shot_table(measured.one_shots)]
    parts += ["## A call with three frames\n", "In empty Python calls, 48→16 kHz.\n"]
    parts.append(report.table(("engine", "empty calls"), _by_cost(measured.overhead)))
    parts += ["## Conversions and G.711, 480,000 samples\n", _conversions(measured)]
    parts += [
        "## Beside a busy Python thread\n",
        WAITS_NOTE,
        _waits(measured),
    ]
    if measured.absent:
        parts += ["## Not measured\n", report.table(("what", "why"), list(measured.absent.items()))]
    return "\n".join(parts)


def _name(name: str) -> str:
    return f"**{name}**" if name.startswith("antiphon") else name


def _stream_table(case: Case) -> str:
    rows = []
    for name, quality in case.qualities.items():
        if quality.invariant:
            cut = "yes"
        elif quality.deviation_dbfs > -200:
            cut = f"{quality.deviation_dbfs:.0f}"
        else:
            cut = "but length"
        rows.append(
            (
                _name(name),
                f"{abs(quality.delay_ms):.2f}",
                f"{quality.hold_max_ms:.1f} / {quality.hold_mean_ms:.1f}",
                f"{quality.ripple_db:.3f}",
                f"{quality.edge_3db:.3f}",
                f"{quality.rejection_db:.0f}",
                f"{quality.snr_997_db:.0f} / {quality.snr_6k_db:.0f}",
                cut,
                f"{quality.length_error_frames:+d}" if quality.length_error_frames else "exact",
                _speed(case, name),
            )
        )
    return report.table(STREAM_COLUMNS, rows)


def _speed(case: Case, name: str) -> str:
    if name in case.short:
        return "not timed: " + ", ".join(case.short[name])
    return f"{case.speeds[name].times_baseline:.2f}"


def _one_shot_table(cases: list[Case]) -> str:
    names = list(dict.fromkeys(name for case in cases for name in case.qualities))
    header = ("engine", *(f"× at {case.name}" for case in cases))
    rows = [(_name(name), *(_speed(case, name) for case in cases)) for name in names]
    return report.table(header, rows)


def _by_cost(overhead: dict[str, float]) -> list[tuple[str, ...]]:
    """Cheapest first."""
    cheapest_first = sorted(overhead.items(), key=lambda item: item[1])
    return [(_name(name), f"{calls:.1f}") for name, calls in cheapest_first]


def _conversions(measured: Measured) -> str:
    header = ("task", "by", "× np.copyto int16", "ns per sample", "× audioop's speed")
    rows = [
        (
            row.task,
            _name(row.name),
            f"{row.times_copy:.2f}",
            f"{row.ns_per_sample:.3f}",
            "" if row.times_audioop is None else f"{row.times_audioop:.1f}",
        )
        for row in measured.conversions
    ]
    return report.table(header, rows)


def _waits(measured: Measured) -> str:
    rows = [
        (name, f"{w.p50_us:.0f}", f"{w.p99_us:.0f}", f"{w.p999_us:.0f}")
        for name, w in measured.waits.items()
    ]
    return report.table(("", "median µs", "p99 µs", "p99.9 µs"), rows)
