"""Who has to wait for room in a session, and for whom: in virtual time."""

import asyncio

import pytest
from live_script import model_for

from antiphon import Continuity
from antiphon.protocol import Continuity as Policy
from antiphon.protocol import SessionProtocol
from antiphon.session.outbox import Outbox
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import Content, FunctionResponse, Part, Setup

PACKET = b'{"realtimeInput":{"audio":{}}}'
VOICE = bytes(2 * 16_000 * 10)  # 500 packets: far more than there is room for
OLD = "gemini-3.1-flash-live-preview"  # takes no voice while a function runs


def away(seconds):
    """The first connection breaks after one second; the next one is there so much later."""
    connections = []

    async def script(server):
        connections.append(server)
        if len(connections) == 2:
            await asyncio.sleep(seconds)
        await server.accept()
        if len(connections) == 1:
            await asyncio.sleep(1.0)
            await server.channel.close(1011)
        await server.hear_all()

    policy = Continuity(connect_timeout_s=1_000.0, give_up_after_s=2_000.0)
    return model_for(script, continuity=policy), connections


async def ended(*tasks, within_s=0.1):
    """Whether each is done after so short a time."""
    await asyncio.wait(tasks, timeout=within_s)
    return [task.done() for task in tasks]


def test_live_audio_makes_nobody_wait_while_the_connection_is_away():
    async def main():
        model, connections = away(60.0)
        async with model.connect() as session:
            await asyncio.sleep(2.0)
            for _ in range(1_000):
                session.send_live_audio_message(PACKET, 0.02)
            async with asyncio.timeout(0.1):
                await session.send("typed", turn_complete=False)
                await session.send_text_realtime("said")
            await asyncio.sleep(100.0)
        return connections[1].received[1:]

    *live, typed, said = run_in_virtual_time(main())
    assert len(live) == 1_000
    assert "clientContent" in typed
    assert said == {"realtimeInput": {"text": "said"}}


def test_what_is_sent_again_makes_nobody_wait():
    """It had room before; only what is new takes any."""

    async def main():
        model, _ = away(60.0)
        async with model.connect() as session:
            await session.send_audio_realtime(VOICE[: 640 * 100])
            await asyncio.sleep(2.0)
            assert session.unsent_messages == 100
            async with asyncio.timeout(0.1):
                await session.send("typed")

    run_in_virtual_time(main())


def test_voice_that_can_wait_waits_for_room_while_the_connection_is_away():
    async def main():
        model, connections = away(60.0)
        async with model.connect() as session:
            await asyncio.sleep(2.0)
            voice = asyncio.create_task(session.send_audio_realtime(VOICE))
            assert await ended(voice) == [False]
            typed = asyncio.create_task(session.send("typed"))
            assert await ended(voice, typed, within_s=50.0) == [False, False]
            assert session.unsent_messages == 64
            assert await ended(voice, typed, within_s=50.0) == [True, True]
        return connections[1].received[1:]

    received = run_in_virtual_time(main())
    assert len(received) == 501
    # It came while the voice filled the room, and has its turn among its packets.
    assert 64 <= next(at for at, each in enumerate(received) if "clientContent" in each) <= 66


@pytest.mark.parametrize("content", ["typed", "result"])
def test_voice_that_is_held_back_makes_only_realtime_input_wait(content):
    async def script(server):
        await server.accept()
        call = {"name": "manual", "args": {}, "id": "7"}
        await server.say({"toolCall": {"functionCalls": [call]}})
        await server.hear_all()

    async def main():
        model = model_for(script, tools=[{"name": "manual"}], name=OLD)
        async with model.connect() as session:
            await asyncio.sleep(1.0)
            voice = asyncio.create_task(session.send_audio_realtime(VOICE))
            assert await ended(voice) == [False]
            said = asyncio.create_task(session.send_text_realtime("said"))
            assert await ended(voice, said) == [False, False]
            assert session.unsent_messages == 64
            async with asyncio.timeout(0.1):
                if content == "typed":
                    for _ in range(100):
                        await session.send("typed", turn_complete=False)
                await session.send_function_responses([FunctionResponse(id="7", name="manual")])
            assert await ended(voice, said) == [True, True]
        return model._connector.servers[0].received[1:]

    received = run_in_virtual_time(main())
    kinds = [next(iter(message)) for message in received]
    assert kinds == ["clientContent"] * (100 * (content == "typed")) + ["toolResponse"] + (
        ["realtimeInput"] * 501
    )


def test_room_is_counted_over_every_way_that_a_message_can_take():
    """Held back, let go, taken, lost, sent again: what is counted is what waits."""
    protocol = SessionProtocol(Setup(), continuity=Policy(history=False))
    protocol.start(0.0)
    protocol.data_to_send()
    protocol.receive(b'{"setupComplete": {}}', 0.0)
    for _ in range(3):
        protocol.send_audio_message(PACKET)
        protocol.send_audio_message(PACKET, live_s=0.02)
    protocol.send_content([Content(role="user", parts=[Part(text="one")])])
    assert (protocol.crowd, protocol.unsent) == (4, 7)
    assert protocol.next_message() is not None
    assert protocol.crowd == 4  # no connection has it yet
    protocol.message_sent()
    assert protocol.next_message() is not None  # live audio: it took none
    protocol.message_sent()
    assert protocol.crowd == 3
    assert protocol.next_message() is not None
    protocol.connection_lost(1006, "", 20.0)
    assert (protocol.crowd, protocol.unsent) == (3, 7)
    protocol.start(20.0)
    protocol.receive(b'{"setupComplete": {}}', 20.0)
    assert len(protocol.data_to_send()) == 8  # with the setup
    assert (protocol.crowd, protocol.held_crowd, protocol.unsent) == (0, 0, 0)


def test_who_waits_is_woken_when_the_box_is_shut():
    async def main():
        protocol = SessionProtocol(Setup(), continuity=Policy())
        protocol.start(0.0)
        protocol.data_to_send()
        protocol.receive(b'{"setupComplete": {}}', 0.0)
        outbox = Outbox(protocol, max_messages=1)
        protocol.send_audio_message(PACKET)
        waiting = [asyncio.create_task(outbox.room(realtime=each)) for each in (True, False)]
        assert await ended(*waiting) == [False, False]
        assert outbox.waiting
        outbox.shut()
        assert await ended(*waiting) == [True, True]

    run_in_virtual_time(main())
