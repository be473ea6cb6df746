"""Plain HTTP beside WebSockets on one port: bounded, for this machine only, and of use."""

import asyncio
import contextlib
import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from urllib.parse import urlsplit

import pytest
from emulator_support import HALF_CASCADE, PATHS, typed
from websockets.asyncio.client import connect as connect_on_the_loop
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from world_support import small_server

from antiphon.emulator.faults import Drop, EmptyTurn
from antiphon.emulator.http import door
from antiphon.emulator.records.event_log import EventLog
from antiphon.virtual_time import run_in_virtual_time

JSON = {"Content-Type": "application/json"}
BAD_KEY = "API key not valid. Please pass a valid API key."


def ask(emulator, method, path, body=None, headers=None):
    """Status and JSON of a request over a socket."""
    url = urlsplit(emulator.url)
    if url.scheme == "wss":
        context = emulator.tls.client_context()
        client = http.client.HTTPSConnection(url.hostname, url.port, timeout=10, context=context)
    else:
        client = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    with contextlib.closing(client):
        data = None if body is None else json.dumps(body)
        given = JSON if headers is None and body is not None else headers or {}
        client.request(method, path, data, given)
        response = client.getresponse()
        text = response.read()
        assert response.headers["Connection"] == "close"
        return response.status, json.loads(text) if text else None


def raw(emulator, data):
    """What comes back for bytes, until the server closes."""
    url = urlsplit(emulator.url)
    with socket.create_connection((url.hostname, url.port), timeout=10) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    return received


@contextlib.contextmanager
def speaking(emulator, path=PATHS["google"], **options):
    """A session that is set up."""
    with connect(emulator.url + path, **options) as client:
        client.send(json.dumps({"setup": {"model": HALF_CASCADE}}))
        assert "setupComplete" in json.loads(client.recv(timeout=10))
        yield client


def receive_until(client, wanted):
    messages = []
    while not any(
        wanted in message or wanted in message.get("serverContent", {}) for message in messages
    ):
        messages.append(json.loads(client.recv(timeout=10)))
    return messages


# ------------------------------------------------------------------ tokens


async def set_up_once(url, context):
    """The answer to a setup. Of threads that share a TLS socket, one may now and then hang."""
    async with connect_on_the_loop(url, ssl=context) as client:
        await client.send(json.dumps({"setup": {"model": HALF_CASCADE}}))
        return json.loads(await client.recv())


