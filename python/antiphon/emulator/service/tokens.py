"""Ephemeral tokens: what stands for a key for some minutes, and what it locks. Without I/O.

A token is created with a key, and given to an application that must not know the key. It may hold
a setup, or a part of one, which the application cannot change.
"""

from __future__ import annotations

import random
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from antiphon import wire
from antiphon.emulator.service.setup_check import Refusal, unknown_name
from antiphon.errors import ProtocolViolation

__all__ = ["BAD_KEY", "EXPIRED", "Constraint", "InvalidToken", "TokenStore", "resumes"]

BAD_KEY = "API key not valid. Please pass a valid API key."
EXPIRED = "API key expired. Please renew the API key."

_LIFETIME_S = 30 * 60.0
_MAX_LIFETIME_S = 20 * 3600.0
_NEW_SESSION_S = 60.0
_MAX_USES = 2**31 - 1
_MAX_TOKENS = 10_000
_MAX_SETUP_BYTES = 16 * 1024
_NAME_BITS = 256
_MAX_PATHS = 256
_MAX_PATH_NAMES = 16
# RFC 3339, section 5.6.
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE
)
_MEMBERS = frozenset(
    {
        "uses",
        "expireTime",
        "newSessionExpireTime",
        "bidiGenerateContentSetup",
        "fieldMask",
        # Output only: a client that sends a token back as it got it is not wrong.
        "name",
    }
)


class InvalidToken(ValueError):
    """A token that cannot be created; the message is for the answer to who wants it."""


@dataclass(frozen=True)
class Constraint:
    """What a token allows in the sessions that it opens.

    Attributes:
        expires_at: The token, and with it its sessions, end then.
        setup: What the token holds of a setup message, in camelCase; None: nothing.
        locked: Paths into the setup that the client cannot change; None: all of ``setup``.
    """

    expires_at: float
    setup: dict[str, Any] | None = None
    locked: tuple[tuple[str, ...], ...] | None = None

    def apply(self, setup: dict[str, Any]) -> dict[str, Any]:
        """The setup of the session, of what the client sent (in camelCase)."""
        own = self.setup or {}
        if self.locked is not None:
            for path in self.locked:
                setup = _with_member(setup, own, path)
        elif self.setup is not None:
            # Without a model there is no session, so one that is not locked is the client's.
            model = {"model": setup["model"]} if "model" in setup else {}
            setup = model | own | _resumption(setup, own)
        return setup


@dataclass
class _Token:
    """A token that was created; ``uses_left`` is None if there is no limit."""

    constraint: Constraint
    new_session_until: float
    uses_left: int | None


@dataclass(frozen=True)
class TokenStore:
    """The tokens of one server; the oldest are given up.

    Args:
        rng: Of the names. Who can predict it can guess tokens.
    """

    rng: random.Random = field(repr=False)
    _kept: OrderedDict[str, _Token] = field(default_factory=OrderedDict, repr=False)

    def create(self, body: dict[str, Any], *, now: float, wall_now: float) -> dict[str, Any]:
        """Create a token as ``POST /v1alpha/auth_tokens`` does.

        Args:
            body: Of the request: ``uses``, ``expireTime``, ``newSessionExpireTime``,
                ``bidiGenerateContentSetup`` and ``fieldMask``, in either spelling.
            now: The time of the sessions, in which tokens expire.
            wall_now: The same moment in seconds since 1970, for the timestamps of ``body``.

        Returns:
            The answer: ``{"name": "auth_tokens/…"}``; the name is the token.

        Raises:
            InvalidToken: A member that is unknown, or has a value it cannot have.
        """
        given = {wire.camel_case(name): value for name, value in body.items() if value is not None}
        if unknown := sorted(given.keys() - _MEMBERS):
            raise InvalidToken(
                f"Invalid JSON payload received. Unknown name \"{unknown[0]}\" at 'auth_token': "
                "Cannot find field."
            )
        since = now - wall_now
        expires_at = now + _LIFETIME_S
        if "expireTime" in given:
            expires_at = since + _future("expireTime", given["expireTime"], wall_now)
        new_session_until = min(now + _NEW_SESSION_S, expires_at)
        if "newSessionExpireTime" in given:
            timestamp = given["newSessionExpireTime"]
            new_session_until = since + _future("newSessionExpireTime", timestamp, wall_now)
        setup, locked = _setup(given), _paths(given.get("fieldMask"))
        if setup and (size_bytes := len(msgspec.json.encode(setup))) > _MAX_SETUP_BYTES:
            raise InvalidToken(
                f"The setup of the token has {size_bytes} bytes; {_MAX_SETUP_BYTES} fit."
            )
        name = f"auth_tokens/{self.rng.getrandbits(_NAME_BITS):064x}"
        uses = _uses(given.get("uses", 1))
        constraint = Constraint(expires_at, setup, locked)
        self._kept[name] = _Token(constraint, new_session_until, uses or None)
        while len(self._kept) > _MAX_TOKENS:
            self._kept.popitem(last=False)
        return {"name": name}

    def admit(self, name: str, now: float, *, resuming: bool) -> Constraint | Refusal:
        """Open a session with a token; one that is resumed costs no use, and may come late."""
        token = self._kept.get(name)
        if token is None:
            return Refusal(1007, BAD_KEY)
        if now >= token.constraint.expires_at:
            return Refusal(1007, EXPIRED)
        if resuming:
            return token.constraint
        if now >= token.new_session_until or token.uses_left == 0:
            return Refusal(1007, EXPIRED)
        if token.uses_left is not None:
            token.uses_left -= 1
        return token.constraint


