"""The last things that happened in a session, for people and for assertions: messages in shape."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from antiphon.emulator.kinds import kinds_of_client_values, kinds_of_server_values
from antiphon.emulator.records.shapes import audio_bytes, shape
from antiphon.emulator.session.record import TurnRecord

__all__ = ["Event", "EventLog"]

_MAX_EVENTS = 500
_MAX_BYTES = 1024 * 1024
_MAX_EVENT_BYTES = 128 * 1024
_LONGEST_TEXT = 4_000


@dataclass
class Event:
    """Something that happened.

    Attributes:
        number: Of the event in its session, from 0.
        session: Number of the connection.
        name: ``received`` and ``sent`` are messages; else ``fault``, ``closed``, ``turn_ended``,
            and so on.
        at_s: Seconds since the session began; of messages that were counted together, the first.
        kinds: Of a message, all its names: see `antiphon.emulator.kinds`.
        count: So many messages with nothing but audio followed each other in this direction.
        audio_bytes: The sound in them.
        json: The message in shape, or what is known of the event.
    """

    number: int
    session: int
    name: str
    at_s: float
    kinds: tuple[str, ...]
    count: int
    audio_bytes: int
    json: bytes = field(repr=False)

    @property
    def message(self) -> dict[str, Any]:
        """The message in shape (base64 replaced by its size), or what is known of the event."""
        message: dict[str, Any] = msgspec.json.decode(self.json)
        return message

    def summary(self) -> dict[str, Any]:
        """As plain JSON values."""
        values = {name: value for name, value in vars(self).items() if name != "json"}
        return {**values, "message": self.message}


class EventLog:
    """The observer of a session that keeps its last 500 events, in at most 1 MiB.

    Args:
        session: Number of the connection.
    """

    def __init__(self, session: int) -> None:
        self._session = session
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._begun = 0
        # Of each direction, the audio that is still being counted.
        self._audio: dict[str, Event] = {}

    def events(self) -> list[Event]:
        """What is kept, the oldest first; may be called on any thread."""
        return list(self._events.copy())

    def __call__(self, name: str, fields: Mapping[str, Any]) -> None:
        """Take one event."""
        message = fields.get("message")
        sound = None if message is None else audio_bytes(message)
        if sound is not None and (counted := self._audio.get(name)) is not None:
            counted.count += 1
            counted.audio_bytes += sound
            return
        event = self._new_event(name, fields, message, sound)
        if message is not None:
            self._audio.pop(name, None)
            if sound is not None:
                self._audio[name] = event
        self._keep(event)

    def _new_event(
        self,
        name: str,
        fields: Mapping[str, Any],
        message: Mapping[str, Any] | None,
        sound: int | None,
    ) -> Event:
        kinds: frozenset[str] = frozenset()
        if message is None:
            values = _plain(fields)
        else:
            kinds_of = kinds_of_client_values if name == "received" else kinds_of_server_values
            kinds = kinds_of(message)
            values = shape(message, longest_text=_LONGEST_TEXT)
        encoded = msgspec.json.encode(values)
        if len(encoded) > _MAX_EVENT_BYTES:
            encoded = msgspec.json.encode({"…": f"{len(encoded)} bytes of JSON"})
        event = Event(
            number=self._begun,
            session=self._session,
            name=name,
            at_s=fields["at_s"],
            kinds=tuple(sorted(kinds)),
            count=1,
            audio_bytes=sound or 0,
            json=encoded,
        )
        self._begun += 1
        return event

    def _keep(self, event: Event) -> None:
        self._events.append(event)
        self._bytes += len(event.json)
        while len(self._events) > _MAX_EVENTS or self._bytes > _MAX_BYTES:
            oldest = self._events.popleft()
            self._bytes -= len(oldest.json)
            # One that is forgotten counts no more: what follows is a new event.
            self._audio = {name: kept for name, kept in self._audio.items() if kept is not oldest}


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of an event that is no message."""
    values = {name: value for name, value in fields.items() if name != "at_s"}
    turn = values.get("turn")
    if isinstance(turn, TurnRecord):
        values |= {name: part for name, part in turn.summary().items() if name != "words"}
    return values
