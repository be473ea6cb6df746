"""The shape of a message: what it says, without the long data in it."""

from __future__ import annotations

from typing import Any

__all__ = ["audio_bytes", "is_audio", "shape"]

_LONG_TEXT = 200


def shape(value: Any) -> Any:
    """The message with long data replaced by its size."""
    if isinstance(value, dict):
        return {
            name: f"<{_base64_bytes(value)} bytes>"
            if name == "data" and isinstance(member, str)
            else shape(member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, str) and len(value) > _LONG_TEXT:
        return f"{value[:_LONG_TEXT]}… ({len(value)} characters)"
    return value


def is_audio(message: dict[str, Any]) -> bool:
    """Whether a client's message is a packet of its microphone, and nothing else."""
    realtime = message.get("realtimeInput")
    return isinstance(realtime, dict) and list(realtime) == ["audio"]


def audio_bytes(message: dict[str, Any]) -> int:
    """Size of the audio in such a message."""
    return _base64_bytes(message["realtimeInput"]["audio"])


def _base64_bytes(blob: Any) -> int:
    data = blob.get("data") if isinstance(blob, dict) else None
    return len(data.rstrip("=")) * 3 // 4 if isinstance(data, str) else 0
