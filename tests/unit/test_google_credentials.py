"""Google Cloud's credentials by google-auth itself, against a token endpoint on this machine."""

import asyncio
import errno
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest

from antiphon.errors import AuthError, ConnectError
from antiphon.wire import VertexAI, google_credentials
from antiphon.wire.google_credentials import GoogleCredentials

service_account = pytest.importorskip("google.oauth2.service_account")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
compute_engine = pytest.importorskip("google.auth.compute_engine")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
adapters = pytest.importorskip("requests.adapters")

NAMES = ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_API_KEY", "GEMINI_API_KEY")


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch, tmp_path):
    """No credentials of this machine, and no metadata server."""
    for name in (*NAMES, "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_QUOTA_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


class _Json(BaseHTTPRequestHandler):
    def answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


class TokenEndpoint(ThreadingHTTPServer):
    """Gives a token for an assertion that is signed; what it was asked is kept."""

    def __init__(self, status=200, lifetime_s=3600):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.lifetime_s = status, lifetime_s
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/token"


class _Answer(_Json):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        server = self.server
        server.asked.append((parse_qs(body), threading.current_thread()))
        if server.status == 200:
            number = len(server.asked)
            answer = {"access_token": f"token-{number}", "expires_in": server.lifetime_s}
        else:
            answer = {"error": "invalid_grant", "error_description": f"Not you: {body}"}
        self.answer(answer)


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def account(private_key, url, **more):
    return {
        "type": "service_account",
        "client_email": "robot@example.com",
        "private_key": private_key,
        "private_key_id": "1",
        "token_uri": url,
        "project_id": "project-of-the-account",
        **more,
    }


@pytest.fixture
def adc(private_key, monkeypatch, tmp_path):
    """Application Default Credentials in a file, and who gives their tokens."""
    with serving(TokenEndpoint()) as server:
        file = tmp_path / "account.json"
        file.write_text(json.dumps(account(private_key, server.url)))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        yield server


def resolve(backend):
    return asyncio.run(backend.resolve(asyncio.to_thread))


def test_application_default_credentials_give_token_and_project(adc):
    backend = VertexAI()
    ready = resolve(backend)
    assert ready.headers()["Authorization"] == "Bearer token-1"
    assert "x-goog-user-project" not in ready.headers()
    assert ready.model_name("m") == (
        "projects/project-of-the-account/locations/us-central1/publishers/google/models/m"
    )
    (form, thread) = adc.asked[0]
    assert form["assertion"]
    assert thread is not threading.main_thread()


def test_the_environment_names_project_location_and_who_pays(adc, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "europe-west4")
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")
    ready = resolve(VertexAI())
    assert ready.url().startswith("wss://europe-west4-aiplatform.googleapis.com/")
    assert ready.model_name("m").startswith("projects/p/locations/europe-west4/")
    assert ready.headers()["x-goog-user-project"] == "payer"
    assert resolve(VertexAI(quota_project="other")).headers()["x-goog-user-project"] == "other"
    named = resolve(VertexAI(project="q", location="us"))
    assert named.model_name("m").startswith("projects/q/locations/us/")


def test_a_token_is_kept_until_it_is_about_to_end(adc):
    backend = VertexAI()
    assert [resolve(backend).access_token for _ in range(3)] == [resolve(backend).access_token] * 3
    assert len(adc.asked) == 1


def test_a_token_that_ends_soon_is_used_when_it_is_new(adc):
    adc.lifetime_s = 60  # less than google-auth wants to be left
    backend = VertexAI()
    assert [resolve(backend).headers()["Authorization"] for _ in range(2)] == [
        "Bearer token-1",
        "Bearer token-2",
    ]
    adc.lifetime_s = 0
    with pytest.raises(AuthError, match="no valid token") as caught:
        resolve(backend)
    assert caught.value.hint


def test_anonymous_credentials_have_no_token_to_give():
    anonymous = pytest.importorskip("google.auth.credentials").AnonymousCredentials()
    with pytest.raises(AuthError, match="gave no token: Anonymous credentials") as caught:
        resolve(VertexAI(project="p", credentials=anonymous))
    assert "access_token" in caught.value.hint


def test_many_sessions_ask_once(adc):
    backend = VertexAI()

    async def main():
        got = await asyncio.gather(*(backend.resolve(asyncio.to_thread) for _ in range(20)))
        return {ready.headers()["Authorization"] for ready in got}

    assert asyncio.run(main()) == {"Bearer token-1"}
    assert len(adc.asked) == 1


def test_the_loop_goes_on_while_a_token_is_fetched(adc, monkeypatch):
    may_answer = threading.Event()
    answer = _Answer.do_POST

    def slowly(self):
        assert may_answer.wait(10)
        answer(self)

    monkeypatch.setattr(_Answer, "do_POST", slowly)

    async def main():
        fetching = asyncio.create_task(VertexAI().resolve(asyncio.to_thread))
        await asyncio.sleep(0)
        may_answer.set()  # only a loop that is not held up comes here
        return (await fetching).headers()["Authorization"]

    assert asyncio.run(main()) == "Bearer token-1"


def test_credentials_of_an_application(private_key):
    with serving(TokenEndpoint()) as server:
        credentials = service_account.Credentials.from_service_account_info(
            account(private_key, server.url)
        )
        ready = resolve(VertexAI(credentials=credentials))
        assert ready.headers()["Authorization"] == "Bearer token-1"
        assert ready.model_name("m").startswith("projects/project-of-the-account/")


def test_credentials_that_sign_their_tokens_themselves(private_key):
    jwt = pytest.importorskip("google.auth.jwt")
    credentials = jwt.Credentials.from_service_account_info(
        account(private_key, "none"), audience="https://aiplatform.googleapis.com/"
    )
    ready = resolve(VertexAI(project="p", credentials=credentials))
    assert ready.headers()["Authorization"] == f"Bearer {credentials.token.decode()}"


def test_no_credentials_say_what_to_do():
    with pytest.raises(AuthError, match="gcloud auth application-default login") as caught:
        resolve(VertexAI(project="p"))
    assert caught.value.hint
    assert caught.value.__context__ is None


def test_a_file_that_is_none(monkeypatch, tmp_path):
    file = tmp_path / "account.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    for text in (None, "no json", "{}"):
        if text is not None:
            file.write_text(text)
        with pytest.raises(AuthError, match="GOOGLE_APPLICATION_CREDENTIALS"):
            resolve(VertexAI())


def test_a_file_that_cannot_be_read_is_no_trouble_of_the_network(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "account.json")

    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    with pytest.raises(AuthError, match=r"Is a directory: .*GOOGLE_APPLICATION_CREDENTIALS"):
        resolve(VertexAI())
    monkeypatch.setattr("google.auth.default", refuse)  # whoever is root may read everything
    with pytest.raises(AuthError, match=r"denied: 'account\.json'\. ") as caught:
        resolve(VertexAI())
    assert caught.value.__context__ is None


def test_what_has_token_valid_and_refresh_will_do():
    class Own:
        token, valid = None, False

        def refresh(self, request):
            self.token, self.valid = "of-our-own", True

    backend = VertexAI(project="p", credentials=Own())
    for _ in range(2):
        assert resolve(backend).headers()["Authorization"] == "Bearer of-our-own"
    never = Own()
    never.refresh = lambda request: None
    with pytest.raises(AuthError, match="gave no valid token"):
        resolve(VertexAI(project="p", credentials=never))


@pytest.mark.parametrize(
    ("credentials", "told"),
    [
        (service_account.Credentials, "is the class Credentials; it must be"),
        (SimpleNamespace(refresh=print), "is of type SimpleNamespace; .* token, valid and refresh"),
        (SimpleNamespace(token="t", valid=True), "is of type SimpleNamespace"),
    ],
)
def test_what_cannot_be_credentials_is_refused_at_once(credentials, told):
    with pytest.raises(TypeError, match=told):
        VertexAI(project="p", credentials=credentials)


def test_credentials_that_are_refused(adc):
    adc.status = 400
    with pytest.raises(AuthError, match="were refused: invalid_grant") as caught:
        resolve(VertexAI())
    assert caught.value.__context__ is None


def test_an_endpoint_that_is_not_there(private_key):
    credentials = service_account.Credentials.from_service_account_info(
        account(private_key, "http://127.0.0.1:1/token")
    )
    with pytest.raises(ConnectError) as caught:
        resolve(VertexAI(credentials=credentials))
    assert caught.value.cause == "network"


class MetadataServer(ThreadingHTTPServer):
    """That of a virtual machine."""

    def __init__(self, status=200):
        super().__init__(("127.0.0.1", 0), _Metadata)
        self.status = status


class _Metadata(_Json):
    def do_GET(self):
        answer = {"email": "robot@example.com", "scopes": []}
        if "/token" in self.path:
            answer = {"access_token": "of-the-machine", "expires_in": 3600}
        self.answer(answer)


def test_a_metadata_server_that_is_down_may_be_up_again(monkeypatch):
    at_once = SimpleNamespace(sleep=lambda _: None)
    monkeypatch.setattr("google.auth._exponential_backoff.time", at_once)  # it is asked five times
    with serving(MetadataServer(503)) as server:
        place = f"127.0.0.1:{server.server_port}"
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", place)
        backend = VertexAI(project="p", credentials=compute_engine.Credentials())
        with pytest.raises(ConnectError, match="Response status: 503") as caught:
            resolve(backend)
        assert caught.value.cause == "network"
        assert caught.value.__context__ is None
        server.status = 200
        assert resolve(backend).headers()["Authorization"] == "Bearer of-the-machine"


def test_a_metadata_server_that_wants_a_certificate(monkeypatch):
    """google-auth mounts one where it finds the session that it asks with."""
    certificates = "google.auth.compute_engine._mtls"
    with serving(MetadataServer()) as server:

        class OfTheMachine(adapters.HTTPAdapter):
            def send(self, request, **settings):
                request.url = f"http://127.0.0.1:{server.server_port}{request.path_url}"
                return super().send(request, **settings)

        monkeypatch.setattr(f"{certificates}.should_use_mds_mtls", lambda *_: True)
        monkeypatch.setattr(f"{certificates}.MdsMtlsAdapter", OfTheMachine)
        ready = resolve(VertexAI(project="p", credentials=compute_engine.Credentials()))
        assert ready.headers()["Authorization"] == "Bearer of-the-machine"


def test_who_gives_the_token_has_limited_time(private_key, monkeypatch):
    monkeypatch.setattr(google_credentials, "_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        credentials = service_account.Credentials.from_service_account_info(
            account(private_key, f"http://127.0.0.1:{mute.getsockname()[1]}/token")
        )
        with pytest.raises(ConnectError, match="Read timed out") as caught:
            resolve(VertexAI(credentials=credentials))
    assert caught.value.cause == "network"


def test_without_google_auth_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "google.auth.transport.requests", None)
    with pytest.raises(AuthError, match=r"pip install 'antiphon\[vertex\]'"):
        resolve(VertexAI(project="p"))


def test_one_token_for_all_copies_of_a_backend(adc):
    backend = VertexAI()
    other = __import__("msgspec").structs.replace(backend, location="us")
    resolve(backend)
    resolve(other)
    assert len(adc.asked) == 1
    assert isinstance(other.credentials, GoogleCredentials)
