"""How flat the scores are around the parameters: each one is changed, built and scored again.

``python -m benches.jitter.flatness`` takes half an hour and writes `jitter-flatness.md` beside the
other results. The sources are changed in a copy; a run in a fresh process loads what was built.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benches import report
from benches.jitter import contestants, means, scoring, variants
from benches.jitter.judge import ROOT, TARGET, load
from benches.jitter.measured import Row
from benches.jitter.traces import public

COPY = TARGET / "flatness"
DOWNLINK = Path("rust/core/src/downlink")
PLAYERS = {"stream": contestants.OURS_STREAM, "packet": contestants.OURS_DEFAULT}
COLUMNS = {
    "stream": {
        "ttfs_mean": "first sound ms",
        "brisk_stall_ms_min": "stall ms/min without slow sources",
        "stall_ms_min": "all",
        "stretch_pct": "stretch %",
    },
    "packet": {
        "delay_mean": "delay ms",
        "conc_ms_min": "concealed ms/min",
        "mos": "MOS-E",
        "stretch_pct": "stretch %",
    },
}


@dataclass(frozen=True)
class Parameter:
    """A constant of the core, in words, and what it is changed to, as Rust writes it."""

    words: str
    regime: str
    file: str
    name: str
    values: tuple[str, ...]


PARAMETERS = (
    Parameter("slow below", "stream", "config.rs", "SLOW_BELOW_MS", ("200", "360")),
    Parameter("most repeated", "stream", "stream/slowing.rs", "MOST_ADDED", ("(1, 5)", "(1, 3)")),
    Parameter("full below", "stream", "stream/slowing.rs", "FULL_AT", ("(1, 2)",)),
    Parameter("apart", "stream", "steps.rs", "APART_US", ("20_000", "45_000")),
    Parameter(
        "first repetition", "stream", "stream/slowing.rs", "FIRST_AFTER_US", ("25_000", "100_000")
    ),
    Parameter("over after gaps", "stream", "stream/pace.rs", "OVER_AFTER_GAPS", ("2", "5")),
    Parameter("over after", "stream", "stream/pace.rs", "OVER_AFTER_US", ("40_000", "90_000")),
    Parameter("turns remembered", "stream", "stream/pace.rs", "TURNS", ("5", "12")),
    Parameter(
        "histories",
        "packet",
        "packet/delay.rs",
        "FORGET_US",
        ("[2_000_000.0, 12_000_000.0]", "[4_500_000.0, 27_000_000.0]"),
    ),
    Parameter(
        "cost of lateness",
        "packet",
        "packet/delay.rs",
        "LATENESS_COST_US",
        ("2_700_000.0", "6_000_000.0"),
    ),
    Parameter("fastest of seconds", "packet", "packet/delay.rs", "FASTEST_OF_SECONDS", ("5", "12")),
    Parameter("too long", "packet", "packet/pacing.rs", "TOO_LONG_US", ("7_000", "15_000")),
    Parameter("too short", "packet", "packet/pacing.rs", "TOO_SHORT_US", ("3_000", "8_000")),
    Parameter("alike", "packet", "packet/pacing.rs", "ALIKE", ("0.85", "0.95")),
)


def main() -> None:
    """Score everything; or, called by itself, one regime with what is on the path."""
    if len(sys.argv) > 1:
        sys.stdout.buffer.write(msgspec.json.encode(_score(sys.argv[1])))
        return
    lines = [
        "# How flat the scores are\n",
        "The judge's public traces, one parameter changed at a time: `benches/jitter/flatness.py`.",
    ]
    for regime in PLAYERS:
        lines += ["", *_table(regime)]
    (report.RESULTS / "jitter-flatness.md").write_text("\n".join(lines) + "\n")


def _table(regime: str) -> Iterator[str]:
    columns = COLUMNS[regime]
    yield f"| {regime} | as it is | changed to | " + " | ".join(columns.values()) + " |"
    yield "|---" * (3 + len(columns)) + "|"
    _copy_sources()
    yield _line("as it is", "", "", regime, _scored(regime))
    for parameter in PARAMETERS:
        if parameter.regime != regime:
            continue
        for value in parameter.values:
            was, found = _changed(parameter, value)
            yield _line(parameter.words, was, value, regime, found)


def _line(words: str, was: str, value: str, regime: str, found: dict[str, float]) -> str:
    print(words, value, found, file=sys.stderr, flush=True)
    cells = [f"{found[key]:.2f}" for key in COLUMNS[regime]]
    return f"| {words} | {was} | {value} | " + " | ".join(cells) + " |"


def _changed(parameter: Parameter, value: str) -> tuple[str, dict[str, float]]:
    _copy_sources()
    path = COPY / DOWNLINK / parameter.file
    pattern = re.compile(rf"(const {parameter.name}: [^=]+= )([^;]+);")
    text = path.read_text()
    found = pattern.search(text)
    if found is None:
        raise SystemExit(f"{parameter.file} has no {parameter.name}: bring PARAMETERS up to date")
    path.write_text(pattern.sub(rf"\g<1>{value};", text))
    return found[2], _scored(parameter.regime)


def _scored(regime: str) -> dict[str, float]:
    """In a process that loads what the copy's sources make."""
    build = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "antiphon-pyext"]
    subprocess.run([*build, "--target-dir", COPY / "target"], check=True, cwd=COPY)
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    stem = "_native" if sys.platform == "win32" else "lib_native"
    module = "_native.pyd" if sys.platform == "win32" else "_native.abi3.so"
    built = COPY / "target" / "release" / (stem + suffix)
    shutil.copyfile(built, COPY / "python" / "antiphon" / module)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benches.jitter.flatness", regime],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{COPY / 'python'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
    )
    return msgspec.json.decode(done.stdout, type=dict[str, float])


def _copy_sources() -> None:
    """With new times, by which cargo sees that a file is what it was before the last change."""
    for name in ("rust", "python", "benches"):
        shutil.rmtree(COPY / name, ignore_errors=True)
        skipped = shutil.ignore_patterns("target", "results", "*.so", "*.pyd", "__pycache__")
        shutil.copytree(ROOT / name, COPY / name, ignore=skipped, copy_function=shutil.copyfile)
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copyfile(ROOT / name, COPY / name)


def _score(regime: str) -> dict[str, float]:
    traces = [path for path in public(load(), quick=False) if path.stem.startswith(regime)]
    playing = {"stream": [], "packet": [], regime: [PLAYERS[regime]]}
    jobs = [job for job in scoring.jobs(traces, playing, None) if job.variant == variants.AS_SENT]
    rows: list[Row] = scoring.run(jobs, lambda _: None)
    classes = means.by_class(rows, regime, PLAYERS[regime])
    return means.stream_means(classes) if regime == "stream" else means.over_classes(classes)


if __name__ == "__main__":
    main()
