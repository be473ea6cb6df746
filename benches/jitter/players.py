"""Our buffer as the judge of jitter buffers wants it: a plugin for its own command line, too.

From the project's folder, with the judge's on ``PYTHONPATH``:
``python -m jlab.score --plugin benches.jitter.players:Smoothness50:ours --players fixed60``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from antiphon.audio import JitterBuffer

Pcm = npt.NDArray[np.int16]


class Player:
    """`JitterBuffer` in the regime that the judge names. Its times are seconds."""

    smoothness: ClassVar[float] = 0.5

    def __init__(self, fs: int, regime: str, frame_ms: int | None) -> None:
        settings: dict[str, Any] = {"regime": regime}
        if regime == "packet":
            settings |= {"packet_ms": frame_ms, "smoothness": self.smoothness}
        self.buffer = JitterBuffer(sample_rate_hz=fs, **settings)

    def push(self, seq: int | None, pcm: Pcm, now_s: float) -> None:
        if seq is None:
            self.buffer.push(pcm, now_us=_us(now_s))
        else:
            numbered: dict[str, Any] = {"seq": seq & 0xFFFF}
            self.buffer.push(pcm, now_us=_us(now_s), **numbered)

    def pull(self, frames: int, now_s: float) -> Pcm:
        return self.buffer.pull(frames, now_us=_us(now_s))

    def end_of_turn(self, now_s: float) -> None:
        self.buffer.end_of_turn(now_us=_us(now_s))

    def flush(self, now_s: float) -> None:
        self.buffer.flush(now_us=_us(now_s))

    def stats(self) -> dict[str, int | float]:
        return self.buffer.stats()


class Stream(Player):
    """For the stream regime."""


class Smoothness30(Player):
    """Towards less delay."""

    smoothness = 0.3


class Smoothness50(Player):
    """As it comes."""


class Smoothness70(Player):
    """Towards fewer gaps."""

    smoothness = 0.7


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
