"""Where and when a benchmark was run."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec


class Circumstances(msgspec.Struct, frozen=True):
    """Where and when."""

    date: str
    command: str
    machine: str
    simd: str
    versions: dict[str, str]


def circumstances(arguments: list[str], *, program: str, packages: Iterable[str]) -> Circumstances:
    """This machine, now."""
    from antiphon import _native

    versions = {"antiphon": _native.__version__, "python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Circumstances(
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        command=shlex.join(["python", "-m", program, *arguments]),
        machine=f"{_cpu()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        simd=_native.simd_backend(),
        versions=versions,
    )


def _cpu() -> str:
    """The processor's name, where the system tells."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
