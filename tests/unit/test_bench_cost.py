"""What `benches.cost` says is so; how fast anything is, is not asked here."""

import os
import time
from pathlib import Path

import pytest

from benches.cost.awake import kept_awake


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux can be asked for that")
def test_what_keeps_a_core_awake_gives_way_and_goes_away():
    core = min(os.sched_getaffinity(0))
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = set(children.read_text().split())
    with kept_awake(core):
        (spinner,) = set(children.read_text().split()) - before
        deadline_s = time.monotonic() + 10
        while os.sched_getscheduler(int(spinner)) != os.SCHED_IDLE:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        assert os.sched_getaffinity(int(spinner)) == {core}
    assert not Path(f"/proc/{spinner}").exists()
