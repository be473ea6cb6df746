"""Ephemeral tokens, whole: created over HTTP, used for sessions, locked, used up, expired."""

import asyncio
import os
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from antiphon import (
    AuthError,
    ConnectError,
    FirebaseAI,
    GoogleAI,
    LiveGenerationConfig,
    LiveModel,
    QuotaError,
    VertexAI,
    WebSocketConnector,
    create_token,
)
from antiphon.emulator import Echo, Emulator, Reply, Voice
from antiphon.emulator.session.jobs import Speech
from antiphon.session.tokens import _post

KEY = "the-server-key"
MODEL = "gemini-2.5-flash-native-audio-latest"


@contextmanager
def emulator(**settings):
    with Emulator(api_key=KEY, **settings) as running:
        yield running


def backend(running, key=KEY):
    return GoogleAI(api_key=key, base_url=running.url)


def model(running, key=KEY, **settings):
    return LiveModel(
        settings.pop("name", MODEL),
        backend=backend(running, key),
        system_instruction=settings.pop("instruction", None),
        config=LiveGenerationConfig(**settings),
        continuity=None,
    )


def run(main):
    return asyncio.run(asyncio.wait_for(main, 30))


async def opens(running, token, **settings):
    async with model(running, token, **settings).connect(timeout_s=10) as session:
        assert not session.closed


# ------------------------------------------------------------------ use


def test_a_token_opens_one_session_without_the_key():
    async def main():
        with emulator() as running:
            token = await create_token(backend=backend(running))
            assert token.startswith("auth_tokens/")
            await opens(running, token)
            with pytest.raises(AuthError, match="expired") as caught:
                await opens(running, token)
            assert token not in str(caught.value)

    run(main())


@pytest.mark.parametrize("uses", [2, 0])
def test_a_token_opens_as_many_as_it_was_made_for(uses):
    async def main():
        with emulator() as running:
            token = await create_token(backend=backend(running), uses=uses)
            for _ in range(uses or 3):
                await opens(running, token)
            if uses:
                with pytest.raises(AuthError):
                    await opens(running, token)

    run(main())


@pytest.mark.parametrize("which", ["expire_time", "new_session_expire_time"])
def test_a_token_ends(which):
    async def main():
        with emulator() as running:
            soon = timedelta(seconds=0.3)
            token = await create_token(backend=backend(running), uses=0, **{which: soon})
            await asyncio.sleep(0.35)
            with pytest.raises(AuthError, match="expired"):
                await opens(running, token)

    run(main())


def test_a_moment_and_a_duration_say_the_same():
    async def main():
        with emulator() as running:
            token = await create_token(
                backend=backend(running),
                expire_time=datetime.now(UTC) + timedelta(minutes=5),
                new_session_expire_time=timedelta(minutes=2),
            )
            await opens(running, token)

    run(main())


def test_a_function_may_fetch_one_token_for_each_connection():
    async def main():
        with emulator() as running:
            asked = []

            async def token_of_our_server():
                asked.append(1)
                return await create_token(backend=backend(running))

            app = LiveModel(
                MODEL,
                backend=GoogleAI(api_key=token_of_our_server, base_url=running.url),
                continuity=None,
            )
            for _ in range(2):
                async with app.connect(timeout_s=10):
                    pass
            assert len(asked) == 2  # of one use each, so it is not called for URL and headers apart

    run(main())


# ------------------------------------------------------------------ locks


class Tone:
    """A voice that takes no time."""

    def synthesize(self, text, voice):
        return Speech(bytes(2 * 2_400))


class Witness(Echo):
    """Tells of the session that it serves what a token may have locked."""

    def respond(self, turn):
        tools = ",".join(sorted(turn.functions)) or "no tools"
        return Reply(f"{turn.system_instruction or 'nothing'} with {tools}")


def call_home() -> None:
    """A tool that the client would like."""


def witnessed(lock, **theirs):
    """What the brain sees of a client that wants something else than the token holds."""

    async def main():
        with Emulator(api_key=KEY, brain=Witness(), voice=Voice([Tone()])) as running:
            holder = model(running, **theirs)
            token = await create_token(holder, lock=lock)
            client = LiveModel(
                "gemini-live-2.5-flash-preview",
                backend=backend(running, token),
                system_instruction="Forget it",
                tools=[call_home],
                config=LiveGenerationConfig(response_modalities=["TEXT"]),
                continuity=None,
            )
            async with client.connect(timeout_s=10) as session:
                reply = await session.ask("What are you?")
            return running.sessions[-1], reply

    return run(main())


def test_the_whole_setup_is_locked():
    record, _ = witnessed("all", instruction="Speak of cats")
    assert record.model == MODEL
    assert record.turns[0].text == "Speak of cats with no tools"
    assert record.turns[0].frames_sent  # speech: the client's wish for TEXT did not count


