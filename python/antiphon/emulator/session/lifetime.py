"""How long a connection lives, and the warning before it is cut."""

from __future__ import annotations

from antiphon import wire
from antiphon.emulator.session.outlet import Outlet

__all__ = ["Lifetime"]


class Lifetime:
    """The end of a connection that is known beforehand: ``goAway``, then the close.

    Args:
        outlet: Where both go.
        lead_s: ``goAway`` comes so long before the close.
    """

    def __init__(self, outlet: Outlet, lead_s: float) -> None:
        self._outlet = outlet
        self._lead_s = lead_s
        self._cut_at: float | None = None
        self._warn_at: float | None = None
        self._close = (1000, "")

    @property
    def due(self) -> float | None:
        """When `step` has something to do."""
        return self._cut_at if self._warn_at is None else self._warn_at

    def end_at(self, cut_at: float, code: int, reason: str, *, lead_s: float | None = None) -> None:
        """Cut the connection then, unless it ends before that anyway."""
        if self._cut_at is not None and self._cut_at <= cut_at:
            return
        warned = self._cut_at is not None and self._warn_at is None
        self._cut_at, self._close = cut_at, (code, reason)
        lead_s = self._lead_s if lead_s is None else lead_s
        self._warn_at = None if warned else cut_at - lead_s

    def go_away(self, lead_s: float, now: float) -> None:
        """Warn now, and cut after ``lead_s``."""
        self._warn_at = self._cut_at = None
        self.end_at(now + lead_s, 1000, "", lead_s=lead_s)

    def step(self, now: float, *, ready: bool) -> None:
        """Warn or cut, if it is time; a client that is not ``ready`` (set up) is not warned."""
        if self._warn_at is not None and self._warn_at <= now:
            self._warn_at = None
            left_s = max(0.0, (self._cut_at or now) - now)
            if ready:
                left = wire.duration_text(left_s)
                self._outlet.send({"goAway": {"timeLeft": left}}, now)
        elif self._cut_at is not None and self._cut_at <= now:
            self._outlet.close(*self._close, now)
