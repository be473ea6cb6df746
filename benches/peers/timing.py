"""How time is taken here: interleaved rounds, CPU time of the process, one core, medians of ratios.

A machine is shared and its clock wanders, so a round runs every candidate once, each round in
another order, and only ratios within one round are compared.
"""

from __future__ import annotations

import gc
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

Batch = Callable[[int], None]  # does so many calls
Rounds = dict[str, list[float]]  # nanoseconds per call, one per round


@contextmanager
def one_core() -> Iterator[None]:
    """Keep the process on one core, where the system has a way to say so, and the collector off."""
    allowed: set[int] | None = None
    with suppress(AttributeError, OSError):  # there is none on macOS
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(allowed)})
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        if allowed is not None:
            os.sched_setaffinity(0, allowed)


def over(call: Callable[[Any], object], arguments: Sequence[Any]) -> Batch:
    """Calls with one argument each, in turn, with no more than the loop around them."""
    endless = itertools.cycle(arguments)

    def batch(calls: int) -> None:
        for argument in itertools.islice(endless, calls):
            call(argument)

    return batch


def repeat(call: Callable[[], object]) -> Batch:
    """Calls without an argument, likewise."""

    def batch(calls: int) -> None:
        for _ in itertools.repeat(None, calls):
            call()

    return batch


def interleave(candidates: Mapping[str, Batch], *, rounds: int, batch_ms: float) -> Rounds:
    """Run every candidate for about ``batch_ms`` in each round; one call at least."""
    calls = {name: _calls_in(batch, batch_ms) for name, batch in candidates.items()}
    taken: Rounds = {name: [] for name in candidates}
    order = list(candidates)
    for _ in range(rounds):
        for name in order:
            taken[name].append(_cpu_ns(candidates[name], calls[name]) / calls[name])
        order.append(order.pop(0))
    return taken


def _cpu_ns(batch: Batch, calls: int) -> int:
    begun = time.process_time_ns()
    batch(calls)
    return max(1, time.process_time_ns() - begun)


def _calls_in(batch: Batch, batch_ms: float) -> int:
    batch(1)  # what is made at the first call does not count
    calls = 1
    while (taken := _cpu_ns(batch, calls)) < batch_ms * 1e6 / 4:
        calls *= 4
    return max(1, round(calls * batch_ms * 1e6 / taken))


def times_as_fast(rounds: Rounds, name: str, as_name: str) -> float:
    """The median over the rounds of how many times faster ``name`` is; above 1 is faster."""
    return statistics.median(b / a for a, b in zip(rounds[name], rounds[as_name], strict=True))


def median_ns(rounds: Rounds, name: str) -> float:
    """For scale only."""
    return statistics.median(rounds[name])
