"""What the user hears when a connection ends under a conversation: nothing of it.

The model's voice is a steady level, so every silence inside an answer shows in the recording.
"""

import asyncio
from itertools import pairwise

import numpy as np
import pytest
from conversation_support import talk

from antiphon import Continuity
from antiphon.audio.wav import read_wav
from antiphon.conversation import AnswerCut, TurnComplete, TurnHeard, TurnSounded
from antiphon.emulator import Echo, Emulator, Recognizer, Settings, Voice
from antiphon.emulator.faults import Close, Drop, Stall
from antiphon.emulator.session.jobs import Speech
from antiphon.protocol import Moving, Resumed
from antiphon.virtual_time import run_in_virtual_time

QUESTION = "word " * 40  # answered for 12 s
ANSWER_MS = 60.0 * len(QUESTION.strip())


class Level:
    """A voice of 60 ms a character, without a pause."""

    def synthesize(self, text, voice):
        return Speech(b"\x00\x10" * (1_440 * len(text)))


def server(*faults, link=None, **settings):
    return Emulator(
        brain=Echo(),
        voice=Voice([Level()]),
        recognizer=Recognizer(enabled=False),
        faults=faults,
        link=link,
        settings=Settings(**settings),
    )


def silences_ms(path, sound):
    """Silences of 1 ms and more in the recording, between two moments of the timeline."""
    recording, rate_hz = read_wav(path)
    first, last = (round(at_s * rate_hz) for at_s in (sound.start_s, sound.end_s))
    edge = rate_hz // 100  # the fades of a turn
    loud = np.flatnonzero(np.abs(recording[first + edge : last - edge, 1].astype(int)) > 1_000)
    gaps = np.array([b - a - 1 for a, b in pairwise([-1, *loud, last - first - 2 * edge])])
    return [1_000 * gap / rate_hz for gap in gaps if gap >= rate_hz // 1_000]


async def session_events(session, seen):
    async for event in session.events():
        seen.append(event)


@pytest.mark.parametrize("fault", [Drop, Close])
@pytest.mark.parametrize("number", [1, 5, 17, 40])
def test_an_answer_that_is_cut_is_heard_as_far_as_it_came_and_asked_again(fault, number, tmp_path):
    emulator = server(fault(session=0, kind="audio", number=number))

    async def main():
        async with talk(
            emulator=emulator, record_to=tmp_path / "a.wav", continuity=Continuity()
        ) as t:
            await t.conversation.send_text(QUESTION)
            cut = await t.until(AnswerCut)
            heard = await t.until(TurnHeard)
            whole = await t.until_over()
            await asyncio.sleep(0.5)
        return t, cut, heard, whole

    t, cut, heard, whole = run_in_virtual_time(main())
    received_ms = 200.0 + 240.0 * (number - 1)  # the chunks before the one that never came
    assert (cut.turn, cut.asked_again) == (1, True)
    assert cut.received_ms == pytest.approx(received_ms)
    assert (heard.turn, heard.heard_ms) == (1, pytest.approx(cut.received_ms))
    assert (whole.turn, whole.heard_ms) == (2, pytest.approx(ANSWER_MS))
    for turn, timing in t.conversation.timeline.turns.items():
        assert timing.gaps == []
        assert silences_ms(tmp_path / "a.wav", timing.sound) == [], turn
    assert t.conversation.stats()["concealed_samples"] == 0


def test_a_silence_inside_an_answer_would_be_found(tmp_path):
    emulator = server(Stall(kind="audio", number=3, duration_s=3.0))

    async def main():
        async with talk(emulator=emulator, record_to=tmp_path / "a.wav") as t:
            await t.conversation.send_text(QUESTION)
            await t.until_over()
            await asyncio.sleep(0.5)
        return t

    timing = run_in_virtual_time(main()).conversation.timeline.turns[1]
    (silence_ms,) = silences_ms(tmp_path / "a.wav", timing.sound)
    assert 1_000 < silence_ms < 3_000
    assert silence_ms == pytest.approx(sum(gap[2] for gap in timing.gaps), abs=30)


def test_while_the_buffer_holds_the_next_answer_follows_without_a_pause(tmp_path):
    """Nine seconds had come: time enough to ask again."""
    emulator = server(Drop(session=0, kind="audio", number=38))

    async def main():
        async with talk(
            emulator=emulator, record_to=tmp_path / "a.wav", continuity=Continuity()
        ) as t:
            await t.conversation.send_text(QUESTION)
            await t.until(TurnHeard, turn=2)
        return t

    timing = run_in_virtual_time(main()).conversation.timeline.turns
    between_s = timing[2].sound.start_s - timing[1].sound.end_s
    assert 0 <= between_s < 0.02


def test_when_the_service_is_about_to_cut_the_session_moves_after_the_answer(tmp_path):
    emulator = server(connection_limit_s=30.0, go_away_lead_s=20.0)
    seen = []

    async def main():
        async with talk(
            emulator=emulator, record_to=tmp_path / "a.wav", continuity=Continuity()
        ) as t:
            watching = asyncio.create_task(session_events(t.session, seen))
            await asyncio.sleep(8.0)
            await t.conversation.send_text(QUESTION)  # goAway comes while it is answered
            first = await t.until_over()
            await asyncio.sleep(1.0)
            moved_s = [type(event) for event in seen]
            await t.conversation.send_text(QUESTION)
            second = await t.until_over()
        await watching
        return t, first, second, moved_s

    t, first, second, moved = run_in_virtual_time(main())
    assert [kind.__name__ for kind in moved] == ["GoingAway", "Moving", "Resumed"]
    assert first.heard_ms == pytest.approx(ANSWER_MS)
    assert second.heard_ms == pytest.approx(ANSWER_MS)
    assert not [event for event in t.seen if isinstance(event, AnswerCut)]
    resumed = next(event for event in seen if isinstance(event, Resumed))
    assert (resumed.with_handle, resumed.attempts) == (True, 1)
    for timing in t.conversation.timeline.turns.values():
        assert timing.gaps == []
        assert silences_ms(tmp_path / "a.wav", timing.sound) == []


def test_an_answer_that_had_come_whole_is_heard_whole_though_its_end_never_came(tmp_path):
    """The service holds the end of a turn back until it was spoken: its cut came before."""
    emulator = server(connection_limit_s=14.0, go_away_lead_s=8.0)
    seen = []

    async def main():
        async with talk(
            emulator=emulator, record_to=tmp_path / "a.wav", continuity=Continuity()
        ) as t:
            watching = asyncio.create_task(session_events(t.session, seen))
            await asyncio.sleep(5.0)
            await t.conversation.send_text(QUESTION)
            await t.until(TurnSounded)
            complete = await t.until(TurnComplete)
            heard = await t.until(TurnHeard)
            await asyncio.sleep(5.0)
        await watching
        return t, complete, heard

    t, complete, heard = run_in_virtual_time(main())
    assert complete.turn == heard.turn == 1
    assert complete.at_s == pytest.approx(14.0, abs=0.5)  # with the connection
    assert heard.heard_ms == pytest.approx(ANSWER_MS)
    assert not [event for event in t.seen if isinstance(event, AnswerCut)]
    assert not [event for event in seen if isinstance(event, Moving)]
    (timing,) = t.conversation.timeline.turns.values()
    assert timing.gaps == []
    assert silences_ms(tmp_path / "a.wav", timing.sound) == []
