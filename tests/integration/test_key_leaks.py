"""Real sessions with keys that must never show: nothing that can be seen of them holds a key."""

import asyncio
import base64
import copy
import gc
import json
import logging
import pickle
import warnings
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from urllib.parse import quote
from urllib.request import Request, urlopen

import leaks_support
import msgspec
import pytest
from leaks_support import CANARIES, KEY, SECOND, THIRD, Evidence, found_in
from websockets.asyncio.server import serve

from antiphon import (
    AntiphonError,
    AuthError,
    ConnectError,
    Continuity,
    Conversation,
    FirebaseAI,
    GoogleAI,
    LiveModel,
    SessionClosed,
    VertexAI,
    WebSocketConnector,
    create_token,
)
from antiphon.devices import FileDevice
from antiphon.emulator import Emulator, Voice
from antiphon.emulator.session.jobs import Speech
from antiphon.wire.google_credentials import GoogleCredentials
from antiphon.wire.secret import Secret


class Tone:
    def synthesize(self, text, voice):
        return Speech(bytes(4_800))


@pytest.fixture
def evidence(tmp_path, capfd, monkeypatch):
    """Gathers from all loggers at DEBUG and from both outputs, and checks in the end."""
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    gathered = Evidence(tmp_path)
    root = logging.getLogger()
    level = root.level
    root.addHandler(gathered)
    root.setLevel(logging.DEBUG)
    names = ("websockets", "websockets.client", "asyncio", "antiphon", "google", "urllib3")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield gathered
            gc.collect()
    finally:
        root.removeHandler(gathered)
        root.setLevel(level)
        for name, old in levels.items():
            logging.getLogger(name).setLevel(old)
    gathered.add(*capfd.readouterr(), *(str(warning) for warning in warned))
    gathered.check()


def run(main):
    """In the debug mode of asyncio, which logs and keeps more."""
    return asyncio.run(asyncio.wait_for(main, 50), debug=True)


# ------------------------------------------------------------------ the backends


async def async_key():
    return KEY


def google_credentials():
    credentials = pytest.importorskip("google.oauth2.credentials")
    return credentials.Credentials(KEY, refresh_token=SECOND, client_secret=THIRD)


async def ephemeral(url):
    return GoogleAI(
        api_key=await create_token(backend=GoogleAI(api_key=KEY, base_url=url)), base_url=url
    )


async def firebase(url, location=None):
    return FirebaseAI(
        api_key=KEY,
        project="p",
        location=location,
        base_url=url,
        app_check_token=lambda: SECOND,
        user_token=THIRD,
        app_id="app",
    )


async def of(kind, url, **settings):
    return kind(base_url=url, **settings)


BACKENDS = {
    "google": lambda url: of(GoogleAI, url, api_key=KEY),
    "google, function": lambda url: of(GoogleAI, url, api_key=lambda: KEY),
    "google, coroutine": lambda url: of(GoogleAI, url, api_key=async_key),
    "google, ephemeral": ephemeral,
    "google, gateway": lambda url: of(
        GoogleAI, url, extra_headers={"Authorization": f"Bearer {KEY}", "X-Own": SECOND}
    ),
    "vertex, token": lambda url: of(VertexAI, url, project="p", access_token=KEY),
    "vertex, function": lambda url: of(VertexAI, url, project="p", access_token=lambda: KEY),
    "vertex, google-auth": lambda url: of(
        VertexAI, url, project="p", credentials=google_credentials()
    ),
    "vertex, express": lambda url: of(VertexAI, url, api_key=KEY),
    "firebase": firebase,
    "firebase, vertex": lambda url: firebase(url, "us-central1"),
}
every_backend = pytest.mark.parametrize("make", BACKENDS.values(), ids=BACKENDS)


@contextmanager
def emulator(evidence, key=KEY, **settings):
    with Emulator(api_key=key, voice=Voice([Tone()]), inspect=True, **settings) as running:
        yield running
        evidence.add(running, running.sessions, running.events())
        gather_control(evidence, running)


def gather_control(evidence, running):
    """All that the control API and the page tell."""
    at = running.url.replace("ws://", "http://")
    paths = ["/antiphon/", "/antiphon/sessions"]
    paths += [f"/antiphon/sessions/{session.index}" for session in running.sessions]
    for path in paths:
        with urlopen(Request(at + path, headers={"x-goog-api-key": KEY}), timeout=10) as answer:
            evidence.texts.append(answer.read().decode())


