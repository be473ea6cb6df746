"""``python -m tests.storm.heard``: how well `heard_text` is estimated.

Conversations in virtual time whose answers are interrupted at moments drawn from the seed, against
the times of the words that the voice of the local server gave. Models that send words beside their
audio and one that sends them all at once, fast links and slow ones, six voices, answers of 4 to
600 characters.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from antiphon import FileDevice, LiveGenerationConfig, LiveModel
from antiphon.conversation import Conversation, Interrupted, TurnHeard, TurnSounded
from antiphon.emulator import CallableBrain, Emulator, Recognizer, Reply, Settings, Voice
from antiphon.emulator.session.jobs import Word
from antiphon.emulator.speech.synthesis import Clips, Synthesizer, installed_synthesizers
from antiphon.virtual_time import run_in_virtual_time

__all__ = ["ANSWERS", "Estimate", "measure", "plans"]

_TEXT = """\
Yes.

Yes. It opens at nine.

The tide tables are kept by hand, in a green book at the end of the pier. High water comes about
fifty minutes later each day. If you plan to walk to the island, start two hours before low
water; otherwise, you will not be back in time. I would not try it in fog.

First, melt the butter slowly. Second, whisk four eggs with one hundred and twenty grams of
sugar, a pinch of salt, and the juice of a lemon. Third, fold in the flour. Bake it for
thirty-five minutes at one hundred and eighty degrees. Let it cool before you cut it.

Well... I am not sure! Could you say that again? I heard something about an extraordinarily
complicated internationalization procedure, but the line was bad.

The orchestra was founded in 1882 and has played in the same hall since 1963. Its conductors
include names that everybody knows, and a few that nobody remembers. Tickets cost between 12 and
95 euros. On Sundays there are free rehearsals, which begin at 10:30; children are welcome. The
building has excellent acoustics, although the seats in the uppermost blocks are rather hard.
Bring a cushion. If you cannot get a ticket, there is a live broadcast on the square in front of
the hall in late August, weather permitting. People bring blankets, wine, and bread, and sit on
the stones until midnight. It is, in my opinion, the better seat.

A transistor is a switch without moving parts. A small current at one terminal controls a larger
current between the other two. Put two of them together and you can remember one bit. Put
billions together and you have a computer; only the scale is different.
"""
ANSWERS = tuple(" ".join(answer.split()) for answer in _TEXT.split("\n\n"))
_VOICES = ("Puck", "Charon", "Kore", "Zephyr", "Zubenelgenubi", "Achernar")
_MODELS = (
    ("gemini-3.8-live", "google"),
    ("gemini-2.5-flash-native-audio-preview-12-2025", "google"),
    ("gemini-live-2.5-flash-native-audio", "vertex"),
)
_SPEEDS = ((3.5, 6.0), (1.02, 1.1))
_LONGEST_S = 45.0


@dataclass(frozen=True)
class Plan:
    """One conversation."""

    seed: int
    model: str
    backend: str
    voice: str
    speed: tuple[float, float]
    interruptions: int


@dataclass(frozen=True)
class Estimate:
    """One interruption.

    Attributes:
        group: Of which kind the answer was.
        off_by: Estimated words less the words that had ended where the voice stopped.
        heard_ms: Where that was.
    """

    group: str
    off_by: int
    heard_ms: float


def plans(seed: int, interruptions: int) -> list[Plan]:
    """Every model, speed and voice once."""
    return [
        Plan(seed + number, *model, voice, speed, interruptions)
        for number, (model, speed, voice) in enumerate(
            (model, speed, voice) for model in _MODELS for speed in _SPEEDS for voice in _VOICES
        )
    ]


def measure(plan: Plan, synthesizers: Sequence[Synthesizer] | None = None) -> list[Estimate]:
    """Hold one conversation; equal arguments give equal numbers."""
    return run_in_virtual_time(_converse(plan, synthesizers))


async def _converse(plan: Plan, synthesizers: Sequence[Synthesizer] | None) -> list[Estimate]:
    rng = random.Random(plan.seed)
    emulator = Emulator(
        brain=CallableBrain(lambda turn: Reply(ANSWERS[int(turn.text)])),
        recognizer=Recognizer(enabled=False),
        voice=Voice(synthesizers),
        seed=plan.seed,
        settings=Settings(speed=plan.speed),
    )
    estimates = []
    async with emulator.connector() as connector:
        model = LiveModel(
            plan.model,
            backend=emulator.backend(plan.backend),
            connector=connector,
            config=LiveGenerationConfig(voice=plan.voice),
        )
        async with model.connect() as session, Conversation(session, FileDevice()) as talk:
            for _ in range(plan.interruptions):
                answer = rng.randrange(len(ANSWERS))
                events = talk.events()
                await talk.send_text(str(answer))
                sounded = await _next(events, TurnSounded)
                # The voice speaks some 15 letters a second.
                await asyncio.sleep(rng.uniform(0.0, min(len(ANSWERS[answer]) / 14, _LONGEST_S)))
                await talk.interrupt()
                heard = await _next(events, Interrupted, TurnHeard)
                if isinstance(heard, Interrupted) and heard.turn == sounded.turn:
                    whole = talk.timeline.turn(heard.turn).generation_complete_s is not None
                    words = emulator.sessions[-1].turns[-1].words
                    spoken = _spoken(words, heard.heard_ms / 1000)
                    off_by = len(heard.heard_text.split()) - spoken
                    group = f"{plan.backend}, {'whole' if whole else 'still coming'}"
                    estimates.append(Estimate(group, off_by, heard.heard_ms))
                await asyncio.sleep(1.0)
    emulator.close()
    return estimates


async def _next(events, *kinds):  # type: ignore[no-untyped-def]
    async with asyncio.timeout(60):
        async for event in events:
            if isinstance(event, kinds):
                return event
    raise AssertionError(f"no {kinds}")


def _spoken(words: Sequence[Word], until_s: float) -> int:
    return sum(word.end_s <= until_s for word in words)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interruptions", type=int, default=40, help="in each conversation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    if isinstance(installed_synthesizers()[0], Clips):
        print("No voice that can say any sentence: pip install 'antiphon[espeak]'.")
        return 2
    groups = defaultdict(list)
    with ProcessPoolExecutor(args.processes) as pool:
        for estimates in pool.map(measure, plans(args.seed, args.interruptions)):
            for estimate in estimates:
                groups[estimate.group].append(estimate.off_by)
    everything = [off_by for group in groups.values() for off_by in group]
    print(f"{'answers':24} {'n':>5}  words off: median  p90  p99  max   mean")
    for name, offs in [*sorted(groups.items()), ("all", everything)]:
        print(f"{name:24} {len(offs):5}  {_shown(offs)}")
    return 0 if statistics.median(map(abs, everything)) <= 1 else 1


def _shown(offs: list[int]) -> str:
    off = sorted(map(abs, offs))
    p90, p99 = (off[min(len(off) - 1, len(off) * part // 100)] for part in (90, 99))
    median = statistics.median(off)
    return f"{median:17g} {p90:4} {p99:4} {off[-1]:4} {statistics.mean(offs):+6.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
