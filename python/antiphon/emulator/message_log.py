"""The last messages of a session in shape, for whoever looks at it while it runs."""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.emulator.shapes import audio_bytes, is_audio, shape

__all__ = ["MessageLog"]

_MAX_MESSAGES = 200
_MAX_SHAPE_BYTES = 4_096


class MessageLog:
    """An observer that keeps the last 200 messages of both directions.

    A run of microphone packets counts as one message: there are fifty of them a second.
    """

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []

    def __call__(self, event: str, fields: dict[str, Any]) -> None:
        """Take one event; those that are no messages are not kept."""
        if event not in ("received", "sent"):
            return
        sender = "client" if event == "received" else "server"
        entry: dict[str, Any] = {"at_s": fields["at_s"], "from": sender}
        message = fields.get("message")
        if message is None:
            entry["unreadable_bytes"] = fields["unreadable_bytes"]
        elif sender == "client" and is_audio(message):
            last = self._messages[-1] if self._messages else {}
            if "audio_messages" in last:
                last["audio_messages"] += 1
                last["audio_bytes"] += audio_bytes(message)
                return
            entry |= {"audio_messages": 1, "audio_bytes": audio_bytes(message)}
        else:
            entry["message"] = _bounded(shape(message))
        self._messages.append(entry)
        del self._messages[:-_MAX_MESSAGES]

    def messages(self) -> list[dict[str, Any]]:
        """Oldest first, each with ``at_s`` and ``from``; may be called on any thread."""
        return [dict(entry) for entry in list(self._messages)]


def _bounded(message: dict[str, Any]) -> dict[str, Any]:
    """The shape, or of a very large one only the names of its members."""
    size_bytes = len(msgspec.json.encode(message))
    if size_bytes <= _MAX_SHAPE_BYTES:
        return message
    return {name[:100]: f"<{size_bytes} bytes in shape>" for name in list(message)[:10]}
