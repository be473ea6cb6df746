"""What a call waits when another Python thread is busy.

A call that lets go of the interpreter has to ask for it back, and a busy thread gives it back only
after the switch interval, 5 ms. Four things are timed, in turns within one run, each at the pace
of a device (a pause of 1 ms before every call):

* **kept**: our `process` with 10 ms of audio, which keeps the interpreter;
* **detaching**: the same call, followed by an empty foreign call that lets go of the interpreter
  and asks for it back, as a `process` that detached would. Nothing else differs, so the difference
  is the price of detaching alone;
* **soxr**: a soxr HQ stream, which detaches by itself;
* **nothing**: an empty call. What it waits is the system's doing: other programs on the same cores.

``python -m benches.peers.gil`` shows it alone.
"""

from __future__ import annotations

import ctypes
import statistics
import threading
import time
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

RATES_HZ = (48_000, 16_000)
PAUSE_S = 0.001
KEPT, DETACHING, SOXR, NOTHING = "kept", "detaching", "soxr", "nothing"


class Waits(msgspec.Struct, frozen=True):
    """Wall time of a call in microseconds: medians over the turns."""

    p50_us: float
    p99_us: float
    p999_us: float


def measure(*, turns: int, calls: int) -> dict[str, Waits]:
    """Time ``calls`` calls of each kind in every turn, beside a busy thread."""
    kinds = {KEPT: _kept(), DETACHING: _detaching(), SOXR: _soxr(), NOTHING: _nothing}
    taken: dict[str, list[Waits]] = {name: [] for name in kinds}
    stop = threading.Event()
    busy = threading.Thread(target=_be_busy, args=(stop,), daemon=True)
    busy.start()
    try:
        for _ in range(turns):
            for name, call in kinds.items():
                taken[name].append(_percentiles(call, calls))
    finally:
        stop.set()
        busy.join()
    return {name: _median(waits) for name, waits in taken.items()}


def _be_busy(stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        number = (number * 1103515245 + 12345) % 2147483648


def _percentiles(call: Callable[[], object], calls: int) -> Waits:
    waited_us = []
    for _ in range(calls):
        time.sleep(PAUSE_S)  # a device's pause; the busy thread has the interpreter meanwhile
        begun = time.perf_counter_ns()
        call()
        waited_us.append((time.perf_counter_ns() - begun) / 1000)
    p50, p99, p999 = np.percentile(waited_us, [50, 99, 99.9], method="inverted_cdf")
    return Waits(p50_us=float(p50), p99_us=float(p99), p999_us=float(p999))


def _median(waits: list[Waits]) -> Waits:
    return Waits(
        p50_us=statistics.median(w.p50_us for w in waits),
        p99_us=statistics.median(w.p99_us for w in waits),
        p999_us=statistics.median(w.p999_us for w in waits),
    )


def _block() -> NDArray[np.float32]:
    return np.random.default_rng(5).uniform(-0.5, 0.5, RATES_HZ[0] // 100).astype(np.float32)


def _kept() -> Callable[[], object]:
    from antiphon.audio import Resampler

    process, block = Resampler(*RATES_HZ).process, _block()
    return lambda: process(block)


def _detaching() -> Callable[[], object]:
    from antiphon.audio import Resampler

    process, block = Resampler(*RATES_HZ).process, _block()
    # A function made with CFUNCTYPE (not PYFUNCTYPE) is called without the interpreter; this one
    # only reads a flag.
    let_go = ctypes.CFUNCTYPE(ctypes.c_int)(("Py_IsInitialized", ctypes.pythonapi))

    def call() -> None:
        process(block)
        let_go()

    return call


def _soxr() -> Callable[[], object]:
    import soxr

    process, block = soxr.ResampleStream(*RATES_HZ, 1, dtype="float32").resample_chunk, _block()
    return lambda: process(block)


def _nothing() -> None:
    pass


def main() -> None:
    """Show the waits."""
    for name, waits in measure(turns=3, calls=1000).items():
        print(
            f"{name:10} median {waits.p50_us:8.1f} µs   p99 {waits.p99_us:8.1f} µs   "
            f"p99.9 {waits.p999_us:8.1f} µs"
        )


if __name__ == "__main__":
    main()
