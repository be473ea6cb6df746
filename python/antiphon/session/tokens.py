"""Ephemeral tokens: what a server gives to an application that must not have its key."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any, Literal, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

import msgspec

from antiphon.errors import AuthError, ConnectError, QuotaError, SetupRejected
from antiphon.session.backends import resolve, run_blocking
from antiphon.session.model import LiveModel
from antiphon.session.proxy import PROXY_VARIABLES, proxy_for, through
from antiphon.session.websocket import (
    STATUS_ADVICE,
    check_headers,
    diagnose,
    warn_of_plain,
)
from antiphon.wire import (
    ClientMessage,
    GenerationConfig,
    GoogleAI,
    Setup,
    camel_case,
    encode_client_message,
    explain_close,
)
from antiphon.wire.addresses import ServerAddress, parse_base_url
from antiphon.wire.secret import HiddenText, bare, redact, secrets_in

__all__ = ["create_token"]

_MAX_ANSWER_BYTES = 64 * 1024
_MAX_WORDS = 300
_MAX_USES = 2**31 - 1
_MAX_LIFETIME = timedelta(hours=20)
_HTTP_PROXY = (
    "Name one that begins with http:// in https_proxy and none in socks_proxy, or except the host "
    "in no_proxy."
)
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d+)")  # of http.client

_FIELDS = {
    kind: frozenset(camel_case(name) for name in kind.__struct_fields__)
    for kind in (Setup, GenerationConfig)
}

#: What of a setup a client cannot change.
Lock: TypeAlias = Literal["all", "given"] | Sequence[str]


async def create_token(
    model: LiveModel | None = None,
    *,
    backend: GoogleAI | None = None,
    uses: int = 1,
    expire_time: datetime | timedelta | None = None,
    new_session_expire_time: datetime | timedelta | None = None,
    lock: Lock = "all",
    timeout_s: float = 10.0,
    tls: ssl.SSLContext | None = None,
) -> str:
    """Create an ephemeral token of the Gemini API; it is used as ``GoogleAI(api_key=token)``.

    Who has the token can open sessions for a while, without the key. With a ``model``, those are
    sessions of its setup: the model, the configuration, the system instruction and the tools. What
    is locked of it, the service takes from the token, whatever the client sends.

    Args:
        model: Its setup goes into the token; None: the token allows any session.
        backend: Where the token is created, with an API key; that of ``model`` if omitted, else
            ``GoogleAI()``.
        uses: How many sessions can be opened with it, 0: any number. Resuming one costs no use.
        expire_time: When the token and its sessions end: a moment, or how long from now; less
            than 20 hours. The service takes 30 minutes if omitted.
        new_session_expire_time: Until when sessions can be opened, given in the same way. The
            service takes a minute if omitted.
        lock: What of the setup the client cannot change. ``"all"``: everything, what ``model``
            leaves open included. ``"given"``: what ``model`` sets. Or paths into the setup, such as
            ``["model", "generation_config.temperature"]``.
        timeout_s: For the whole.
        tls: Another TLS context, such as one with a private certificate authority.

    Returns:
        The token, ``auth_tokens/…``. It is a credential: give it to one application, over TLS.

    Raises:
        AuthError: No key, or one that was refused; or a backend that has no tokens.
        QuotaError: A quota is used up.
        ConnectError: No answer in time, or none that is one; or its proxy does not begin
            with ``http://``.
        ValueError: An argument that cannot be.
    """
    chosen = backend or (GoogleAI() if model is None else model.backend)
    if not isinstance(chosen, GoogleAI):
        raise AuthError(
            f"{chosen.label} has no ephemeral tokens; the Gemini API has. Pass "
            "create_token(backend=GoogleAI(…)).",
            cause="auth",
            hint="Pass create_token(backend=GoogleAI(…)).",
        )
    body: dict[str, Any] = {"uses": uses}
    if not 0 <= uses <= _MAX_USES:
        raise ValueError(f"uses is {uses}; it must be a whole number, 0 for any number.")
    if expire_time is not None:
        body["expireTime"] = _timestamp("expire_time", expire_time)
    if new_session_expire_time is not None:
        name = "new_session_expire_time"
        body["newSessionExpireTime"] = _timestamp(name, new_session_expire_time)
    body |= _constraint(chosen, model, lock)
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    ready = await resolve(chosen, timeout_s)
    if ready.uses_token:
        raise AuthError(
            "An ephemeral token cannot create another one. Pass an API key.",
            cause="auth",
            hint="Pass GoogleAI(api_key=…) with an API key.",
        )
    url, headers = ready.token_url(), ready.headers() | {"Content-Type": "application/json"}
    remaining_s = max(deadline_s - loop.time(), 0.001)
    try:
        async with asyncio.timeout(remaining_s):
            waits = {"remaining_s": remaining_s, "timeout_s": timeout_s}
            name = await run_blocking(partial(_post, url, headers, body, tls, **waits))
    except (ConnectError, SetupRejected) as error:
        raise bare(error) from None  # the variables on its way hold the request
    except TimeoutError:
        raise _no_token(url, TimeoutError(), timeout_s) from None
    return str(name)


# ------------------------------------------------------------------ what is asked for


def _constraint(backend: GoogleAI, model: LiveModel | None, lock: Lock) -> dict[str, Any]:
    """What the token holds of a setup, and which of its fields are locked."""
    setup: dict[str, Any] = {}
    if model is not None:
        own = msgspec.structs.replace(model.setup, model=backend.model_name(model.name))
        setup = msgspec.json.decode(encode_client_message(ClientMessage(setup=own)))["setup"]
    constraint: dict[str, Any] = {"bidiGenerateContentSetup": setup} if setup else {}
    if lock == "all":  # the service's own way, without a mask
        return constraint
    if isinstance(lock, str) and lock != "given":
        raise ValueError(f"lock is {lock!r}; it must be 'all', 'given' or a list of paths.")
    paths = _paths_of(setup) if lock == "given" else [_path(name) for name in lock]
    if not paths:
        raise ValueError(f"lock is {lock!r}, which locks nothing. Leave it out, or pass a model.")
    return constraint | {"fieldMask": ",".join(paths)}


def _timestamp(name: str, when: datetime | timedelta) -> str:
    """A moment as RFC 3339 has it, in UTC."""
    now = datetime.now(UTC)
    if isinstance(when, datetime) and when.tzinfo is None:
        raise ValueError(
            f"{name} is {when}, without a time zone. Use datetime.now(UTC) + timedelta(…), or the "
            "timedelta alone."
        )
    moment = now + when if isinstance(when, timedelta) else when.astimezone(UTC)
    if not now < moment < now + _MAX_LIFETIME:
        raise ValueError(
            f"{name} is {moment.isoformat(' ', 'seconds')}; it must lie in the future, by less "
            "than 20 hours."
        )
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _paths_of(setup: Mapping[str, Any]) -> list[str]:
    """What a setup has, two levels deep, as the official client locks it."""
    return [
        path
        for name, value in setup.items()
        for path in ([f"{name}.{inner}" for inner in value] if _has_members(value) else [name])
    ]


def _has_members(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _path(name: str) -> str:
    """A path as the service takes it; the fields of a configuration may stand alone."""
    first, *rest = name.strip().removeprefix("setup.").split(".")
    own, inner = _FIELDS[Setup], _FIELDS[GenerationConfig]
    path = [camel_case(part) for part in (first, *rest)]
    if path[0] not in own and path[0] in inner:
        path.insert(0, "generationConfig")
    if path[0] not in own or (path[0] == "generationConfig" and not inner.issuperset(path[1:2])):
        raise ValueError(
            f"lock has {name!r}, which is no field of a setup. Use names such as 'model', "
            "'system_instruction' or 'generation_config.temperature'."
        )
    return ".".join(path)


# ------------------------------------------------------------------ the request


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an error: the key would go along."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(
    url: str,
    headers: dict[str, str],
    body: dict[str, Any],
    tls: ssl.SSLContext | None,
    *,
    remaining_s: float,
    timeout_s: float,
) -> HiddenText:
    """Ask for a token, and give its name; blocks.

    Args:
        url: Where.
        headers: With the key.
        body: What is asked for.
        tls: Another TLS context.
        remaining_s: How long it may take.
        timeout_s: For the whole, of which that is left; to be told.
    """
    ends_s = time.monotonic() + remaining_s
    secrets = secrets_in(headers)
    address = parse_base_url(url)
    proxy = _http_proxy(address, url)
    place = url + through(proxy)
    check_headers(headers, url)
    warn_of_plain(address, place, secrets)
    request = Request(url, msgspec.json.encode(body), headers, method="POST")  # noqa: S310 # http or https: parsed
    try:
        with _opener(url, proxy, tls).open(request, timeout=remaining_s) as response:
            answer = _read(response, ends_s)
    except HTTPError as error:
        with error:
            said = redact(_words_of(_read(error, ends_s)), secrets)
        raise _refused(place, error.code, said) from None
    except URLError as error:
        reason = error.reason if isinstance(error.reason, Exception) else error
        raise _no_token(url, reason, timeout_s, proxy) from None
    except (OSError, HTTPException, ValueError) as error:
        raise _no_token(url, error, timeout_s, proxy) from None
    return _name_in(answer, place)


def _read(response: HTTPResponse | HTTPError, ends_s: float) -> bytes:
    """An answer of a bounded size; who sends it byte by byte is left."""
    answer = b""
    while len(answer) < _MAX_ANSWER_BYTES and time.monotonic() < ends_s:
        piece = response.read1(_MAX_ANSWER_BYTES)
        if not piece:
            break
        answer += piece
    return answer


def _http_proxy(address: ServerAddress, url: str) -> HiddenText | None:
    """The proxy, if there is one: `urllib` speaks plain HTTP to it, whatever it is.

    Raises:
        ConnectError: It is one of another kind.
    """
    proxy = proxy_for(address, f"No token from {url}")
    if proxy and not proxy.startswith("http://"):
        raise ConnectError(
            f"No token from {url}{through(proxy)}: create_token speaks neither SOCKS nor TLS to "
            f"a proxy. {_HTTP_PROXY}",
            cause="network",
            hint=_HTTP_PROXY,
        )
    return proxy


def _opener(url: str, proxy: HiddenText | None, tls: ssl.SSLContext | None) -> OpenerDirector:
    scheme = url.partition(":")[0]
    return build_opener(
        ProxyHandler({scheme: proxy} if proxy else {}),
        HTTPSHandler(context=tls or ssl.create_default_context()),
        _NoRedirects,
    )


def _words_of(body: bytes) -> str:
    """What an error of Google's APIs says; of another server, how its answer begins."""
    message = _member_of(body, "error", "message")
    words = body.decode("utf-8", "replace") if message is None else str(message)
    return " ".join(words.split())


