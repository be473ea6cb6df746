"""Audio of the model that nobody reads in time: what is dropped is told, once for each time."""

import asyncio

import pytest
from live_script import DONE, audio, model_for, nothing_left_behind

from antiphon.session import UnreadAudioDropped, subscription
from antiphon.virtual_time import run_in_virtual_time

CHUNK = audio(2_400)  # 100 ms


@pytest.fixture(autouse=True)
def one_second(monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNREAD_AUDIO_S", 1.0)


def events_of(use):
    """What `LiveSession.events` tells of a session that is said 20 chunks at 1, 2 and 3 s."""

    async def script(server):
        await server.accept()
        for _ in range(3):
            await asyncio.sleep(1)
            await server.say(*[CHUNK] * 20, DONE)
        await asyncio.sleep(1)
        await server.channel.close(1000, "")

    async def main():
        session = await model_for(script).connect()
        events = session.events()
        await use(session)
        told = [event async for event in events]
        await nothing_left_behind(session)
        return told

    return run_in_virtual_time(main())


async def read_all(stream):
    """What waits, and then a look whether there is more."""
    await asyncio.wait({reader := asyncio.ensure_future(drain(stream))}, timeout=0.5)
    reader.cancel()


async def drain(stream):
    async for _ in stream:
        pass


def test_a_subscriber_that_does_not_read_is_told_of_once():
    async def use(session):
        stream = session.receive()
        await asyncio.sleep(5)
        assert stream.dropped_audio_s == pytest.approx(5.0)

    assert events_of(use) == [UnreadAudioDropped(pytest.approx(0.1))]


def test_one_that_has_caught_up_and_falls_behind_again_is_told_of_again():
    async def use(session):
        stream = session.receive()
        await asyncio.sleep(1.2)
        await read_all(stream)
        await asyncio.sleep(3)
        assert stream.dropped_audio_s == pytest.approx(1.0 + 3.0)

    told = [UnreadAudioDropped(pytest.approx(0.1)), UnreadAudioDropped(pytest.approx(1.1))]
    assert events_of(use) == told


def test_reading_some_of_it_is_not_catching_up():
    async def use(session):
        stream = session.receive()
        for _ in range(3):
            await asyncio.sleep(1)
            for _ in range(5):
                await anext(stream)

    assert events_of(use) == [UnreadAudioDropped(pytest.approx(0.1))]


def test_of_several_subscribers_each_is_told_of_and_those_without_audio_are_not():
    async def use(session):
        streams = [session.receive(), session.receive(), session.receive(audio=False)]
        await asyncio.sleep(5)
        assert [stream.dropped_audio_s > 0 for stream in streams] == [True, True, False]

    assert events_of(use) == [UnreadAudioDropped(pytest.approx(0.1))] * 2


def test_nobody_that_subscribes_is_told_of_too():
    async def use(session):
        await asyncio.sleep(5)

    assert events_of(use) == [UnreadAudioDropped(pytest.approx(0.1))]