def model_of(backend, connector=None, continuity=None):
    return LiveModel(
        "gemini-2.0-flash-live-001", backend=backend, connector=connector, continuity=continuity
    )


async def failing(evidence, backend, kind=AntiphonError, **settings):
    """Connect in vain."""
    model = model_of(backend, **settings)
    evidence.add(model, vars(model))
    with pytest.raises(kind) as caught:
        await model.connect(timeout_s=5)
    evidence.add_error(caught.value)
    return caught.value


# ------------------------------------------------------------------ what works


@every_backend
def test_a_session(make, evidence, tmp_path):
    async def main():
        with emulator(evidence, record_dir=tmp_path / "server") as running:
            backend = await make(running.url)
            evidence.add_value(backend)
            evidence.add(backend.label)
            model = model_of(backend)
            trace = tmp_path / "trace.jsonl"
            async with model.connect(timing_trace=trace) as session:
                events = session.events()
                reply = await session.ask("hello")
                evidence.add_tasks()
                evidence.add(
                    reply, session, vars(session), vars(session._driver), model, vars(model)
                )
                ready = await backend.resolve(asyncio.to_thread)
                evidence.add_value(ready)
                evidence.add(ready.url(), ready.headers(), ready.model_name("m"))
                token_of(evidence, ready)
            evidence.add([event async for event in events], session.closure)

    run(main())


def token_of(evidence, ready):
    """An ephemeral token is a key as well, that the server has chosen."""
    sent = ready.headers().get("Authorization", "")
    if sent.startswith("Token "):
        evidence.keys.add(str(sent.removeprefix("Token ")))


def test_a_conversation_and_its_recording(evidence, tmp_path):
    async def main():
        with emulator(evidence, record_dir=tmp_path / "server") as running:
            model = model_of(GoogleAI(api_key=KEY, base_url=running.url))
            async with model.connect() as session:
                device = FileDevice()
                recorded = tmp_path / "talk.wav"
                async with Conversation(session, device, record_to=recorded) as conversation:
                    await session.send_text_realtime("hello")
                    async for event in conversation.events():
                        evidence.add(event)
                        if type(event).__name__ == "TurnHeard":
                            break
                    evidence.add_tasks()
                    told = (conversation.transcript, conversation.timeline)
                    evidence.add(*told, vars(conversation))
            assert recorded.exists()

    run(main())


def test_a_token_is_created(evidence):
    async def main():
        with emulator(evidence) as running:
            model = model_of(GoogleAI(api_key=lambda: KEY, base_url=running.url))
            evidence.keys.add(await create_token(model, expire_time=timedelta(minutes=1)))

    run(main())


# ------------------------------------------------------------------ what fails


@every_backend
def test_a_setup_that_is_refused(make, evidence):
    async def main():
        with emulator(evidence, key="another key") as running:
            if make is ephemeral:
                backend = GoogleAI(api_key=f"auth_tokens/{KEY}", base_url=running.url)
            else:
                backend = await make(running.url)
            await failing(evidence, backend, AuthError)

    with suppress(OSError):  # the control API wants that other key
        run(main())


@asynccontextmanager
async def echoing(status):
    """A server that tells the client its own request again, in every form."""

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = head.encode()
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@every_backend
@pytest.mark.parametrize("status", ["401 Unauthorized", "500 Oops", "302 Found", "200 OK"])
def test_a_server_that_echoes_the_request(make, status, evidence):
    async def main():
        async with echoing(status) as url:
            if make is ephemeral:
                backend = GoogleAI(api_key=KEY, base_url=url)
                with pytest.raises(AntiphonError) as caught:
                    await create_token(backend=backend)
                evidence.add_error(caught.value)
                backend = GoogleAI(api_key=f"auth_tokens/{KEY}", base_url=url)
            else:
                backend = await make(url)
            await failing(evidence, backend)

    run(main())


