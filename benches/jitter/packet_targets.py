"""What is asked of the packet regime: delay where C++ NetEQ conceals as much, and the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benches.jitter import anchors
from benches.jitter.contestants import CRATE, OURS_DEFAULT, OURS_PACKET, fifo
from benches.jitter.limits import PACKET_LIMITS, Limit, Target, plain_target
from benches.jitter.means import LIGHT, Values, at_concealment, by_class, over_classes
from benches.jitter.measured import Measured
from benches.jitter.worse_classes import no_class_is_worse


@dataclass(frozen=True)
class DelayLimit:
    """Added delay where as much is concealed as by C++ NetEQ, over some classes or all."""

    what: str
    chosen: tuple[str, ...] | None
    conc_ms_min: float
    limit: Limit

    def means(self, classes: dict[str, Values]) -> Values:
        """Over its classes."""
        return over_classes(classes, lambda cls: self.chosen is None or cls in self.chosen)

    def target(self, curve: Sequence[dict[str, Values]], peers: dict[str, str]) -> Target:
        """The line, of our three settings."""
        points = [means for classes in curve if (means := self.means(classes))]
        between = at_concealment(points, self.conc_ms_min)
        if not points:
            shown, met = "not measured", None
        elif between is None:
            shown, met = "never: every smoothness conceals more", "short"
        else:
            shown, met = (
                self.limit.shown(between.values),
                self.limit.met(between.values["delay_mean"]),
            )
            if not between.exact:
                shown += f" (all conceal less, at most {between.values['conc_ms_min']:.0f} ms/min)"
        asked = (self.limit.asked(self.limit.must), self.limit.asked(self.limit.aim))
        return Target("packet", self.what, *asked, shown, met, **peers)


DELAY_LIMITS = (
    DelayLimit(
        "added delay at 645 ms/min concealed",
        None,
        645,
        Limit("delay_mean", "", 115, 100, 1, " ms"),
    ),
    DelayLimit(
        "the same over light links, at 183 ms/min",
        LIGHT,
        183,
        Limit("delay_mean", "", 30, 25, 1, " ms"),
    ),
)
GAPS_LIMIT = Limit("gaps_min", "gaps per minute at 645 ms/min concealed", 23, 23, 1)


def check(measured: Measured) -> Iterator[Target]:
    """Every line."""
    by_name = {name: by_class(measured.rows, "packet", name) for name in OURS_PACKET.values()}
    curve = [classes for classes in by_name.values() if classes]
    peers = {
        "fifo": by_class(measured.rows, "packet", fifo(60)),
        "crate": by_class(measured.rows, "packet", CRATE),
        "cpp": anchors.BY_CLASS["packet"],
    }
    for line in DELAY_LIMITS:
        shown = {name: _delay_at(line.means(classes)) for name, classes in peers.items()}
        yield line.target(curve, shown)
    peers_means = {name: over_classes(classes) for name, classes in peers.items()}
    peers_means["cpp"] = anchors.MEANS["packet"]
    between = at_concealment([over_classes(c) for c in curve], DELAY_LIMITS[0].conc_ms_min)
    yield plain_target("packet", GAPS_LIMIT, between.values if between else {}, peers_means)
    default = by_name[OURS_DEFAULT]
    for limit in PACKET_LIMITS:
        yield plain_target("packet", limit, over_classes(default), peers_means)
    yield no_class_is_worse(measured, "packet", default, ("delay_mean", "conc_ms_min"))


def _delay_at(values: Values) -> str:
    if not values:
        return "–"
    return f"{values['delay_mean']:.0f} ms @ {values['conc_ms_min']:.0f}"