@pytest.mark.parametrize("path", ["/v1alpha/auth_tokens", "//v1beta//auth_tokens"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_token_is_created_and_opens_one_session(path, tls):
    with small_server(tls=tls, api_key="secret") as emulator:
        status, token = ask(emulator, "POST", path + "?key=secret", {"uses": 1})
        assert status == 200
        assert re.fullmatch("auth_tokens/[0-9a-f]{64}", token["name"])
        context = emulator.tls.client_context() if tls else None
        target = PATHS["google"] + f"Constrained?access_token={token['name']}"
        assert asyncio.run(set_up_once(emulator.url + target, context)) == {"setupComplete": {}}
        with pytest.raises(ConnectionClosed) as caught:
            asyncio.run(set_up_once(emulator.url + target, context))
        assert caught.value.rcvd.code == 1007
        assert "expired" in caught.value.rcvd.reason


def test_as_any_http_client_sends_it():
    with small_server(api_key="secret") as emulator:
        url = emulator.url.replace("ws", "http") + "/v1alpha/auth_tokens"
        request = urllib.request.Request(
            url, b"{}", {"x-goog-api-key": "secret", "content-type": "application/json; charset=x"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            assert json.load(response)["name"].startswith("auth_tokens/")


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({}, {}, BAD_KEY),
        ({"x-goog-api-key": "wrong"}, {}, BAD_KEY),
        ({"x-goog-api-key": "secret"}, {"uses": -1}, "uses is -1"),
        ({"x-goog-api-key": "secret"}, [], "Invalid JSON payload received."),
    ],
)
def test_an_error_is_one_of_googles(headers, body, words):
    with small_server(api_key="secret") as emulator:
        answer = ask(emulator, "POST", "/v1alpha/auth_tokens", body, headers | JSON)
    status, error = answer
    assert status == 400
    assert (error["error"]["code"], error["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert error["error"]["message"].startswith(words)


# ------------------------------------------------------------------ the door


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/", 404, "Live server of antiphon"),
        ("GET", PATHS["google"], 426, "upgrade"),
        ("PUT", "/antiphon/sessions", 405, "PUT"),
        ("GET", "/v1alpha/auth_tokens", 405, "POST"),
        ("GET", "/antiphon/sessions/0/close", 405, "POST"),
        ("GET", "/antiphon/nothing", 404, "/antiphon/nothing"),
        ("GET", "/antiphon/sessions/7", 404, "no session 7; there was none yet"),
    ],
)
def test_what_is_not_there_says_so(method, path, status, words):
    with small_server() as emulator:
        answered, error = ask(emulator, method, path)
    assert answered == status
    assert words in error["error"]["message"]


def test_what_is_no_request_or_too_much_is_answered_and_ends():
    post = (
        b"POST /v1alpha/auth_tokens HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\n"
    )
    cases = {
        b"\x16\x03\x01 hello\r\n\r\n": b"400",
        b"GET / HTTP/1.1\r\n\r\n": b"400",  # no Host
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000: b"431",
        post + b"Content-Length: 2000000\r\n\r\n" + b" " * 1_100_000: b"413",
        post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}": b"400",
        post + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n": b"200",
        post + b"Content-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n\r\n": b"200",
        post + b"Content-Length: 2000\r\n\r\n" + b"[" * 2_000: b"400",
    }
    with small_server() as emulator:
        answers = [raw(emulator, data).split(b" ", 2)[1] for data in cases]
        assert raw(emulator, b"GET / HT") == b""
        with speaking(emulator):
            pass
    assert answers == list(cases.values())


def test_a_body_that_waits_to_be_asked_for():
    with small_server() as emulator:
        url = urlsplit(emulator.url)
        with socket.create_connection((url.hostname, url.port), timeout=10) as client:
            client.sendall(
                b"POST /v1/auth_tokens HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            )
            assert client.recv(100).startswith(b"HTTP/1.1 100")
            client.sendall(b"{}")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_head_has_no_body():
    with small_server() as emulator:
        head = raw(emulator, b"HEAD /antiphon/sessions HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert head.endswith(b"\r\n\r\n")


def test_an_upgrade_may_come_byte_by_byte():
    head = (
        f"GET {PATHS['google']} HTTP/1.1\r\nHost: a\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with small_server() as emulator:
        url = urlsplit(emulator.url)
        with socket.create_connection((url.hostname, url.port), timeout=10) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in head.encode():
                client.sendall(bytes([byte]))
            assert client.recv(100).startswith(b"HTTP/1.1 101")


class Wire(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self):
        super().__init__()
        self.written, self.aborted, self.closed = b"", False, False

    def write(self, data):
        self.written += data

    def can_write_eof(self):
        return False

    def close(self):
        self.closed = True

    def abort(self):
        self.aborted = True


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"\x00\r\n"])
def test_who_does_not_come_to_the_end_is_put_out(sent):
    async def main():
        inside = door.Door(lambda request: None, lambda *error: door.HttpResponse(error[0], b""))
        entrance, wire = inside.entrance(), Wire()
        entrance.connection_made(wire)
        if sent:
            entrance.data_received(sent)
        await asyncio.sleep(9.9)
        assert not wire.aborted
        await asyncio.sleep(0.2)
        assert wire.aborted
        assert not inside.inside

    run_in_virtual_time(main())


def test_a_failure_of_ours_is_a_500_without_its_words(caplog):
    def fail(request):
        raise RuntimeError("secret")

    async def main():
        inside = door.Door(fail, lambda *error: door.HttpResponse(error[0], error[1].encode()))
        entrance, wire = inside.entrance(), Wire()
        entrance.connection_made(wire)
        entrance.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        entrance.connection_lost(None)
        assert wire.written.startswith(b"HTTP/1.1 500")
        assert b"secret" not in wire.written
        assert wire.closed

    asyncio.run(main())
    assert "A request to the local server failed" in caplog.text


def test_leaving_the_server_ends_those_at_the_door():
    with small_server() as emulator:
        url = urlsplit(emulator.url)
        client = socket.create_connection((url.hostname, url.port), timeout=10)
        client.sendall(b"GET / HT")
        ask(emulator, "GET", "/antiphon/sessions")  # so it has got in
    with client, contextlib.suppress(ConnectionResetError):
        assert client.recv(10) == b""


# ------------------------------------------------------------------ for this machine only


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("192.168.1.1:8765", 200),
        ("[fd00::1]:8765", 200),
        ("live-server:8765", 200),
        ("evil.example", 403),
        ("192.168.1.1.evil.example", 403),
        ("", 403),
    ],
)
def test_a_server_that_others_reach_has_names_that_no_site_can_have(host, status):
    with small_server(host="0.0.0.0") as emulator:
        assert ask(emulator, "GET", "/antiphon/sessions", headers={"Host": host})[0] == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("127.0.0.9", 200),
        ("[::1]:80", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("[::1", 403),
        ("192.168.1.1", 403),
        ("", 403),
    ],
)
def test_a_name_that_was_made_to_lead_here_does_not(host, status):
    with small_server() as emulator:
        for path in ("/antiphon/sessions", "/antiphon/nothing", "/antiphon/sessions/0/interrupt"):
            answered, error = ask(emulator, "GET", path, headers={"Host": host})
            if status == 403:
                assert answered == 403
                assert "Host: localhost" in error["error"]["message"]
            else:
                assert answered != 403