@every_backend
@pytest.mark.parametrize("before", ["", "x" * 70, "x" * 100])
def test_a_close_that_echoes_the_key(make, before, evidence):
    async def handler(socket):
        await socket.recv()
        headers = socket.request.headers
        key = headers.get("x-goog-api-key") or headers["authorization"].partition(" ")[2]
        await socket.close(1007, (before + key)[:123])

    async def main():
        async with serve(handler, "127.0.0.1", 0, logger=quiet()) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            if make is ephemeral:
                backend = GoogleAI(api_key=f"auth_tokens/{KEY}", base_url=url)
            else:
                backend = await make(url)
            error = await failing(evidence, backend)
            assert "***" in error.reason
            assert "CANARY" not in error.reason

    run(main())


def quiet():
    """For servers of this file, which are not what is looked at."""
    logger = logging.getLogger("tests.quiet")
    logger.setLevel(logging.WARNING)
    return logger


@asynccontextmanager
async def mute():
    async def answer(reader, writer):
        with suppress(ConnectionError, asyncio.CancelledError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@every_backend
def test_nobody_there_and_nobody_answers(make, evidence):
    async def main():
        backend = (
            await make("ws://127.0.0.1:1")
            if make is not ephemeral
            else GoogleAI(api_key=f"auth_tokens/{KEY}", base_url="ws://127.0.0.1:1")
        )
        await failing(evidence, backend, ConnectError)
        async with mute() as url:
            backend = msgspec.structs.replace(backend, base_url=url)
            with pytest.raises(ConnectError) as caught:
                await model_of(backend).connect(timeout_s=0.2)
            evidence.add_error(caught.value)
            connecting = asyncio.ensure_future(model_of(backend)._open(None, 5.0, None))
            await asyncio.sleep(0.1)
            evidence.add_tasks()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await connecting
            evidence.add_error(cancelled.value)

    run(main())


def test_a_token_that_nobody_gives(evidence):
    async def main():
        async with mute() as url:
            for at, seconds in ((url, 0.2), ("http://127.0.0.1:1", 5.0)):
                with pytest.raises(ConnectError) as caught:
                    backend = GoogleAI(api_key=KEY, base_url=at)
                    await create_token(backend=backend, timeout_s=seconds)
                evidence.add_error(caught.value)

    run(main())


@pytest.mark.parametrize("flaw", ["\r\nX-Evil: 1", "é"])
def test_a_key_that_no_header_can_carry(flaw, evidence):
    async def main():
        url = "ws://127.0.0.1:1"
        for backend in (
            GoogleAI(api_key=KEY + flaw + KEY, base_url=url),
            VertexAI(project="p", access_token=KEY + flaw + KEY, base_url=url),
            FirebaseAI(api_key=KEY, project="p", user_token=KEY + flaw + KEY, base_url=url),
        ):
            await failing(evidence, backend, ConnectError)
        with pytest.raises(ConnectError) as caught:
            await create_token(backend=GoogleAI(api_key=KEY + flaw + KEY, base_url=url))
        evidence.add_error(caught.value)

    run(main())


@pytest.mark.parametrize(
    "make",
    [
        lambda: GoogleAI(api_key=KEY, base_url="ftp://x"),
        lambda: GoogleAI(api_key=KEY, base_url=f"ws://user:{SECOND}@h"),
        lambda: GoogleAI(api_key=KEY, base_url=f"ws://h/?key={SECOND}"),
        lambda: GoogleAI(api_key=KEY, base_url=f"ws://user:{SECOND}@["),
        lambda: GoogleAI(api_key=KEY, api_version="one"),
        lambda: GoogleAI(api_key=f"auth_tokens/{KEY}", api_version="v1beta").url(),
        lambda: GoogleAI(api_key=lambda: KEY).headers(),
        lambda: VertexAI(api_key=KEY, access_token=SECOND),
        lambda: VertexAI(api_key=f"auth_tokens/{KEY}"),
        lambda: VertexAI(project="p", access_token=KEY, location="a/b"),
        lambda: VertexAI(access_token=KEY).model_name("m"),
        lambda: FirebaseAI(api_key=KEY, project="p", user_token=SECOND, location="a/b"),
        lambda: FirebaseAI(api_key=f"auth_tokens/{KEY}", project="p"),
        lambda: pickle.dumps(GoogleAI(api_key=KEY)),
        lambda: pickle.dumps(VertexAI(project="p", credentials=google_credentials())),
        lambda: GoogleAI(api_key=KEY, no_such_thing=SECOND),
        lambda: GoogleAI(api_key=KEY.encode(), base_url=f"ws://user:{SECOND}@h"),
        lambda: VertexAI(project="p", access_token=KEY.encode()),
        lambda: VertexAI(project="p", credentials=KEY),
        lambda: FirebaseAI(api_key=[KEY], project="p", user_token=SECOND),
        lambda: GoogleAI(api_key=KEY, extra_headers={"Authorization": SECOND.encode()}),
        lambda: GoogleAI(api_key=KEY, extra_headers=[("Authorization", SECOND)]),
        lambda: GoogleAI(api_key=KEY, extra_headers={f"Authorization: Bearer {SECOND}": None}),
        lambda: GoogleAI(api_key=KEY, extra_headers={f"Authorization: Bearer {SECOND}": ""}),
        lambda: VertexAI(project="p", extra_headers={f"x-goog-api-key: {KEY}".encode(): b""}),
        lambda: FirebaseAI(api_key=KEY, project="p", extra_headers={SECOND.encode(): "x"}),
        lambda: GoogleAI(api_key=KEY, base_url=f"htp://user:{quote(SECOND, safe='')}%40h"),
        lambda: GoogleAI(api_key=KEY, base_url=f"wss://user:{quote(SECOND, safe='')}:h:443"),
    ],
)
def test_backends_that_cannot_be(make, evidence):
    for _ in range(6):  # so that there is something to look at
        with pytest.raises((AntiphonError, TypeError)) as caught:
            make()
        evidence.add_error(caught.value)


def raises():
    raise RuntimeError("The vault is closed.")


async def raises_later():
    await asyncio.sleep(0)
    raises()


@pytest.mark.parametrize(
    "function", [raises, raises_later, lambda: b"x", lambda: "", lambda: None, lambda: KEY.encode()]
)
def test_functions_that_give_no_key(function, evidence):
    async def main():
        for backend in (
            GoogleAI(api_key=function),
            VertexAI(project="p", access_token=function),
            FirebaseAI(api_key=KEY, project="p", app_check_token=function),
        ):
            await failing(evidence, backend)

    run(main())


def test_a_proxy_with_a_login(evidence, monkeypatch):
    async def main():
        async with mute() as url:
            place = url.removeprefix("ws://")
            login = f"user:{quote(SECOND, safe='')}"
            for name in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(name, f"http://{login}@{place}")
            for at in ("wss://service.invalid", "ws://service.invalid"):
                backend = GoogleAI(api_key=KEY, base_url=at)
                with pytest.raises(ConnectError) as caught:
                    await model_of(backend).connect(timeout_s=0.2)
                evidence.add_error(caught.value)
                for scheme in ("http", "https"):
                    monkeypatch.setenv("https_proxy", f"{scheme}://{login}@{place}")
                    with pytest.raises(ConnectError) as caught:
                        await create_token(backend=backend, timeout_s=0.2)
                    evidence.add_error(caught.value)

    run(main())


@pytest.mark.parametrize("connect", [lambda model: model._open(None, 5.0, None), create_token])
def test_a_proxy_with_a_login_that_is_not_waited_for(connect, evidence, monkeypatch):
    async def main():
        asked = asyncio.Event()

        async def hang(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await reader.read()
            writer.close()

        async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            login = f"user:{quote(SECOND, safe='')}"
            monkeypatch.setenv("https_proxy", f"http://{login}@127.0.0.1:{port}")
            model = model_of(GoogleAI(api_key=KEY, base_url="wss://service.invalid"))
            connecting = asyncio.ensure_future(connect(model))
            await asked.wait()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await connecting
            evidence.add_error(cancelled.value)
            evidence.add(model)

    run(main())


@pytest.mark.parametrize(
    "proxy", ["http//{}@h:80", "http://{}@h:99999", "ftp://{}@h", "http://{}:h:80"]
)
def test_a_session_that_is_lost_and_finds_a_proxy_that_cannot_be(proxy, evidence, monkeypatch):
    """Whatever the attempts to go on raise is in the log."""

    async def main():
        with emulator(evidence) as running:
            backend = GoogleAI(api_key=KEY, base_url=running.url)
            model = model_of(backend, continuity=Continuity(max_attempts=1))
            async with model.connect() as session:
                await session.ask("hello")
                login = f"user:{quote(SECOND, safe='')}"
                monkeypatch.setenv("https_proxy", proxy.format(login))
                elsewhere = GoogleAI(api_key=KEY, base_url="wss://service.invalid")
                monkeypatch.setattr(model, "backend", elsewhere)
                running.close_session(0, 1011, "Internal error occurred.")
                with pytest.raises(SessionClosed, match="URL of the proxy") as caught:
                    for _ in range(2):
                        await session.ask("hello")
            evidence.add_error(caught.value)

    run(main())


def test_a_connector_called_by_hand(evidence):
    async def main():
        async with echoing("403 Forbidden") as url:
            connector = WebSocketConnector()
            with pytest.raises(AuthError) as caught:
                await connector.connect(
                    url.replace("http", "ws"), {"x-goog-api-key": KEY}, timeout_s=5
                )
            evidence.add_error(caught.value)
            evidence.add(connector, vars(connector))

    run(main())


def test_a_session_that_is_lost_and_finds_no_other(evidence):
    async def main():
        asked = []

        def key():
            asked.append(1)
            if len(asked) > 2:
                raise OSError("The vault is away.")
            return KEY

        continuity = Continuity(give_up_after_s=2, max_attempts=2)
        with emulator(evidence) as running:
            backend = GoogleAI(api_key=key, base_url=running.url)
            session = await model_of(backend, continuity=continuity).connect()
            events = session.events()
            await session.ask("hello")
            evidence.add(running.sessions)
            for index in range(2):
                running.close_session(index, 1011, "Internal error occurred.")
                if index == 0:
                    await session.ask("hello")
            with pytest.raises(SessionClosed) as caught:
                for _ in range(3):
                    await session.ask("hello")
            evidence.add_error(caught.value)
            evidence.add([event async for event in events], session.closure)
            await session.close()

    run(main())


def test_a_credential_that_is_gone_ends_the_session(evidence):
    """Not with a task that has failed unheard, and a session that waits for ever."""

    async def main():
        keys = [KEY]
        with emulator(evidence) as running:
            backend = GoogleAI(api_key=lambda: keys.pop() if keys else "", base_url=running.url)
            session = await model_of(backend, continuity=Continuity()).connect()
            await session.ask("hello")
            running.close_session(0, 1011, "Internal error occurred.")
            with pytest.raises(SessionClosed) as caught:
                for _ in range(2):
                    await session.ask("hello")
            assert caught.value.cause == "auth"
            evidence.add_error(caught.value)
            await session.close()

    run(main())


# ------------------------------------------------------------------ values, and the test itself


def test_secrets_are_equal_where_their_texts_are():
    assert Secret(KEY) == Secret(f" {KEY}\n")
    assert Secret(KEY) != Secret(SECOND)
    assert Secret(KEY) != KEY
    assert hash(Secret(KEY)) == hash(Secret(KEY))
    assert GoogleAI(api_key=KEY) == GoogleAI(api_key=KEY)
    assert copy.deepcopy(GoogleAI(api_key=KEY)).headers()["x-goog-api-key"] == KEY
    assert GoogleCredentials.of(None) is not None


@pytest.mark.parametrize(
    "leak",
    [
        lambda: f"key={quote(KEY, safe='')}",
        lambda: base64.b64encode(b"user:" + KEY.encode()).decode(),
        lambda: base64.b64encode(b"user_:" + KEY.encode() + b"!").decode(),
        lambda: base64.b64encode(b"users:" + KEY.encode() + b"!!").decode(),
        lambda: repr({"x": KEY}),
        lambda: KEY.encode().hex(),
        lambda: json.dumps({"x": KEY}),
    ],
)
def test_a_leak_would_be_found(leak):
    assert found_in(leak(), CANARIES)


def test_a_leak_in_a_frame_would_be_found(monkeypatch):
    def fails(key):
        raise ValueError("Nothing in the message.")

    monkeypatch.setattr(leaks_support, "NOT_LOOKED_AT", set())
    gathered = Evidence()
    with pytest.raises(ValueError, match="Nothing") as caught:
        fails(KEY)
    gathered.add_error(caught.value)
    gathered.add(*range(10))
    with pytest.raises(AssertionError, match="leaks"):
        gathered.check()