def test_what_is_given_is_locked_and_the_rest_is_open():
    record, _ = witnessed("given", instruction="Speak of cats")
    assert record.model == MODEL
    assert record.turns[0].text == "Speak of cats with call_home"


def test_named_fields_are_locked():
    record, reply = witnessed(["system_instruction"], instruction="Speak of cats")
    assert record.model == "gemini-live-2.5-flash-preview"
    assert reply.text == "Speak of cats with call_home"


@pytest.mark.parametrize(
    "path", ["temperature", "generation_config.temperature", "setup.generationConfig.temperature"]
)
def test_a_field_has_several_spellings(path):
    async def main():
        with emulator() as running:
            token = await create_token(model(running, temperature=0.1), lock=["model", path])
            await opens(running, token, temperature=1.9)

    run(main())


# ------------------------------------------------------------------ refusals


def test_a_wrong_key_creates_none():
    async def main():
        with emulator() as running:
            with pytest.raises(AuthError, match="API key not valid") as caught:
                await create_token(backend=backend(running, "wrong-key"))
            assert caught.value.code == 400
            assert caught.value.hint

    run(main())


def test_a_token_creates_none():
    async def main():
        with emulator() as running:
            token = await create_token(backend=backend(running))
            with pytest.raises(AuthError, match="cannot create another"):
                await create_token(backend=backend(running, token))

    run(main())


@pytest.mark.parametrize(
    "other", [VertexAI(project="p", access_token="t"), FirebaseAI(api_key="k", project="p")]
)
def test_only_the_gemini_api_has_tokens(other):
    with pytest.raises(AuthError, match=other.label):
        run(create_token(LiveModel(backend=other)))
    with pytest.raises(AuthError, match="ephemeral token"):
        type(other)(**({"project": "p"} | {"api_key": "auth_tokens/t"}))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"uses": -1}, "uses is -1"),
        ({"uses": 2**31}, "uses is 2147483648"),
        ({"expire_time": timedelta(hours=21)}, "less than 20 hours"),
        ({"expire_time": timedelta(seconds=-1)}, "in the future"),
        ({"new_session_expire_time": datetime(2020, 1, 1, tzinfo=UTC)}, "new_session_expire_time"),
        ({"expire_time": datetime(2090, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"lock": "everything"}, "lock is 'everything'"),
        ({"lock": []}, "locks nothing"),
        ({"lock": "given"}, "locks nothing"),
        ({"lock": ["modell"]}, "'modell'"),
        ({"lock": ["generation_config.heat"]}, "heat"),
    ],
)
def test_arguments_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        run(create_token(backend=GoogleAI(api_key=KEY, base_url="ws://127.0.0.1:1"), **settings))


async def answering(answer):
    """A server that gives one answer to every request, and what it was asked."""
    asked = []

    async def serve(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def counting():
    """A server that notes who connects, and says nothing."""
    connections = []

    async def note(reader, writer):
        connections.append(writer)
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections


def http(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (http("429 Too Many", b'{"error": {"message": "Resource gone."}}'), QuotaError, "gone"),
        (http("403 Forbidden", b"<html>no</html>"), AuthError, "<html>no"),
        (http("401 Unauthorized"), AuthError, "HTTP 401"),
        (http("404 Not Found", b"nothing here"), ConnectError, "nothing here"),
        (http("500 Oops", b"\xff" * 100_000), ConnectError, "HTTP 500"),
        (http("400 Bad", b'{"error": {"message": "Unknown name"}}'), ConnectError, "Unknown name"),
        (http("200 OK", b"not json"), ConnectError, "names none"),
        (http("200 OK", b'{"name": "no-token"}'), ConnectError, "names none"),
        (http("200 OK", b"[" * 100_000), ConnectError, "names none"),
        (b"220 smtp ready\r\n", ConnectError, r"not speak HTTP .*its scheme: .* https://"),
        (b"", ConnectError, "No token .*dropped the connection.* https://"),
    ],
)
def test_answers_that_are_no_token(answer, kind, words):
    async def main():
        server, url, _ = await answering(answer)
        async with server:
            with pytest.raises(kind, match=words) as caught:
                await create_token(backend=GoogleAI(api_key=KEY, base_url=url))
        assert caught.value.cause
        assert caught.value.hint
        assert len(str(caught.value)) < 800

    run(main())


