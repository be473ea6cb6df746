"""What a media type says about audio: the one reading of ``audio/pcm;rate=24000``.

The fast scan of the native module knows the plain forms of it and leaves every other one to this.
"""

from __future__ import annotations

__all__ = ["MAX_PCM_RATE_HZ", "pcm_rate_hz"]

#: As in the native module.
MAX_PCM_RATE_HZ = 384_000

_PCM = ("audio/pcm", "audio/l16")
_MAX_SHOWN = 60


def pcm_rate_hz(mime_type: str, default_hz: int) -> int | None:
    """The rate of mono 16-bit PCM; None if the media type is of something else.

    Names ignore case; parameters other than ``rate`` and ``channels`` mean nothing here.

    Args:
        mime_type: As it was received.
        default_hz: The rate when none is named.

    Raises:
        ValueError: It is PCM, but the rate is not a number of 1 to 384,000 Hz, or differs from
            one named before, or there are several channels.
    """
    essence, *fields = (field.strip() for field in mime_type.split(";"))
    if essence.lower() not in _PCM:
        return None
    rate_hz = None
    for field in fields:
        name, _, value = field.partition("=")
        number = _number(value.strip().strip('"'))
        if name.strip().lower() == "channels" and number != 1:
            raise ValueError(f"{_cut(mime_type)}: channels must be 1")
        if name.strip().lower() == "rate":
            if not 1 <= number <= MAX_PCM_RATE_HZ:
                raise ValueError(f"{_cut(mime_type)}: rate must be 1 to {MAX_PCM_RATE_HZ} Hz")
            if rate_hz not in (None, number):
                raise ValueError(f"{_cut(mime_type)}: it names two rates")
            rate_hz = number
    return default_hz if rate_hz is None else rate_hz


def _number(text: str) -> int:
    """A number of few digits; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0


def _cut(mime_type: str) -> str:
    return repr(mime_type if len(mime_type) <= _MAX_SHOWN else f"{mime_type[:_MAX_SHOWN]}…")
