"""The pytest plugin: its fixtures in runs of their own, and what they say about a client."""

import asyncio
import json
import subprocess
import sys
import textwrap
import threading

import pytest
import websockets
from emulator_support import HALF_CASCADE, PATHS, ToneSynthesizer
from websockets.sync.client import connect

from antiphon.emulator import Echo, LiveEmulator, Recognizer, Settings, Voice

pytest_plugins = ["pytester"]

SETUP = {
    "setup": {
        "model": HALF_CASCADE,
        "generationConfig": {"responseModalities": ["TEXT"]},  # takes no time to be played
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
    }
}
CLIENT = f"""
import json, pytest, websockets
from websockets.sync.client import connect

PATH = {PATHS["google"]!r}
SETUP = {SETUP!r}

def say(emulator, text, **options):
    with connect(emulator.url + PATH, **options) as plug:
        plug.send(json.dumps(SETUP))
        plug.send(json.dumps({{"realtimeInput": {{"text": text}}}}))
        while True:
            message = json.loads(plug.recv(timeout=20))
            if message.get("serverContent", {{}}).get("turnComplete"):
                return
"""


@pytest.fixture
def emulator():
    settings = Settings(reply_delay_s=(0.01, 0.02), speed=(50, 100))
    with LiveEmulator(
        brain=Echo(),
        settings=settings,
        voice=Voice([ToneSynthesizer()]),
        recognizer=Recognizer(enabled=False),
    ) as emulator:
        yield emulator


@pytest.fixture
def run(pytester):
    """Run tests in a pytest of their own, with the plugin."""

    def run(source):
        pytester.makepyfile(CLIENT + textwrap.dedent(source))
        return pytester.runpytest_subprocess(
            "-p", "antiphon.pytest_plugin", "-p", "no:cacheprovider"
        )

    return run


def send(emulator, *messages):
    with connect(emulator.url + PATHS["google"]) as plug:
        for message in messages:
            plug.send(message if isinstance(message, str) else json.dumps(message))
        try:
            while b"turnComplete" not in plug.recv(timeout=10):
                pass
        except websockets.ConnectionClosed:
            pass


# ------------------------------------------------------------------ in a run of pytest


def test_the_fixture_serves_a_client_and_knows_what_it_sent(run):
    result = run("""
    def test_it(live_emulator, monkeypatch):
        say(live_emulator, "hello")
        assert [event.kinds for event in live_emulator.sent("text")] == [("realtimeInput", "text")]
        live_emulator.assert_sent("text", {"realtimeInput": {"text": "hello"}}, times=1)
        live_emulator.assert_not_sent("audio")
        live_emulator.assert_no_error()

    def test_each_test_has_its_own(live_emulator):
        assert live_emulator.sent() == []
    """)
    result.assert_outcomes(passed=2)


