"""A network link between client and server: when does a message arrive that is sent now?

A model of one direction of a TCP connection, without I/O and without a clock. A message waits for
the messages before it, leaves at the link's rate, travels, and arrives behind everything that was
sent before it: TCP delivers in order, so whatever holds one message holds all that follow.

Five things make a link what it is, and each has numbers in a `LinkProfile`: the distance (delay),
the queues on the way (jitter, correlated in time), losses (TCP repairs them, so they are seen as
stalls), the rate with the sender's buffer (a full one makes the sender wait), and outages (a
handover between cells: nothing for a while, then everything at once).

What it leaves out: the growth of TCP's window in the first round trips, headers (4 % of a segment),
and any other traffic than its own, which is part of the jitter.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

__all__ = ["LINKS", "Direction", "Link", "LinkProfile", "link_profile"]

#: ``up``: from the client to the server. ``down``: from the server to the client.
Direction: TypeAlias = Literal["up", "down"]

# What one TCP segment carries over Ethernet (1,500 bytes without IP and TCP headers).
_SEGMENT_BYTES = 1_460
# Three later segments tell a sender of a loss (RFC 5681); with fewer, it waits for its timer.
_DUPLICATE_ACKS = 3
# Linux: the retransmission timeout is the round trip and at least 200 ms more.
_TIMER_MARGIN_S = 0.2
_MAX_RETRIES = 6
# Beyond three standard deviations a log-normal delay is longer than any queue.
_MAX_DEVIATIONS = 3.0


@dataclass(frozen=True, kw_only=True)
class LinkProfile:
    """What a link is like; the same in both directions but for the rate.

    Attributes:
        delay_ms: Propagation, one way.
        jitter_ms: Median of what queues on the way add to it.
        jitter_spread: How uneven that is: the standard deviation of its natural logarithm. 0.5: one
            message in 20 is delayed by 2.3 times the median; 1.0: by 5 times.
        jitter_memory_ms: For how long a delay resembles the one before (time constant of its
            autocorrelation). 0: each is drawn anew.
        loss: Part of the segments that are lost outside of bursts, 0 to 1. This is what is left
            after the radio's own repetitions.
        burst_start: Chance per segment that a burst of losses begins, and
        burst_end: … that it ends.
        burst_loss: Part of the segments that are lost in a burst.
        up_kbit_s, down_kbit_s: Rate of each direction; 0: without limit.
        queue_bytes: The sender waits while more than this has not left.
        outage_every_s: Mean time from the end of an outage to the next; 0: there are none.
        outage_ms: The shortest and the longest outage.

    Raises:
        ValueError: A number out of its range.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    jitter_spread: float = 0.0
    jitter_memory_ms: float = 0.0
    loss: float = 0.0
    burst_start: float = 0.0
    burst_end: float = 1.0
    burst_loss: float = 0.0
    up_kbit_s: float = 0.0
    down_kbit_s: float = 0.0
    queue_bytes: int = 128 * 1024
    outage_every_s: float = 0.0
    outage_ms: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        shortest, longest = self.outage_ms
        for name in (field.name for field in fields(self) if field.name != "outage_ms"):
            value = getattr(self, name)
            is_part = name == "loss" or name.startswith("burst_")
            if not 0 <= value <= (1 if is_part else math.inf) or math.isinf(value):
                bound = "0 to 1" if is_part else "0 or more"
                raise ValueError(f"{name} of a link is {value!r}; it must be {bound}.")
        if not 0 <= shortest <= longest < math.inf:
            raise ValueError(
                f"outage_ms of a link is {self.outage_ms}; it must be the shortest and the longest."
            )
        if max(self.loss, self.burst_loss) >= 1:
            raise ValueError("A link that loses everything carries nothing; use less than 1.")
        if self.queue_bytes < 1:
            raise ValueError("queue_bytes of a link is 0; one byte at least must fit.")

    @property
    def round_trip_s(self) -> float:
        """There and back, with the usual queues."""
        return 2 * (self.delay_ms + self.jitter_ms) / 1000


