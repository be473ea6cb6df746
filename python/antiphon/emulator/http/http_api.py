"""What the server answers to plain HTTP: ephemeral tokens, control of its sessions, a page.

Nothing here is for web pages of others: requests that change something are JSON, which a page of
another origin may not send; each has to name this machine as its host; and no answer allows
another origin to read it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import ipaddress
import re
from collections.abc import Callable
from http import HTTPStatus
from importlib import resources
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import msgspec

from antiphon.emulator.http.control import Control, NoSuchSession, SessionEnded
from antiphon.emulator.http.door import HttpRequest, HttpResponse
from antiphon.emulator.service.request import credentials, holds, route
from antiphon.emulator.service.tokens import BAD_KEY, InvalidToken

__all__ = ["NOT_FOUND", "HttpApi", "error_response"]

_STATUSES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.CONFLICT: "FAILED_PRECONDITION",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
}
_TOKENS = re.compile(r"/v\d+\w*/auth_tokens")
_SESSION = re.compile(r"/antiphon/sessions/(\d{1,9})(?:/(faults|go_away|close|interrupt))?")
NOT_FOUND = (
    "This is the local Live server of antiphon. It answers WebSocket upgrades at the Live API's "
    "paths, such as /ws/google.ai.generativelanguage.v1beta.GenerativeService."
    "BidiGenerateContent, POST /v1alpha/auth_tokens, and /antiphon/."
)

_T = TypeVar("_T")
_Json: TypeAlias = dict[str, Any]


class _Refused(Exception):
    """Ends the work on a request; the message is for the answer."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class HttpApi:
    """Answers plain requests; what they do is done by others.

    Args:
        host: Where the server listens: by that name it may be called, besides loopback.
        api_key: Needed for everything but the page itself, which holds no secrets; None: nothing.
        control: The sessions.
        create_token: Creates an ephemeral token: see `TokenStore.create`.
        reset: Begins anew.
    """

    def __init__(
        self,
        host: str,
        api_key: str | None,
        control: Control,
        create_token: Callable[[_Json], _Json],
        reset: Callable[[], None],
    ) -> None:
        self._host = host.lower()
        self._api_key = api_key
        self._control = control
        self._create_token = create_token
        self._reset = reset

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to a request."""
        parts = urlsplit("//host" + re.sub(r"^/*", "/", request.target))
        path = re.sub(r"/{2,}", "/", parts.path)
        try:
            if _TOKENS.fullmatch(path):
                return self._answer_tokens(request, parts.query)
            if path == "/antiphon" or path.startswith("/antiphon/"):
                return self._answer_control(request, path)
            if route(path, {}) is not None:
                words = "This path is for WebSockets: the request must be an upgrade to one."
                raise _Refused(HTTPStatus.UPGRADE_REQUIRED, words)
            raise _Refused(HTTPStatus.NOT_FOUND, NOT_FOUND)
        except _Refused as refused:
            return error_response(refused.status, str(refused))

    def _answer_tokens(self, request: HttpRequest, query: str) -> HttpResponse:
        _check_method(request, "POST")
        if not self._is_authorized(credentials(query, request.headers)):
            raise _Refused(HTTPStatus.BAD_REQUEST, BAD_KEY)
        body = _json_of(request, _Json)
        try:
            return _json_response(self._create_token(body))
        except InvalidToken as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from error

    # -------------------------------------------------------------- control

    def _answer_control(self, request: HttpRequest, path: str) -> HttpResponse:
        self._check_host(request.headers.get("host", ""))
        if path in ("/antiphon", "/antiphon/"):
            _check_method(request, "GET")
            return _page()
        if not self._is_authorized((request.headers.get("x-goog-api-key", ""),)):
            words = "The control API needs the api_key of the server as the header x-goog-api-key."
            raise _Refused(HTTPStatus.FORBIDDEN, words)
        try:
            return _json_response(self._control_result(request, path))
        except NoSuchSession as error:
            raise _Refused(HTTPStatus.NOT_FOUND, str(error)) from error
        except SessionEnded as error:
            raise _Refused(HTTPStatus.CONFLICT, str(error)) from error
        except ValueError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from error

    def _control_result(self, request: HttpRequest, path: str) -> Any:
        control = self._control
        if path == "/antiphon/sessions":
            _check_method(request, "GET")
            return {"sessions": control.sessions()}
        if path == "/antiphon/faults":
            control.add_faults(_rules(request))
            return {}
        if path == "/antiphon/reset":
            _arguments(request, {})
            self._reset()
            return {}
        found = _SESSION.fullmatch(path)
        if found is None:
            raise _Refused(HTTPStatus.NOT_FOUND, f"There is no {path} in the control API.")
        session, operation = int(found[1]), found[2]
        match operation:
            case None:
                _check_method(request, "GET")
                return control.session(session)
            case "faults":
                control.add_faults(_rules(request), session=session)
            case "go_away":
                control.go_away(session, **_arguments(request, {"time_left_s": float}))
            case "close":
                control.close(session, **_arguments(request, {"code": int, "reason": str}))
            case "interrupt":
                _arguments(request, {})
                control.interrupt(session)
        return {}

    def _is_authorized(self, given: tuple[str, ...]) -> bool:
        return self._api_key is None or holds(given, self._api_key)

    def _check_host(self, header: str) -> None:
        """A page whose name was made to lead here says so in this header."""
        try:
            host = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            host = ""
        if host in {self._host, "localhost"} or _is_loopback(host):
            return
        # A server that others reach as well, as in a container, has more names.
        if not _is_loopback(self._host) and self._host != "localhost" and _has_no_owner(host):
            return
        raise _Refused(
            HTTPStatus.FORBIDDEN,
            f"The host is {header[:100]!r}; the control API is for this machine. Send the header "
            "'Host: localhost'.",
        )


def error_response(status: HTTPStatus, message: str) -> HttpResponse:
    """An error in the form of Google's APIs."""
    name = _STATUSES.get(status, status.name)
    return _json_response(
        {"error": {"code": int(status), "message": message, "status": name}}, status
    )


