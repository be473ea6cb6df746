"""What the protocol tells its driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from antiphon.errors import ProtocolViolation
from antiphon.protocol.closure import Closure
from antiphon.protocol.message import LiveServerMessage

__all__ = ["Closed", "Event", "MessageReceived", "Notice", "Ready"]


@dataclass(frozen=True, slots=True)
class Ready:
    """The setup was accepted: from now on, commands may be given."""

    session_id: str
    """Of Vertex; empty elsewhere."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message for the application."""

    message: LiveServerMessage


@dataclass(frozen=True, slots=True)
class Notice:
    """The service sent something it should not have; the session goes on."""

    error: ProtocolViolation


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over. Always the last event, and exactly one."""

    closure: Closure


Event: TypeAlias = Ready | MessageReceived | Notice | Closed
