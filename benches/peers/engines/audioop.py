"""audioop.ratecv: linear interpolation with state; left the standard library with 3.13."""

from __future__ import annotations

import warnings

from benches.peers.engine import Engine, Floor, Process


def load() -> object:
    """The module, whether of the standard library or of audioop-lts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    return audioop


def engines() -> list[Engine]:
    """The only one it has."""
    load()
    return [
        Engine(
            name="audioop.ratecv",
            family="audioop",
            dtype="int16",
            open=_open,
            floor=Floor(rejection_db=-8, snr_db=5, ripple_db=6),
            note="no low-pass",
        )
    ]


def _open(in_hz: int, out_hz: int) -> Process:
    ratecv = load().ratecv  # type: ignore[attr-defined]
    state = None

    def process(block: bytes, last: bool = False) -> bytes:
        nonlocal state
        del last
        out, state = ratecv(block, 2, 1, in_hz, out_hz, state)
        return bytes(out)

    return process