def resumes(setup: dict[str, Any]) -> bool:
    """Whether a setup (in camelCase) takes up an earlier session."""
    resumption = setup.get("sessionResumption")
    return isinstance(resumption, dict) and bool(resumption.get("handle"))


def _resumption(setup: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Where the client was is its own matter; whether it may resume is the token's, if it says."""
    wanted = setup.get("sessionResumption")
    if wanted is None:
        return {}
    if "sessionResumption" not in own:
        return {"sessionResumption": wanted}
    handle = {"handle": wanted["handle"]} if resumes(setup) else {}
    return {"sessionResumption": own["sessionResumption"] | handle}


def _with_member(
    base: dict[str, Any], source: dict[str, Any], path: tuple[str, ...]
) -> dict[str, Any]:
    """A copy of ``base`` whose member at ``path`` is that of ``source``, or is not there either."""
    name, *rest = path
    member: Any
    if rest:
        inner, theirs = base.get(name), source.get(name)
        member = _with_member(
            inner if isinstance(inner, dict) else {},
            theirs if isinstance(theirs, dict) else {},
            tuple(rest),
        )
        # An object that only the lock would have made is no part of the setup.
        present = bool(member) or name in base
    else:
        member = source.get(name)
        present = name in source
    others = {own: value for own, value in base.items() if own != name}
    return others | {name: member} if present else others


# ------------------------------------------------------------------ the members of a request


def _uses(value: Any) -> int:
    try:
        uses = msgspec.convert(value, int, strict=False)
    except msgspec.ValidationError:
        uses = -1
    if isinstance(value, bool) or not 0 <= uses <= _MAX_USES:
        raise InvalidToken(f"uses is {_shown(value)}; it must be a whole number, 0 for no limit.")
    return uses


def _future(name: str, value: Any, wall_now: float) -> float:
    """Seconds since 1970 of a timestamp that lies less than 20 hours ahead."""
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        raise InvalidToken(
            f"{name} is {_shown(value)}; it must be a time of RFC 3339, such as "
            "2030-01-31T12:00:00Z."
        )
    try:
        seconds = datetime.fromisoformat(value.upper()).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidToken(f"{name} is {value}, which is no time: {error}.") from error
    if not 0 < seconds - wall_now < _MAX_LIFETIME_S:
        raise InvalidToken(f"{name} is {value}; it must lie in the future, by less than 20 hours.")
    return seconds


def _setup(given: dict[str, Any]) -> dict[str, Any] | None:
    setup = given.get("bidiGenerateContentSetup")
    if setup is None:
        return None
    if not isinstance(setup, dict):
        raise InvalidToken(
            f"bidiGenerateContentSetup is {_shown(setup)}; it must be the setup of a session."
        )
    message = setup if list(setup) == ["setup"] else {"setup": setup}
    try:
        _, plain = wire.decode_client_message(msgspec.json.encode(message))
    except ProtocolViolation as error:
        raise InvalidToken(f"bidiGenerateContentSetup cannot be used: {error}") from error
    if refusal := unknown_name(message):
        raise InvalidToken(refusal.reason)
    locked: dict[str, Any] = plain.get("setup", {})
    return locked


def _paths(mask: Any) -> tuple[tuple[str, ...], ...] | None:
    """The paths of a field mask: ``model,generationConfig.temperature``, in either spelling."""
    if mask is None or mask == "":
        return None
    if not isinstance(mask, str):
        raise InvalidToken(f"fieldMask is {_shown(mask)}; it must be paths with commas between.")
    items = mask.split(",")
    if len(items) > _MAX_PATHS:
        raise InvalidToken(f"fieldMask holds {len(items)} paths; it may hold {_MAX_PATHS}.")
    paths = []
    for item in items:
        path = tuple(
            wire.camel_case(name) for name in item.strip().removeprefix("setup.").split(".")
        )
        if _is_unknown(path) and not _is_unknown(("generationConfig", *path)):
            # One official client sends these so when it locks nothing else.
            path = ("generationConfig", *path)
        if not all(path) or len(path) > _MAX_PATH_NAMES or _is_unknown(path):
            raise InvalidToken(f"fieldMask holds {_shown(item)}, which is no path into a setup.")
        paths.append(path)
    return tuple(paths)


def _is_unknown(path: tuple[str, ...]) -> bool:
    message: dict[str, Any] = {}
    for name in reversed(path[:_MAX_PATH_NAMES]):
        message = {name: message}
    return unknown_name({"setup": message}) is not None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
