"""The four backends: where the service is, how a model is named there, how a client proves itself.

A backend is a small value that answers three questions: `url`, `headers` and `model_name`.
Credentials go into headers, never into a URL, and never show in a ``repr``.

Source: the upgrade requests of the official clients.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from antiphon.errors import AuthError
from antiphon.wire.addresses import parse_base_url

__all__ = ["Backend", "FirebaseAI", "GoogleAI", "VertexAI", "service_of"]

_SERVICE_GOOGLE = "google.ai.generativelanguage"
_SERVICE_VERTEX = "google.cloud.aiplatform"
_SERVICE_FIREBASE = "google.firebase.vertexai"

#: A credential, or a function that returns one; it is called for every connection.
Secret = str | Callable[[], str]


class Backend(Protocol):
    """What a session has to know of a backend."""

    @property
    def label(self) -> str:
        """A name for messages to people, without any secret."""
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


@dataclass(frozen=True, kw_only=True)
class GoogleAI:
    """The Gemini Developer API.

    Attributes:
        api_key: An API key, or an ephemeral token (``auth_tokens/…``); a string or a function.
            From the environment (``GEMINI_API_KEY``, ``GOOGLE_API_KEY``) if omitted.
        api_version: ``v1beta``; ephemeral tokens always use ``v1alpha``.
        base_url: Another server, such as the local one: ``ws``, ``wss``, ``http`` or ``https``.
            From the environment (``GOOGLE_GEMINI_BASE_URL``, as in the official SDKs) if omitted
            or empty.
        extra_headers: Added to the upgrade request.

    Raises:
        ConnectError: ``base_url`` cannot be one, or has a password in it.
    """

    api_key: Secret | None = field(default=None, repr=False)
    api_version: str = "v1beta"
    base_url: str = ""
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    label: str = field(default="Gemini API", init=False)

    def __post_init__(self) -> None:
        chosen = _base_url(self.base_url, "GOOGLE_GEMINI_BASE_URL")
        object.__setattr__(self, "base_url", chosen or "wss://generativelanguage.googleapis.com")

    def _key(self) -> str:
        key = _reveal(self.api_key) or _reveal(os.environ.get("GEMINI_API_KEY"))
        key = key or _reveal(os.environ.get("GOOGLE_API_KEY"))
        if not key:
            raise AuthError(
                "No API key for the Gemini API. Set GEMINI_API_KEY, pass GoogleAI(api_key=…), or "
                "use the local server: `antiphon emulator`.",
                cause="auth",
                hint="Set GEMINI_API_KEY.",
            )
        return key

    def url(self) -> str:
        """The WebSocket URL, without any secret."""
        ephemeral = self._key().startswith("auth_tokens/")
        api_version = "v1alpha" if ephemeral else self.api_version
        method = "BidiGenerateContentConstrained" if ephemeral else "BidiGenerateContent"
        path = f"/ws/{_SERVICE_GOOGLE}.{api_version}.GenerativeService.{method}"
        return _join(self.base_url, path)

    def headers(self) -> dict[str, str]:
        """The headers of the upgrade request, credentials included."""
        key = self._key()
        if key.startswith("auth_tokens/"):
            return _headers(self.extra_headers, {"Authorization": f"Token {key}"})
        return _headers(self.extra_headers, {"x-goog-api-key": key})

    def model_name(self, model: str) -> str:
        """``models/{id}``."""
        return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


@dataclass(frozen=True, kw_only=True)
class VertexAI:
    """Vertex AI: a project and a location with an OAuth token, or express mode with a key.

    Attributes:
        project, location: Of the Google Cloud project; ``global`` is a location.
        access_token: An OAuth2 access token, or a function that returns a fresh one.
        api_key: Express mode: instead of project, location and token.
        api_version: ``v1beta1``.
        base_url: Another server. From the environment (``GOOGLE_VERTEX_BASE_URL``) if omitted
            or empty, else the location's own host.
        extra_headers: Added to the upgrade request.

    Raises:
        AuthError: Neither a project nor an API key.
        ConnectError: ``base_url`` cannot be one, or has a password in it.
    """

    project: str = ""
    location: str = "us-central1"
    access_token: Secret | None = field(default=None, repr=False)
    api_key: Secret | None = field(default=None, repr=False)
    api_version: str = "v1beta1"
    base_url: str = ""
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    label: str = field(default="Vertex AI", init=False)

    def __post_init__(self) -> None:
        if not self.project and self.api_key is None:
            raise AuthError(
                "VertexAI needs a project (with access_token=…) or, for express mode, api_key=….",
                cause="auth",
                hint="Pass VertexAI(project=…, location=…, access_token=…).",
            )
        chosen = _base_url(self.base_url, "GOOGLE_VERTEX_BASE_URL")
        object.__setattr__(self, "base_url", chosen)

    def _host(self) -> str:
        if self.api_key is not None or self.location == "global":
            return "wss://aiplatform.googleapis.com"
        if self.location in ("us", "eu"):
            return f"wss://aiplatform.{self.location}.rep.googleapis.com"
        return f"wss://{self.location}-aiplatform.googleapis.com"

    def url(self) -> str:
        """The WebSocket URL, without any secret."""
        path = f"/ws/{_SERVICE_VERTEX}.{self.api_version}.LlmBidiService/BidiGenerateContent"
        return _join(self.base_url or self._host(), path)

    def headers(self) -> dict[str, str]:
        """The headers of the upgrade request, credentials included."""
        if key := _reveal(self.api_key):
            return _headers(self.extra_headers, {"x-goog-api-key": key})
        token = _reveal(self.access_token)
        if not token:
            raise AuthError(
                f"No access token for Vertex AI project {self.project!r}. Pass access_token= a "
                "token or a function that returns one (google-auth: credentials.token).",
                cause="auth",
                hint="Pass VertexAI(access_token=…).",
            )
        return _headers(self.extra_headers, {"Authorization": f"Bearer {token}"})

    def model_name(self, model: str) -> str:
        """``projects/{p}/locations/{l}/publishers/google/models/{id}``."""
        if model.startswith(("projects/", "publishers/")):
            return model
        if not self.project:
            return f"publishers/google/models/{model}"
        return f"projects/{self.project}/locations/{self.location}/publishers/google/models/{model}"


@dataclass(frozen=True, kw_only=True)
class FirebaseAI:
    """The Firebase AI Logic proxy, in front of the Gemini API or of Vertex AI.

    Attributes:
        api_key: The Firebase web API key.
        project: The Firebase project.
        location: None: the Gemini API behind the proxy. A location: Vertex AI behind it.
        app_check_token: A Firebase App Check token, or a function that returns one.
        user_token: A Firebase Auth id token, or a function that returns one.
        app_id: The Firebase app id.
        api_version: ``v1beta``.
        base_url: Another server; the service's own if empty.
        extra_headers: Added to the upgrade request.

    Raises:
        ConnectError: ``base_url`` cannot be one, or has a password in it.
    """

    api_key: Secret = field(repr=False)
    project: str
    location: str | None = None
    app_check_token: Secret | None = field(default=None, repr=False)
    user_token: Secret | None = field(default=None, repr=False)
    app_id: str = ""
    api_version: str = "v1beta"
    base_url: str = ""
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    label: str = field(default="Firebase AI Logic", init=False)

    def __post_init__(self) -> None:
        chosen = _base_url(self.base_url) or "wss://firebasevertexai.googleapis.com"
        object.__setattr__(self, "base_url", chosen)

    def url(self) -> str:
        """The WebSocket URL, without any secret."""
        path = f"/ws/{_SERVICE_FIREBASE}.{self.api_version}."
        if self.location is None:
            return _join(self.base_url, f"{path}GenerativeService/BidiGenerateContent")
        service = f"{path}LlmBidiService/BidiGenerateContent/locations/{self.location}"
        return _join(self.base_url, service)

    def headers(self) -> dict[str, str]:
        """The headers of the upgrade request, credentials included."""
        key = _reveal(self.api_key)
        if not key:
            raise AuthError(
                "No Firebase web API key. Pass FirebaseAI(api_key=…, project=…).",
                cause="auth",
                hint="Copy the key from the Firebase console.",
            )
        credentials = {"x-goog-api-key": key}
        if token := _reveal(self.app_check_token):
            credentials["X-Firebase-AppCheck"] = token
        if token := _reveal(self.user_token):
            credentials["Authorization"] = f"Firebase {token}"
        if self.app_id:
            credentials["X-Firebase-AppId"] = self.app_id
        return _headers(self.extra_headers, credentials)

    def model_name(self, model: str) -> str:
        """``projects/{p}[/locations/{l}/publishers/google]/models/{id}``."""
        if model.startswith("projects/"):
            return model
        if self.location is None:
            return f"projects/{self.project}/models/{model}"
        return f"projects/{self.project}/locations/{self.location}/publishers/google/models/{model}"


def service_of(backend: Backend) -> str:
    """Who answers behind a backend: ``google`` (the Gemini API), ``vertex``, or empty: unknown."""
    if isinstance(backend, GoogleAI):
        return "google"
    if isinstance(backend, FirebaseAI):
        return "google" if backend.location is None else "vertex"
    return "vertex" if isinstance(backend, VertexAI) else ""


def _reveal(secret: Secret | None) -> str:
    if secret is None:
        return ""
    value = secret if isinstance(secret, str) else secret()
    return value.strip()  # a line break at the end of a copied key is no part of it


def _headers(extra: Mapping[str, str], credentials: Mapping[str, str]) -> dict[str, str]:
    return {"x-goog-api-client": f"antiphon/{_version()}", **extra, **credentials}


def _version() -> str:
    try:
        return version("antiphon")
    except PackageNotFoundError:  # running from a source tree that was never installed
        return "0"


def _base_url(given: str, variable: str = "") -> str:
    """The base URL that was given, or else that of the environment, checked; empty if neither."""
    chosen = given.strip() or os.environ.get(variable, "").strip()
    if chosen:
        parse_base_url(chosen)  # now, while nobody has shown it yet
    return chosen


def _join(base_url: str, path: str) -> str:
    """A base URL of any of the four schemes, and a path; slashes never double."""
    address = parse_base_url(base_url)
    return address.place + address.path.rstrip("/") + path
