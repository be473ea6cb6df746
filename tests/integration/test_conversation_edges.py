"""Odd moments of a conversation: begun late, begun twice, answered for too long."""

import asyncio

import numpy as np
import pytest
from conversation_support import MemoryConnector, Talk, talk

from antiphon import LiveModel
from antiphon.audio import Playout
from antiphon.audio.wav import read_wav
from antiphon.conversation import AnswerDropped, Conversation, Interrupted, TurnHeard, TurnSounded
from antiphon.conversation.downlink import DownlinkPump
from antiphon.conversation.timeline import Timeline
from antiphon.conversation.transcript import Transcript
from antiphon.devices import FileDevice
from antiphon.emulator import Emulator
from antiphon.errors import DeviceError, SessionClosed
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import AudioPart


def test_a_turn_that_was_open_before_the_conversation_can_be_interrupted():
    async def main():
        server = Emulator()
        connector = MemoryConnector(server)
        model = LiveModel(backend=server.backend("google"), connector=connector)
        async with model.connect() as session:
            await session.send_text_realtime("tell me a story")
            await asyncio.sleep(1.5)
            assert session.turn_open
            device = FileDevice()
            async with Conversation(session, device) as conversation:
                t = Talk(session, device, conversation)
                sounded = await t.until(TurnSounded)
                await asyncio.sleep(1)
                await conversation.send_text("hello")
                cut = await t.until(Interrupted)
                assert cut.turn == sounded.turn == 1
                assert 500 < cut.heard_ms < 2_000
                assert (await t.until(TurnHeard)).turn == 2
        await asyncio.gather(*connector.serving)
        server.close()

    run_in_virtual_time(main())


def test_a_second_start_is_refused_and_harms_nothing(tmp_path):
    async def main():
        async with talk(record_to=tmp_path / "a.wav") as t:
            await asyncio.sleep(1)
            with pytest.raises(DeviceError, match="started before"):
                await t.conversation.start()
            await asyncio.sleep(1)
            await t.conversation.close()
            with pytest.raises(DeviceError, match="started before"):
                await t.conversation.start()

    run_in_virtual_time(main())
    recording, rate_hz = read_wav(tmp_path / "a.wav")
    assert 1.9 < len(recording) / rate_hz < 2.1


def test_words_that_were_not_sent_are_not_in_the_transcript():
    async def main():
        async with talk() as t:
            await t.session.close()
            with pytest.raises(SessionClosed):
                await t.conversation.send_text("hello")
            assert list(t.conversation.transcript) == []

    run_in_virtual_time(main())


def test_what_finds_no_room_ends_its_turn_and_is_told():
    """The playout holds ten minutes; here, one second."""

    class Message:
        turn = 1
        input_transcription = output_transcription = tool_call = answer_cut = None
        generation_complete = interrupted = audio_ended = turn_complete = False
        received_s = 0.0
        audio_parts = (AudioPart(24_000, np.ones(12_000, "<i2").tobytes()),)

    async def messages():
        for _ in range(4):
            yield Message()

    async def main():
        device, told = FileDevice(), []
        playout = Playout(48_000, capacity_s=1)
        pump = DownlinkPump(device, playout, Transcript(), Timeline(), told.append)
        running = asyncio.create_task(pump.run(messages()))
        await asyncio.sleep(0.1)
        running.cancel()
        return pump, [event for event in told if isinstance(event, AnswerDropped)]

    pump, dropped = run_in_virtual_time(main())
    assert [(event.turn, event.lost_ms) for event in dropped] == [(1, 500.0), (1, 500.0)]
    turn = pump.playback.turns[1]
    assert (turn.received_frames, turn.complete) == (24_000, True)
