"""URLs, headers and model names of the four backends; models; content; closes."""

import asyncio
import functools
import threading
import traceback

import pytest

from antiphon.errors import AuthError, ConnectError
from antiphon.session import LiveModel
from antiphon.wire import (
    Blob,
    Content,
    FirebaseAI,
    GoogleAI,
    Part,
    VertexAI,
    as_turns,
    explain_close,
    model_id,
    profile_of,
)
from antiphon.wire.close_codes import TOO_LARGE_FOR_US
from antiphon.wire.secret import redact, secrets_in

GOOGLE = "google.ai.generativelanguage"
VERTEX = "google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
FIREBASE = "wss://firebasevertexai.googleapis.com/ws/google.firebase.vertexai.v1beta."
HOST = "wss://generativelanguage.googleapis.com"


@pytest.mark.parametrize(
    ("backend", "url"),
    [
        (
            GoogleAI(api_key="k"),
            f"{HOST}/ws/{GOOGLE}.v1beta.GenerativeService.BidiGenerateContent",
        ),
        (
            GoogleAI(api_key="auth_tokens/t"),
            f"{HOST}/ws/{GOOGLE}.v1alpha.GenerativeService.BidiGenerateContentConstrained",
        ),
        (
            GoogleAI(api_key="k", base_url="http://127.0.0.1:8765/"),
            f"ws://127.0.0.1:8765/ws/{GOOGLE}.v1beta.GenerativeService.BidiGenerateContent",
        ),
        (
            VertexAI(project="p", location="us-east5"),
            f"wss://us-east5-aiplatform.googleapis.com/ws/{VERTEX}",
        ),
        (
            VertexAI(project="p", location="global"),
            f"wss://aiplatform.googleapis.com/ws/{VERTEX}",
        ),
        (
            VertexAI(project="p", location="eu"),
            f"wss://aiplatform.eu.rep.googleapis.com/ws/{VERTEX}",
        ),
        (VertexAI(api_key="k"), f"wss://aiplatform.googleapis.com/ws/{VERTEX}"),
        (
            VertexAI(api_key="k", location="us-east5"),
            f"wss://us-east5-aiplatform.googleapis.com/ws/{VERTEX}",
        ),
        (
            VertexAI(project="p", location="us", api_version="v1"),
            "wss://aiplatform.us.rep.googleapis.com/ws/" + VERTEX.replace("v1beta1", "v1"),
        ),
        (
            GoogleAI(api_key="k", api_version="v1alpha"),
            f"{HOST}/ws/{GOOGLE}.v1alpha.GenerativeService.BidiGenerateContent",
        ),
        (
            FirebaseAI(api_key="k", project="p"),
            f"{FIREBASE}GenerativeService/BidiGenerateContent",
        ),
        (
            FirebaseAI(api_key="k", project="p", location="l"),
            f"{FIREBASE}LlmBidiService/BidiGenerateContent/locations/l",
        ),
    ],
)
def test_urls(backend, url):
    assert backend.url() == url


@pytest.mark.parametrize(
    ("backend", "credentials"),
    [
        (GoogleAI(api_key="k"), {"x-goog-api-key": "k"}),
        (GoogleAI(api_key="auth_tokens/t"), {"Authorization": "Token auth_tokens/t"}),
        (VertexAI(project="p", access_token="t"), {"Authorization": "Bearer t"}),
        (VertexAI(api_key="k"), {"x-goog-api-key": "k"}),
        (
            VertexAI(project="p", access_token="t", quota_project="q"),
            {"Authorization": "Bearer t", "x-goog-user-project": "q"},
        ),
        (
            FirebaseAI(api_key="k", project="p", app_version="2"),
            {
                "x-goog-api-key": "k",
                "X-Firebase-AppVersion": "2",
            },
        ),
        # A gateway's own credentials do.
        (GoogleAI(extra_headers={"Authorization": "Own t"}), {"Authorization": "Own t"}),
        (VertexAI(extra_headers={"X-Goog-Api-Key": "k"}), {"X-Goog-Api-Key": "k"}),
        (
            FirebaseAI(api_key="k", project="p", app_check_token="a", user_token="u", app_id="i"),
            {
                "x-goog-api-key": "k",
                "X-Firebase-AppCheck": "a",
                "Authorization": "Firebase u",
                "X-Firebase-AppId": "i",
            },
        ),
    ],
)
def test_headers(backend, credentials):
    headers = backend.headers()
    assert headers.pop("x-goog-api-client").startswith("antiphon/")
    assert headers == credentials


