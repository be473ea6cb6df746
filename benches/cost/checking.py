"""What a contestant sends and gives out must be right before anyone asks what it costs."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from benches.cost.contestants import Block, Samples
from benches.cost.conversion import IN_HZ, OUT_HZ, PACKET_BYTES

# All convert with 80 dB or better; 16 bits of a voice at this level carry some 85.
MIN_SNR_DB = 60.0
# A stream may begin late by what its filter looks ahead, and another by half a sample more.
MAX_SHIFT_FRAMES = 600
_UNSETTLED_FRAMES = 800


class Wrong(Exception):
    """A contestant does not do the same work."""


def check_uplink(name: str, messages: Sequence[str], blocks: Sequence[Block]) -> float:
    """Compare what came at the server with the microphone's blocks; returns the SNR in dB.

    Raises:
        Wrong: Another format, packets that are not 20 ms, or another sound.
    """
    sent = np.concatenate([_pcm(name, message) for message in messages])
    mono = np.concatenate(blocks).astype(np.float64).mean(axis=1)
    ideal = 32_768 * soxr.resample(mono, IN_HZ, OUT_HZ, quality="VHQ")
    snr_db = max(_snr_db(sent, ideal, shift) for shift in _best_shifts(sent, ideal))
    if snr_db < MIN_SNR_DB:
        raise Wrong(f"{name} sends another sound: {snr_db:.1f} dB of signal to noise")
    return snr_db


def check_downlink(name: str, heard: Sequence[Samples], chunks: Sequence[bytes]) -> None:
    """Compare what was given out with what the server sent.

    Raises:
        Wrong: Other samples.
    """
    for got, sent in zip(heard, chunks, strict=True):
        if got.dtype != np.int16 or not np.array_equal(got, np.frombuffer(sent, "<i2")):
            raise Wrong(f"{name} gives out other samples than were sent")


def _pcm(name: str, message: str) -> Samples:
    audio = next(iter(json.loads(message).values()))["audio"]
    mime_type = audio.get("mimeType") or audio.get("mime_type")
    pcm = base64.b64decode(audio["data"].replace("-", "+").replace("_", "/"))
    if mime_type != f"audio/pcm;rate={OUT_HZ}" or len(pcm) != PACKET_BYTES:
        raise Wrong(f"{name} sends {len(pcm)} bytes of {mime_type}")
    return np.frombuffer(pcm, "<i2")


def _best_shifts(sent: Samples, ideal: NDArray[np.float64]) -> range:
    """Where the two lie over each other, to a sample or two."""
    length = min(len(sent), len(ideal))
    size = 2 * length
    spectrum = np.fft.rfft(sent[:length], size) * np.conj(np.fft.rfft(ideal[:length], size))
    found = int(np.argmax(np.fft.irfft(spectrum, size)[:MAX_SHIFT_FRAMES]))
    return range(max(0, found - 1), found + 2)


def _snr_db(sent: Samples, ideal: NDArray[np.float64], shift: int) -> float:
    length = min(len(sent) - shift, len(ideal)) - 2 * _UNSETTLED_FRAMES
    got = sent[shift + _UNSETTLED_FRAMES :][:length].astype(np.float64)
    want = ideal[_UNSETTLED_FRAMES:][:length]
    want = want * (got @ want) / (want @ want)  # by nothing but loudness may they differ
    noise = got - want
    return float(10 * np.log10((want @ want) / (noise @ noise)))