# The classes are those of the traces that the jitter buffer is judged by (`make bench-jitter`), and
# the numbers lie in the ranges from which those traces draw; the comments give further reasons.
LINKS: dict[str, LinkProfile] = {
    # Fibre or cable to the next data centre: nothing but distance, and a loss now and then.
    "wired": LinkProfile(
        delay_ms=15,
        jitter_ms=0.7,
        jitter_spread=0.6,
        loss=0.0003,
        up_kbit_s=20_000,
        down_kbit_s=100_000,
    ),
    # A home network: contention adds milliseconds, sometimes tens of them; 802.11 repeats what it
    # loses, so little of it is left for TCP.
    "wifi": LinkProfile(
        delay_ms=20,
        jitter_ms=2.5,
        jitter_spread=0.9,
        jitter_memory_ms=15,
        loss=0.003,
        up_kbit_s=10_000,
        down_kbit_s=30_000,
    ),
    # The same in a train or at a fair: queues build up for a second at a time, and losses come in
    # bursts, because the air is busy for as long as the neighbour's download takes.
    "wifi_congested": LinkProfile(
        delay_ms=25,
        jitter_ms=35,
        jitter_spread=0.9,
        jitter_memory_ms=400,
        loss=0.002,
        burst_start=0.008,
        burst_end=0.03,
        burst_loss=0.08,
        up_kbit_s=1_500,
        down_kbit_s=3_200,
    ),
    # 4G, standing still: grants come every few milliseconds (8 ms more for a repetition), and the
    # radio link layer delivers in order with next to no loss.
    "lte": LinkProfile(
        delay_ms=40,
        jitter_ms=6,
        jitter_spread=0.6,
        jitter_memory_ms=40,
        loss=0.001,
        up_kbit_s=3_000,
        down_kbit_s=7_200,
    ),
    # 4G on the move: the cell changes every ten seconds or so. 3GPP asks for less than 50 ms
    # without a radio; what an application sees with retransmission is several times that.
    "lte_handover": LinkProfile(
        delay_ms=45,
        jitter_ms=7,
        jitter_spread=0.6,
        jitter_memory_ms=40,
        loss=0.004,
        up_kbit_s=3_000,
        down_kbit_s=7_200,
        outage_every_s=10,
        outage_ms=(120, 420),
    ),
    # HSPA: a long way through the radio network, delays that wander by tens of milliseconds, and a
    # rate that a fast answer (64 kB per second of speech in base64, sent at 4 times that) fills.
    "3g": LinkProfile(
        delay_ms=115,
        jitter_ms=22,
        jitter_spread=0.9,
        jitter_memory_ms=500,
        loss=0.006,
        up_kbit_s=700,
        down_kbit_s=1_040,
    ),
    # A geostationary satellite: 35,786 km up and down are 240 ms, and 20 to 80 ms of access to the
    # shared channel come on top.
    "satellite": LinkProfile(
        delay_ms=275,
        jitter_ms=20,
        jitter_spread=0.5,
        jitter_memory_ms=60,
        loss=0.005,
        up_kbit_s=1_000,
        down_kbit_s=5_600,
    ),
    # Satellites in a low orbit: short paths, and every 15 s another satellite.
    "satellite_leo": LinkProfile(
        delay_ms=32,
        jitter_ms=10,
        jitter_spread=0.7,
        jitter_memory_ms=1_000,
        loss=0.004,
        up_kbit_s=8_000,
        down_kbit_s=50_000,
        outage_every_s=15,
        outage_ms=(40, 110),
    ),
}


def link_profile(link: str | LinkProfile) -> LinkProfile:
    """A profile by its name in `LINKS`, or the profile that was given.

    Raises:
        ValueError: No such name.
    """
    if isinstance(link, LinkProfile):
        return link
    if link not in LINKS:
        raise ValueError(f"No link {link!r}; use {', '.join(LINKS)}, or a LinkProfile.")
    return LINKS[link]


