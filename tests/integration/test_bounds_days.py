"""Sessions that last for days: what they hold is the same in the morning and at night."""

import asyncio
from collections import deque

from conversation_support import ByHand, MemoryConnector, talk_by_hand
from held_support import assert_flat, held

from antiphon import LiveModel, tool
from antiphon.conversation import Interrupted, TurnComplete
from antiphon.emulator import Call, CallableBrain, Emulator, Reply
from antiphon.virtual_time import run_in_virtual_time


def test_a_session_of_a_day_holds_no_more_than_one_of_some_hours():
    """The real session and the local server: 1,440 questions, a function for each, 160 moves."""

    def look_up(number: int) -> str:
        """Look a number up."""
        return f"the number {number}"

    def answer(turn):
        if turn.tool_result is None:
            return Reply(call=Call("look_up", {"number": 7}))
        return Reply("Yes.")

    async def read(messages, seen):
        async for message in messages:
            seen[0] += bool(message.turn_complete)

    async def main():
        server = Emulator(brain=CallableBrain(answer))
        connector = MemoryConnector(server)
        model = LiveModel(
            backend=server.backend("google"),
            tools=[tool(look_up, inline=True)],
            connector=connector,
        )
        measured, seen = [], [0]
        async with model.connect() as session:
            reader = asyncio.create_task(read(session.receive(), seen))
            for minute in range(1, 24 * 60 + 1):
                reply = await session.ask(str(minute))
                assert reply.output_transcription
                await asyncio.sleep(60 * minute - asyncio.get_running_loop().time())
                if minute in (18 * 60, 21 * 60, 24 * 60):  # it remembers the ids of 1,000 calls
                    measured.append(held(session, beyond=[connector]))
            connections = len(connector.serving)
        await reader
        await asyncio.gather(*connector.serving)
        server.close()
        return measured, seen[0], connections

    measured, turns, connections = run_in_virtual_time(main())
    assert turns >= 24 * 60
    assert connections > 100
    assert_flat(measured)


def test_a_conversation_remembers_so_many_turns_and_no_more():
    """All that it holds, whatever it is: words, times, what was heard, what was flushed."""

    async def listen(channel):
        while True:
            await channel.receive()

    async def main():
        service, measured = ByHand(), []
        async with talk_by_hand(service, keep_turns=10) as t:
            listener = asyncio.create_task(listen(service.channel))
            t.conversation.timeline.buffer_fill = deque(maxlen=100)  # else an hour
            for number in range(1, 91):
                call = {"id": str(number), "name": "f", "args": {"x": number}}
                await service.say(
                    {"serverContent": {"inputTranscription": {"text": f"question {number}"}}},
                    {"serverContent": {"outputTranscription": {"text": f"answer {number}"}}},
                    {"toolCall": {"functionCalls": [call]}},
                )
                await service.speak(0.5)
                if number % 3 == 0:
                    await asyncio.sleep(0.2)
                    await service.say({"serverContent": {"interrupted": True}})
                    await t.until(Interrupted, turn=number)
                await service.say({"serverContent": {"turnComplete": True}})
                await t.until(TurnComplete, turn=number)
                await asyncio.sleep(0.7)
                t.seen.clear()
                if number in (30, 60, 90):
                    measured.append(held(t.conversation, beyond=[t.session]))
            listener.cancel()
            assert len(t.conversation.transcript) <= 22
            assert list(t.conversation.playback) == list(range(81, 91))
        return measured

    assert_flat(run_in_virtual_time(main()))
