"""``python -m tests.storm.silence``: how long users hear nothing when connections end.

Conversations over a link, in virtual time, with the real audio core: typed questions, answers of
2 to 20 s, connections that break or are closed in the middle of an answer, and others that the
service announces to cut (`goAway`). What is measured lies on the speaker's timeline.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from antiphon import Continuity, FileDevice, LiveGenerationConfig, LiveModel, LiveSession
from antiphon.conversation import AnswerCut, Conversation, TurnHeard
from antiphon.emulator import LINKS, Echo, Emulator, Recognizer, Settings, Voice
from antiphon.emulator.faults import Close, Drop
from antiphon.virtual_time import run_in_virtual_time
from tests.storm.session import Tones

__all__ = ["Silences", "measure"]

_QUESTIONS = 8
_ANSWER_LIMIT_S = 90.0


@dataclass
class Silences:
    """What was heard, in milliseconds: one number for each turn, or for each cut.

    Attributes:
        in_whole_turns: Silence inside a turn that came to its end, moves and all.
        in_cut_turns: … inside a turn of which the rest never came, up to where it was cut.
        before_answering_again: From the last sound of a cut turn to the first of its repetition.
        waiting: How much of a cut turn was still to be played when the connection ended.
        events: What happened to connections.
        wrong: Turns that were not heard as they came.
    """

    in_whole_turns: list[float] = field(default_factory=list)
    in_cut_turns: list[float] = field(default_factory=list)
    before_answering_again: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def measure(seed: int, link: str | None) -> Silences:
    """Hold one conversation; equal arguments give equal numbers."""
    return run_in_virtual_time(_converse(seed, link))


async def _converse(seed: int, link: str | None) -> Silences:
    rng = random.Random(seed)
    emulator = Emulator(
        brain=Echo(),
        voice=Voice([Tones()]),
        recognizer=Recognizer(enabled=False),
        seed=seed,
        link=link,
        faults=[
            rng.choice([Drop, Close])(session=number, kind="audio", number=_when(rng))
            for number in range(0, 40, 2)
        ],
        settings=Settings(connection_limit_s=45.0, go_away_lead_s=30.0),
    )
    silences = Silences()
    async with emulator.connector() as connector:
        model = LiveModel(
            backend=emulator.backend("google"),
            connector=connector,
            config=LiveGenerationConfig(context_window_compression=True),
            continuity=Continuity(seed=seed),
        )
        async with model.connect() as session:
            watching = asyncio.create_task(_count(session, silences))
            conversation = Conversation(session, FileDevice())
            async with conversation:
                cuts = await _talk(conversation, rng, silences)
                _judge(conversation, cuts, silences)
        await watching
    emulator.close()
    return silences


def _when(rng: random.Random) -> int:
    """Half of the breaks come while little waits to be played."""
    return rng.randrange(1, rng.choice([8, 80]))


async def _count(session: LiveSession, silences: Silences) -> None:
    async for event in session.events():
        silences.events[type(event).__name__] += 1


async def _talk(
    conversation: Conversation, rng: random.Random, silences: Silences
) -> dict[int, AnswerCut]:
    """Ask, and hear each answer to its end; returns the answers that were cut, by turn."""
    cuts: dict[int, AnswerCut] = {}
    events = conversation.events()
    for _ in range(_QUESTIONS):
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            await conversation.send_text("word " * rng.randrange(6, 66))
            async for event in events:
                if isinstance(event, AnswerCut) and event.turn is not None:
                    cuts[event.turn] = event
                    heard = conversation.playback.get(event.turn)
                    heard_ms = heard.heard_frames / 24 if heard is not None else 0.0
                    silences.waiting.append(event.received_ms - heard_ms)
                if isinstance(event, TurnHeard) and event.turn not in cuts:
                    break
        await asyncio.sleep(rng.uniform(0.5, 5.0))
    return cuts


def _judge(conversation: Conversation, cuts: dict[int, AnswerCut], silences: Silences) -> None:
    turns = conversation.timeline.turns
    for number, turn in turns.items():
        silent_ms = sum(gap[2] for gap in turn.gaps)
        if number not in cuts:
            silences.in_whole_turns.append(silent_ms)
            continue
        silences.in_cut_turns.append(silent_ms)
        if abs(cuts[number].received_ms - turn.heard_ms) > 0.1:
            silences.wrong.append(
                f"turn {number}: {cuts[number].received_ms:.1f} ms came, {turn.heard_ms:.1f} heard"
            )
        again = turns.get(number + 1)
        if again is not None and turn.sound and again.sound:
            pause_s = again.sound.start_s - (turn.sound.end_s or turn.sound.start_s)
            silences.before_answering_again.append(1_000 * pause_s)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first conversation")
    parser.add_argument("--link", choices=sorted(LINKS), help="what lies between; none by default")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    seeds = range(args.seed, args.seed + args.conversations)
    with ProcessPoolExecutor(args.processes) as pool:
        all_silences = list(pool.map(partial(measure, link=args.link), seeds))
    print(f"{len(seeds)} conversations over {args.link or 'no link'}; silence in ms")
    for name in ("in_whole_turns", "in_cut_turns", "before_answering_again", "waiting"):
        _print_row(name, [value for one in all_silences for value in getattr(one, name)])
    print(dict(sum((one.events for one in all_silences), Counter())))
    wrong = [text for one in all_silences for text in one.wrong]
    print(f"{len(wrong)} turns were not heard as they came", *wrong[:10], sep="\n  ")
    return 1 if wrong else 0


def _print_row(name: str, values: Sequence[float]) -> None:
    ordered = sorted(values)
    if not ordered:
        print(f"  {name:24} none")
        return
    p50, p90, p99 = (
        ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.9, 0.99)
    )
    silent = sum(value > 0.5 for value in ordered)
    print(
        f"  {name:24} n {len(ordered):4}, more than 0: {silent:4}, "
        f"p50 {p50:7.0f}, p90 {p90:7.0f}, p99 {p99:7.0f}, max {ordered[-1]:7.0f}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
