"""A function that gives a credential and hangs, or would end more than itself."""

import asyncio
import contextvars
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from world_support import small_server

from antiphon.errors import ConnectError
from antiphon.session import LiveModel, backends
from antiphon.wire import GoogleAI

PROGRAM = """
import asyncio, threading
from antiphon import ConnectError, GoogleAI, LiveModel

def hang() -> str:
    threading.Event().wait()

async def main():
    model = LiveModel(backend=GoogleAI(api_key=hang, base_url="ws://127.0.0.1:1"))
    try:
        await model.connect(timeout_s=0.2)
    except ConnectError as error:
        print(error)

asyncio.run(main(), debug=True)
"""


def test_a_process_ends_although_a_function_does_not():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, check=True, text=True, timeout=50
    )
    assert "no credential within 0.2 s" in ended.stdout
    assert not ended.stderr.count("Traceback")


@contextmanager
def hanging():
    """A function that hangs until this ends, and then the threads that it kept."""
    gate, threads = threading.Event(), []

    def key():
        threads.append(threading.current_thread())
        gate.wait(30)
        return "any"

    try:
        yield key
    finally:
        gate.set()
        for thread in threads:
            thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


async def connect_in_vain(backend, times):
    model = LiveModel(backend=backend)
    connecting = [model.connect(timeout_s=0.2).__aenter__() for _ in range(times)]
    errors = await asyncio.gather(*connecting, return_exceptions=True)
    assert {type(error) for error in errors} == {ConnectError}
    return [str(error) for error in errors]


def test_other_connections_do_not_wait():
    async def main(url, key):
        await connect_in_vain(GoogleAI(api_key=key, base_url=url), 40)
        # By name: looking it up takes a thread of the loop.
        there = url.replace("127.0.0.1", "localhost")
        model = LiveModel(backend=GoogleAI(api_key=lambda: "any", base_url=there))
        async with model.connect(timeout_s=10) as session:
            return (await session.ask("hello")).output_transcription

    with small_server() as emulator, hanging() as key:
        assert asyncio.run(main(emulator.url, key))


def test_what_is_left_is_bounded(monkeypatch):
    monkeypatch.setattr(backends, "_MAX_LEFT", 3)

    async def main(key):
        backend = GoogleAI(api_key=key)
        assert "no credential within" in (await connect_in_vain(backend, 3))[2]
        assert "were given up and have not returned" in (await connect_in_vain(backend, 1))[0]

    with hanging() as key:
        asyncio.run(main(key))
    asyncio.run(backends.resolve(GoogleAI(api_key=lambda: "any"), 10))


def test_a_function_sees_the_context_and_its_thread_ends_with_it():
    tenant = contextvars.ContextVar("tenant")
    threads = []

    def key():
        threads.append(threading.current_thread())
        return f"key of {tenant.get()}"

    async def main():
        tenant.set("one")
        return await backends.resolve(GoogleAI(api_key=key), 10)

    assert asyncio.run(main()).headers()["x-goog-api-key"] == "key of one"
    threads[0].join(10)
    assert not threads[0].is_alive()
    assert threads[0] is not threading.main_thread()


@pytest.mark.parametrize("error", [OSError("The vault is away."), ConnectError("No.")])
def test_what_a_function_raises_after_its_time_is_no_news(error, caplog):
    gate, threads = threading.Event(), []

    def key():
        threads.append(threading.current_thread())
        gate.wait(30)
        raise error

    async def main():
        await connect_in_vain(GoogleAI(api_key=key), 1)
        gate.set()
        threads[0].join(10)
        await asyncio.sleep(0)

    asyncio.run(main(), debug=True)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("error", [StopIteration, SystemExit, KeyboardInterrupt])
def test_what_would_end_the_loop_fails_the_connection_alone(error, caplog):
    def key():
        raise error

    with pytest.raises(ConnectError, match="failed with RuntimeError"):
        asyncio.run(backends.resolve(GoogleAI(api_key=key), 1))
    assert not caplog.records