def _member_of(body: bytes, *path: str) -> Any:
    """A member of an answer; None if it is not there, or the answer is no JSON."""
    try:
        value = msgspec.json.decode(body)
        for name in path:
            value = value[name]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return None
    return value


def _refused(place: str, status: int, said: str) -> SetupRejected | ConnectError:
    closed = explain_close(None, said)
    cause, hint = STATUS_ADVICE.get(status, ("unavailable", "Check base_url; try again later."))
    if closed.cause in ("auth", "quota"):
        cause, hint = closed.cause, closed.hint
    elif status == HTTPStatus.BAD_REQUEST:
        cause, hint = "argument", "Check what the token is to allow."
    kinds: dict[str, type[SetupRejected]] = {"auth": AuthError, "quota": QuotaError}
    kind = kinds.get(cause, ConnectError)
    words = f": {said[:_MAX_WORDS]}" if said else ""
    return kind(
        f"No token from {place}: the server answered HTTP {status}{words}. {hint}",
        code=status,
        reason=said[:_MAX_WORDS],
        cause=cause,
        hint=hint,
    )


def _no_token(
    url: str, error: Exception, timeout_s: float, proxy: HiddenText | None = None
) -> ConnectError:
    what, cause, hint = diagnose(error, timeout_s, "HTTP")
    code = None
    if proxy and cause == "network":  # no other place was connected to
        hint = PROXY_VARIABLES
        if refused := _TUNNEL_REFUSED.match(str(error)):
            code = int(refused[1])
            what = f"the proxy answered HTTP {code}"
            hint = STATUS_ADVICE[407][1] if code == 407 else hint
    told = f"No token from {url}{through(proxy)}: {what}. {hint}"
    return ConnectError(told, code=code, cause=cause, hint=hint)


def _name_in(answer: bytes, place: str) -> HiddenText:
    name = _member_of(answer, "name")
    if not isinstance(name, str) or not name.startswith("auth_tokens/"):
        hint = "Check base_url."
        raise ConnectError(
            f"No token from {place}: its answer names none. {hint}", cause="unavailable", hint=hint
        )
    return HiddenText(name)
