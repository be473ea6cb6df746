"""A conversation that remembers next to nothing goes on as any other."""

import asyncio

import pytest
from conversation_support import ByHand, talk_by_hand

from antiphon.conversation import Interrupted, TurnHeard, TurnSounded
from antiphon.virtual_time import run_in_virtual_time

DONE = {"serverContent": {"generationComplete": True, "turnComplete": True}}


@pytest.mark.parametrize("keep_turns", [1, 2])
def test_every_turn_is_heard_once_and_the_conversation_ends(keep_turns):
    """Until the next one sounds, the playout tells of the last, which may be forgotten."""

    async def main():
        service = ByHand()
        async with talk_by_hand(service, keep_turns=keep_turns) as t:
            for _ in range(4):
                await service.speak(0.3)
                await service.say(DONE)
                await t.until(TurnHeard)
                await service.speak(0.01)  # less than the cushion: it waits
                await asyncio.sleep(0.05)
                await service.speak(0.3)
                await service.say(DONE)
                await t.until(TurnHeard)
            await service.channel.close(1000)
            async with asyncio.timeout(10):
                await t.conversation.wait()
            assert len(t.conversation.playback) == keep_turns
        return t.seen

    seen = run_in_virtual_time(main())
    for kind in (TurnSounded, TurnHeard):
        assert [each.turn for each in seen if isinstance(each, kind)] == list(range(1, 9))


def test_what_was_heard_of_a_turn_is_told_though_its_times_are_forgotten():
    async def main():
        service = ByHand()
        async with talk_by_hand(service, keep_turns=1) as t:
            words = {"outputTranscription": {"text": "One two three four five six seven."}}
            await service.speak(2.0, **words)
            await t.until(TurnSounded)
            await asyncio.sleep(1.0)
            await service.say({"serverContent": {"interrupted": True}}, DONE)
            await service.speak(0.5)
            await service.say(DONE)
            return await t.until(Interrupted)

    cut = run_in_virtual_time(main())
    assert 900 < cut.heard_ms < 1_200
    assert cut.heard_text.startswith("One two")