def test_a_page_cannot_send_what_changes_something():
    with small_server() as emulator, speaking(emulator) as client:
        for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
            status, _ = ask(
                emulator,
                "POST",
                "/antiphon/sessions/0/close",
                {"code": 1000},
                {"Content-Type": content_type, "Origin": "http://evil.example"},
            )
            assert status == 415
        status, _ = ask(emulator, "OPTIONS", "/antiphon/sessions/0/close")
        assert status == 405
        client.send(typed("still here"))
        assert receive_until(client, "turnComplete")


def test_the_control_api_needs_the_key():
    with small_server(api_key="secret") as emulator:
        for given in ({}, {"x-goog-api-key": "wrong"}, {"Authorization": "Bearer secret"}):
            status, error = ask(emulator, "GET", "/antiphon/sessions?key=secret", headers=given)
            assert status == 403
            assert "x-goog-api-key" in error["error"]["message"]
            status, _ = ask(emulator, "POST", "/antiphon/faults", {"fault": "drop"}, given | JSON)
            assert status == 403
        answer = ask(emulator, "GET", "/antiphon/sessions", headers={"x-goog-api-key": "secret"})
        assert answer == (200, {"sessions": []})


# ------------------------------------------------------------------ control


def test_sessions_are_shown_as_they_go():
    with small_server(inspect=True) as emulator:
        with speaking(emulator) as client:
            client.send(typed("hello there"))
            receive_until(client, "turnComplete")
            _, listed = ask(emulator, "GET", "/antiphon/sessions")
            _, shown = ask(emulator, "GET", "/antiphon/sessions/0")
        status, _ = ask(emulator, "GET", "/antiphon/sessions/1")
    (summary,) = listed["sessions"]
    assert summary["open"]
    assert summary["model"] == HALF_CASCADE.removeprefix("models/")
    assert (summary["turns_begun"], summary["text_last"]) == (1, "hello there")
    assert [turn["input_text"] for turn in shown["turns"]] == ["hello there"]
    messages = [one for one in shown["events"] if one["name"] in ("received", "sent")]
    kinds = [(one["name"], next(iter(one["message"]))) for one in messages]
    assert kinds[:3] == [
        ("received", "setup"),
        ("sent", "setupComplete"),
        ("received", "clientContent"),
    ]
    assert kinds[-1] == ("sent", "serverContent")
    assert re.search(r'"data":"<\d+ bytes>"', json.dumps(messages, separators=(",", ":")))
    assert status == 404


def test_without_inspect_no_message_is_kept():
    with small_server() as emulator, speaking(emulator):
        assert emulator.session_details(0)["events"] is None


def test_go_away_now():
    with small_server() as emulator, speaking(emulator) as client:
        assert ask(emulator, "POST", "/antiphon/sessions/0/go_away", {"time_left_s": 0.1})[0] == 200
        left = receive_until(client, "goAway")[-1]["goAway"]["timeLeft"]
        assert 0 < float(left.removesuffix("s")) <= 0.1
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=10)
        assert caught.value.rcvd.code == 1000
        assert [fault.fault for fault in emulator.sessions[0].faults] == ["go_away"]


