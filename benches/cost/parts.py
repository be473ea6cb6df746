"""The calls that a message goes through, each by itself inside Python."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from antiphon.audio import Uplink
from antiphon.wire import decode_server_message
from benches.cost import server
from benches.cost.conversion import IN_HZ, TunedConversion
from benches.cost.measuring import BLOCKS

_CALLS = 5_000


def measure() -> dict[str, float]:
    """Medians in microseconds."""
    uplink = Uplink(IN_HZ, 2, packet_ms=20)
    messages = [server.audio_message(chunk) for chunk in server.chunks()]
    return {
        "encode": _median_us(lambda block: uplink.push(block, now_us=0), BLOCKS),
        "decode": _median_us(decode_server_message, messages),
        "the peers' conversion": _median_us(TunedConversion(), BLOCKS),
    }


def _median_us(call: Callable[[Any], object], arguments: Sequence[Any]) -> float:
    taken = []
    for at in range(_CALLS):
        argument = arguments[at % len(arguments)]
        begun = time.perf_counter_ns()
        call(argument)
        taken.append(time.perf_counter_ns() - begun)
    return statistics.median(taken) / 1e3
