"""The main thread ends first: what other threads do with `antiphon.sync` goes on as before."""

import json
import subprocess
import sys

import pytest
from world_support import small_server

# By then Python's own pools take no more functions.
AFTER_MAIN = """
import sys, threading
import antiphon.sync
from antiphon import GoogleAI

def talk():
    threading.main_thread().join()
    model = antiphon.sync.LiveModel(backend=GoogleAI(api_key="any", base_url=sys.argv[1]))
    with model.connect(timing_trace=sys.argv[2] or None) as session:
        print(session.ask("hello").text)

threading.Thread(target=talk).start()
"""

LEFT_OPEN = """
import sys
import antiphon.sync
from antiphon import GoogleAI

model = antiphon.sync.LiveModel(backend=GoogleAI(api_key="any", base_url=sys.argv[1]))
session = model.connect(timing_trace=sys.argv[2] or None)
print(session.ask("hello").text)
"""


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("program", [AFTER_MAIN, LEFT_OPEN])
def test_names_are_looked_up_and_traces_written_to_the_very_end(program, traced, tmp_path):
    trace = tmp_path / "trace.ndjson"
    with small_server() as emulator:
        by_name = emulator.url.replace("127.0.0.1", "localhost")
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, by_name, str(trace) if traced else ""],
            capture_output=True,
            check=True,
            text=True,
            timeout=50,
        )
    assert ended.stdout.strip()
    assert not ended.stderr
    if traced:
        header, turn = map(json.loads, trace.read_text().splitlines())
        assert header["n_turns"] == 1
        assert turn["end_us"]
