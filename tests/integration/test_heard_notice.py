"""What a model is told of what was heard, in the way that it takes: the test is the service."""

import asyncio
import json

import pytest
from conversation_support import ByHand, talk_by_hand

from antiphon.conversation import (
    Interrupted,
    TurnComplete,
    TurnSounded,
    UserStartedSpeaking,
    UserStoppedSpeaking,
)
from antiphon.virtual_time import run_in_virtual_time

MAY_NOT = "gemini-2.0-flash-live-001"


class Listener:
    """Keeps the words that the service is sent, and how."""

    def __init__(self, service):
        self.service = service
        self.contents, self.texts = [], []

    async def listen(self):
        while True:
            message = json.loads(await self.service.channel.receive())
            for turn in message.get("clientContent", {}).get("turns", []):
                self.contents.append(turn["parts"][0]["text"])
            if (text := message.get("realtimeInput", {}).get("text")) is not None:
                self.texts.append(text)


def in_conversation(name, do):
    """Run ``do(talk, service)`` beside a listener; returns that."""
    service = ByHand()
    listener = Listener(service)

    async def main():
        async with talk_by_hand(service, name=name, tell_heard=True) as t:
            listening = asyncio.create_task(listener.listen())
            await do(t, service, listener)
            listening.cancel()

    run_in_virtual_time(main())
    return listener


async def be_interrupted(t, service):
    await service.say({"serverContent": {"interrupted": True}})
    await t.until(Interrupted)
    await service.say({"serverContent": {"turnComplete": True}})
    await t.until(TurnComplete)
    await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", ["gemini-3.8-live", "gemini-3.1-flash-live-preview"])
def test_content_is_sent_to_a_model_that_takes_it(name):
    async def do(t, service, listener):
        await service.speak(20.0)
        await t.until(TurnSounded)
        t.say("cards-003.wav")
        await t.until(UserStartedSpeaking)
        await be_interrupted(t, service)

    told = in_conversation(name, do)
    (notice,) = told.contents
    assert notice.startswith("[You were interrupted")
    assert told.texts == []


def test_nothing_is_sent_by_itself_to_a_model_that_would_fall_silent_or_answer():
    async def do(t, service, listener):
        await service.speak(20.0)
        await t.until(TurnSounded)
        await t.conversation.interrupt()
        await be_interrupted(t, service)
        t.say("cards-003.wav")
        await t.until(UserStoppedSpeaking)

    told = in_conversation(MAY_NOT, do)
    assert (told.contents, told.texts) == ([], [])


def test_it_is_told_before_what_is_typed_and_does_not_stand_in_the_transcript():
    async def do(t, service, listener):
        await service.speak(20.0)
        await t.until(TurnSounded)
        await t.conversation.interrupt()
        await be_interrupted(t, service)
        await t.conversation.send_text("go on")
        await t.conversation.send_text("please")
        await asyncio.sleep(0.1)
        typed = [each.text for each in t.conversation.transcript if each.typed]
        assert "".join(typed) == "go onplease"

    told = in_conversation(MAY_NOT, do)
    assert told.contents == []
    first, second = told.texts
    assert first.startswith("[You were interrupted")
    assert first.endswith("\ngo on")
    assert second == "please"
