"""Client and server with a link between them: in memory, in virtual time."""

import asyncio

import pytest
from world_support import SETTINGS, all_of, in_memory, small_server

from antiphon.channel import ChannelClosed, memory_channel_pair
from antiphon.emulator.world.link import LINKS, LinkProfile
from antiphon.emulator.world.linked_channel import LinkedChannel
from antiphon.errors import ConnectError
from antiphon.virtual_time import run_in_virtual_time

WORDS = "a sentence of a few seconds, said again"


def now():
    return asyncio.get_running_loop().time()


# ------------------------------------------------------------------ the channel


def over(profile, use, *, max_messages=1_024):
    """Run ``use(client end, server end)`` with a link between them; returns its result."""

    async def main():
        ours, theirs = memory_channel_pair(max_messages)
        async with LinkedChannel(theirs, profile, 1) as linked:
            return await use(ours, linked)

    return run_in_virtual_time(main())


def test_messages_take_their_time_in_both_directions():
    async def use(client, server):
        await server.send(b"down")
        await client.send(b"up")
        received = await server.receive(), await client.receive()
        return received, now()

    assert over(LinkProfile(delay_ms=70), use) == ((b"up", b"down"), pytest.approx(0.07))


def test_a_close_comes_behind_what_was_sent_before():
    async def use(client, server):
        await server.send(bytes(1_000))
        closing = asyncio.create_task(server.close(1011, "why"))
        assert await client.receive() == bytes(1_000)
        with pytest.raises(ChannelClosed) as caught:
            await client.receive()
        closed_s = now()
        await closing
        with pytest.raises(ChannelClosed):
            await server.send(b"more")
        with pytest.raises(ChannelClosed):
            await server.receive()
        await server.close()
        return closed_s, caught.value.code, caught.value.reason

    profile = LinkProfile(delay_ms=70, down_kbit_s=8)
    assert over(profile, use) == (pytest.approx(1.07), 1011, "why")


def test_a_client_that_leaves_is_noticed_a_way_later_and_after_what_it_sent():
    async def use(client, server):
        await client.send(b"last words")
        await client.close(1000, "bye")
        assert await server.receive() == b"last words"
        for _ in range(2):
            with pytest.raises(ChannelClosed, match="bye"):
                await server.receive()
        return now()

    assert over(LinkProfile(delay_ms=70), use) == pytest.approx(0.07)


def test_the_sender_waits_while_the_queue_is_full():
    async def use(client, server):
        times = []
        for _ in range(5):
            await server.send(bytes(1_000))
            times.append(now())
        return times

    # One second each; two fit.
    profile = LinkProfile(down_kbit_s=8, queue_bytes=1_500)
    assert over(profile, use) == pytest.approx([0, 0, 1, 2, 3])


def test_a_client_that_sends_too_fast_waits_too():
    async def use(client, server):
        times = []
        for _ in range(7):
            await client.send(bytes(1_000))
            times.append(now())
        return times

    # One second each; two fit, one waits before them and one in the channel.
    profile = LinkProfile(up_kbit_s=8, queue_bytes=1_500)
    assert over(profile, use, max_messages=1) == pytest.approx([0, 0, 0, 0, 1, 2, 3])


def test_what_is_under_way_on_a_link_without_a_rate_is_bounded():
    async def use(client, server):
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    await client.send(b"x")
                    sent += 1
        assert 1_024 < sent < 1_100
        for _ in range(sent):
            assert await server.receive() == b"x"
        return now()

    assert over(LinkProfile(delay_ms=2_000), use, max_messages=8) == pytest.approx(4)


def test_a_cancelled_receive_loses_nothing():
    async def use(client, server):
        await client.send(b"one")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await server.receive()
        return await server.receive()

    assert over(LinkProfile(delay_ms=70), use) == b"one"


def test_a_client_that_never_reads_is_given_up():
    async def main():
        _, theirs = memory_channel_pair(2)
        async with LinkedChannel(theirs, LinkProfile(), 1) as linked:
            with pytest.raises(ChannelClosed, match="Deadline"):
                while True:
                    await linked.send(b"x")
        return now()

    assert run_in_virtual_time(main()) == pytest.approx(60)


# ------------------------------------------------------------------ the session


def talk(link, *, seed=1, settings=SETTINGS):
    """Three questions; what came, and when."""

    async def main():
        emulator = small_server(link=link, seed=seed, settings=settings)
        async with in_memory(emulator, session_resumption=True) as model:
            async with model.connect() as session:
                reading = asyncio.create_task(all_of(session.receive()))
                for words in (WORDS, "and more", "the end"):
                    await session.ask(words)
            return await reading, emulator.sessions

    return run_in_virtual_time(main())