def test_extra_headers_go_along_but_never_replace_credentials():
    backend = GoogleAI(api_key="k", extra_headers={"x-own": "1", "X-Goog-Api-Key": "no"})
    headers = backend.headers()
    assert headers.pop("x-goog-api-client")
    assert headers == {"x-own": "1", "x-goog-api-key": "k"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("X-A: 1\r\nEvil", "':' in it. Use letters, digits and hyphens"),
        ("X-A\r\nhush", r"'\\r' in it"),
        ("hush é", "' ' in it"),
        ("X-É", "'É' in it"),
        ("X-A\n", r"'\\n' in it"),
        ("", "is empty"),
        ("Host", "Host is a header of the WebSocket handshake itself. Leave it out"),
        ("connection", "connection is"),
        ("UPGRADE", "UPGRADE is"),
        ("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol is"),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda headers: GoogleAI(api_key="k", extra_headers=headers),
        lambda headers: VertexAI(api_key="k", extra_headers=headers),
        lambda headers: FirebaseAI(api_key="k", project="p", extra_headers=headers),
    ],
)
def test_names_that_no_extra_header_can_have(make, name, words):
    with pytest.raises(ConnectError, match=f"extra_headers cannot be sent: .*{words}") as caught:
        make({"X-Good": "1", name: "2"})
    assert caught.value.cause == "argument"
    assert caught.value.hint in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_name_of_an_extra_header_that_is_no_string():
    with pytest.raises(TypeError, match=r"cannot be sent: .* of type bytes") as caught:
        GoogleAI(api_key="k", extra_headers={b"hush": "1"})
    assert "hush" not in str(caught.value)


def test_every_token_is_the_name_of_a_header():
    names = ["!#$%&'*+-.^_`|~09AZaz", "Hosts", "Sec-Fetch-Mode", "Origin"]
    headers = GoogleAI(api_key="k", extra_headers=dict.fromkeys(names, "1")).headers()
    assert set(names) < set(headers)


def test_keys_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    with pytest.raises(AuthError, match="GEMINI_API_KEY"):
        GoogleAI().headers()
    monkeypatch.setenv("GOOGLE_API_KEY", "second\n")
    assert GoogleAI().headers()["x-goog-api-key"] == "second"
    monkeypatch.setenv("GEMINI_API_KEY", "first")
    assert GoogleAI().headers()["x-goog-api-key"] == "first"


@pytest.mark.parametrize(
    "act",
    [
        lambda: VertexAI(project="p").headers(),
        lambda: VertexAI(access_token="t").model_name("m"),
        lambda: FirebaseAI(api_key="", project="p").headers(),
    ],
)
def test_missing_credentials_say_what_to_pass(act):
    with pytest.raises(AuthError) as caught:
        act()
    assert caught.value.hint


# ---------------------------------------------------------------------- functions


def resolve(backend):
    return asyncio.run(backend.resolve(asyncio.to_thread))


def test_functions_run_once_for_each_connection_where_they_hold_up_nothing():
    where = []

    def plain():
        where.append(threading.current_thread() is threading.main_thread())
        return " k\n"

    async def coroutine():
        where.append(threading.current_thread() is threading.main_thread())
        return "t"

    backend = FirebaseAI(
        api_key=plain,
        project="p",
        app_check_token=coroutine,
        user_token=functools.partial(coroutine),
    )
    for _ in range(2):
        ready = resolve(backend)
        assert ready.url() == backend.url()
        assert ready.headers()["x-goog-api-key"] == "k"
        assert ready.headers()["X-Firebase-AppCheck"] == "t"
        assert ready.headers()["Authorization"] == "Firebase t"
    assert where[:2] == [False, True]
    assert len(where) == 6


def test_what_is_at_hand_is_not_fetched():
    for backend in (GoogleAI(api_key="k"), VertexAI(project="p", access_token="t")):
        assert resolve(backend) is backend


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        (lambda: "", AuthError, "api_key of GoogleAI returned an empty string"),
        (lambda: b"k", AuthError, "returned bytes"),
        (lambda: 1 / 0, ConnectError, "failed with ZeroDivisionError"),
    ],
)
def test_functions_that_give_nothing(function, kind, words):
    with pytest.raises(kind, match=words) as caught:
        resolve(GoogleAI(api_key=function))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GoogleAI(api_key=b"k"), r"api_key of GoogleAI is of type bytes.*\.decode\(\)"),
        (lambda: VertexAI(project="p", access_token=1), "access_token of VertexAI is of type int"),
        (
            lambda: FirebaseAI(api_key="k", project="p", user_token=["t"]),
            "of type list; it must be a string, or a function",
        ),
        (
            lambda: VertexAI(extra_headers={"Authorization": lambda: "t"}),
            r"extra_headers\['Authorization'\] of VertexAI is of type function; .* a string\.",
        ),
        (lambda: GoogleAI(api_key="k", extra_headers={"x-own": 1}), "of type int"),
        (lambda: GoogleAI(api_key="k", extra_headers=[("x-own", "1")]), "type list; .* a mapping"),
        (lambda: VertexAI(credentials="account.json"), "type str; .* credentials of google-auth"),
    ],
)
def test_what_is_neither_text_nor_a_function_is_refused_at_once(make, words):
    with pytest.raises(TypeError, match=words):
        make()


