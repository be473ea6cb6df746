"""Interruptions: why they came, and what the model is told of them."""

import asyncio
import json

import pytest
from conversation_support import ByHand, talk, talk_by_hand

from antiphon.conversation import Interrupted, TurnComplete, TurnHeard, TurnSounded
from antiphon.emulator import Emulator
from antiphon.emulator.faults import PhantomInterruption
from antiphon.virtual_time import run_in_virtual_time


def counts(conversation):
    stats = conversation.stats()
    return stats["interruptions"], stats["phantom_interruptions"]


def contents(emulator):
    """The texts of all content that the client sent, and whether it asked for an answer."""
    sent = [event.message.get("clientContent") for event in emulator.events()]
    return [
        (content["turns"][0]["parts"][0]["text"], content.get("turnComplete", False))
        for content in sent
        if content and content.get("turns")
    ]


async def tell_a_story(t):
    await t.conversation.send_text("tell me a story")
    await t.until(TurnSounded)
    await asyncio.sleep(2.0)


def test_speech_that_was_heard_here_is_the_cause():
    async def main():
        async with talk() as t:
            await tell_a_story(t)
            t.say("cards-003.wav")
            cut = await t.until(Interrupted)
            assert (cut.cause, cut.phantom) == ("speech", False)
            assert t.conversation.timeline.interruptions[0].cause == "speech"
            assert counts(t.conversation) == (1, 0)

    run_in_virtual_time(main())


@pytest.mark.parametrize("way", ["interrupt", "typed"])
def test_what_the_application_did_is_the_cause(way):
    async def main():
        async with talk() as t:
            await tell_a_story(t)
            if way == "interrupt":
                await t.conversation.interrupt()
            else:
                await t.conversation.send_text("stop")
            cut = await t.until(Interrupted)
            assert (cut.cause, cut.phantom) == ("application", False)
            await asyncio.sleep(2)
            assert counts(t.conversation)[1] == 0

    run_in_virtual_time(main())


def test_an_interruption_by_nobody_is_a_phantom():
    emulator = Emulator(faults=[PhantomInterruption(kind="audio", number=12)])

    async def main():
        async with talk(emulator=emulator) as t:
            await t.conversation.send_text("tell me a story")
            cut = await t.until(Interrupted)
            assert (cut.cause, cut.phantom) == ("unknown", True)
            assert counts(t.conversation) == (1, 1)

    run_in_virtual_time(main())


def test_speech_of_long_ago_is_no_cause_and_silent_phantoms_count_too():
    service = ByHand()

    async def main():
        async with talk_by_hand(service) as t:
            t.say("cards-001.wav")
            await asyncio.sleep(10)
            await service.speak(5.0)
            await t.until(TurnSounded)
            await service.say({"serverContent": {"interrupted": True}})
            assert (await t.until(Interrupted)).phantom
            # Some models say it again and again, with nothing left to stop.
            await service.say({"serverContent": {"interrupted": True}})
            await service.say({"serverContent": {"turnComplete": True}})
            await t.until(TurnComplete)
            assert counts(t.conversation) == (2, 2)
            assert len(t.conversation.timeline.interruptions) == 1

    run_in_virtual_time(main())


def test_the_model_is_told_what_was_heard_if_it_should_be():
    emulator = Emulator(inspect=True)

    async def main():
        async with talk(emulator=emulator, tell_heard=True) as t:
            await tell_a_story(t)
            t.say("cards-003.wav")
            cut = await t.until(Interrupted)
            # What was said is answered all the same, and nothing else is.
            heard = await t.until(TurnHeard)
            assert heard.turn == cut.turn + 1
            await asyncio.sleep(5)
            assert t.session.turn == heard.turn
            return cut

    cut = run_in_virtual_time(main())
    ((told, asks),) = contents(emulator)
    assert repr(cut.heard_text) in told
    assert len(cut.heard_text.split()) > 2
    assert not asks


def test_a_turn_that_is_open_is_not_cut_by_a_notice():
    service = ByHand()

    async def until_told():
        async with asyncio.timeout(1.0):
            while "clientContent" not in json.loads(await service.channel.receive()):
                pass

    async def main():
        async with talk_by_hand(service, tell_heard=True) as t:
            await service.speak(5.0)
            await t.until(TurnSounded)
            await service.say({"serverContent": {"interrupted": True}})
            await t.until(Interrupted)
            with pytest.raises(TimeoutError):
                await until_told()
            await service.say({"serverContent": {"turnComplete": True}})
            await until_told()

    run_in_virtual_time(main())


def test_nothing_is_told_unasked_nor_when_all_was_heard():
    for options in ({}, {"tell_heard": True}):
        emulator = Emulator(inspect=True)

        async def main(emulator=emulator, options=options):
            async with talk(emulator=emulator, **options) as t:
                if not options:
                    await tell_a_story(t)
                    await t.conversation.interrupt()
                    await t.until(Interrupted)
                else:
                    await t.conversation.send_text("hello")
                    await t.until_over()
                await asyncio.sleep(2)

        run_in_virtual_time(main())
        assert contents(emulator) == []


def test_a_turn_that_stopped_before_its_first_sound_is_told_as_unheard():
    emulator = Emulator(inspect=True)

    async def main():
        async with talk(emulator=emulator, tell_heard=True, cushion_ms=2000) as t:
            messages = t.session.receive()
            await t.conversation.send_text("tell me a story")
            async for message in messages:
                if message.audio_parts:
                    break
            await t.conversation.interrupt()
            cut = await t.until(Interrupted)
            assert cut.heard_text == ""
            await asyncio.sleep(2)

    run_in_virtual_time(main())
    ((told, _),) = contents(emulator)
    assert "before anything" in told