def test_close_now_and_then_no_more():
    with small_server() as emulator:
        with speaking(emulator) as client:
            body = {"code": 1013, "reason": "Try again later."}
            assert ask(emulator, "POST", "/antiphon/sessions/0/close", body) == (200, {})
            with pytest.raises(ConnectionClosed) as caught:
                client.recv(timeout=10)
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1013, "Try again later.")
        until_ended(emulator)
        status, error = ask(emulator, "POST", "/antiphon/sessions/0/interrupt", {})
        assert status == 409
        assert "Session 0 has ended with 1013" in error["error"]["message"]
        with pytest.raises(LookupError, match="has ended"):
            emulator.go_away(0)


def until_ended(emulator):
    while emulator.session_summaries()[0]["open"]:
        threading.Event().wait(0.01)


def test_interrupt_now():
    with small_server() as emulator, speaking(emulator) as client:
        client.send(typed("a sentence that is long enough to be cut " * 20))
        receive_until(client, "modelTurn")
        assert ask(emulator, "POST", "/antiphon/sessions/0/interrupt", {})[0] == 200
        receive_until(client, "interrupted")
        assert emulator.sessions[0].turns[0].interrupted


def test_rules_for_a_session_that_runs_and_for_those_to_come():
    with small_server() as emulator:
        with speaking(emulator) as client:
            rule = {"fault": "close", "kind": "turnComplete", "code": 1008, "reason": "enough"}
            assert ask(emulator, "POST", "/antiphon/sessions/0/faults", rule)[0] == 200
            client.send(typed("hello"))
            with pytest.raises(ConnectionClosed) as caught:
                receive_until(client, "turnComplete")
            assert caught.value.rcvd.reason == "enough"
        rules = [{"fault": "close", "session": 1, "code": 1008, "reason": "later"}]
        assert ask(emulator, "POST", "/antiphon/faults", rules)[0] == 200
        with pytest.raises(ConnectionClosed) as caught, speaking(emulator):
            pass
        assert caught.value.rcvd.reason == "later"
        with speaking(emulator):
            pass


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("sessions/0/faults", {"fault": "gone"}, "Rule 0 of the faults cannot be used"),
        ("sessions/0/faults", {"fault": "drop", "session": 1}, "The rule is for session 1"),
        ("faults", [{"fault": "stall", "duration_s": -1}], "duration_s is -1"),
        ("faults", "drop", "Invalid JSON payload received."),
        ("faults", [{"fault": "drop", "session": 9}] * 1_025, "1024 fit"),
        ("sessions/0/go_away", {"time_left_s": -1}, "time_left_s is -1"),
        ("sessions/0/go_away", {"time_left_s": "1"}, "time_left_s: Expected `float`"),
        ("sessions/0/go_away", {"in": 1}, "'in' is not known here; use time_left_s."),
        ("sessions/0/close", {"code": 1006}, "use the fault drop"),
        ("sessions/0/close", {"reason": "x" * 200}, "reason has 200 bytes"),
        ("sessions/0/interrupt", {"now": True}, "use an empty object"),
    ],
)
def test_what_cannot_be_done_is_a_400_with_advice(path, body, words):
    with small_server() as emulator, speaking(emulator) as client:
        status, error = ask(emulator, "POST", f"/antiphon/{path}", body)
        assert status == 400
        assert words in error["error"]["message"]
        client.send(typed("unharmed"))
        assert receive_until(client, "turnComplete")


def test_the_same_from_python_on_any_thread():
    with small_server() as emulator:
        with speaking(emulator) as client:
            emulator.add_faults(EmptyTurn(), session=0)
            client.send(typed("hello"))
            assert not any(
                "modelTurn" in message.get("serverContent", {})
                for message in receive_until(client, "turnComplete")
            )
            emulator.interrupt(0)
            receive_until(client, "interrupted")
            emulator.close_session(0, 1012, "restart")
            with pytest.raises(ConnectionClosed) as caught:
                client.recv(timeout=10)
            assert caught.value.rcvd.code == 1012
        emulator.add_faults(Drop(number=0))
        with pytest.raises(ConnectionClosed), speaking(emulator):
            pass
        with pytest.raises(LookupError, match="no session 5; there are 0 to 1"):
            emulator.interrupt(5)
    with pytest.raises(LookupError, match="has ended"):
        emulator.interrupt(1)