def test_a_function_has_to_be_resolved_first():
    with pytest.raises(TypeError, match="resolve"):
        GoogleAI(api_key=lambda: "k").headers()


def test_a_function_that_takes_too_long_is_left():
    may_end = threading.Event()

    async def main():
        try:
            with pytest.raises(ConnectError, match=r"no credential within 0\.1 s") as caught:
                model = LiveModel(backend=GoogleAI(api_key=lambda: str(may_end.wait(20))))
                await model.connect(timeout_s=0.1)
            assert caught.value.cause == "timeout"
        finally:
            may_end.set()

    asyncio.run(main())


# ---------------------------------------------------------------------- conflicts, environment


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: VertexAI(api_key="k", access_token="t"), "access_token and api_key"),
        (lambda: VertexAI(project="p", api_key="auth_tokens/t"), "only the Gemini API"),
        (lambda: FirebaseAI(project="p", api_key="auth_tokens/t"), "only the Gemini API"),
    ],
)
def test_credentials_that_do_not_go_together(make, words):
    with pytest.raises(AuthError, match=words) as caught:
        make()
    assert caught.value.hint


@pytest.mark.parametrize("api_version", ["v1", "v1beta"])
def test_a_token_is_of_v1alpha(api_version, monkeypatch):
    with pytest.raises(ConnectError, match="v1alpha") as caught:
        GoogleAI(api_key="auth_tokens/t", api_version=api_version).url()
    assert caught.value.cause == "argument"
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", api_version)  # of keys, not of tokens
    assert ".v1alpha." in GoogleAI(api_key="auth_tokens/t").url()
    assert f".{api_version}." in GoogleAI(api_key="k").url()


@pytest.mark.parametrize(
    "make",
    [
        lambda: GoogleAI(api_key="k", api_version="v1/x"),
        lambda: VertexAI(project="p", location="evil.example/"),
        lambda: VertexAI(project="p", location="us-central1.evil"),
        lambda: FirebaseAI(api_key="k", project="p", location="../x"),
        lambda: FirebaseAI(api_key="k", project="p", location=""),
    ],
)
def test_what_would_lead_elsewhere(make):
    with pytest.raises(ConnectError) as caught:
        make()
    assert caught.value.cause == "argument"


def test_vertex_takes_the_environment_as_official_clients_do(monkeypatch):
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_GENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", "k")
    express = VertexAI()
    assert express.headers()["x-goog-api-key"] == "k"
    assert express.model_name("m") == "publishers/google/models/m"
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "europe-west4")
    assert VertexAI().api_key is None  # the project goes first
    named = VertexAI(access_token="t")
    assert named.model_name("m") == "projects/p/locations/europe-west4/publishers/google/models/m"
    assert named.url().startswith("wss://europe-west4-aiplatform.googleapis.com/")
    given = VertexAI(project="q", location="us", access_token="t")
    assert given.model_name("m") == "projects/q/locations/us/publishers/google/models/m"
    # A key that was given needs no project, so that of the environment is left alone.
    assert VertexAI(api_key="k").model_name("m") == "publishers/google/models/m"
    assert VertexAI(api_key="k").url().startswith("wss://aiplatform.googleapis.com/")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "beta")
    assert ".v1beta1." in VertexAI(access_token="t").url()
    assert ".v1beta." in GoogleAI(api_key="k").url()


BAD_BASE_URLS = [
    "ftp://x",
    "wss://",
    "://",
    "http://[",
    "ws://:80",
    "ws://h:99999",
    "ws://h:0",
    "ws://h:x",
    "http://a..b",
    f"http://{'a' * 64}",
    "ws://a b",
    "ws://h/?key=hush",
    "ws://h/#hush",
    "ws://user:hush@h",
    "ws://user:hush@[",
    "user:hush@h",
    "user:hush%40h",
    "user:hush:h:80",
    "ftp://h/hush",
]


