"""One module per family, each with ``engines()``: what of it can be measured here."""

from __future__ import annotations

from benches.peers.engine import Absent, Engine
from benches.peers.engines import (
    antiphon,
    audioop,
    frameworks,
    libsamplerate,
    livekit,
    pyav,
    scipy,
    soxr,
)

# What every ratio refers to: soxr's usual quality, in its own format and its cheapest call.
BASELINE = "soxr HQ"

_FAMILIES = (antiphon, soxr, libsamplerate, pyav, scipy, livekit, audioop, frameworks)


def collect() -> tuple[list[Engine], list[Absent]]:
    """Every engine that is installed and opens, and those that are not or do not."""
    engines: list[Engine] = []
    absent: list[Absent] = []
    for family in _FAMILIES:
        name = family.__name__.rpartition(".")[2]
        try:
            found = family.engines()
        except ImportError as error:
            absent.append(Absent(name, str(error)))
            continue
        for engine in found:
            try:
                engine.open(48_000, 16_000)
            except Exception as error:
                absent.append(Absent(engine.name, str(error)))
            else:
                engines.append(engine)
    return engines, absent
