"""The four backends: where the service is, how a model is named there, how a client proves itself.

A backend is a small value that answers three questions: `url`, `headers` and `model_name`.
Credentials go into headers, never into a URL, and show nowhere. Those that have to be fetched first
(by a function, or from Google Cloud) are fetched by `resolve`, for every connection.

Source: the upgrade requests of the official clients.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Protocol, Self

import msgspec
from msgspec.structs import force_setattr, replace

from antiphon.errors import AuthError, ConnectError
from antiphon.wire.addresses import parse_base_url
from antiphon.wire.google_credentials import GoogleCredentials
from antiphon.wire.headers import check_header_names
from antiphon.wire.secret import Credential, HiddenText, RunBlocking, Secret, bare

__all__ = ["Backend", "FirebaseAI", "GoogleAI", "VertexAI", "api_version_of", "service_of"]

_SERVICE_GOOGLE = "google.ai.generativelanguage"
_SERVICE_VERTEX = "google.cloud.aiplatform"
_SERVICE_FIREBASE = "google.firebase.vertexai"
_TOKEN_PREFIX = "auth_tokens/"  # noqa: S105 # what every ephemeral token begins with
_MULTI_REGIONS = ("us", "eu")
_PLAIN_VERSION = re.compile(r"v\d+\w*", re.ASCII)
_PLAIN_PLACE = re.compile(r"[a-z0-9-]+")


class Backend(Protocol):
    """What a session has to know of a backend."""

    @property
    def label(self) -> str:
        """A name for messages to people, without any secret."""
        ...

    async def resolve(self, run: RunBlocking) -> Self:
        """The backend with every credential at hand; called for each connection.

        Args:
            run: Runs what may block, such as `asyncio.to_thread`.

        Raises:
            AuthError: A credential is missing or was refused.
            ConnectError: Who gives a credential failed or could not be reached.
        """
        ...

    def url(self) -> str:
        """The WebSocket URL, without any secret."""
        ...

    def headers(self) -> dict[str, str]:
        """The headers of the upgrade request, credentials included.

        Raises:
            AuthError: A credential is missing.
        """
        ...

    def model_name(self, model: str) -> str:
        """The ``setup.model`` of a model."""
        ...


class _Backend(msgspec.Struct, frozen=True, kw_only=True):
    """What all backends share.

    They are structs because those are made without a Python frame: a traceback that shows the
    variables of every frame, as error trackers do, would show the key in that of ``__init__``.
    """

    api_version: str = ""
    base_url: str = ""
    extra_headers: Mapping[str, str | Secret] = {}

    label: ClassVar[str]
    _credentials: ClassVar[tuple[str, ...]]
    _base_url_variable: ClassVar[str] = ""
    _base_url: ClassVar[str] = ""

    def __post_init__(self) -> None:
        # First of all, what must not show is made such that it does not.
        for name in self._credentials:
            force_setattr(self, name, Secret.of(getattr(self, name)))
        refused = _refused_headers(self.extra_headers, type(self).__name__)
        force_setattr(self, "extra_headers", {} if refused else _hidden(self.extra_headers))
        given = HiddenText(self.base_url.strip() or os.environ.get(self._base_url_variable, ""))
        force_setattr(self, "base_url", self._base_url)
        if refused:
            raise refused
        self._check_types()
        if given.strip():
            force_setattr(self, "base_url", _checked(given))
        if self.api_version and not _PLAIN_VERSION.fullmatch(self.api_version):
            raise _wrong(
                f"api_version is {self.api_version!r}; it must be a version of the API.",
                "Use v1, v1beta, v1beta1 or v1alpha.",
            )

    def _check_types(self) -> None:
        own = type(self).__name__
        for name in self._credentials:
            held = getattr(self, name)
            if held is not None:
                held.check(f"{name} of {own}")
        for name, held in self.extra_headers.items():
            if isinstance(held, Secret):
                held.check(f"extra_headers[{name!r}] of {own}", may_be_function=False)

    async def resolve(self, run: RunBlocking) -> Self:
        """The same with every credential that is a function called, once for each connection."""
        got = {}
        for name in self._credentials:
            held = getattr(self, name)
            if held is not None and held.is_function:
                got[name] = await held.fetch(f"{name} of {type(self).__name__}", run)
        return replace(self, **got) if got else self

    def _version(self, default: str) -> str:
        """The API version; from the environment (``GOOGLE_GENAI_API_VERSION``) if not given."""
        named = os.environ.get("GOOGLE_GENAI_API_VERSION", "").strip()
        if not _PLAIN_VERSION.fullmatch(named):
            named = ""  # the official SDKs know the word "beta" there: the default
        return self.api_version or named or default

    def _with_credentials(self, credentials: dict[str, str]) -> dict[str, str]:
        """The headers of the upgrade request; a credential wins over an extra header."""
        taken = {name.lower() for name in credentials}
        extra = {
            name: value.text
            for name, value in self.extra_headers.items()
            if isinstance(value, Secret) and name.lower() not in taken
        }
        return {"x-goog-api-client": f"antiphon/{_version()}", **extra, **credentials}

    @property
    def _brings_its_own(self) -> bool:
        """Whether the extra headers hold a credential, as for a gateway."""
        names = {name.lower() for name in self.extra_headers}
        return bool(names & {"authorization", "x-goog-api-key"})


class GoogleAI(_Backend, frozen=True, kw_only=True):
    """The Gemini Developer API.

    Attributes:
        api_key: An API key, or an ephemeral token (``auth_tokens/…``); a string or a function.
            From the environment (``GEMINI_API_KEY``, else ``GOOGLE_API_KEY``) if omitted.
        api_version: ``v1``, ``v1beta`` or ``v1alpha``. If omitted, that of the environment
            (``GOOGLE_GENAI_API_VERSION``), else ``v1beta``; ephemeral tokens always use
            ``v1alpha``.
        base_url: Another server, such as the local one: ``ws``, ``wss``, ``http`` or ``https``.
            From the environment (``GOOGLE_GEMINI_BASE_URL``, as in the official SDKs) if omitted
            or empty.
        extra_headers: Added to the upgrade request. With ``Authorization`` or ``x-goog-api-key``
            among them, as a gateway may want, no other key is needed. ``Host`` and the headers
            of the WebSocket handshake cannot be among them.

    Raises:
        ConnectError: ``base_url`` cannot be one, or has a password in it; or ``api_version`` or
            the name of an extra header cannot be one.
        TypeError: A credential is neither a string nor a function, or a header no string.
    """

    api_key: Credential | None = None

    label: ClassVar[str] = "Gemini API"
    _credentials: ClassVar[tuple[str, ...]] = ("api_key",)
    _base_url_variable: ClassVar[str] = "GOOGLE_GEMINI_BASE_URL"
    _base_url: ClassVar[str] = "wss://generativelanguage.googleapis.com"

    def _key(self) -> HiddenText:
        """The key or token; empty if the extra headers have to do."""
        given = Secret.of(self.api_key)
        if given is None and self._brings_its_own:
            return HiddenText()
        for variable in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
            given = given or Secret.of(os.environ.get(variable))
        if given is None:
            raise AuthError(
                "No API key for the Gemini API. Set GEMINI_API_KEY, pass GoogleAI(api_key=…), or "
                "use the local server: `antiphon emulator`.",
                cause="auth",
                hint="Set GEMINI_API_KEY.",
            )
        return given.text

    @property
    def uses_token(self) -> bool:
        """Whether the key is an ephemeral token."""
        return self._key().startswith(_TOKEN_PREFIX)

    @property
    def known_version(self) -> str:
        """The version of the API, as far as the key is known now."""
        held = Secret.of(self.api_key)
        try:
            if not (held and held.is_function) and self.uses_token:
                return "v1alpha"
        except AuthError:  # there is none yet
            pass
        return self._version("v1beta")

    def url(self) -> str:
        """The WebSocket URL, without any secret.

        Raises:
            AuthError: No key.
            ConnectError: A version of the API that knows no ephemeral tokens.
        """
        api_version, method = self._version("v1beta"), "BidiGenerateContent"
        if self.uses_token:
            if self.api_version not in ("", "v1alpha"):
                raise _wrong(
                    f"Ephemeral tokens are of v1alpha, and api_version is {self.api_version!r}.",
                    "Leave api_version out, or use an API key.",
                )
            api_version, method = "v1alpha", "BidiGenerateContentConstrained"
        path = f"/ws/{_SERVICE_GOOGLE}.{api_version}.GenerativeService.{method}"
        return _join(self.base_url, path)

    def token_url(self) -> str:
        """Where ephemeral tokens are created: ``http`` or ``https``, without any secret."""
        return "http" + _join(self.base_url, "/v1alpha/auth_tokens").removeprefix("ws")

    def headers(self) -> dict[str, str]:
        """The headers of the upgrade request, credentials included."""
        key = self._key()
        if key.startswith(_TOKEN_PREFIX):
            return self._with_credentials({"Authorization": HiddenText(f"Token {key}")})
        return self._with_credentials({"x-goog-api-key": key} if key else {})

    def model_name(self, model: str) -> str:
        """``models/{id}``."""
        return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


class VertexAI(_Backend, frozen=True, kw_only=True):
    """Vertex AI: a project and a location with an OAuth token, or express mode with a key.

    Without ``access_token``, ``credentials`` and ``api_key`` they are Application Default
    Credentials, found and renewed by google-auth (``pip install 'antiphon[vertex]'``) in a thread.

    Attributes:
        project: Of Google Cloud. From the environment (``GOOGLE_CLOUD_PROJECT``), else from the
            credentials, if omitted.
        location: A region, a multi-region (``us``, ``eu``) or ``global``. If omitted, that of the
            environment (``GOOGLE_CLOUD_LOCATION``), else ``us-central1``: not all models of the
            Live API are served in ``global``.
        access_token: An OAuth2 access token, or a function that returns a fresh one.
        credentials: Credentials of google-auth, such as those of a service account.
        api_key: Express mode. It needs neither project nor location. From the environment
            (``GOOGLE_API_KEY``) if nothing else is there, a project included.
        quota_project: Who pays, if it is another project; from the credentials if omitted.
        api_version: ``v1beta1``, or that of the environment (``GOOGLE_GENAI_API_VERSION``).
        base_url: Another server. From the environment (``GOOGLE_VERTEX_BASE_URL``) if omitted
            or empty, else the location's own host.
        extra_headers: Added to the upgrade request. With ``Authorization`` or ``x-goog-api-key``
            among them, as a gateway may want, no other credential is needed.

    Raises:
        AuthError: More than one credential, or an ephemeral token, which is none here.
        ConnectError: ``base_url``, ``location``, ``api_version`` or the name of an extra header
            cannot be one.
        TypeError: A credential is neither a string nor a function, or a header no string.
    """

    project: str = ""
    location: str = ""
    access_token: Credential | None = None
    credentials: Any = None
    api_key: Credential | None = None
    quota_project: str = ""

    label: ClassVar[str] = "Vertex AI"
    _credentials: ClassVar[tuple[str, ...]] = ("access_token", "api_key")
    _base_url_variable: ClassVar[str] = "GOOGLE_VERTEX_BASE_URL"

    def __post_init__(self) -> None:
        if self.credentials is not None:
            force_setattr(self, "credentials", GoogleCredentials.of(self.credentials))
        super().__post_init__()
        if self.credentials is not None:
            self.credentials.check()
        given = [
            name
            for name in ("access_token", "credentials", "api_key")
            if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise AuthError(
                f"VertexAI got {' and '.join(given)}: one of them is enough.",
                cause="auth",
                hint="Pass one credential.",
            )
        if self.api_key is None:
            self._take_environment(has_credential=bool(given) or self._brings_its_own)
        _refuse_token(self.api_key)
        if not self.location:
            default = "us-central1" if self.api_key is None else "global"
            force_setattr(self, "location", default)
        _check_location(self.location)

    def _take_environment(self, *, has_credential: bool) -> None:
        """Project and location of the environment; an API key only where there is nothing else."""
        if not self.project:
            force_setattr(self, "project", os.environ.get("GOOGLE_CLOUD_PROJECT", "").strip())
        if not self.project and not has_credential:
            force_setattr(self, "api_key", Secret.of(os.environ.get("GOOGLE_API_KEY")))
        if self.api_key is None:
            if not self.location:
                place = os.environ.get("GOOGLE_CLOUD_LOCATION", "").strip()
                force_setattr(self, "location", place)
            if not has_credential:
                force_setattr(self, "credentials", GoogleCredentials())

    async def resolve(self, run: RunBlocking) -> Self:
        """The same with an access token, and with the project of the credentials if need be.

        Raises:
            AuthError: There are no credentials, or they were refused.
            ConnectError: Who gives the token failed or could not be reached.
        """
        if self.credentials is None:
            return await super().resolve(run)
        grant = self.credentials.held() or await run(self.credentials.fetch)
        return replace(
            self,
            project=self.project or grant.project,
            quota_project=self.quota_project or grant.quota_project,
            access_token=grant.token,
            credentials=None,
        )

    def _host(self) -> str:
        if self.location == "global":
            return "wss://aiplatform.googleapis.com"
        if self.location in _MULTI_REGIONS:
            return f"wss://aiplatform.{self.location}.rep.googleapis.com"
        return f"wss://{self.location}-aiplatform.googleapis.com"

    def url(self) -> str:
        """The WebSocket URL, without any secret."""
        version_ = self._version("v1beta1")
        path = f"/ws/{_SERVICE_VERTEX}.{version_}.LlmBidiService/BidiGenerateContent"
        return _join(self.base_url or self._host(), path)

    def headers(self) -> dict[str, str]:
        """The headers of the upgrade request, credentials included."""
        credentials: dict[str, str] = {}
        if self.quota_project:
            credentials["x-goog-user-project"] = self.quota_project
        if key := Secret.of(self.api_key):
            credentials["x-goog-api-key"] = key.text
        elif token := Secret.of(self.access_token):
            credentials["Authorization"] = HiddenText(f"Bearer {token.text}")
        elif not self._brings_its_own:
            raise AuthError(
                f"No access token for Vertex AI project {self.project!r}. Pass access_token= a "
                "token or a function that returns one, or leave it out and use Application Default "
                "Credentials.",
                cause="auth",
                hint="Pass VertexAI(access_token=…).",
            )
        return self._with_credentials(credentials)

    def model_name(self, model: str) -> str:
        """``projects/{p}/locations/{l}/publishers/google/models/{id}``.

        Raises:
            AuthError: No project is known.
        """
        if model.startswith("projects/"):
            return model
        name = _publisher_name(model)
        if self.project:
            return f"projects/{self.project}/locations/{self.location}/{name}"
        if self.api_key is None and not self._brings_its_own:
            raise AuthError(
                "VertexAI needs a project, and neither the credentials nor GOOGLE_CLOUD_PROJECT "
                "name one.",
                cause="auth",
                hint="Pass VertexAI(project=…).",
            )
        return name


class FirebaseAI(_Backend, frozen=True, kw_only=True):
    """The Firebase AI Logic proxy, in front of the Gemini API or of Vertex AI.

    Attributes:
        api_key: The Firebase web API key.
        project: The Firebase project.
        location: None: the Gemini API behind the proxy. A location, such as ``us-central1`` or
            ``global``: Vertex AI behind it.
        app_check_token: A Firebase App Check token, or a function that returns one.
        user_token: A Firebase Auth id token, or a function that returns one.
        app_id, app_version: Of the app, as registered with Firebase.
        api_version: ``v1beta``.
        base_url: Another server; the service's own if empty.
        extra_headers: Added to the upgrade request.

    Raises:
        AuthError: An ephemeral token, which is none here.
        ConnectError: ``base_url``, ``location``, ``api_version`` or the name of an extra header
            cannot be one.
        TypeError: A credential is neither a string nor a function, or a header no string.
    """

    api_key: Credential
    project: str
    location: str | None = None
    app_check_token: Credential | None = None
    user_token: Credential | None = None
    app_id: str = ""
    app_version: str = ""

    label: ClassVar[str] = "Firebase AI Logic"
    _credentials: ClassVar[tuple[str, ...]] = ("api_key", "app_check_token", "user_token")
    _base_url: ClassVar[str] = "wss://firebasevertexai.googleapis.com"

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_token(self.api_key)
        if self.location is not None:
            _check_location(self.location)

    def url(self) -> str:
        """The WebSocket URL, without any secret."""
        path = f"/ws/{_SERVICE_FIREBASE}.{self.api_version or 'v1beta'}."
        if self.location is None:
            return _join(self.base_url, f"{path}GenerativeService/BidiGenerateContent")
        service = f"{path}LlmBidiService/BidiGenerateContent/locations/{self.location}"
        return _join(self.base_url, service)

    def headers(self) -> dict[str, str]:
        """The headers of the upgrade request, credentials included."""
        key = Secret.of(self.api_key)
        if key is None:
            raise AuthError(
                "No Firebase web API key. Pass FirebaseAI(api_key=…, project=…).",
                cause="auth",
                hint="Copy the key from the Firebase console.",
            )
        credentials: dict[str, str] = {"x-goog-api-key": key.text}
        if token := Secret.of(self.app_check_token):
            credentials["X-Firebase-AppCheck"] = token.text
        if token := Secret.of(self.user_token):
            credentials["Authorization"] = HiddenText(f"Firebase {token.text}")
        if self.app_id:
            credentials["X-Firebase-AppId"] = self.app_id
        if self.app_version:
            credentials["X-Firebase-AppVersion"] = self.app_version
        return self._with_credentials(credentials)

    def model_name(self, model: str) -> str:
        """``projects/{p}[/locations/{l}/publishers/google]/models/{id}``."""
        if model.startswith("projects/"):
            return model
        if self.location is None:
            return f"projects/{self.project}/models/{model.removeprefix('models/')}"
        return f"projects/{self.project}/locations/{self.location}/{_publisher_name(model)}"


def _publisher_name(model: str) -> str:
    """``publishers/google/models/{id}``; ``other/id`` names a model of another publisher."""
    name = model.removeprefix("models/")
    if name.startswith("publishers/"):
        return name
    publisher, _, bare_name = name.rpartition("/")
    return f"publishers/{publisher or 'google'}/models/{bare_name}"


def service_of(backend: Backend) -> str:
    """Who answers behind a backend: ``google`` (the Gemini API), ``vertex``, or empty: unknown."""
    if isinstance(backend, GoogleAI):
        return "google"
    if isinstance(backend, FirebaseAI):
        return "google" if backend.location is None else "vertex"
    return "vertex" if isinstance(backend, VertexAI) else ""


def api_version_of(backend: Backend) -> str:
    """The version of the API behind a backend, as far as it is known; or empty."""
    if isinstance(backend, GoogleAI):
        return backend.known_version
    return getattr(backend, "api_version", "")


def _version() -> str:
    try:
        return version("antiphon")
    except PackageNotFoundError:  # running from a source tree that was never installed
        return "0"


def _wrong(what: str, hint: str) -> ConnectError:
    return ConnectError(f"{what} {hint}", cause="argument", hint=hint)


def _refused_headers(headers: Any, own: str) -> ConnectError | TypeError | None:
    """Why extra headers cannot be sent; raised where no variable has their names any more.

    Somebody may have written a whole header into a name.
    """
    if not isinstance(headers, Mapping):
        return TypeError(
            f"extra_headers of {own} is of type {type(headers).__name__}; it must be a mapping of "
            "names to strings."
        )
    try:
        check_header_names(headers, "extra_headers cannot be sent")
    except (ConnectError, TypeError) as error:
        return bare(error)
    return None


def _hidden(headers: Mapping[str, str | Secret]) -> dict[str, Secret]:
    return {
        name: value if isinstance(value, Secret) else Secret(value)
        for name, value in headers.items()
    }


def _checked(base_url: str) -> str:
    """A base URL that can be one; while nobody has shown it yet."""
    try:
        parse_base_url(base_url)
    except ConnectError as error:
        raise bare(error) from None
    return str(base_url).strip()


def _check_location(location: str) -> None:
    """A location becomes part of a host's name, or of a path."""
    if not _PLAIN_PLACE.fullmatch(location):
        raise _wrong(
            f"location is {location!r}; it must be the name of a location.",
            "Use a region such as us-central1, us, eu or global.",
        )


def _refuse_token(key: Credential | None) -> None:
    held = Secret.of(key)
    if held is not None and not held.is_function and held.text.startswith(_TOKEN_PREFIX):
        raise AuthError(
            "The api_key is an ephemeral token, and only the Gemini API takes those. Use "
            "GoogleAI(api_key=token).",
            cause="auth",
            hint="Use GoogleAI(api_key=token).",
        )


def _join(base_url: str, path: str) -> str:
    """A base URL of any of the four schemes, and a path; slashes never double."""
    address = parse_base_url(base_url)
    return address.place + address.path.rstrip("/") + path
