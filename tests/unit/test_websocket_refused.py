"""No connection over loopback: every refusal, with words that help and without the key."""

import asyncio
import shutil
import ssl
import subprocess

import pytest
from live_script import KEY
from raw_server import raw_server
from websocket_support import accept, all_text_of, free_port, model_at, run, serving

from antiphon.errors import AuthError, ConnectError, QuotaError
from antiphon.session import WebSocketConnector, create_token
from antiphon.wire import GoogleAI


def test_a_refused_connection_says_where_and_what_to_do():
    async def main():
        with pytest.raises(ConnectError, match="connection refused") as caught:
            await model_at(free_port()).connect()
        assert "127.0.0.1" in str(caught.value)
        assert caught.value.hint in str(caught.value)
        assert KEY not in all_text_of(caught.value)

    run(main())


def test_an_unresolved_name():
    async def main():
        backend = GoogleAI(api_key=KEY, base_url="ws://no-such-host.invalid")
        with pytest.raises(ConnectError, match=r"no-such-host\.invalid.*not resolved"):
            await model_at(0, backend=backend).connect(timeout_s=10)

    run(main())


@pytest.fixture
def proxied(monkeypatch):
    """Sets the proxy of the environment, and no exception from it."""

    def choose(url):
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)

    return choose


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_is_asked_for_a_server_on_this_machine(proxied, host):
    proxied(f"http://127.0.0.1:{free_port()}")

    async def handler(socket_):
        await accept(socket_)
        await socket_.wait_closed()

    async def main():
        async with serving(handler) as port:
            backend = GoogleAI(api_key=KEY, base_url=f"ws://{host}:{port}")
            async with model_at(0, backend=backend).connect() as session:
                assert not session.closed

    run(main())


