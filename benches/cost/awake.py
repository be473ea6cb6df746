"""Keeps a core from sleeping, as ``idle=poll`` does for a whole machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SPIN = """
import os, sys
core, parent = map(int, sys.argv[1:])
os.sched_setaffinity(0, {core})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == parent:
    pass
"""


@contextmanager
def kept_awake(core: int) -> Iterator[None]:
    """Something runs there whenever nothing else does, and gives way at once."""
    spinner = subprocess.Popen([sys.executable, "-c", _SPIN, str(core), str(os.getpid())])
    try:
        yield
    finally:
        spinner.kill()
        spinner.wait()