class Link:
    """One direction of one connection. Times are seconds of one clock, and never go back.

    Equal profiles, directions, seeds and calls give equal times, on any machine.

    Args:
        profile: What it is like.
        direction: Whose rate applies.
        seed: Of everything that varies.
    """

    def __init__(self, profile: LinkProfile, direction: Direction, seed: int | str) -> None:
        rate_kbit_s = profile.up_kbit_s if direction == "up" else profile.down_kbit_s
        self._profile = profile
        self._s_per_byte = 8 / (rate_kbit_s * 1000) if rate_kbit_s else 0.0
        # A generator for each purpose: one that draws more does not change what the others draw.
        self._jitter_rng = _rng(seed, direction, "jitter")
        self._loss_rng = _rng(seed, direction, "loss")
        self._outage_rng = _rng(seed, direction, "outage")
        self._left_at = -math.inf
        self._arrived_at = -math.inf
        # Messages that have not left: (when they will have, bytes).
        self._queue: deque[tuple[float, int]] = deque()
        self._queued_bytes = 0
        self._deviation = self._jitter_rng.gauss(0, 1)
        self._deviation_at = -math.inf
        self._in_burst = False
        self._outage: tuple[float, float] | None = None

    def room_at(self, now: float) -> float:
        """When the sender may send the next message: ``now``, or later while the queue is full."""
        self._forget_before(now)
        surplus_bytes = self._queued_bytes - self._profile.queue_bytes
        at = now
        for leaves_at, size_bytes in self._queue:
            if surplus_bytes < 0:
                break
            at, surplus_bytes = leaves_at, surplus_bytes - size_bytes
        return at

    def send(self, size_bytes: int, now: float) -> float:
        """Send a message of any size; returns when all of it has arrived."""
        self._forget_before(now)
        leaves_at = self._transmit(max(now, self._left_at), size_bytes * self._s_per_byte)
        self._left_at = leaves_at
        self._queue.append((leaves_at, size_bytes))
        self._queued_bytes += size_bytes
        delay_s = self._profile.delay_ms / 1000 + self._jitter_s(leaves_at)
        arrives_at = leaves_at + delay_s + self._repair_s(size_bytes)
        self._arrived_at = max(self._arrived_at, arrives_at)
        return self._arrived_at

    def _forget_before(self, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            self._queued_bytes -= self._queue.popleft()[1]

    def _transmit(self, at: float, work_s: float) -> float:
        """When ``work_s`` of sending are done that begin at ``at``: not during an outage."""
        if not self._profile.outage_every_s:
            return at + work_s
        if self._outage is None:
            self._outage = self._next_outage(at)
        while at + work_s >= (begins_at := self._outage[0]):
            ends_at = self._outage[1]
            if at < ends_at:
                work_s -= max(0.0, begins_at - at)
                at = ends_at
            self._outage = self._next_outage(ends_at)
        return at + work_s

    def _next_outage(self, after: float) -> tuple[float, float]:
        begins_at = after + self._outage_rng.expovariate(1 / self._profile.outage_every_s)
        return begins_at, begins_at + self._outage_rng.uniform(*self._profile.outage_ms) / 1000

    def _jitter_s(self, at: float) -> float:
        """A log-normal delay whose logarithm is an autoregressive process in time."""
        profile = self._profile
        memory_s = profile.jitter_memory_ms / 1000
        kept = math.exp((self._deviation_at - at) / memory_s) if memory_s else 0.0
        fresh = self._jitter_rng.gauss(0, 1)
        self._deviation = kept * self._deviation + math.sqrt(1 - kept * kept) * fresh
        self._deviation_at = at
        bounded = max(-_MAX_DEVIATIONS, min(_MAX_DEVIATIONS, self._deviation))
        return profile.jitter_ms / 1000 * math.exp(profile.jitter_spread * bounded)

    def _repair_s(self, size_bytes: int) -> float:
        """How long TCP takes to repair what is lost of a message: its slowest segment counts."""
        round_trip_s = self._profile.round_trip_s
        slowest_s = 0.0
        for later in reversed(range(max(1, -(-size_bytes // _SEGMENT_BYTES)))):
            if not self._lost():
                continue
            timeout_s = round_trip_s + _TIMER_MARGIN_S
            repair_s = round_trip_s if later >= _DUPLICATE_ACKS else timeout_s
            for _ in range(_MAX_RETRIES):
                if not self._lost():
                    break
                repair_s += timeout_s
                timeout_s *= 2
            slowest_s = max(slowest_s, repair_s)
        return slowest_s

    def _lost(self) -> bool:
        """Whether the next segment is lost: Gilbert and Elliott's chain of two states."""
        profile = self._profile
        changes = profile.burst_end if self._in_burst else profile.burst_start
        if changes and self._loss_rng.random() < changes:
            self._in_burst = not self._in_burst
        loss = profile.burst_loss if self._in_burst else profile.loss
        return loss > 0 and self._loss_rng.random() < loss


def _rng(seed: int | str, *purpose: str) -> random.Random:
    return random.Random("/".join((str(seed), *purpose)))  # noqa: S311 - not for secrets