@pytest.mark.parametrize(
    ("answer", "told", "code"),
    [
        (b"HTTP/1.1 407 Login\r\n\r\n", "the proxy answered HTTP 407.*login", 407),
        (b"HTTP/1.1 503 No\r\n\r\n", "the proxy answered HTTP 503.*https_proxy", 503),
        (b"220 smtp\r\n", "the proxy did not connect.*https_proxy", None),
    ],
)
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_that_refuses_is_named_without_its_login(proxied, answer, told, code, scheme):
    asked = []

    async def proxy(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def main():
        async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            proxied(f"{scheme}me:hush@127.0.0.1:{port}")
            backend = GoogleAI(api_key=KEY, base_url="wss://service.invalid")
            with pytest.raises(ConnectError, match=told) as caught:
                await model_at(0, backend=backend).connect(timeout_s=5)
        assert asked[0].startswith(b"CONNECT service.invalid:443")
        assert b"Proxy-Authorization: Basic bWU6aHVzaA==\r\n" in asked[0]
        where = f"wss://service.invalid through the proxy http://127.0.0.1:{port}:"
        assert where in str(caught.value)
        assert caught.value.code == code
        assert "hush" not in all_text_of(caught.value)
        assert KEY not in all_text_of(caught.value)

    run(main())


@pytest.mark.parametrize(
    "proxy",
    [
        "ftp://proxy.invalid",
        "proxy.invalid:port",
        "http://proxy.invalid:0",
        "http://:80",
        "http://[",
        "http://a..b",
        "http://proxy.invalid/path",
        "http://proxy.invalid/?hush",
        "http//me:hush@proxy.invalid:80",
        "http://me:hu#sh@proxy.invalid:80",
        "http://me:1/://hush@proxy.invalid",
        "http://hush:%ff@proxy.invalid",
        "ftp://me:hush@proxy.invalid",
        "http://me:hush:proxy.invalid:80",
        "http://me:hush%40proxy.invalid:80",
        "me:hush",
    ],
)
def test_a_proxy_that_cannot_be_is_refused_before_anything_is_tried(proxied, proxy):
    proxied(proxy)
    backend = GoogleAI(api_key=KEY, base_url="wss://service.invalid")

    async def main():
        for attempt, where in (
            (model_at(0, backend=backend).connect(), "Not connected to wss://service.invalid"),
            (
                create_token(backend=backend),
                "No token from https://service.invalid/v1alpha/auth_tokens",
            ),
        ):
            with pytest.raises(ConnectError) as caught:
                await attempt
            told = f"{where}: the URL of the proxy in the environment is not valid. Write http://"
            assert str(caught.value).startswith(told)
            assert "hush" not in all_text_of(caught.value)
            assert KEY not in all_text_of(caught.value)

    run(main())


def test_a_login_without_a_password_is_refused_without_showing_it(proxied):
    """Only `websockets` does not take it."""
    proxied("http://hush@proxy.invalid:80")

    async def main():
        backend = GoogleAI(api_key=KEY, base_url="wss://service.invalid")
        with pytest.raises(ConnectError, match=r"invalid:80: the URL of the .*er:pass") as caught:
            await model_at(0, backend=backend).connect()
        assert "hush" not in all_text_of(caught.value)

    run(main())


@pytest.mark.parametrize("url", ["ws://h:99999", "http://[", "ftp://h", "ws://me:hush@h/p?a=b"])
def test_a_url_that_cannot_be_is_refused_before_anything_is_tried(url):
    async def main():
        with pytest.raises(ConnectError, match="URL of the backend") as caught:
            await WebSocketConnector().connect(url, {}, timeout_s=1)
        assert caught.value.cause == "argument"
        assert "hush" not in all_text_of(caught.value)

    run(main())


@pytest.mark.parametrize(
    ("status", "cause", "kind"),
    [
        (400, "unavailable", ConnectError),
        (401, "auth", AuthError),
        (403, "auth", AuthError),
        (404, "model", ConnectError),
        (429, "quota", QuotaError),
        (503, "unavailable", ConnectError),
    ],
)
def test_an_http_refusal_is_told_with_its_status_and_body(status, cause, kind):
    def refuse(connection, request):
        return connection.respond(status, f"no way\nwith {KEY}, {'x' * 1000}")

    async def main():
        async with serving(None, process_request=refuse) as port:
            with pytest.raises(kind) as caught:
                await model_at(port).connect()
        error = caught.value
        assert f"HTTP {status}" in str(error)
        assert "no way with ***" in str(error)
        assert len(str(error)) < 700
        assert (error.code, error.cause) == (status, cause)
        assert KEY not in all_text_of(error)

    run(main())


def test_redirects_are_not_followed_because_the_key_would_go_along():
    visited = []

    async def elsewhere(socket_):
        visited.append(socket_)

    async def main():
        async with serving(elsewhere) as other:

            def redirect(connection, request):
                response = connection.respond(307, "there")
                response.headers["Location"] = f"ws://127.0.0.1:{other}/"
                return response

            async with serving(None, process_request=redirect) as port:
                with pytest.raises(ConnectError, match="HTTP 307"):
                    await model_at(port).connect()

    run(main())
    assert visited == []


def test_a_server_that_never_answers_times_out():
    async def main():
        async def mute(reader, writer):
            await reader.read()  # until the client gives up
            writer.close()

        server = await asyncio.start_server(mute, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError, match=r"no answer within 0\.2 s") as caught:
            await model_at(port).connect(timeout_s=0.2)
        assert caught.value.cause == "timeout"
        server.close()
        await asyncio.sleep(0.05)

    run(main())


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("cancelled", [True, False])
def test_who_does_not_answer_the_setup_is_left_without_a_goodbye(cancelled, reads, caplog):
    """It would be waited for longer than a test may take."""

    async def main():
        heard, left, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def handler(peer):
            await peer.upgrade()
            await peer.hear()
            heard.set()
            if not reads:
                await left.wait()
            while await peer._more():
                pass
            ended.set()

        async with raw_server(handler) as port:
            model = model_at(port, close_timeout_s=60.0)
            connecting = asyncio.ensure_future(model.connect(timeout_s=30.0 if cancelled else 0.2))
            await heard.wait()
            if cancelled:
                connecting.cancel()
            with pytest.raises(asyncio.CancelledError if cancelled else ConnectError):
                await connecting
            names = {task.get_name() for task in asyncio.all_tasks()}
            assert not [name for name in names if name.startswith("antiphon")]
            left.set()
            await ended.wait()  # for the peer, too

    run(main())
    assert "did not close well" not in caplog.text


@pytest.mark.parametrize("answer", [b"220 smtp ready\r\n", b"", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_speaks_something_else(answer):
    async def other(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def main():
        async with await asyncio.start_server(other, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(ConnectError) as caught:
                await model_at(port).connect(timeout_s=5)
        assert KEY not in all_text_of(caught.value)

    run(main())


def test_tls_against_a_server_without_it():
    async def handler(socket_):
        await socket_.wait_closed()

    async def main():
        async with serving(handler) as port:
            backend = GoogleAI(api_key=KEY, base_url=f"wss://127.0.0.1:{port}")
            with pytest.raises(ConnectError) as caught:
                await model_at(0, backend=backend).connect(timeout_s=5)
            assert "ws://" in str(caught.value)

    run(main())


@pytest.mark.parametrize("key", ["line\nbreak", "ключ"])
def test_a_key_that_no_header_can_carry_is_told_without_showing_it(key):
    async def main():
        with pytest.raises(ConnectError, match="x-goog-api-key") as caught:
            await model_at(0, backend=GoogleAI(api_key=key, base_url="ws://127.0.0.1:1")).connect()
        assert key not in all_text_of(caught.value)

    run(main())


@pytest.mark.parametrize("name", ["X-A: 1\r\nEvil", "", "Host", "Sec-WebSocket-Key"])
def test_headers_that_no_handshake_can_take_are_not_sent(name):
    """Those of a backend of one's own, too."""

    async def main():
        with pytest.raises(ConnectError, match=r"to ws://127\.0\.0\.1:1: .* header") as caught:
            await WebSocketConnector().connect("ws://127.0.0.1:1", {name: KEY}, timeout_s=5)
        assert caught.value.cause == "argument"
        assert KEY not in all_text_of(caught.value)

    run(main())


def test_a_line_break_after_a_copied_key_does_not_matter():
    assert GoogleAI(api_key=f" {KEY}\n").headers()["x-goog-api-key"] == KEY


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_tls_certificates_are_verified(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        (
            f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {key} -out {certificate} "
            "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
        ).split(),
        check=True,
        capture_output=True,
    )
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)

    async def handler(socket_):
        await accept(socket_)
        await socket_.wait_closed()

    async def main():
        async with serving(handler, ssl=ours) as port:
            backend = GoogleAI(api_key=KEY, base_url=f"https://localhost:{port}")
            with pytest.raises(ConnectError, match="TLS certificate is not valid") as caught:
                await model_at(port, backend=backend).connect(timeout_s=5)
            assert caught.value.cause == "tls"
            trusting = ssl.create_default_context(cafile=certificate)
            async with model_at(port, backend=backend, tls=trusting).connect() as session:
                assert not session.closed

    run(main())
