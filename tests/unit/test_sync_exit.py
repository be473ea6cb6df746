"""The end of the process, of the main thread before others, and of the loop of `antiphon.sync`."""

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


# As Python 3.12 refuses threads at the end of the process.
NO_MORE_THREADS = """
import atexit, sys, threading
import antiphon.sync
from antiphon import AntiphonError, GoogleAI

def refuse(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")

def end():
    threading.Thread.start = refuse

atexit.register(end)
model = antiphon.sync.LiveModel(backend=GoogleAI(api_key="any", base_url=sys.argv[1]))
session = model.connect()
start = threading.Thread.start
end()
try:
    antiphon.sync.connect(backend=GoogleAI(api_key=lambda: "any", base_url=sys.argv[1]))
except AntiphonError as error:
    print(error)
threading.Thread.start = start
"""

HANGING_LOOK_UP = """
import socket, threading
import antiphon.sync
from antiphon import ConnectError, GoogleAI

def hang(*args, **kwargs):
    threading.Event().wait()

socket.getaddrinfo = hang
backend = GoogleAI(api_key="any", base_url="wss://live.example")

def connect():
    try:
        antiphon.sync.connect(backend=backend, timeout_s=0.2, continuity=None)
    except ConnectError as error:
        print(error)

connect()
antiphon.sync.close()
connect()
"""

LOOP_THAT_DIES = """
import sys
import antiphon
from antiphon import GoogleAI

async def give_up():
    sys.exit("no key")

try:
    antiphon.ask("hello", backend=GoogleAI(api_key=give_up, base_url=sys.argv[1]))
except SystemExit as error:
    print(error)
print(antiphon.ask("hello", backend=GoogleAI(api_key="any", base_url=sys.argv[1])).text)
"""

# Nobody closes the session, and so nobody waits for its trace.
SLOW_DISK = """
import asyncio, sys, time, warnings
from antiphon import GoogleAI, LiveModel
from antiphon.session import timing

put = timing._TraceFile.put

def slow_put(*args):
    time.sleep(0.5)
    put(*args)

async def main():
    timing._TraceFile.put = slow_put
    model = LiveModel(backend=GoogleAI(api_key="any", base_url=sys.argv[1]))
    session = await model.connect(timing_trace=sys.argv[2])
    print((await session.ask("hello")).text)

warnings.simplefilter("ignore", ResourceWarning)
asyncio.run(main())
"""


def run(program, *args):
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *args],
        capture_output=True,
        check=True,
        text=True,
        timeout=50,
    )
    assert not ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            AFTER_MAIN,
            marks=pytest.mark.skipif(
                (3, 12) <= sys.version_info < (3, 12, 3), reason="starts no threads then"
            ),
        ),
        LEFT_OPEN,
    ],
)
def test_names_are_looked_up_and_traces_written_to_the_very_end(program, traced, tmp_path):
    trace = tmp_path / "trace.ndjson"
    with small_server() as emulator:
        by_name = emulator.url.replace("127.0.0.1", "localhost")
        assert run(program, by_name, str(trace) if traced else "")
    if traced:
        header, turn = map(json.loads, trace.read_text().splitlines())
        assert header["n_turns"] == 1
        assert turn["end_us"]


def test_the_end_of_the_process_waits_for_the_disk(tmp_path):
    trace = tmp_path / "trace.ndjson"
    with small_server() as emulator:
        assert run(SLOW_DISK, emulator.url, str(trace))
    header, turn = map(json.loads, trace.read_text().splitlines())
    assert header["n_turns"] == 1
    assert turn["end_us"]


def test_the_end_takes_no_thread_and_who_needs_one_is_told():
    with small_server() as emulator:
        (said,) = run(NO_MORE_THREADS, emulator.url)
    assert "could not be started" in said
    assert "Python 3.12.0 to 3.12.2" in said


def test_a_look_up_that_hangs_holds_up_neither_close_nor_the_end():
    first, second = run(HANGING_LOOK_UP)
    assert "no answer within 0.2 s" in first
    assert first == second


def test_a_loop_that_died_is_followed_by_another():
    with small_server() as emulator:
        why, answer = run(LOOP_THAT_DIES, emulator.url)
    assert why == "no key"
    assert answer
