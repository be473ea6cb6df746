"""Messages in shape: what they are, without the sound and the pictures in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["audio_bytes", "shape"]

_LONG_TEXT = 200


def shape(value: Any, *, longest_text: int = _LONG_TEXT) -> Any:
    """The message with base64 replaced by its size, and long text cut."""
    if isinstance(value, dict):
        return {
            name: f"<{_base64_bytes(member)} bytes>"
            if name == "data" and isinstance(member, str)
            else shape(member, longest_text=longest_text)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [shape(item, longest_text=longest_text) for item in value]
    if isinstance(value, str) and len(value) > longest_text:
        return f"{value[:longest_text]}… ({len(value)} characters)"
    return value


def audio_bytes(message: Mapping[str, Any]) -> int | None:
    """The size of the sound in a message of either side that has nothing else; None: it has.

    Fifty of them come a second, so who keeps messages counts those instead.
    """
    if len(message) != 1:
        return None
    match message:
        case {"realtimeInput": {"audio": blob} as realtime} if len(realtime) == 1:
            return _blob_bytes(blob)
        case {"serverContent": {"modelTurn": {"parts": [*parts]}} as content} if len(content) == 1:
            if parts and all(
                isinstance(part, dict) and [*part] == ["inlineData"] for part in parts
            ):
                return sum(_blob_bytes(part["inlineData"]) for part in parts)
    return None


def _blob_bytes(blob: Any) -> int:
    data = blob.get("data") if isinstance(blob, dict) else None
    return _base64_bytes(data) if isinstance(data, str) else 0


def _base64_bytes(text: str) -> int:
    return len(text.rstrip("=")) * 3 // 4