@pytest.mark.parametrize("base_url", BAD_BASE_URLS)
@pytest.mark.parametrize(
    "make",
    [
        lambda url: GoogleAI(api_key="k", base_url=url),
        lambda url: VertexAI(api_key="k", base_url=url),
        lambda url: FirebaseAI(api_key="k", project="p", base_url=url),
    ],
)
def test_base_urls_that_cannot_be(make, base_url):
    with pytest.raises(ConnectError, match="base_url") as caught:
        make(base_url)
    assert caught.value.cause == "argument"
    assert caught.value.hint in str(caught.value)
    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("ftp://live.example", "base_url 'ftp://live.example' does not begin with ws,"),
        ("ws://localhost:99999", "base_url 'ws://localhost:99999' is not valid (Port out of"),
        ("ws://a b", "base_url 'ws://a b' has a blank"),
        ("ftp://h/?key=hush", "base_url does not begin with ws,"),
        ("ws://h:hush#", "base_url is not valid. "),
        ("ws://user:hush@[", "base_url is not valid. "),
        ("htp://user:hush%40h", "base_url is not valid. "),
        ("htp://user:1%40hush", "base_url is not valid. "),
        ("ws://user:hush", "base_url is not valid. "),
        ("ws://user:hush:h:80", "base_url is not valid. "),
        ("ws://user\uff1ahush\uff20h", "base_url is not valid. "),
        ("htp://h/key=hush", "base_url does not begin with ws,"),
    ],
)
def test_a_base_url_is_shown_unless_there_may_be_a_secret_in_it(base_url, words, monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", base_url)
    for given in (base_url, ""):
        with pytest.raises(ConnectError) as caught:
            GoogleAI(api_key="k", base_url=given)
        assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("variable", "make"),
    [
        ("GOOGLE_GEMINI_BASE_URL", lambda: GoogleAI(api_key="k")),
        ("GOOGLE_VERTEX_BASE_URL", lambda: VertexAI(api_key="k")),
    ],
)
def test_the_environment_gives_the_base_url_and_empty_is_unset(monkeypatch, variable, make):
    monkeypatch.delenv(variable, raising=False)
    unset = make().url()
    for empty in ("", " "):
        monkeypatch.setenv(variable, empty)
        assert make().url() == unset
    monkeypatch.setenv(variable, "http://[::1]:8765")
    assert make().url().startswith("ws://[::1]:8765/ws/")
    monkeypatch.setenv(variable, "http://[")
    with pytest.raises(ConnectError, match="base_url"):
        make()


def test_secrets_do_not_show():
    for backend in (
        GoogleAI(api_key="hush"),
        VertexAI(project="p", access_token="hush"),
        FirebaseAI(api_key="hush", project="p", app_check_token="hush", user_token="hush"),
    ):
        assert "hush" not in repr(backend)
        assert "hush" not in backend.url()


def test_full_names_are_kept():
    full = "projects/p/locations/l/publishers/google/models/m"
    assert GoogleAI(api_key="k").model_name("tunedModels/m") == "tunedModels/m"
    assert VertexAI(project="p").model_name(full) == full
    assert (
        VertexAI(project="p", location="l").model_name("publishers/other/models/m")
        == "projects/p/locations/l/publishers/other/models/m"
    )
    assert FirebaseAI(api_key="k", project="p").model_name(full) == full
    assert (
        FirebaseAI(api_key="k", project="p", location="l").model_name("m")
        == "projects/p/locations/l/publishers/google/models/m"
    )
    vertex = VertexAI(project="p", location="l", access_token="t")
    assert vertex.model_name("models/m") == full
    assert vertex.model_name("other/m") == full.replace("google", "other")
    assert FirebaseAI(api_key="k", project="p").model_name("models/m") == "projects/p/models/m"
    assert model_id(full) == "m"


def test_profiles():
    assert profile_of("models/gemini-3.8-live").tool_behavior == "NON_BLOCKING"
    assert not profile_of("gemini-3.8-live").text_output
    assert profile_of("gemini-2.0-flash-live-001").text_output
    assert not profile_of("gemini-live-2.5-flash-native-audio").text_output
    assert not profile_of("gemini-2.5-flash-native-audio-preview-12-2025").text_output
    assert not profile_of("tomorrow").text_output


@pytest.mark.parametrize(
    ("content", "turns"),
    [
        ("hi", [("user", ["hi"])]),
        (["a", "b"], [("user", ["a", "b"])]),
        ([], []),
        ({"role": "model", "parts": "x"}, [("model", ["x"])]),
        (
            [
                {"role": "user", "parts": [{"text": "a"}]},
                "loose",
                Content(role="model", parts=[Part(text="c")]),
            ],
            [("user", ["a"]), ("user", ["loose"]), ("model", ["c"])],
        ),
    ],
)
def test_content(content, turns):
    assert [(turn.role, [part.text for part in turn.parts]) for turn in as_turns(content)] == turns


