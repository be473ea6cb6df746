"""Drives the real playout from a simulated clock, as the file device does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from antiphon.audio import Playout, float_to_int16
from antiphon.conversation.playback import Playback
from antiphon.conversation.verify import SentTurn
from antiphon.devices.callback import StreamCallback

SOURCE_HZ = 24_000
BLOCK_S = 0.010


@dataclass
class Delivery:
    """A piece of a turn that arrives at a time; ``last`` ends the turn, ``flush`` cuts it."""

    at_s: float
    turn: int
    pcm: NDArray[np.int16] | None = None
    last: bool = False
    flush: bool = False


class Heard:
    """What a speaker played, and what the bookkeeping says about it."""

    def __init__(
        self, deliveries: Sequence[Delivery], duration_s: float, rate_hz: int = 48_000
    ) -> None:
        playout = Playout(rate_hz)
        speaker = StreamCallback(playout)
        self.rate_hz = rate_hz
        self.playback = Playback()
        self.events = []
        waiting = sorted(deliveries, key=lambda delivery: delivery.at_s)
        block = np.zeros((round(rate_hz * BLOCK_S), 1), np.float32)
        blocks = []
        for number in range(round(duration_s / BLOCK_S)):
            now_s = number * BLOCK_S
            while waiting and waiting[0].at_s <= now_s:
                self._deliver(playout, waiting.pop(0))
            speaker.play(block, current_s=now_s)
            blocks.append(float_to_int16(block[:, 0].copy()))
            self.events += self.playback.observe(playout.playhead)
        self.model = np.concatenate(blocks)

    def _deliver(self, playout: Playout, delivery: Delivery) -> None:
        now_us, turn = round(delivery.at_s * 1e6), delivery.turn
        if delivery.pcm is not None:
            self.playback.received(turn, playout.push(delivery.pcm, now_us=now_us, turn=turn))
        if delivery.flush:
            playout.flush(now_us=now_us, turn=turn)
            self.playback.flushed(turn)
        if delivery.last:
            playout.end_of_turn(now_us=now_us, turn=turn)
            self.playback.ended(turn)

    def recording(self, model: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
        """Stereo, the user's side a quiet hum."""
        model = self.model if model is None else model
        hum = 200 * np.sin(np.arange(len(model)) * 2 * np.pi * 100 / self.rate_hz)
        return np.column_stack([hum.astype(np.int16), model])


def sent(turn: int, pcm: NDArray[np.int16], text: str = "") -> SentTurn:
    return SentTurn(turn=turn, pcm=pcm, rate_hz=SOURCE_HZ, text=text)
