"""Who plays the traces, by the names that tables show."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from antiphon.errors import AudioFormatError
from benches.jitter import players
from benches.jitter.judge import Judge

# What the judge calls with rate, regime and packet duration, and gets a player from.
Factory = Callable[[int, str, int], Any]

OURS_STREAM = "antiphon"
OURS_PACKET = {
    0.3: "antiphon smoothness 0.3",
    0.5: "antiphon smoothness 0.5",
    0.7: "antiphon smoothness 0.7",
}
OURS_DEFAULT = OURS_PACKET[0.5]
CRATE = "neteq crate"
CRATE_NO_FLUSH = "neteq crate without its flush"

OURS: dict[str, type[players.Player]] = {
    OURS_STREAM: players.Stream,
    OURS_PACKET[0.3]: players.Smoothness30,
    OURS_PACKET[0.5]: players.Smoothness50,
    OURS_PACKET[0.7]: players.Smoothness70,
}


def fifo(delay_ms: int) -> str:
    """The name of the judge's FIFO with this delay, or cushion."""
    return f"FIFO {delay_ms} ms"


# The judge's own tables leave out the same: in `stream`, 20 ms are as good as none.
PACKET_FIFOS_MS = (20, 60, 120, 200)
STREAM_FIFOS_MS = (0, 60, 120, 200)
BY_REGIME = {
    "packet": [*OURS_PACKET.values(), *map(fifo, PACKET_FIFOS_MS), CRATE],
    "stream": [OURS_STREAM, *map(fifo, STREAM_FIFOS_MS), CRATE, CRATE_NO_FLUSH],
}
CRATE_SETTINGS = {CRATE: 0, CRATE_NO_FLUSH: 60_000}


def factory(name: str, judge: Judge, crate_library: Path | None) -> Factory:
    """How the judge makes this one."""
    if name in OURS:
        return OURS[name]
    if name in CRATE_SETTINGS:
        crate: Factory = partial(
            judge.players.NetEqCrate, lib=str(crate_library), flush_thr=CRATE_SETTINGS[name]
        )
        return crate
    delay_ms = int(name.split()[1])
    own: Factory = judge.players.registry()[f"fixed{delay_ms}"]
    return own


def taking_part(
    only: str = "", no_crate: str | None = None
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Who plays in each regime, and why others do not. `no_crate` says why the crate cannot."""
    playing: dict[str, list[str]] = {}
    absent: dict[str, str] = {}
    for regime, names in BY_REGIME.items():
        playing[regime] = []
        for name in names:
            why_not = no_crate if name in CRATE_SETTINGS else _what_ours_lacks(name, regime)
            if only not in name:
                continue
            if why_not is None:
                playing[regime].append(name)
            else:
                absent[name] = why_not
    return playing, absent


def _what_ours_lacks(name: str, regime: str) -> str | None:
    """Such as a regime that is yet to be written."""
    if name not in OURS:
        return None
    try:
        OURS[name](24_000, regime, 20)
    except (TypeError, AudioFormatError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return None
