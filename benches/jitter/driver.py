"""Builds `neteq-driver`: the crate as a library for the judge, and the program that times pulls."""

from __future__ import annotations

import sys
from pathlib import Path

from benches import rust_programs
from benches.jitter.judge import ROOT

WORKSPACE = Path(__file__).resolve().parent / "neteq-driver"
TARGET = ROOT / "target" / "neteq-driver"


def library() -> Path:
    """Build what the judge's player of the crate loads."""
    _build("neteq-driver")
    stem = "neteq_driver" if sys.platform == "win32" else "libneteq_driver"
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    return TARGET / "release" / (stem + suffix)


def compare_pull() -> Path:
    """Build the program that times ours beside the crate's."""
    _build("compare-pull")
    return TARGET / "release" / ("compare-pull.exe" if sys.platform == "win32" else "compare-pull")


def _build(package: str) -> None:
    where = ("--manifest-path", WORKSPACE / "Cargo.toml", "--target-dir", TARGET)
    rust_programs.cargo_build(package, *where)
