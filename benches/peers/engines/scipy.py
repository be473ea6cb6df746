"""scipy.signal.resample_poly: a function of whole signals, often called once per chunk."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from benches.peers.engine import Block, Engine, Floor, Process


def engines() -> list[Engine]:
    """Per chunk, as it must not be used, and once for all, as it is meant."""
    from scipy.signal import resample_poly

    def one_shot(in_hz: int, out_hz: int, x: Block) -> Block:
        ratio = Fraction(out_hz, in_hz)
        return resample_poly(x, ratio.numerator, ratio.denominator)

    return [
        Engine(
            name="scipy resample_poly",
            family="scipy",
            dtype="float32",
            open=_open,
            floor=Floor(rejection_db=4, snr_db=15, ripple_db=3),
            one_shot=one_shot,
            note="stateless: every chunk begins and ends in silence",
        )
    ]


def _open(in_hz: int, out_hz: int) -> Process:
    from scipy.signal import firwin, resample_poly

    ratio = Fraction(out_hz, in_hz)
    up, down = ratio.numerator, ratio.denominator
    widest = max(up, down)
    # The function's own default filter, designed once.
    window = firwin(20 * widest + 1, 1 / widest, window=("kaiser", 5.0)).astype(np.float32)

    def process(block: Block, last: bool = False) -> Block:
        del last
        return resample_poly(block, up, down, window=window)

    return process
