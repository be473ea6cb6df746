"""Credentials of Google Cloud, by google-auth: found, refreshed, and never shown.

All of it blocks: files are read, a metadata server or a token endpoint is asked. So a session calls
`GoogleCredentials.fetch` in a thread, and only when the token it has is about to end.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from antiphon.errors import AuthError, ConnectError
from antiphon.wire.secret import Hidden, Secret

__all__ = ["GoogleCredentials", "Grant"]

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT_S = 20.0
_MAX_WORDS = 300
_MAX_LAYERS = 10
_LONG_WORD = re.compile(r"[\w+.%=~-]{40,}")  # no language has it; tokens and signatures do
_ADVICE = (
    "Run `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS to a "
    "credentials file, or pass VertexAI(access_token=…) or VertexAI(api_key=…)."
)
# What is wrong with a file stays so; every other error of the system may be one of the network.
_OF_FILES = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
_NEEDED = ("token", "valid", "refresh")
_INSTALL = "Run `pip install 'antiphon[vertex]'`, or pass VertexAI(access_token=…)."


class Grant(NamedTuple):
    """What credentials give."""

    token: Secret
    project: str
    """Of the credentials; empty if they name none."""
    quota_project: str
    """Who pays, if it is another project."""


class GoogleCredentials(Hidden):
    """Credentials, and the token they gave last; for any number of sessions and threads.

    Args:
        credentials: Of google-auth; None: Application Default Credentials, looked for when they
            are first used.
    """

    def __init__(self, credentials: Any = None) -> None:
        self._given = credentials
        self._credentials = credentials
        self._project = getattr(credentials, "project_id", None) or ""
        self._refreshing = threading.Lock()

    @classmethod
    def of(cls, credentials: Any) -> GoogleCredentials:
        """Credentials as they were given."""
        return credentials if isinstance(credentials, GoogleCredentials) else cls(credentials)

    def check(self) -> None:
        """Refuse what was given and cannot be credentials.

        Raises:
            TypeError: It cannot.
        """
        if self._given is None:  # a variable would show what it is
            return
        is_class = isinstance(self._given, type)
        if is_class or any(not hasattr(self._given, name) for name in _NEEDED):
            kind = self._given if is_class else type(self._given)
            what = "the class" if is_class else "of type"
            raise TypeError(
                f"credentials of VertexAI is {what} {kind.__name__}; it must be credentials of "
                "google-auth, such as google.auth.load_credentials_from_file gives, or an object "
                "with their token, valid and refresh. A token goes to access_token."
            )

    def held(self) -> Grant | None:
        """What is there without asking anybody; None: `fetch` it."""
        return self._grant("FRESH")

    def fetch(self) -> Grant:
        """A token that is valid for some minutes, or as long as a new one is; blocks.

        Raises:
            AuthError: There are no credentials, they were refused, or google-auth is missing.
            ConnectError: Who gives the token could not be reached.
        """
        with self._refreshing:
            grant = self.held()
            if grant is None:
                failure = self._refresh()
                if failure is not None:
                    raise failure  # out here: the locals of what it stands for are secret
                grant = self._grant("FRESH", "STALE")
        if grant is None:
            raise AuthError(
                f"Google Cloud's credentials gave no valid token. {_ADVICE}",
                cause="auth",
                hint=_ADVICE,
            )
        return grant

    def _grant(self, *states: str) -> Grant | None:
        """What the credentials have, if that is in one of those states of google-auth's."""
        if self._credentials is None or self._state() not in states:
            return None
        token = self._credentials.token
        return Grant(
            Secret(token.decode() if isinstance(token, bytes) else token),  # of google.auth.jwt
            self._project,
            getattr(self._credentials, "quota_project_id", None) or "",
        )

    def _state(self) -> str:
        state = getattr(self._credentials, "token_state", None)
        if state is None:  # not every object that can be used as credentials has one
            return "FRESH" if self._credentials.valid else "INVALID"
        return str(state.name)

    def _refresh(self) -> AuthError | ConnectError | None:
        """Find the credentials if need be, and renew their token; what failed, if it did."""
        try:
            self._renew()
        except ImportError as missing:
            return AuthError(
                f"Google Cloud's credentials need google-auth ({missing.name} is not there). "
                f"{_INSTALL}",
                cause="auth",
                hint=_INSTALL,
            )
        except Exception as error:  # of google-auth, and of what it calls
            return _explained(error, found=self._credentials is not None)
        return None

    def _renew(self) -> None:
        import google.auth

        request = _request()
        if self._credentials is None:
            self._credentials, project = google.auth.default(scopes=[_SCOPE])
            self._project = project or ""
        elif getattr(self._credentials, "requires_scopes", False):
            self._credentials = self._credentials.with_scopes([_SCOPE])
        self._credentials.refresh(request)

    def __repr__(self) -> str:
        return f"GoogleCredentials({'' if self._given is None else '***'})"


def _request() -> Any:
    """What google-auth asks with, within our time; client certificates are mounted on it."""
    from google.auth.transport.requests import Request

    class Limited(Request):
        __call__ = functools.partialmethod(Request.__call__, timeout=_TIMEOUT_S)

    return Limited()


def _explained(error: Exception, *, found: bool) -> AuthError | ConnectError:
    from google.auth.exceptions import RefreshError, TransportError

    layers = list(islice(_layers(error), _MAX_LAYERS))
    words = _words(layers[-1])
    lost = any(
        isinstance(each, TransportError | OSError) and not isinstance(each, _OF_FILES)
        for each in layers
    )
    if lost or getattr(error, "retryable", False):
        hint = "Check the network and the proxy settings."
        told = f"No token for Google Cloud: {words} {hint}"
        return ConnectError(told, cause="network", hint=hint)
    refused = "were refused" if isinstance(error, RefreshError) else "gave no token"
    what = refused if found else "were not found"
    told = f"Google Cloud's credentials {what}: {words} {_ADVICE}"
    return AuthError(told, cause="auth", hint=_ADVICE)


def _layers(error: object) -> Iterator[Exception]:
    """An error, and what is in it: google-auth makes errors of those of the transport."""
    while isinstance(error, Exception):
        yield error
        error = error.args[0] if error.args else None


def _words(error: Exception) -> str:
    """What google-auth says, without the answer of a server that it may have with it."""
    said = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    if isinstance(error, _OF_FILES):
        said = str(error)  # with the file
    short = _LONG_WORD.sub("***", " ".join(said.split()))[:_MAX_WORDS].rstrip(".")
    return f"{short or type(error).__name__}."
