"""The upgrade request of a client: which backend it thinks it talks to, and its credentials."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlsplit

__all__ = ["Family", "Request", "credentials", "holds", "route"]

#: Which of the four backends a URL belongs to.
Family = Literal["google", "vertex", "firebase", "firebase-vertex"]

_VERSION = r"(?P<version>v\d+\w*)"
_FAMILIES: tuple[tuple[Family, re.Pattern[str]], ...] = (
    (
        "google",
        re.compile(
            rf"/ws/google\.ai\.generativelanguage\.{_VERSION}\.GenerativeService[./]"
            r"BidiGenerateContent(Constrained)?"
        ),
    ),
    (
        "vertex",
        re.compile(
            rf"/ws/google\.cloud\.aiplatform\.{_VERSION}\.LlmBidiService[./]BidiGenerateContent"
        ),
    ),
    (
        "firebase",
        re.compile(
            rf"/ws/google\.firebase\.vertexai\.{_VERSION}\.GenerativeService[./]"
            r"BidiGenerateContent"
        ),
    ),
    (
        "firebase-vertex",
        re.compile(
            rf"/ws/google\.firebase\.vertexai\.{_VERSION}\.LlmBidiService[./]BidiGenerateContent"
            r"(/locations/[\w-]+)?"
        ),
    ),
)


@dataclass(frozen=True)
class Request:
    """An upgrade request that belongs to one of the URL families.

    Attributes:
        family: Which backend the URL belongs to.
        version: The API version in the URL, such as ``v1beta``.
        credentials: Every key or token that came along, in headers or in the query. Never
            shown.
    """

    family: Family
    version: str
    credentials: tuple[str, ...] = field(default=(), repr=False)

    @property
    def backend(self) -> str:
        """``google`` or ``vertex``: whose models there are."""
        return "vertex" if self.is_vertex else "google"

    @property
    def is_vertex(self) -> bool:
        """Whether Vertex AI answers, directly or behind the Firebase proxy."""
        return self.family in ("vertex", "firebase-vertex")

    @property
    def ephemeral_token(self) -> str | None:
        """The first of the credentials that is no key but an ephemeral token."""
        return next((c for c in self.credentials if c.startswith("auth_tokens/")), None)

    def carries(self, key: str) -> bool:
        """Whether ``key`` is among the credentials."""
        return holds(self.credentials, key)


def route(target: str, headers: Mapping[str, str]) -> Request | None:
    """Read a request target (path and query) and its headers; None for an unknown path.

    Repeated slashes count as one: two official clients send ``//ws/…``.
    """
    parts = urlsplit("//host" + re.sub(r"^/*", "/", target))
    path = re.sub(r"/{2,}", "/", parts.path)
    for family, pattern in _FAMILIES:
        if match := pattern.fullmatch(path):
            return Request(family, match["version"], credentials(parts.query, headers))
    return None


def holds(credentials: Iterable[str], key: str) -> bool:
    """Whether ``key`` is among them; takes as long for every key of that length."""
    return any(hmac.compare_digest(key.encode(), c.encode()) for c in credentials)


def credentials(query: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Every key and token in a query and in headers."""
    by_name = {name.lower(): value for name, value in headers.items()}
    found = [by_name.get("x-goog-api-key", "")]
    scheme, _, token = by_name.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        found.append(token.strip())
    asked = parse_qs(query)
    found += asked.get("key", []) + asked.get("access_token", [])
    return tuple(credential for credential in found if credential)
