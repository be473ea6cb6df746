"""Sound in messages that are written by hand: ``"data": "<9600 bytes>"`` stands for that much.

This is how recordings of the local server write it, so that their messages can be used as they
are. It becomes a quiet tone, as base64.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from math import pi, sin
from typing import Any

from antiphon.emulator.session.jobs import SPEECH_HZ
from antiphon.wire import bytes_to_base64

__all__ = ["with_audio"]

_MAX_BYTES = 4 * 1024 * 1024
_TONE_HZ = 220
_LEVEL = 3_000


def with_audio(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message with its sound filled in.

    Raises:
        ValueError: An odd number of bytes, or more than 4 MiB.
    """
    filled: dict[str, Any] = _filled(message)
    return filled


def _filled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _data(member) if name == "data" else _filled(member)
                for name, member in value.items()}  # fmt: skip
    return [_filled(item) for item in value] if isinstance(value, list) else value


def _data(value: Any) -> Any:
    match = re.fullmatch(r"<(\d{1,9}) bytes>", value) if isinstance(value, str) else None
    if match is None:
        return _filled(value)
    size = int(match[1])
    if size % 2 or size > _MAX_BYTES:
        raise ValueError(
            f"{size} bytes of audio cannot be sent; it must be an even number up to {_MAX_BYTES}"
        )
    step = 2 * pi * _TONE_HZ / SPEECH_HZ
    tone = (round(_LEVEL * sin(step * frame)) for frame in range(size // 2))
    return bytes_to_base64(struct.pack(f"<{size // 2}h", *tone))