def _json_response(value: Any, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    content_type = "application/json; charset=UTF-8"
    return HttpResponse(status, msgspec.json.encode(value) + b"\n", content_type)


def _check_method(request: HttpRequest, method: str) -> None:
    wanted = ("GET", "HEAD") if method == "GET" else (method,)
    if request.method not in wanted:
        words = f"The method is {request.method}; this path takes {method}."
        raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, words)


def _json_of(request: HttpRequest, shape: type[_T]) -> _T:
    """The body of a POST."""
    _check_method(request, "POST")
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        words = f"The content type is {content_type[:100]!r}; send application/json."
        raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
    try:
        return msgspec.json.decode(request.body or b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        words = f"Invalid JSON payload received. {error}."
        raise _Refused(HTTPStatus.BAD_REQUEST, words) from error


def _rules(request: HttpRequest) -> list[_Json]:
    """One rule, or a list of them."""
    body = _json_of(request, _Json | list[_Json])  # type: ignore[arg-type] # a union is no type
    return body if isinstance(body, list) else [body]


def _arguments(request: HttpRequest, known: dict[str, type]) -> _Json:
    body = _json_of(request, _Json)
    for name, value in body.items():
        if name not in known:
            words = (
                f"{name[:100]!r} is not known here; use {', '.join(known) or 'an empty object'}."
            )
            raise _Refused(HTTPStatus.BAD_REQUEST, words)
        try:
            msgspec.convert(value, known[name])
        except msgspec.ValidationError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"{name}: {error}.") from error
    return body


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_no_owner(host: str) -> bool:
    """Whether no site can have this name: an address, or one without a dot, as of a container."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return re.fullmatch(r"[a-z0-9_-]+", host) is not None
    return True


@functools.cache
def _page() -> HttpResponse:
    """The page, which may do nothing but what it holds itself."""
    page = resources.files("antiphon.emulator.http").joinpath("inspect.html").read_bytes()
    script, style = (_hash_of(tag, page) for tag in (b"script", b"style"))
    policy = (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = (("Content-Security-Policy", policy), ("Referrer-Policy", "no-referrer"))
    return HttpResponse(HTTPStatus.OK, page, "text/html; charset=UTF-8", headers)


def _hash_of(tag: bytes, page: bytes) -> str:
    content = page.partition(b"<" + tag + b">")[2].partition(b"</" + tag + b">")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"