def test_blobs_are_parts():
    (turn,) = as_turns(Blob(mime_type="image/png", data="AAAA"))
    assert turn.parts[0].inline_data.mime_type == "image/png"


def test_bytes_in_a_part_become_base64():
    image = b"\xff\xd8\xfb"
    for part in (
        Blob.of(image, "image/jpeg"),
        {"inline_data": {"mime_type": "image/jpeg", "data": image}},
        {"inlineData": {"mimeType": "image/jpeg", "data": bytearray(image)}},
        {"inlineData": {"mimeType": "image/jpeg", "data": "/9j7"}},
    ):
        (turn,) = as_turns({"role": "user", "parts": [part, "what is this?"]})
        assert turn.parts[0].inline_data == Blob(mime_type="image/jpeg", data="/9j7")


@pytest.mark.parametrize("content", [5, b"x", [5], [b"x"]])
def test_what_is_no_content(content):
    with pytest.raises(TypeError, match="is not content"):
        as_turns(content)


@pytest.mark.parametrize(
    "content",
    [
        {"role": "nobody", "parts": "x"},
        {"role": "user", "parts": []},
        {"role": "user"},
        {"role": "user", "part": "x"},
        ["a part", {"role": "model", "text": "x"}],
        {"content": "x"},
        {"Role": "user", "Parts": "x"},
        {"parts": [{"role": "user", "parts": "x"}]},
        {"role": "user", "parts": ["x"], "content": "lost"},
        {"text": "lost", "parts": "x"},
        {1: 2},
    ],
)
def test_turns_that_cannot_be(content):
    with pytest.raises(ValueError, match="role"):
        as_turns(content)


def test_what_is_beside_the_parts_of_a_turn_is_named():
    with pytest.raises(ValueError, match=r"has 'content', 'text' beside 'parts'.*Content\(extra="):
        as_turns({"parts": ["x"], "text": "lost", "content": "lost"})
    with pytest.raises(ValueError, match=r"has 'content', and nothing that .*Part\(extra="):
        as_turns({"content": "lost"})


@pytest.mark.parametrize("parts", [None, 5, b"x", bytearray(b"x")])
def test_parts_that_are_none(parts):
    with pytest.raises(TypeError, match=r"parts of a turn are of type .*a list of parts"):
        as_turns({"role": "user", "parts": parts})


def test_what_a_part_has_beside_what_is_known_goes_along():
    (turn,) = as_turns({"parts": ({"text": name, "newer": 1} for name in "ab")})
    assert turn.parts == [Part(text=name, extra={"newer": 1}) for name in "ab"]


@pytest.mark.parametrize(
    ("code", "reason", "cause", "retry"),
    [
        (1007, "API key not valid. Please pass a valid API key.", "auth", False),
        (1007, "User location is not supported for the API use", "policy", False),
        (1008, "models/x is not found for API version", "model", False),
        (1008, "Publisher Model `projects/p` was not found", "model", False),
        (1007, "The requested combination of response modalities (TEXT)", "argument", False),
        (1008, "Operation is not implemented, or supported, or enabled.", "argument", False),
        (1011, "You exceeded your current quota", "quota", True),
        (1011, "RESOURCE_EXHAUSTED", "quota", True),
        (1011, "keepalive ping timeout", "keepalive", True),
        (1011, "Internal error occurred.", "unavailable", True),
        (1006, "", "lost", True),
        (None, "", "lost", True),
        (1000, "", "goodbye", True),
        (1009, "", "argument", False),
        (1009, f"{TOO_LARGE_FOR_US}: 2 bytes", "argument", True),
        (4000, "", "unknown", True),
    ],
)
def test_closes_are_explained(code, reason, cause, retry):
    explained = explain_close(code, reason)
    assert (explained.cause, explained.retry) == (cause, retry)
    assert explained.hint


def test_what_a_server_says_is_shown_without_secrets_and_else_as_it_is():
    headers = FirebaseAI(
        api_key="the secret key",
        project="p",
        user_token="user-token",
        app_id="the-app",
        app_version="2",
    ).headers()
    secrets = secrets_in(headers | {"x-own": "2"})
    said = "2 API keys: the secret key, user-token of the-app, Firebase user-token"
    assert redact(said, secrets) == "2 API keys: ***, *** of the-app, ***"
    assert redact("cut off: the secr", secrets) == "cut off: ***"
    assert redact("cut off: the", secrets) == "cut off: the"
    assert "secret" not in repr(secrets)
