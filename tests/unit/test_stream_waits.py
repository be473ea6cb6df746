"""Streams that several tasks wait on, that are let go of at any moment, and that end meanwhile."""

import asyncio
import gc
import random

import pytest
from live_script import DONE, audio, model_for, nothing_left_behind, spoken

from antiphon.protocol import LiveServerMessage
from antiphon.protocol.turns import TurnMarks
from antiphon.session.subscription import PostOffice
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import decode_server_message


def message():
    blob = b'{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAA="}}'
    data = b'{"serverContent": {"modelTurn": {"parts": [' + blob + b"]}}}"
    marks = TurnMarks(turn=1)
    return LiveServerMessage(
        decode_server_message(data), received_s=0.0, marks=marks, speech_as_text=False
    )


def test_waits_that_are_cancelled_leave_nothing_behind():
    """Who looks every second for days finds no message, and must not fill the memory."""

    def futures():
        gc.collect()
        return sum(isinstance(each, asyncio.Future) for each in gc.get_objects())

    async def main():
        stream = PostOffice(pytest.fail).subscribe()
        before = futures()
        for _ in range(200):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await anext(stream)
        assert futures() < before + 20

    run_in_virtual_time(main())


def test_every_message_goes_to_one_of_the_tasks_that_wait_though_others_are_cancelled():
    async def main():
        rng = random.Random(1)
        office, got, tasks = PostOffice(pytest.fail), [], []
        stream = office.subscribe()

        async def reader():
            async for each in stream:
                got.append(each)

        sent = []
        for _ in range(500):
            if rng.random() < 0.5:
                tasks.append(asyncio.ensure_future(reader()))
            if tasks and rng.random() < 0.4:
                tasks.pop(rng.randrange(len(tasks))).cancel()
            for _ in range(rng.randrange(3)):
                sent.append(message())
                office.deliver(sent[-1])
            if rng.random() < 0.7:
                await asyncio.sleep(0)
        tasks.append(asyncio.ensure_future(reader()))
        await asyncio.sleep(0.1)
        assert [id(each) for each in got] == [id(each) for each in sent]
        assert not any(task.done() for task in tasks)
        stream.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 1.0)

    run_in_virtual_time(main())


@pytest.mark.parametrize("allocations", range(10))
def test_a_stream_may_be_collected_in_the_middle_of_a_delivery(allocations):
    """In a cycle, it lives until the collector runs, which is wherever something is made."""

    async def main():
        office = PostOffice(pytest.fail)
        stream = office.subscribe()
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        for _ in range(3):
            cycle = [office.subscribe()]
            cycle.append(cycle)
        del cycle
        given = message()
        gc.set_threshold(gc.get_count()[0] + allocations, 10, 10)
        gc.enable()
        office.deliver(given)
        assert await waiting is given

    thresholds = gc.get_threshold()
    gc.collect()
    gc.disable()
    try:
        run_in_virtual_time(main())
    finally:
        gc.set_threshold(*thresholds)
        gc.enable()


def test_who_comes_after_one_that_wanted_no_audio_gets_what_came_between():
    async def script(server):
        await server.accept()
        await server.say(spoken("a"), audio(240))
        await asyncio.sleep(2)
        await server.say(audio(480), DONE)
        await server.hear_all()

    async def main():
        async with model_for(script).connect() as session:
            async for each in session.receive(audio=False):
                assert each.output_transcription == "a"
                break
            gc.collect()
            await asyncio.sleep(3)
            first = await anext(session.receive())
            assert sum(part.frames for part in first.audio_parts) == 480
        await nothing_left_behind(session)

    run_in_virtual_time(main())
