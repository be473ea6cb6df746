"""Our profiles for the judge beside the project, which scores any streaming resampler.

``python -m benches.peers.judge_adapters quality`` (or ``stream 48000 16000``, or ``tables``) runs
the judge's own script of that name, with our engines among its own. ``oneshot 48000 16000 10`` runs
its harness on ours and soxr HQ alone, as its script times only names that it knows. The judge lies
in ``$ANTIPHON_SHARED/judge/resample`` (``../shared`` without it); what it writes goes to
``target/judge``. Words after ``quality`` choose engines by name.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benches.peers.engine import Engine
from benches.peers.engines import antiphon

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = {
    "quality": "run_quality.py",
    "stream": "run_speed.py",
    "tables": "make_tables.py",
}


def main() -> None:
    """Run a script of the judge with our engines registered."""
    task, *arguments = sys.argv[1:] or ["quality"]
    if task not in (*SCRIPTS, "oneshot"):
        raise SystemExit(f"no task {task!r}: it is one of {', '.join(SCRIPTS)}, oneshot")
    shared = Path(os.environ.get("ANTIPHON_SHARED", ROOT.parent / "shared"))
    judge = shared.resolve() / "judge" / "resample"
    if not judge.is_dir():
        raise SystemExit(f"no judge at {judge}: set ANTIPHON_SHARED to the folder that holds it")
    sys.path.insert(0, str(judge))
    importlib.import_module("adapters")  # the judge's own, first
    harness = importlib.import_module("harness")
    for engine in antiphon.engines():
        harness.adapter(adapter_class(engine))
    if task == "oneshot":
        one_shot(harness, *(int(argument) for argument in arguments))
        return
    results = ROOT / "target" / "judge"
    results.mkdir(parents=True, exist_ok=True)
    os.chdir(results)
    sys.argv = [SCRIPTS[task], *([task] if "speed" in SCRIPTS[task] else []), *arguments]
    runpy.run_path(str(judge / SCRIPTS[task]), run_name="__main__")


def one_shot(harness: Any, in_hz: int, out_hz: int, seconds: int) -> None:
    """Print how many times as fast as soxr HQ ours is, by the judge's clock."""
    baseline = "soxr_HQ_f32"
    classes = [c for name, c in harness.ADAPTERS.items() if name.startswith(("ours", baseline))]
    taken = harness.bench_oneshot(classes, in_hz, out_hz, seconds)
    for name, times in harness.ratios(taken, baseline).items():
        print(f"{name:24} {times:.2f}")


def adapter_class(engine: Engine) -> type:
    """The judge's form of an engine: arrays in and arrays out, of int16 as well.

    Bytes, which ours takes elsewhere, would cost it two conversions here that are not its own.
    """
    profile = engine.name.split()[1]

    class Adapter:
        name = "_".join(["ours", profile, "f32" if engine.dtype == "float32" else "i16"])
        dtype = engine.dtype
        stream = True

        def __init__(self, in_hz: int, out_hz: int, chunk: int) -> None:
            del chunk
            self.process = engine.open(in_hz, out_hz)

        @staticmethod
        def supports(in_hz: int, out_hz: int) -> bool:
            del in_hz, out_hz
            return True

        @staticmethod
        def oneshot(in_hz: int, out_hz: int, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            from antiphon.audio import resample

            shot: np.ndarray[Any, Any] = resample(x, in_hz, out_hz, profile)  # type: ignore[call-overload]
            return shot

    return Adapter


if __name__ == "__main__":
    main()
