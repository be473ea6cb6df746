"""Everything that one run measured, as it is kept in a file."""

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

from benches.peers.conversions import Conversion
from benches.peers.gil import Waits
from benches.peers.quality import Gains, Quality
from benches.peers.ratios import EveryRatio
from benches.peers.speed import Speed

PACKAGES = ("soxr", "samplerate", "av", "scipy", "livekit", "g711", "audioop-lts", "numpy")


class Circumstances(msgspec.Struct, frozen=True):
    """Where and when."""

    date: str
    command: str
    machine: str
    simd: str
    versions: dict[str, str]


class Case(msgspec.Struct, frozen=True):
    """One pair of rates. Speeds have no entry for who fell short of its floor: see `short`."""

    in_hz: int
    out_hz: int
    qualities: dict[str, Quality]
    speeds: dict[str, Speed]
    short: dict[str, list[str]]

    @property
    def name(self) -> str:
        """Such as 48→16 or 44.1→16."""
        return f"{self.in_hz / 1000:g}→{self.out_hz / 1000:g}"


class Measured(msgspec.Struct, frozen=True):
    """A whole run."""

    circumstances: Circumstances
    streams: list[Case]
    one_shots: list[Case]
    overhead: dict[str, float]
    conversions: list[Conversion]
    waits: dict[str, Waits]
    every_ratio: EveryRatio
    curves: dict[str, Gains]
    absent: dict[str, str]

    def stream(self, name: str) -> Case | None:
        """The case of this name, if it was measured."""
        return next((case for case in self.streams if case.name == name), None)

    def one_shot(self, name: str) -> Case | None:
        """Likewise, in one call."""
        return next((case for case in self.one_shots if case.name == name), None)


def load(path: Path) -> Measured:
    """Read what `save` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Measured)


def circumstances(
    arguments: list[str], *, program: str = "benches.peers", packages: Iterable[str] = PACKAGES
) -> Circumstances:
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
