"""What a break sends again of the user's audio: of a microphone little, of a file all."""

import asyncio

import numpy as np
import pytest
from continuity_support import Session
from live_script import model_for

from antiphon._native import encode_realtime_audio
from antiphon.protocol import Continuity, Resumed
from antiphon.protocol.journal import Journal
from antiphon.session.user_audio import Pace
from antiphon.virtual_time import run_in_virtual_time

PACKETS_PER_S = 50
BLOCK = np.zeros(320, np.int16)  # 20 ms
MESSAGE = bytes(encode_realtime_audio(BLOCK))


def is_audio(message):
    return "audio" in message.get("realtimeInput", {})


def sent_again(talk, **policy):
    """How many packets come again after ``talk``, whose connection is then lost: the last ones.

    The service gave a handle, and answers nothing.
    """
    lost = asyncio.Event()

    async def script(server):
        await server.accept()
        await server.say({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
        hearing = asyncio.ensure_future(server.hear_all())
        if not lost.is_set():
            await lost.wait()
            await server.channel.close(1011, "")
        await hearing

    async def main():
        model = model_for(script, continuity=Continuity(move_after_s=None, **policy))
        async with model.connect() as session:
            await talk(session)
            events = session.events()
            lost.set()
            async for event in events:
                if isinstance(event, Resumed):
                    break
            await session.send_text_realtime("and now?")  # all that goes again is before it
        first, second = model._connector.servers
        before, again = [[m for m in server.received if is_audio(m)] for server in (first, second)]
        assert again == before[len(before) - len(again) :]
        assert event.sent_again == len(again)
        return len(again)

    return run_in_virtual_time(main())


async def microphone(session, seconds, block_s=0.02):
    block = np.zeros(round(16_000 * block_s), np.int16)
    for _ in range(round(seconds / block_s)):
        await session.send_audio_realtime(block)
        await asyncio.sleep(block_s)


@pytest.mark.parametrize(("block_s", "live_again_s"), [(0.02, 30.0), (0.4, 30.0), (1.0, 5.0)])
def test_quiet_minutes_of_a_microphone_are_not_sent_again(block_s, live_again_s):
    async def talk(session):
        await microphone(session, 300, block_s)

    assert sent_again(talk, live_again_s=live_again_s) == live_again_s * PACKETS_PER_S


def test_quiet_minutes_of_ready_messages_are_not_either():
    async def talk(session):
        for number in range(300 * PACKETS_PER_S):
            await session.send_audio_message(MESSAGE, *([0.02] if number % 2 else []))
            await asyncio.sleep(0.02)

    assert 0.9 < sent_again(talk) / (30 * PACKETS_PER_S) <= 1


def test_a_file_in_one_call_is_sent_again_whole_whatever_the_microphone_said_before_and_after():
    async def talk(session):
        await microphone(session, 60)
        await session.send_audio_realtime(np.zeros(120 * 16_000, np.int16))
        await microphone(session, 60)

    # Of the microphone the last 30 s; what it said first after the file may count as of that.
    assert 0 <= sent_again(talk) - (120 + 30) * PACKETS_PER_S <= 9 * PACKETS_PER_S


def test_a_file_in_blocks_without_a_pause_is_sent_again_whole():
    async def talk(session):
        for _ in range(100 * PACKETS_PER_S):
            await session.send_audio_realtime(BLOCK)
            await asyncio.sleep(0)

    assert sent_again(talk) == 100 * PACKETS_PER_S


def test_with_vertex_what_the_service_has_not_taken_goes_again_however_old_it_is():
    """It says what it has taken: here nothing."""
    session = Session(transparent=True)
    for _ in range(60 * PACKETS_PER_S):
        session.protocol.audio_written(MESSAGE, live_s=0.02, waits=True)
    session.lose()
    session.wait(5)
    _, sent = session.connect()
    assert len(sent) == 60 * PACKETS_PER_S


def test_live_audio_whose_sender_waits_is_not_dropped():
    journal = Journal(max_live_s=1.0)
    for _ in range(200):
        journal.put(MESSAGE, asks=False, realtime=True, live_s=0.02, waits=True)
    assert (journal.dropped_live_s, journal.crowd, len(journal)) == (0.0, 200, 200)
    for _ in range(8):
        journal.put(MESSAGE, asks=False, realtime=True, live_s=0.25)
    assert journal.dropped_live_s == 1.0
    assert (journal.crowd, len(journal)) == (200, 204)


@pytest.mark.parametrize("drift", [1.0, 1.001, 0.99])
def test_a_microphone_is_live_for_hours_whatever_its_clock(drift):
    pace = Pace()
    times = (number * 0.02 / drift for number in range(4 * 3600 * PACKETS_PER_S))
    assert all(pace.is_live(0.02, now_s) for now_s in times)


def test_a_delay_is_made_up_for_and_then_forgotten():
    pace = Pace()
    verdicts = [pace.is_live(0.02, 5.0) for _ in range(5 * PACKETS_PER_S)]
    verdicts += [pace.is_live(0.02, 5.0 + n * 0.02) for n in range(10 * PACKETS_PER_S)]
    assert all(verdicts[: 2 * PACKETS_PER_S - 1])
    assert not any(verdicts[2 * PACKETS_PER_S + 1 : 5 * PACKETS_PER_S])
    assert all(verdicts[-PACKETS_PER_S:])