@pytest.mark.parametrize("at", ["ws://service.invalid", "wss://service.invalid"])
@pytest.mark.parametrize(
    ("variable", "scheme", "shown"),
    [
        ("socks_proxy", "", "socks5h"),
        ("socks_proxy", "http://", "socks5h"),
        ("socks_proxy", "HTTP://", "socks5h"),
        ("socks_proxy", "socks5h://", "socks5h"),
        ("https_proxy", "SOCKS5://", "socks5"),
        ("https_proxy", "https://", "https"),
        ("https_proxy", "HTTPS://", "https"),
    ],
)
def test_a_proxy_is_spoken_http_to_only_if_it_speaks_it(at, variable, scheme, shown, monkeypatch):
    """One that is reached over TLS would get its login in clear."""

    async def main():
        server, url, connections = await counting()
        place = url.removeprefix("http://")
        monkeypatch.setenv(variable, f"{scheme}me:hush@{place}")
        async with server:
            told = f"No token from .* through the proxy {shown}://{place}: .*http://.*https_proxy"
            with pytest.raises(ConnectError, match=told) as caught:
                await create_token(backend=GoogleAI(api_key=KEY, base_url=at))
        assert connections == []
        assert caught.value.hint in str(caught.value)
        assert "hush" not in str(caught.value)

    run(main())


@pytest.mark.parametrize(
    ("answer", "told", "code"),
    [
        (http("407 Login"), "the proxy answered HTTP 407. The proxy asks for a login", 407),
        (http("503 No"), "the proxy answered HTTP 503. Check http_proxy", 503),
        (b"", "the server dropped the connection. Check http_proxy", None),
        (b"220 smtp\r\n", "the server does not speak HTTP (BadStatusLine). Check http_proxy", None),
        (None, "connection refused (Connection refused). Check http_proxy", None),
    ],
)
@pytest.mark.parametrize("scheme", ["http://", "HTTP://", ""])
def test_a_proxy_that_fails_is_named_without_its_login(answer, told, code, scheme, monkeypatch):
    async def main():
        server, url, asked = await answering(answer)
        place = url.removeprefix("http://")
        monkeypatch.setenv("https_proxy", f"{scheme}me:hush@{place}")
        if answer is None:
            server.close()
        async with server:
            with pytest.raises(ConnectError) as caught:
                await create_token(backend=GoogleAI(api_key=KEY, base_url="wss://service.invalid"))
        where = "No token from https://service.invalid/v1alpha/auth_tokens through the proxy"
        assert str(caught.value).startswith(f"{where} http://{place}: {told}")
        assert (caught.value.code, caught.value.cause) == (code, "network")
        assert "base_url" not in str(caught.value)
        assert "hush" not in str(caught.value)
        assert KEY.encode() not in b"".join(asked)

    run(main())


def test_the_key_does_not_follow_a_redirect():
    async def main():
        elsewhere, there, asked_there = await answering(
            http("200 OK", b'{"name": "auth_tokens/x"}')
        )
        server, url, asked = await answering(http("302 Found", b"", f"Location: {there}/x"))
        async with elsewhere, server:
            with pytest.raises(ConnectError, match="HTTP 302"):
                await create_token(backend=GoogleAI(api_key=KEY, base_url=url))
        assert asked_there == []
        head = asked[0].decode().lower()
        assert head.startswith("post /v1alpha/auth_tokens http/1.1")
        assert f"x-goog-api-key: {KEY}" in head

    run(main())


@asynccontextmanager
async def mute():
    """A server that never answers; the place of it, for one request."""
    heard = asyncio.Event()

    async def serve(reader, writer):
        await reader.read()
        writer.close()
        heard.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await heard.wait()


def test_a_server_that_never_answers():
    async def main():
        async with mute() as url:
            with pytest.raises(ConnectError, match=r"no answer within 0\.2 s") as caught:
                await create_token(backend=GoogleAI(api_key=KEY, base_url=url), timeout_s=0.2)
            assert caught.value.cause == "timeout"

    run(main())


def test_the_limit_that_is_told_is_the_one_that_was_given():
    """Whoever notices first: what is left of it is what the request has."""

    async def main():
        async with mute() as url:
            ask = partial(_post, url, {}, {}, None, remaining_s=0.05, timeout_s=7)
            with pytest.raises(ConnectError, match=r"no answer within 7 s"):
                await asyncio.to_thread(ask)

    run(main())


def test_over_tls_the_certificate_is_verified():
    pytest.importorskip("trustme")
    import ssl

    async def main():
        with emulator(tls=True) as running:
            ours = backend(running)
            with pytest.raises(ConnectError) as caught:
                await create_token(backend=ours)
            assert caught.value.cause == "tls"
            trusting = ssl.create_default_context(cafile=os.fspath(running.ca_file))
            token = await create_token(backend=ours, tls=trusting)
            app = LiveModel(
                MODEL,
                backend=backend(running, token),
                connector=WebSocketConnector(tls=trusting),
                continuity=None,
            )
            async with app.connect(timeout_s=10) as session:
                assert not session.closed

    run(main())
