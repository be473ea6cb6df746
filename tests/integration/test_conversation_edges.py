"""Odd moments of a conversation: begun late, begun twice, answered for too long."""

import asyncio
import base64
import threading

import numpy as np
import pytest
from conversation_support import ByHand, MemoryConnector, Talk, talk, talk_by_hand

from antiphon import Continuity, LiveModel
from antiphon.audio import Playout
from antiphon.audio.wav import WavWriter, read_wav
from antiphon.conversation import (
    AnswerDropped,
    AudioDropped,
    Conversation,
    Interrupted,
    TurnHeard,
    TurnSounded,
)
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
        provoked = False
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


def test_a_rate_that_cannot_be_converted_costs_its_part_and_no_more():
    async def main():
        service = ByHand()
        async with talk_by_hand(service) as talk:
            await service.speak(0.5, rate_hz=22_051)
            lost = await talk.until(AnswerDropped)
            for number in range(20):
                await service.speak(0.1, rate_hz=8_000 + number * 1_000)
            await service.say({"serverContent": {"turnComplete": True}})
            heard = await talk.until(TurnHeard)
            return lost.lost_ms, heard.heard_ms, len(talk.conversation._downlink._rates)

    lost_ms, heard_ms, converters = run_in_virtual_time(main())
    assert lost_ms == pytest.approx(500.0, abs=0.1)
    assert heard_ms == pytest.approx(2_000.0, abs=60.0)
    assert converters <= 8


# ---------------------------------------------------------------------- interruptions


def test_interrupt_stops_the_voice_though_a_newer_turn_has_begun_without_a_sound():
    async def main():
        async with talk_by_hand(ByHand()) as t:
            await t.connector.speak(3.0, turnComplete=True)
            await t.until(TurnSounded, turn=1)
            await t.connector.say({"serverContent": {"outputTranscription": {"text": "And"}}})
            await asyncio.sleep(1.0)
            await t.conversation.interrupt()
            cut = await t.until(Interrupted)
            await t.connector.speak(1.0)  # too late: it belongs to what was interrupted
            await t.connector.speak(0.5, turnComplete=True)
            await t.connector.speak(0.5, turnComplete=True)
            heard = await t.until(TurnHeard)
            return cut, heard, [e for e in t.seen if isinstance(e, Interrupted)]

    cut, heard, all_cuts = run_in_virtual_time(main())
    assert cut.turn == 1
    assert 1_000 < cut.heard_ms < 1_100
    assert all_cuts == [cut]
    assert (heard.turn, heard.heard_ms) == (3, 500)


def test_an_interruption_ends_every_turn_that_waits():
    async def main():
        async with talk_by_hand(ByHand()) as t:
            await t.connector.speak(3.0, turnComplete=True)
            await t.connector.speak(2.0, turnComplete=True)
            await t.until(TurnSounded, turn=1)
            await asyncio.sleep(1.0)
            await t.conversation.interrupt()
            cuts = [await t.until(Interrupted), await t.until(Interrupted)]
            await t.connector.channel.close(1000)
            await t.conversation.wait()
            return cuts, t

    cuts, t = run_in_virtual_time(main())
    first, second = cuts
    assert (first.turn, second.turn, second.heard_ms) == (1, 2, 0)
    assert 1_000 < first.heard_ms < 1_100
    assert not [event for event in t.seen if isinstance(event, TurnHeard)]
    turns = t.conversation.playback
    assert [turns[number].heard_frames for number in (1, 2)] == [first.heard_ms * 24, 0]
    assert all(turn.done and turn.interrupted for turn in turns.values())


# ---------------------------------------------------------------------- the end


def test_a_cancelled_close_returns_when_the_recording_is_on_the_disk(tmp_path, monkeypatch):
    """However slow the disk is."""
    closing, disk = threading.Event(), threading.Event()
    close = WavWriter.close

    def close_slowly(writer):
        closing.set()
        disk.wait(10)
        close(writer)

    monkeypatch.setattr(WavWriter, "close", close_slowly)

    async def main():
        async with talk_by_hand(ByHand(), record_to=tmp_path / "a.wav") as t:
            await asyncio.sleep(0.3)
            ending = asyncio.create_task(t.conversation.close())
            await asyncio.to_thread(closing.wait, 10)
            ending.cancel()
            await asyncio.wait([ending], timeout=0.01)
            still_waiting = not ending.done()
            disk.set()
            with pytest.raises(asyncio.CancelledError):
                await ending
            return still_waiting

    assert asyncio.run(main())
    recording, rate_hz = read_wav(tmp_path / "a.wav")
    assert len(recording) / rate_hz >= 0.3


# ---------------------------------------------------------------------- the user's audio


def test_user_audio_that_waited_too_long_for_a_connection_is_dropped_and_counted():
    async def main():
        service = ByHand(refuse_after=1)
        continuity = Continuity(give_up_after_s=100, max_attempts=100)
        async with talk_by_hand(service, continuity=continuity) as t:
            await asyncio.sleep(2)
            await service.channel.close(1011)
            await asyncio.sleep(40)
            service.refuse_after = 1_000
            await asyncio.sleep(10)
            dropped = [e async for e in up_to_now(t.events) if isinstance(e, AudioDropped)]
            return dropped, t.session.dropped_user_audio_s

    dropped, dropped_s = run_in_virtual_time(main())
    totals = [event.frames for event in dropped]
    assert totals == sorted(set(totals))
    assert totals[-1] == round(dropped_s * 48_000)
    # 40 s and what was handed over before, less the 30 s that are kept.
    assert 10 <= dropped_s < 20
    assert 30 < dropped[0].at_s < 34


async def up_to_now(events):
    while True:
        try:
            async with asyncio.timeout(0.001):
                yield await anext(events)
        except TimeoutError:
            return


def test_the_last_word_is_sent_though_it_does_not_fill_a_packet():
    """At the end of the input; the rest of the last packet is silence."""
    word = np.zeros(48_000 + 480, np.float32)  # 1010 ms: half a packet is left over
    word[48_000:] = 0.5 * np.sin(np.arange(480) * 2 * np.pi * 1_000 / 48_000)

    async def main():
        device = FileDevice(noise_dbfs=None)
        device.say(word)
        device.end_input()
        service = ByHand()
        async with talk_by_hand(service, device=device):
            return await service.heard_of()

    messages = run_in_virtual_time(main())
    assert messages[-1] == {"realtimeInput": {"audioStreamEnd": True}}
    packets = [
        base64.b64decode(message["realtimeInput"]["audio"]["data"]) for message in messages[1:-1]
    ]
    assert {len(packet) for packet in packets} == {640}
    heard = np.frombuffer(b"".join(packets), "<i2") / 32_768
    loud = np.flatnonzero(np.abs(heard) > 0.1)
    assert 0.009 < (loud[-1] - loud[0]) / 16_000 < 0.011
    assert np.sqrt(np.mean(heard[loud[0] : loud[-1]] ** 2)) > 0.3
