"""What kind of message is it? All the names by which a rule may ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antiphon import wire
from antiphon.errors import ProtocolViolation

__all__ = [
    "CLIENT_KINDS",
    "SERVER_KINDS",
    "kinds_of_client_message",
    "kinds_of_client_values",
    "kinds_of_server_message",
    "kinds_of_server_values",
]

#: Kinds of what the server sends. ``audio``, ``text`` and ``thought`` (text that is no part of
#: the answer) are parts of the model's turn;
#: ``empty`` is content without anything in it, ``handle`` an update that brings one.
SERVER_KINDS = frozenset(
    {
        *("setupComplete", "serverContent", "toolCall", "toolCallCancellation", "usageMetadata"),
        *("goAway", "sessionResumptionUpdate", "handle", "voiceActivity"),
        *("modelTurn", "generationComplete", "turnComplete", "interrupted", "groundingMetadata"),
        *("inputTranscription", "outputTranscription", "audio", "text", "executableCode", "empty"),
        "thought",
    }
)
#: Kinds of what a client sends. ``resume`` is a setup with a resumption handle, and
#: ``setup.proactivity`` one with this member; so for each of its members.
CLIENT_KINDS = frozenset(
    {
        *("setup", "resume", "clientContent", "realtimeInput", "toolResponse", "contextUpdate"),
        *("audio", "video", "text", "mediaChunks", "activityStart", "activityEnd"),
        "audioStreamEnd",
        *(f"setup.{name}" for name in wire.Setup.__struct_encode_fields__ if name != wire.EXTRA),
    }
)


def kinds_of_server_message(data: bytes) -> frozenset[str]:
    """The kinds of a message of our own: it may be ``serverContent`` and ``audio`` at once.

    One that a script sends may have any shape.
    """
    return kinds_of_server_values(msgspec.json.decode(data))


def kinds_of_server_values(message: Mapping[str, Any]) -> frozenset[str]:
    """The same for a message that was read."""
    kinds = set(message)
    if message.get("sessionResumptionUpdate"):
        kinds.add("handle")
    content = message.get("serverContent")
    if isinstance(content, Mapping):
        kinds.update(content or ("empty",))
        for part in _parts(content.get("modelTurn")):
            names = ["thought"] if part.get("thought") else part
            kinds.update("audio" if name == "inlineData" else name for name in names)
    return frozenset(kinds & SERVER_KINDS)


def _parts(turn: Any) -> list[Mapping[str, Any]]:
    parts = turn.get("parts") if isinstance(turn, Mapping) else None
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []


def kinds_of_client_message(data: bytes | str) -> frozenset[str]:
    """The kinds of a client's message; none if it cannot be read."""
    try:
        _, message = wire.decode_client_message(data)
    except ProtocolViolation:
        return frozenset()
    return kinds_of_client_values(message)


def kinds_of_client_values(message: Mapping[str, Any]) -> frozenset[str]:
    """The same for a message that was read; its keys are in camelCase."""
    kinds = set(message)
    setup, realtime = message.get("setup"), message.get("realtimeInput")
    if isinstance(realtime, Mapping):
        kinds.update(realtime)
    if isinstance(setup, Mapping):
        kinds.update(f"setup.{name}" for name in setup)
        resumption = setup.get("sessionResumption")
        if isinstance(resumption, Mapping) and resumption.get("handle"):
            kinds.add("resume")
    return frozenset(kinds & CLIENT_KINDS)