def test_on_the_loop_of_the_session_itself_in_virtual_time():
    async def main():
        emulator = small_server()
        async with emulator.connector() as connector:
            backend = emulator.backend()
            channel = await connector.connect(backend.base_url + PATHS["google"], {}, timeout_s=5)
            await channel.send(json.dumps({"setup": {"model": HALF_CASCADE}}).encode())
            await channel.receive()
            emulator.go_away(0, 7.0)
            assert json.loads(await channel.receive()) == {"goAway": {"timeLeft": "7s"}}
            began_s = asyncio.get_running_loop().time()
            with contextlib.suppress(Exception):
                await channel.receive()
            assert asyncio.get_running_loop().time() - began_s == pytest.approx(7.0)
        emulator.close()
        assert not emulator.session_summaries()[0]["open"]

    run_in_virtual_time(main())


# ------------------------------------------------------------------ what is shown


def test_a_log_is_bounded_and_counts_audio_of_both_directions():
    log = EventLog(3)
    packet = {"realtimeInput": {"audio": {"data": "AAAA", "mimeType": "audio/pcm"}}}
    chunk = {"modelTurn": {"parts": [{"inlineData": {"data": "AAAAAAAA"}}]}}
    for number in range(600):
        log("speech_started", {"at_s": number})
    for number in range(50):  # at the same time
        log("received", {"at_s": number, "message": packet})
        log("sent", {"at_s": number, "message": {"serverContent": chunk}})
    log("received", {"at_s": 600, "message": {"realtimeInput": {"text": "hi"}}})
    log("received", {"at_s": 601, "message": packet})
    log("received", {"at_s": 602, "unreadable_bytes": 7})
    *_, heard, said, text, again, unreadable = kept = log.events()
    assert len(kept) == 500
    assert (heard.number, heard.session, heard.kinds) == (600, 3, ("audio", "realtimeInput"))
    assert (heard.count, heard.audio_bytes, heard.at_s) == (50, 150, 0)
    assert (said.name, said.count, said.audio_bytes) == ("sent", 50, 300)
    assert text.message == {"realtimeInput": {"text": "hi"}}
    assert again.count == 1
    assert unreadable.message == {"unreadable_bytes": 7}


def test_a_log_of_large_messages_is_bounded_as_well():
    log = EventLog(0)
    many = {f"name{number}": "x" * 10_000 for number in range(10)}
    for _ in range(100):
        log("received", {"at_s": 0, "message": {"setup": many}})
    log("received", {"at_s": 0, "message": {"setup": many, "more": ["x" * 3_000] * 100}})
    assert sum(len(event.json) for event in log.events()) <= 1024 * 1024
    assert len(log.events()[-1].json) < 100
    assert log.events()[0].message["setup"]["name0"].endswith("… (10000 characters)")


def test_a_server_begins_anew():
    with small_server(faults=[{"fault": "duplicate", "kind": "setupComplete"}]) as emulator:
        with speaking(emulator) as client:
            emulator.add_faults({"fault": "close", "kind": "setupComplete"})
            assert ask(emulator, "POST", "/antiphon/reset", {})[0] == 200
            with pytest.raises(ConnectionClosed) as end:
                while True:
                    client.recv(timeout=10)
        assert (end.value.rcvd.code, end.value.rcvd.reason) == (1001, "The server was reset.")
        assert emulator.sessions == emulator.session_summaries() == []
        with speaking(emulator) as client:
            assert b"setupComplete" in client.recv(timeout=10)
            assert [one["session"] for one in emulator.session_summaries()] == [0]
            assert emulator.session_summaries()[0]["open"]


def test_the_page_holds_all_that_it_needs_and_may_do_no_more():
    with small_server(inspect=True, api_key="secret") as emulator:
        with urllib.request.urlopen(emulator.inspect_url, timeout=10) as response:
            page, headers = response.read().decode(), response.headers
    assert headers["Content-Type"].startswith("text/html")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", policy)) == 2
    assert "secret" not in page
    assert not re.search(r"innerHTML|https?://|\bsrc=|\bhref=|\son\w+=|\sstyle=|eval", page)
    assert page.count("<script>") == page.count("<style>") == 1


def test_the_command_says_where_the_page_is():
    command = [sys.executable, "-m", "antiphon.cli", "emulator", "--port", "0", "--inspect"]
    with subprocess.Popen(
        [*command, "--until-eof"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        line = next(line for line in process.stdout if line.startswith("Inspect: "))
        with urllib.request.urlopen(line.split()[1], timeout=10) as response:
            assert b"<!doctype html>" in response.read()
        process.stdin.close()
        assert process.wait(20) == 0
