"""The synchronous twin: the same classes, from any thread, against the local server."""

import ast
import asyncio
import collections
import gc
import inspect
import itertools
import os
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from world_support import small_server

import antiphon
import antiphon.conversation
import antiphon.session
import antiphon.sync
from antiphon.assets import recording
from antiphon.conversation import TurnHeard
from antiphon.devices import FileDevice
from antiphon.errors import SessionClosed
from antiphon.session.feed import Subscription

TEXT_MODEL = "gemini-2.0-flash-live-001"

PAIRS = {
    antiphon.session.LiveModel: antiphon.sync.LiveModel,
    antiphon.session.LiveSession: antiphon.sync.LiveSession,
    antiphon.session.MessageStream: antiphon.sync.MessageStream,
    antiphon.session.TurnStream: antiphon.sync.TurnStream,
    Subscription: antiphon.sync.Subscription,
    antiphon.conversation.Conversation: antiphon.sync.Conversation,
}


@pytest.fixture(scope="module")
def tool(root):
    spec = spec_from_file_location("write_sync", root / "tools" / "write_sync.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def emulator():
    with small_server() as emulator:
        yield emulator


@pytest.fixture
def model(emulator):
    """It answers in text, so that no test waits for an answer to have been heard."""
    config = antiphon.LiveGenerationConfig(response_modalities=["TEXT"])
    return antiphon.sync.LiveModel(TEXT_MODEL, backend=emulator.backend("google"), config=config)


@pytest.fixture
def session(model):
    with model.connect() as session:
        yield session


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left():
    yield
    antiphon.sync.close()
    assert not loop_threads()


def loop_threads():
    return [thread for thread in threading.enumerate() if thread.name == "antiphon-sync"]


# ---------------------------------------------------------------------- it is the same


def test_what_is_written_by_the_tool_is_current(tool):
    for path, text in tool.pages().items():
        is_there, should_be = ast.parse(path.read_text()), ast.parse(text)
        # Formatting and the order of imports are not the tool's business.
        for tree in (is_there, should_be):
            tree.body = [n for n in tree.body if not isinstance(n, ast.ImportFrom | ast.If)]
        assert ast.dump(is_there) == ast.dump(should_be), f"run tools/write_sync.py: {path.name}"


@pytest.mark.parametrize("original", PAIRS, ids=lambda cls: cls.__name__)
def test_a_twin_has_every_method_with_the_same_arguments_and_words(original, tool):
    twin = PAIRS[original]
    for name, member in vars(original).items():
        public = tool.DUNDERS.get(name, name)
        if (name.startswith("_") and public == name) or f"{original.__name__}.{name}" in (
            tool.LEFT_OUT
        ):
            continue
        here = vars(twin)[public]
        if isinstance(member, property):
            assert isinstance(here, property)
            assert inspect.getdoc(here) == inspect.getdoc(member)
            continue
        theirs = [
            (p.name, p.kind, p.default) for p in inspect.signature(member).parameters.values()
        ]
        ours = [(p.name, p.kind, p.default) for p in inspect.signature(here).parameters.values()]
        assert [p for p in ours if p[0] != "timeout_s"] == [
            p for p in theirs if p[0] != "timeout_s"
        ], name
        waits = inspect.iscoroutinefunction(member) and not name.startswith("__")
        assert not waits or "timeout_s" in inspect.signature(here).parameters, name
        if member.__doc__:
            words = inspect.getdoc(here).replace("\n    timeout_s: See `antiphon.sync`.", "")
            assert words == tool.translated(inspect.getdoc(member)), name
    assert "async " not in inspect.getdoc(twin)


# ---------------------------------------------------------------------- it works


def test_a_session_asks_sends_and_receives(session):
    events, turns, messages = session.events(), session.turns(), session.receive()
    assert session.ask("hello", timeout_s=20).text
    session.send_text_realtime("hello again")
    for turn in turns:
        if turn.turn == 2:
            break
    assert "".join(message.text for message in itertools.islice(messages, messages.unread))
    session.send_audio_realtime(bytes(3200))
    session.interrupt()
    assert session.turn == 2
    assert not session.closed
    session.close()
    assert session.closure.clean
    assert list(events) == []  # nothing happened to the connection, and it ends


def test_one_thread_serves_many_threads(model):
    def one(number):
        with model.connect() as session:
            return session.ask(f"number {number}").text

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    assert len(set(answers)) == 8
    assert len(loop_threads()) == 1


@pytest.mark.realtime
def test_a_conversation_talks_on_a_device(emulator):
    device, backend = FileDevice([recording("cards-003")]), emulator.backend("google")
    with (
        antiphon.sync.connect(backend=backend) as session,
        session.start_audio_conversation(device) as conversation,
    ):
        heard = next(event for event in conversation if isinstance(event, TurnHeard))
    assert heard.heard_ms > 0
    assert "model" in [utterance.speaker for utterance in conversation.transcript]


def test_ask_is_one_call(emulator):
    assert antiphon.ask("hello", backend=emulator.backend("google")).text


# ---------------------------------------------------------------------- it ends


def test_a_wait_has_a_limit_and_loses_nothing(session):
    messages = session.receive(timeout_s=0.05)
    with pytest.raises(TimeoutError, match=r"timeout_s=0\.05; the call was cancelled"):
        collections.deque(messages)  # what came with the setup, and then nothing
    reply = session.ask("hello")
    assert "".join(next(messages).text for _ in range(messages.unread)) == reply.text


def test_an_iteration_ends_when_another_thread_closes(session):
    read = []
    messages = session.receive()
    reader = threading.Thread(target=lambda: read.extend(messages))
    reader.start()
    session.ask("hello")
    session.close()
    reader.join(10)
    assert not reader.is_alive()
    assert any(message.turn_complete for message in read)
    with pytest.raises(SessionClosed):
        session.ask("too late")


def test_an_error_shows_where_it_came_from(session):
    with pytest.raises(TypeError) as caught:
        session.send(3)
    names = [entry.name for entry in caught.traceback]
    assert names[0] == "test_an_error_shows_where_it_came_from"
    assert names[-1] == "as_turns" or "send" in names[-2:]


def test_close_ends_what_waits_and_the_next_use_begins_again(emulator):
    backend = emulator.backend("google")
    session = antiphon.sync.connect(backend=backend)
    messages = session.receive()
    ended = []
    reader = threading.Thread(target=lambda: ended.append(list(messages)))
    reader.start()
    antiphon.sync.close()
    reader.join(10)
    assert len(ended) == 1  # as if the session had been closed
    assert not loop_threads()
    assert session.closed  # it can still be looked at, and closed again
    session.close()
    assert antiphon.ask("hello", backend=backend).text


def test_whenever_it_is_closed_a_reader_gets_the_end_of_its_session(emulator):
    for _ in range(40):
        messages = antiphon.sync.connect(backend=emulator.backend("google")).receive()
        with ThreadPoolExecutor(2) as threads:
            closing = threads.submit(antiphon.sync.close)
            read = threads.submit(list, messages)
        closing.result()
        assert not any(message.turn for message in read.result())


def test_a_stream_that_is_let_go_of_dies_on_the_loop(session):
    """Elsewhere it would change what the loop is iterating over."""
    died_on = []
    stream = session.receive()
    weakref.finalize(stream._asynchronous, lambda: died_on.append(threading.current_thread().name))
    del stream
    gc.collect()
    session.events()  # behind it on the loop
    assert died_on == ["antiphon-sync"]
    assert not session._asynchronous._driver.office._subscribers


def test_it_refuses_to_hold_up_an_event_loop(session):
    async def main():
        with pytest.raises(RuntimeError, match=r"await session\.ask"):
            session.ask("hello")

    asyncio.run(main())


def test_a_tool_may_not_wait_for_its_own_loop(emulator):
    holder = []

    @antiphon.tool(inline=True)
    def get_weather(city: str) -> str:
        """The weather.

        Args:
            city: Where.
        """
        return str(holder[0].closed) + city

    with antiphon.sync.connect(backend=emulator.backend("google"), tools=[get_weather]) as session:
        holder.append(session)
        assert session.ask("Call get_weather for Paris", timeout_s=20)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_ctrl_c_cancels_the_call(session):
    before = len(asyncio.all_tasks(session._portal._loop))
    main = threading.main_thread().ident
    timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        session.wait_closed()
    timer.join()
    assert len(asyncio.all_tasks(session._portal._loop)) == before
    assert session.ask("hello", timeout_s=20).text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_told_to_connect_anew(emulator):
    code = """
import os, sys, warnings, antiphon.sync
from antiphon import GoogleAI
warnings.simplefilter("ignore", DeprecationWarning)  # of fork, from Python 3.12 on
backend = GoogleAI(api_key="any", base_url=sys.argv[1])
model = antiphon.sync.LiveModel(backend=backend)
session = model.connect()
if os.fork() == 0:
    try:
        session.ask("hello")
    except RuntimeError as error:
        assert "Connect anew after a fork" in str(error)
    else:
        os._exit(1)
    with model.connect() as own:  # a model belongs to no process
        os._exit(0 if own.ask("hello").text else 2)
assert os.wait()[1] == 0
print(session.ask("hello").text)
"""
    out = subprocess.run(
        [sys.executable, "-c", code, emulator.url],
        capture_output=True,
        check=True,
        text=True,
        timeout=50,
    )
    assert out.stdout.strip()
    assert not out.stderr  # an open session does not hold up the end


def test_a_token_is_created_and_used(model):
    with small_server(api_key="the-server-key") as emulator:
        backend = antiphon.GoogleAI(api_key="the-server-key", base_url=emulator.url)
        token = antiphon.sync.create_token(backend=backend)
        opened = antiphon.GoogleAI(api_key=token, base_url=emulator.url)
        with antiphon.sync.connect(backend=opened, continuity=None) as session:
            assert not session.closed
        of_model = antiphon.sync.LiveModel(TEXT_MODEL, backend=backend, config=model.config)
        assert antiphon.sync.create_token(of_model) != token