@pytest.mark.parametrize("link", [None, *LINKS])
def test_equal_seeds_give_equal_transcripts_byte_for_byte(link):
    first, sessions = talk(link)
    assert len(first) > 20
    assert talk(link)[0] == first
    assert talk(link, seed=2)[0] != first
    pcm = b"".join(bytes(turn.pcm) for turn in sessions[0].turns)
    assert b"".join(audio for _, _, audio in first) == pcm


def up_to_the_last_turn(messages):
    """Without what came behind it, or did not: the client was just closing."""
    last = max(at for at, message in enumerate(messages) if "turnComplete" in message[1])
    return messages[: last + 1]


def test_a_link_changes_when_messages_come_and_nothing_else():
    near, far = (up_to_the_last_turn(talk(link)[0]) for link in (None, "lte_handover"))
    assert [message[1:] for message in far] == [message[1:] for message in near]
    late_s = [there[0] - here[0] for here, there in zip(near, far, strict=True)]
    assert min(late_s) > 0.2  # a handshake at least
    assert late_s == sorted(late_s) or max(late_s) > min(late_s) + 0.1


def test_the_handshake_takes_three_round_trips_or_all_the_time_there_is():
    async def main():
        emulator = small_server(link=LinkProfile(delay_ms=100))
        async with in_memory(emulator) as model:
            async with model.connect():
                opened_s = now()
            with pytest.raises(ConnectError, match="Allow more time") as caught:
                await model.connect(timeout_s=0.5)
            return opened_s, caught.value.cause, now() - opened_s

    opened_s, cause, waited_s = run_in_virtual_time(main())
    assert opened_s == pytest.approx(0.6 + 0.2)  # and one more round trip for the setup
    assert cause == "timeout"
    assert waited_s == pytest.approx(0.5)


def test_an_answer_that_leaves_slowly_can_be_interrupted():
    """The server listens while it sends: the queue's worth of audio comes, not the whole turn."""

    async def main():
        link = LinkProfile(delay_ms=50, down_kbit_s=600, queue_bytes=30_000)
        emulator = small_server(link=link)
        async with in_memory(emulator) as model, model.connect() as session:
            await session.send(" ".join([WORDS] * 20))  # 47 s of speech, as much on the link
            async for message in session.receive():
                if message.audio is not None:
                    break
            asked_s = now()
            await session.send_text_realtime("stop")
            async for message in session.receive():
                if message.interrupted:
                    break
            return now() - asked_s, emulator.sessions[0].turns[0].duration_s

    waited_s, sent_s = run_in_virtual_time(main())
    assert waited_s < 0.1 + 60_000 / 75_000
    assert sent_s < 5


def test_a_client_that_floods_and_does_not_read_is_not_listened_to():
    async def main():
        emulator = small_server()
        ours, theirs = memory_channel_pair(4)
        serving = asyncio.create_task(emulator.handle(theirs, emulator.backend().url(), {}))
        await ours.send(b'{"setup": {"model": "models/gemini-3.8-live"}}')
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                while True:
                    await ours.send(b'{"realtimeInput": {"text": "hi"}}')
                    sent += 1
        await ours.close()
        await serving
        emulator.close()
        return sent

    assert run_in_virtual_time(main()) < 300


def test_leaving_the_connector_ends_what_is_open():
    async def main():
        emulator = small_server(link="wifi")
        async with emulator.connector() as connector:
            channel = await connector.connect(emulator.backend().url(), {}, timeout_s=1)
        with pytest.raises(ChannelClosed):
            await channel.receive()
        emulator.close()
        return emulator.sessions[0].close_code

    assert run_in_virtual_time(main()) == 1001


def test_a_client_end_takes_no_message_that_is_too_large():
    async def main():
        emulator = small_server()
        async with emulator.connector(max_message_bytes=1_000) as connector:
            channel = await connector.connect(emulator.backend().url(), {}, timeout_s=1)
            await channel.send(b'{"setup": {"model": "models/gemini-3.8-live"}}')
            assert b"setupComplete" in await channel.receive()
            await channel.send(b'{"realtimeInput": {"text": "hi"}}')
            with pytest.raises(ChannelClosed, match="exceeds limit of 1000") as caught:
                while True:
                    await channel.receive()
        emulator.close()
        return caught.value.code, emulator.sessions[0].close_code

    assert run_in_virtual_time(main()) == (1009, 1009)
