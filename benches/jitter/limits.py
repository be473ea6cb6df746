"""The lines of "asked and measured": their limits, and which of them a value keeps."""

from __future__ import annotations

from dataclasses import dataclass

from benches.jitter.means import Values

# The judge's edges are 1 ms wide: so much lost media is none.
NO_LOSS_MS_MIN = 5.0


@dataclass(frozen=True)
class Target:
    """One line. `met` is "aim", "must", "short", or None where it was not measured here."""

    regime: str
    what: str
    must: str
    aim: str
    measured: str
    met: str | None
    cpp: str = "–"
    fifo: str = "–"
    crate: str = "–"


@dataclass(frozen=True)
class Limit:
    """A plain line: a mean over classes against two limits."""

    key: str
    what: str
    must: float
    aim: float
    digits: int
    unit: str = ""
    at_least: bool = False

    def met(self, value: float) -> str:
        """Which of the two it keeps."""
        if self._keeps(value, self.aim):
            return "aim"
        return "must" if self._keeps(value, self.must) else "short"

    def _keeps(self, value: float, limit: float) -> bool:
        if self.key == "lost_media_ms_min":
            limit += NO_LOSS_MS_MIN
        return value >= limit if self.at_least else value <= limit

    def asked(self, limit: float) -> str:
        """Such as ≤ 20 ms."""
        if limit == 0:
            return "0"
        return f"{'≥' if self.at_least else '≤'} {limit:g}{self.unit}"

    def shown(self, values: Values) -> str:
        """The value, or a dash."""
        value = values.get(self.key)
        return "–" if value is None else f"{plain(value, self.digits)}{self.unit}"


PACKET_LIMITS = (
    Limit("mos", "MOS-E, at smoothness 0.5", 3.68, 3.75, 2, at_least=True),
    Limit("stretch_pct", "stretch, likewise", 2, 1.5, 2, " %"),
    Limit("clicks_min", "clicks per minute, likewise", 0.1, 0, 2),
    Limit("lsd_bad", "mel-LSD of bad parts, likewise", 6.5, 6, 2, " dB"),
)
STREAM_LIMITS = (
    Limit("ttfs_mean", "first sound, mean", 20, 15, 1, " ms"),
    Limit("ttfs_p95", "first sound, p95", 60, 50, 1, " ms"),
    Limit("brisk_stall_ms_min", "stall without gen_slow and server_pause", 160, 112, 0, " ms/min"),
    Limit("stall_ms_min", "stall, all classes", 1290, 900, 0, " ms/min"),
    Limit("lost_media_ms_min", "lost media", 0, 0, 0, " ms/min"),
    Limit("stretch_pct", "stretch", 3, 2, 2, " %"),
    Limit("clicks_min", "clicks per minute", 0.1, 0, 2),
    Limit("flush_ms", "flush, longest", 18.5, 17, 1, " ms"),
)


def plain(value: float, digits: int) -> str:
    """Without a minus before nothing."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def plain_target(regime: str, limit: Limit, ours: Values, peers: dict[str, Values]) -> Target:
    """Ours against its limits, and the peers' values."""
    value = ours.get(limit.key)
    return Target(
        regime,
        limit.what,
        limit.asked(limit.must),
        limit.asked(limit.aim),
        "not measured" if value is None else limit.shown(ours),
        None if value is None else limit.met(value),
        **{name: limit.shown(values) for name, values in peers.items()},
    )