def test_the_marker_has_options_and_the_next_one_goes_first(run):
    result = run("""
    pytestmark = pytest.mark.live_emulator(api_key="secret", seed=5)

    @pytest.mark.live_emulator(faults=[{"fault": "close", "kind": "setupComplete", "code": 1013}])
    def test_it(live_emulator):
        with pytest.raises(websockets.ConnectionClosed) as end:
            say(live_emulator, "hi", additional_headers={"x-goog-api-key": "secret"})
        assert end.value.rcvd.code == 1013
        live_emulator.assert_no_error()

    @pytest.mark.live_emulator(api_key=None)
    def test_without_a_key(live_emulator):
        say(live_emulator, "hi")
    """)
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("lnk='lte'", "*unexpected keyword argument 'lnk'*"),
        ("link='5g'", "*5g*"),
        ("'lte'", "*its options have names*"),
    ],
)
def test_a_wrong_option_is_told(run, marker, words):
    result = run(f"""
    @pytest.mark.live_emulator({marker})
    def test_it(live_emulator):
        pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([words])


def test_an_assertion_that_fails_shows_what_was_sent_but_no_key(run):
    result = run("""
    @pytest.mark.live_emulator(api_key="sesame")
    def test_it(live_emulator):
        say(live_emulator, "hello", additional_headers={"x-goog-api-key": "sesame"})
        live_emulator.assert_sent("toolResponse")
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*toolResponse: 0 sent, at least one expected*", "*hello*"])
    assert "additional_headers" in result.stdout.str()  # the source, which the test itself shows
    shown = [line for line in result.stdout.lines if "session 0" in line]
    assert shown
    assert not any("sesame" in line for line in shown)


def test_the_tls_fixture_is_trusted_by_its_file(run):
    pytest.importorskip("trustme")
    result = run("""
    import asyncio, ssl

    async def set_up(url, context):
        async with websockets.connect(url, ssl=context) as plug:
            await plug.send(json.dumps(SETUP))
            assert b"setupComplete" in await plug.recv()

    def test_it(live_emulator_tls):
        ca_file = live_emulator_tls.environment["SSL_CERT_FILE"]
        context = ssl.create_default_context(cafile=ca_file)
        asyncio.run(set_up(live_emulator_tls.url + PATH, context))
        live_emulator_tls.assert_sent("setup", times=1)
        assert live_emulator_tls.environment["GOOGLE_GEMINI_BASE_URL"].startswith("https://")
    """)
    result.assert_outcomes(passed=1)


def test_the_tls_fixture_is_skipped_where_the_package_is_missing(run):
    result = run("""
    @pytest.fixture(autouse=True)
    def without(monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "trustme", None)

    def test_it(live_emulator_tls):
        raise AssertionError
    """)
    result.assert_outcomes(skipped=1)


def test_the_plugin_imports_nothing_before_it_is_needed():
    code = (
        "import pytest, sys; before = set(sys.modules); import antiphon.pytest_plugin;"
        "print(*sorted(name for name in set(sys.modules) - before if 'antiphon' in name))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["antiphon", "antiphon.pytest_plugin"]


# ------------------------------------------------------------------ in this process


def test_waiting_ends_with_the_message_that_was_waited_for(emulator):
    text = {"realtimeInput": {"text": "late"}}
    client = threading.Timer(0.1, send, [emulator, SETUP, text])
    client.start()
    event = emulator.wait_for("text", timeout_s=10)
    assert event.message == text
    client.join()


def test_waiting_in_vain_tells_what_came_instead(emulator):
    send(emulator, SETUP, {"realtimeInput": {"text": "hello"}})
    with pytest.raises(AssertionError, match=r"(?s)audio: 0 sent .* 2 expected.*setup.*hello"):
        emulator.wait_for("audio", count=2, timeout_s=0)
    with pytest.raises(AssertionError, match="No client has connected to session 7"):
        emulator.wait_for("text", session=7, timeout_s=0)


async def wait_on_the_loop(emulator):
    async with websockets.connect(emulator.url + PATHS["google"]) as plug:
        await plug.send(json.dumps(SETUP))
        return await emulator.wait_for_async("setup", timeout_s=10)


def test_waiting_does_not_block_a_loop(emulator):
    assert "setup.tools" in asyncio.run(wait_on_the_loop(emulator)).kinds


def test_audio_is_counted(emulator):
    audio = {"realtimeInput": {"audio": {"data": "AAAAAA==", "mimeType": "audio/pcm"}}}
    send(emulator, SETUP, *[audio] * 5, {"realtimeInput": {"text": "hello"}})
    emulator.assert_sent("audio", times=5)
    assert emulator.wait_for("audio", count=5, timeout_s=0).audio_bytes == 20
    with pytest.raises(AssertionError, match="5 sent, 4 expected"):
        emulator.assert_sent("audio", times=4)


def test_a_part_of_a_message_is_enough_and_must_be_there(emulator):
    send(emulator, SETUP, {"realtimeInput": {"text": "hello"}})
    emulator.assert_sent("setup", {"setup": {"tools": [{"functionDeclarations": [{"name": "f"}]}]}})
    for wrong in ({"setup": {"tools": []}}, {"setup": {"model": "m"}}, {"setup": {"labels": {}}}):
        with pytest.raises(AssertionError, match="0 sent"):
            emulator.assert_sent("setup", wrong)


def test_a_message_that_a_fault_swallows_was_sent_all_the_same(emulator):
    emulator.add_faults({"fault": "refused_resume"})
    resume = {"setup": {"model": HALF_CASCADE, "sessionResumption": {"handle": "h"}}}
    send(emulator, resume)
    emulator.assert_sent("resume", resume, times=1)
    names = [event.name for event in emulator.events(0)]
    assert names == ["fault", "received", "closed"]
    emulator.assert_no_error()


def test_a_kind_that_no_client_sends_is_an_error_of_the_test(emulator):
    with pytest.raises(ValueError, match="No client sends a 'toolResponses'"):
        emulator.assert_not_sent("toolResponses")


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (["{"], "a message cannot be read"),
        ([{"setup": {"model": "models/none"}}], "closed with 1008: models/none is not found"),
        (
            [
                SETUP,
                {"toolResponse": {"functionResponses": [{"id": "1", "name": "f", "response": {}}]}},
                {"realtimeInput": {"text": "hello"}},
            ],
            "nobody had asked",
        ),
    ],
)
def test_what_went_wrong_is_told(emulator, messages, words):
    send(emulator, *messages)
    with pytest.raises(AssertionError, match=words):
        emulator.assert_no_error()


def test_the_environment_leads_a_client_here(emulator, monkeypatch):
    from antiphon import GoogleAI

    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    assert GoogleAI().url().startswith(emulator.url)
