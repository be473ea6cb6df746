"""The other ends of benchmarks: programs in Rust, so that it is not they that are measured."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


class NotBuiltError(Exception):
    """What cargo says about it."""


def build(name: str) -> Path:
    """Build one of them, such as ``live-load``.

    Raises:
        NotBuiltError: Cargo fails, or there is none.
    """
    cargo_build(f"antiphon-{name}")
    return TARGET / "release" / name


def cargo_build(package: str, *options: str | Path) -> None:
    """Build a package of this workspace, or of that which the ``options`` name.

    Raises:
        NotBuiltError: Cargo fails, or there is none.
    """
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--package", package, *options]
    try:
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NotBuiltError(f"{package} cannot be built: {error}") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise NotBuiltError(f"{package} cannot be built: {said[0] if said else done.returncode}")


def two_cores() -> tuple[int, int]:
    """One for what is measured, one for the other end.

    Raises:
        NotBuiltError: There is only one.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise NotBuiltError("What is measured and its other end need a core each; there is one.")
    return cores[0], cores[1]
