"""The microphone's 20 ms as the peers' applications would convert them, at their best."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

IN_HZ = 48_000
OUT_HZ = 16_000
BLOCK_FRAMES = IN_HZ // 50
PACKET_BYTES = 2 * OUT_HZ // 50


class TunedConversion:
    """48 kHz stereo float32 to 16 kHz int16: no array is made that can be used again.

    ``mean(axis=1)``, as most write it, alone takes longer than all of this.
    """

    def __init__(self) -> None:
        self._stream = soxr.ResampleStream(IN_HZ, OUT_HZ, 1, dtype="float32", quality="HQ")
        self._mono = np.empty(BLOCK_FRAMES, np.float32)
        self._pcm = b""

    def __call__(self, block: NDArray[np.float32]) -> list[bytes]:
        """Packets of 20 ms: one in the mean, because the stream holds back what it likes."""
        mono = np.add(block[:, 0], block[:, 1], out=self._mono)
        mono *= 16_384.0
        resampled = self._stream.resample_chunk(mono)
        np.rint(resampled, out=resampled)
        np.clip(resampled, -32_768, 32_767, out=resampled)
        pcm = self._pcm + resampled.astype("<i2").tobytes()
        whole = len(pcm) - len(pcm) % PACKET_BYTES
        self._pcm = pcm[whole:]
        return [pcm[at : at + PACKET_BYTES] for at in range(0, whole, PACKET_BYTES)]
