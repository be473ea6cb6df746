"""What a resampler has to offer to be measured, and what it has to show to be timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benches.peers.quality import Quality

# float32 blocks are mono arrays; int16 blocks are little-endian bytes, as they come off a wire.
Block = Any
# process(block, last=False) -> block: one stream. It may be the library's own bound method.
Process = Callable[..., Block]


@dataclass(frozen=True)
class Floor:
    """The least that an engine must show before its speed counts.

    It is what the engine is known to do, with some margin: a row below it means that the engine is
    used wrongly here, or that this build of it does less work than its name says.
    """

    rejection_db: float
    snr_db: float
    ripple_db: float = 0.05
    exact: bool = False  # exact length, and bit for bit the same however the input is cut

    def failures(self, quality: Quality) -> list[str]:
        """What `quality` falls short of, in words."""
        short = []
        if not quality.rejection_db >= self.rejection_db:
            short.append(f"rejection {quality.rejection_db:.1f} < {self.rejection_db:g} dB")
        snr_db = min(quality.snr_997_db, quality.snr_6k_db)
        if not snr_db >= self.snr_db:
            short.append(f"SNR {snr_db:.1f} < {self.snr_db:g} dB")
        if not quality.ripple_db <= self.ripple_db:
            short.append(f"ripple {quality.ripple_db:.3f} > {self.ripple_db:g} dB")
        if self.exact and quality.length_error_frames != 0:
            short.append(f"length off by {quality.length_error_frames} frames")
        if self.exact and quality.invariant is False:
            short.append("output depends on how the input is cut")
        return short


@dataclass(frozen=True)
class Engine:
    """A way to resample mono audio: a library with its settings, or what a framework does."""

    name: str
    family: str
    dtype: Literal["float32", "int16"]
    open: Callable[[int, int], Process]
    floor: Floor
    one_shot: Callable[[int, int, Block], Block] | None = None
    note: str = ""

    def pack(self, x: NDArray[np.float64]) -> Block:
        """Samples of full scale ±1 as this engine takes them."""
        if self.dtype == "int16":
            return np.clip(np.rint(x * 32768), -32768, 32767).astype("<i2").tobytes()
        return x.astype(np.float32)

    def unpack(self, block: Block) -> NDArray[np.float64]:
        """What this engine gave, as samples of full scale ±1."""
        if self.dtype == "int16":
            return np.frombuffer(block, "<i2") / 32768.0
        return np.asarray(block, np.float64)


@dataclass(frozen=True)
class Absent:
    """An engine that cannot be measured here."""

    name: str
    reason: str
