"""A local server for tests: they ask it what a client sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Mapping
from typing import Any

import msgspec

from antiphon.emulator.kinds import CLIENT_KINDS
from antiphon.emulator.records.event_log import Event
from antiphon.emulator.server import Emulator

__all__ = ["LiveEmulator"]

_PAUSE_S = 0.005
_MAX_LINES = 40
_MAX_LINE = 200
# Events that matter to whoever looks for what a client has sent.
_TOLD = ("received", "fault", "closed")
# Announced by goAway, or at the end of the server.
_GOOD_CODES = (1000, 1001)
_FAULTS_THAT_END = {"close", "drop", "refused_resume", "half_open"}
_BAD_EVENTS = {
    "brain_failed": "the brain failed",
    "response_ignored": "nobody had asked for this tool response",
}


class LiveEmulator(Emulator):
    """An `Emulator` that keeps what clients send, for assertions of tests.

    Kinds are the names of `antiphon.emulator.kinds.CLIENT_KINDS`, such as ``setup``,
    ``clientContent``, ``audio``, ``toolResponse`` or ``resume``. A message is an `Event`; its
    ``message`` is in camelCase and in shape: sound and pictures are replaced by their size.

    Args:
        options: Those of `Emulator`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "inspect": True})

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which an unmodified application finds this server, with a key it accepts."""
        key, url = self._settings.api_key or "local", self.http_url
        variables = dict.fromkeys(("GEMINI_API_KEY", "GOOGLE_API_KEY"), key)
        variables |= dict.fromkeys(("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"), url)
        if self._tls is not None:
            variables |= dict.fromkeys(("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), str(self.ca_file))
        return variables

    def sent(self, kind: str | None = None, *, session: int | None = None) -> list[Event]:
        """The messages that clients have sent so far, in order within each session.

        Args:
            kind: Only those of this kind.
            session: Only those of this connection, counted from 0.

        Raises:
            ValueError: No client sends this kind.
        """
        if kind is not None and kind not in CLIENT_KINDS:
            raise ValueError(
                f"No client sends a {kind!r}; a kind is one of {', '.join(sorted(CLIENT_KINDS))}."
            )
        return [
            event
            for event in self.events(session)
            if event.name == "received" and (kind is None or kind in event.kinds)
        ]

    def wait_for(
        self, kind: str, *, count: int = 1, session: int | None = None, timeout_s: float = 5.0
    ) -> Event:
        """Wait until clients have sent ``count`` messages of a kind; returns the last of these.

        It blocks, so the client must run elsewhere: in a thread or in another process. In a
        coroutine use `wait_for_async`.

        Raises:
            AssertionError: They have not, within that time.
        """
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout_s
        while (found := self._nth(kind, count, session)) is None:
            if time.monotonic() > deadline:
                raise AssertionError(self._missing(kind, count, session, timeout_s))
            time.sleep(_PAUSE_S)
        return found

    async def wait_for_async(
        self, kind: str, *, count: int = 1, session: int | None = None, timeout_s: float = 5.0
    ) -> Event:
        """The same for a client that runs on the same loop.

        Raises:
            AssertionError: They have not, within that time.
        """
        __tracebackhide__ = True
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        while (found := self._nth(kind, count, session)) is None:
            if clock() > deadline:
                raise AssertionError(self._missing(kind, count, session, timeout_s))
            await asyncio.sleep(_PAUSE_S)
        return found

    def assert_sent(
        self,
        kind: str,
        like: Mapping[str, Any] | None = None,
        *,
        times: int | None = None,
        session: int | None = None,
    ) -> list[Event]:
        """Assert that a message of a kind was sent; returns those that fit.

        Args:
            kind: See the class.
            like: What is in it, at least: a part of the message, such as ``{"toolResponse":
                {"functionResponses": [{"name": "get_weather"}]}}``. Lists have the same length.
            times: So many of them, not more and not less; None: at least one. Messages with
                nothing but audio count each.
            session: Only of this connection.
        """
        __tracebackhide__ = True
        found = [
            event
            for event in self.sent(kind, session=session)
            if like is None or _fits(event.message, like)
        ]
        number = sum(event.count for event in found)
        if number == 0 if times is None else number != times:
            wanted = "at least one" if times is None else str(times)
            looked_for = "" if like is None else f" like {dict(like)!r}"
            raise AssertionError(
                f"Messages of kind {kind}{looked_for}: {number} sent, {wanted} expected. "
                f"{self._story(session)}"
            )
        return found

    def assert_not_sent(self, kind: str, *, session: int | None = None) -> None:
        """Assert that no message of a kind was sent."""
        __tracebackhide__ = True
        self.assert_sent(kind, times=0, session=session)

    def assert_no_error(self) -> None:
        """Assert that nothing went wrong on the way, but for faults that the test asked for.

        It is wrong if the server closes a session for what the client did (or because it could not
        go on), if a message cannot be read, or if a tool response answers no call.
        """
        __tracebackhide__ = True
        ended_by_rule = {
            record.index
            for record in self.sessions.copy()
            if any(fault.fault in _FAULTS_THAT_END for fault in record.faults)
        }
        errors = [
            f"session {event.session}, {event.at_s:.3f} s: {error}"
            for event in self.events()
            if (error := _error(event, ended_by_rule)) is not None
        ]
        if errors:
            raise AssertionError("\n  ".join(["Something went wrong:", *errors, self._story(None)]))

    def _nth(self, kind: str, count: int, session: int | None) -> Event | None:
        for event in self.sent(kind, session=session):
            count -= event.count
            if count <= 0:
                return event
        return None

    def _missing(self, kind: str, count: int, session: int | None, timeout_s: float) -> str:
        number = sum(event.count for event in self.sent(kind, session=session))
        return (
            f"Messages of kind {kind}: {number} sent within {timeout_s:g} s, {count} expected. "
            f"{self._story(session)}"
        )

    def _story(self, session: int | None) -> str:
        """What clients did instead."""
        lines = [_line(event) for event in self.events(session) if event.name in _TOLD]
        if not lines:
            where = "" if session is None else f" to session {session}"
            return f"No client has connected{where}."
        cut = [f"({len(lines) - _MAX_LINES} lines before)"] if len(lines) > _MAX_LINES else []
        return "\n  ".join(["What clients sent:", *cut, *lines[-_MAX_LINES:]])


def _error(event: Event, ended_by_rule: Container[int]) -> str | None:
    """What is wrong about an event; None: nothing."""
    message = event.message
    if event.name in _BAD_EVENTS:
        return f"{_BAD_EVENTS[event.name]}: {message}"
    if event.name == "received" and "unreadable_bytes" in message:
        return f"a message cannot be read ({message['unreadable_bytes']} bytes)"
    if event.name != "closed" or message["by"] != "server" or event.session in ended_by_rule:
        return None
    code, reason = message["code"], message["reason"]
    return None if code in _GOOD_CODES else f"the server closed with {code}: {reason}"


def _line(event: Event) -> str:
    text = msgspec.json.encode(event.message).decode()
    if event.audio_bytes:
        text = f"{event.count} × audio, {event.audio_bytes} bytes"
    line = f"session {event.session}, {event.at_s:.3f} s: {event.name} {text}"
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…"


def _fits(value: Any, like: Any) -> bool:
    """Whether everything in ``like`` is in the value as well."""
    if isinstance(like, Mapping):
        return isinstance(value, Mapping) and all(
            name in value and _fits(value[name], member) for name, member in like.items()
        )
    if isinstance(like, list | tuple):
        return (
            isinstance(value, list)
            and len(value) == len(like)
            and all(_fits(*pair) for pair in zip(value, like, strict=True))
        )
    return bool(value == like)
