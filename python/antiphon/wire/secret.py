"""Values that do not show: not in a ``repr``, a log, a traceback with its locals, or a pickle.

A backend holds its credentials as `Secret`. They travel as `HiddenText`: text to everything that
sends it, and three stars to everything that shows it.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self, TypeAlias, TypeVar

from antiphon.errors import AuthError, ConnectError, SetupRejected

__all__ = [
    "Credential",
    "Hidden",
    "HiddenText",
    "RunBlocking",
    "Secret",
    "bare",
    "excerpt",
    "redact",
    "secrets_in",
]

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter

_T = TypeVar("_T")
_E = TypeVar("_E", bound=BaseException)
# What is shorter is no secret, nor what is left of one where a close reason is cut at 123 bytes; to
# replace it would make nonsense of words.
_MIN_SECRET = 6
_PUBLIC_HEADERS = (
    "content-type",
    "user-agent",
    "x-firebase-appid",
    "x-firebase-appversion",
    "x-goog-api-client",
    "x-goog-user-project",
)


class RunBlocking(Protocol):
    """Runs a function that may block where it holds up nothing: `asyncio.to_thread` does."""

    async def __call__(self, function: Callable[[], _T], /) -> _T:
        """Run the function, and give its result."""
        ...


class Hidden:
    """Is itself in every copy, and in no pickle."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "A credential cannot be pickled, because it would be written out in plain. Make the "
            "backend in the other process, with the key from its environment or a function."
        )


class HiddenText(Hidden, str):
    """Text that a ``repr`` does not show, nor anything made of ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Secret(Hidden):
    """A credential, or the function that gets it.

    Args:
        value: The credential; white space around it is no part of it. Or a function, which is
            called for every connection.
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = HiddenText(value.strip()) if isinstance(value, str) else value

    @classmethod
    def of(cls, credential: Credential | None) -> Secret | None:
        """A credential as it was given; None if there is none."""
        if credential is None or isinstance(credential, Secret):
            return credential
        if isinstance(credential, str) and not credential.strip():
            return None
        return cls(credential)

    @property
    def is_function(self) -> bool:
        """Whether it has to be fetched first."""
        return not isinstance(self._value, str)

    def check(self, name: str, *, may_be_function: bool = True) -> None:
        """Refuse what cannot be a credential; not before now, when no variable shows it any more.

        Raises:
            TypeError: It is neither a string nor, where that may be, a function.
        """
        if isinstance(self._value, str) or (may_be_function and callable(self._value)):
            return
        kinds = "a string, or a function that returns one" if may_be_function else "a string"
        advice = " Pass value.decode()." if isinstance(self._value, bytes | bytearray) else ""
        kind = type(self._value).__name__
        raise TypeError(f"{name} is of type {kind}; it must be {kinds}.{advice}")

    @property
    def text(self) -> HiddenText:
        """The credential.

        Raises:
            TypeError: It is a function.
        """
        if not isinstance(self._value, HiddenText):
            raise TypeError(
                "This credential is a function, which is called for every connection. Call "
                "`await backend.resolve(asyncio.to_thread)` and ask the backend that this gives."
            )
        return self._value

    async def fetch(self, name: str, run: RunBlocking) -> Secret:
        """Call the function: it may be a coroutine function, or block.

        Args:
            name: What it is, for messages.
            run: Runs what may block.

        Raises:
            AuthError: It returned nothing that could be a credential.
            ConnectError: It failed, which may pass.
        """
        function = self._value
        if isinstance(function, str):
            return self
        try:
            result = function() if iscoroutinefunction(function) else run(function)
            got = _Fetched(await result)
            if isawaitable(got.value):  # of an object that is called, or a partial function
                got = _Fetched(await got.value)
        except (ConnectError, SetupRejected):  # such as those of `create_token`
            raise
        except Exception as error:
            raise ConnectError(
                f"The function that was given as {name} failed with {type(error).__name__}. It "
                "has to return the credential.",
                cause="credential",
                hint="See the error that it raised (__cause__).",
            ) from error
        if not isinstance(got.value, str) or not got.value.strip():
            what = "an empty string" if isinstance(got.value, str) else type(got.value).__name__
            raise AuthError(
                f"The function that was given as {name} returned {what}. It has to return the "
                "credential, a string.",
                cause="auth",
                hint="Return the key or token.",
            )
        return Secret(got.value)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if isinstance(self._value, str) and isinstance(other._value, str):
            return hmac.compare_digest(self._value.encode(), other._value.encode())
        return bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash(self._value)


#: A credential, or a function that returns one and is called for every connection: in a thread,
#: because it may block, or on the event loop if it is a coroutine function.
Credential: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]] | Secret


class _Fetched:
    """Holds what a function returned, so that no variable shows it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _QuietLogger(_Adapter):
    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        return level > logging.DEBUG and super().isEnabledFor(level)


def quiet_logger(name: str) -> _QuietLogger:
    """A logger for `websockets`, whose debug messages show request headers, the key among them."""
    return _QuietLogger(logging.getLogger(name), {})


def secrets_in(headers: Mapping[str, str]) -> tuple[HiddenText, ...]:
    """Every header value that must not be shown, and the bare token of ``Bearer …``."""
    found = set()
    for name, value in headers.items():
        if name.lower() not in _PUBLIC_HEADERS:
            found.add(value)
        if name.lower() == "authorization":
            found.add(value.partition(" ")[2])
    # The longest first: a token within a value must not leave the rest of it standing.
    by_size = sorted(found, key=lambda text: (-len(text), text))
    return tuple(HiddenText(text) for text in by_size if len(text) >= _MIN_SECRET)


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with three stars for every secret in it, also for one that its end has cut."""
    for secret in secrets:
        text = text.replace(secret, "***")
        for size in range(min(len(secret) - 1, len(text)), _MIN_SECRET - 1, -1):
            if text.endswith(secret[:size]):
                text = text[:-size] + "***"
                break
    return text


def excerpt(data: bytes, size: int, secrets: Sequence[str] = ()) -> str:
    """The first ``size`` characters of what was received, secrets hidden before it is cut.

    Half a secret is not known for one where other words follow it.
    """
    begin = data[: size + max(map(len, secrets), default=0)].decode("utf-8", "replace")
    return redact(begin, secrets)[:size]


def bare(error: _E) -> _E:
    """An error without the frames that it has passed, whose variables may hold secrets."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
