"""How a run of a benchmark is started, followed, kept in a file, and shown as Markdown."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from benches.circumstances import Circumstances

RESULTS = Path(__file__).resolve().parent / "results"


def say(what: str) -> None:
    """Progress, to the error stream."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def server_options(
    name: str, about: str | None, *, quick: str, flags: Mapping[str, str] = MappingProxyType({})
) -> argparse.Namespace:
    """The command line of a benchmark with a server: ``quick``, and ``out``, which is made.

    Args:
        name: Of its room.
        about: What it does.
        quick: What there is less of.
        flags: More of its own, and what each does.
    """
    quick_out = Path(f"target/bench-{name}")
    parser = argparse.ArgumentParser(prog=f"python -m benches.{name}", description=about)
    parser.add_argument(
        "--quick", action="store_true", help=f"{quick}, into {quick_out}: to see whether it works"
    )
    parser.add_argument(
        "--alone",
        action="store_true",
        help="ahead of everything else on the machine, as root: where others work on it, too",
    )
    for flag, does in flags.items():
        parser.add_argument(flag, action="store_true", help=does)
    parser.add_argument("--out", type=Path, default=None, help="where the results go")
    options = parser.parse_args()
    options.out = options.out or (quick_out if options.quick else RESULTS)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.alone:  # the processes that are started inherit it
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    return options


def save(measured: msgspec.Struct, path: Path) -> None:
    """Write a run, for people too."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=1) + b"\n")


def heading(title: str, at: Circumstances) -> list[str]:
    """The first paragraphs of a document: what, where and when."""
    versions = ", ".join(f"{name} {version}" for name, version in at.versions.items())
    return [f"# {title}\n", f"{at.date} · `{at.command}` · {at.machine}  \n{versions}\n"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what is in the cells may hold bars."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
