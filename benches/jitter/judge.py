"""Where the judge of jitter buffers lies, and what we call of it.

It lies in ``$ANTIPHON_SHARED/judge/jitter`` (``../shared`` without it) and is only read: what
Python and numba compile of it goes to ``target/``.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = ROOT / "target" / "bench-jitter"


@dataclass(frozen=True)
class Judge:
    """Its modules, by their own names."""

    folder: Path
    score: Any
    traces: Any
    players: Any

    @property
    def public(self) -> list[Path]:
        """The traces that it was published with."""
        return sorted((self.folder / "data" / "public").glob("*.jsonl"))


def find() -> Path:
    """Its folder."""
    shared = Path(os.environ.get("ANTIPHON_SHARED", ROOT.parent / "shared"))
    folder = shared.resolve() / "judge" / "jitter"
    if not folder.is_dir():
        raise SystemExit(f"no judge at {folder}: set ANTIPHON_SHARED to the folder that holds it")
    return folder


def load() -> Judge:
    """Import it."""
    folder = find()
    os.environ.setdefault("NUMBA_CACHE_DIR", str(TARGET / "numba"))
    sys.pycache_prefix = str(TARGET / "pycache")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    names = ("score", "traces", "players")
    return Judge(folder, *(importlib.import_module(f"jlab.{name}") for name in names))
