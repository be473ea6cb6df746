"""Subscriptions: nothing is lost, nothing is unbounded, nobody waits for a consumer."""

import asyncio
import gc

import pytest
from live_script import DONE, READY, accept_and_wait, audio, model_for, nothing_left_behind, spoken

from antiphon.errors import ConsumerTooSlow, SessionClosed
from antiphon.session import subscription
from antiphon.virtual_time import run_in_virtual_time


def saying(*batches, code=1000, reason=""):
    """Says each batch a second after the one before, then closes."""

    async def script(server):
        await server.accept()
        for batch in batches:
            await asyncio.sleep(1)
            await server.say(*batch)
        await asyncio.sleep(1)
        await server.channel.close(code, reason)

    return script


def running(script, use):
    async def main():
        session = await model_for(script).connect()
        await use(session)
        await nothing_left_behind(session)

    run_in_virtual_time(main())


async def drain(stream, into):
    """Read to the end; what was read is in ``into``, which a comprehension would lose."""
    async for message in stream:
        into.append(message)


def said(messages):
    return [message.output_transcription for message in messages]


def test_the_first_subscription_gets_what_came_before_it():
    async def use(session):
        await asyncio.sleep(1.5)
        assert said([m async for m in session.receive()]) == ["a", "b", "c"]

    running(saying([spoken("a"), spoken("b")], [spoken("c")]), use)


def test_leaving_the_loop_and_coming_back_loses_nothing():
    async def use(session):
        stream = session.receive()
        got = []
        for _ in range(2):
            async for message in stream:
                got.append(message)
                break
        await asyncio.sleep(5)
        got += [message async for message in stream]
        assert said(got) == ["a", "b", "c", "d"]

    running(saying([spoken("a"), spoken("b")], [spoken("c"), spoken("d")]), use)


def test_a_new_loop_per_turn_loses_nothing_either():
    async def use(session):
        got = []
        for _ in range(2):
            async for message in session.receive():
                got.append(message.output_transcription)
                if message.turn_complete:
                    break
            await asyncio.sleep(3)
        got += said([message async for message in session.receive()])
        assert got == ["a", None, "b", None, "c"]

    running(saying([spoken("a"), DONE, spoken("b")], [DONE, spoken("c")]), use)


def test_cancelling_a_wait_loses_nothing():
    async def use(session):
        stream = session.receive()
        got = []
        while True:
            try:
                async with asyncio.timeout(0.3):
                    got.append(await anext(stream))
            except TimeoutError:
                continue
            except StopAsyncIteration:
                break
        assert said(got) == ["a", "b", "c"]

    running(saying([spoken("a"), spoken("b")], [spoken("c")]), use)


def test_each_call_is_a_subscription_of_its_own():
    async def use(session):
        early, silent = session.receive(), session.receive(audio=False)
        await asyncio.sleep(1.5)
        late = session.receive()
        assert [m.audio_frames for m in [m async for m in early]] == [0, 10, 10]
        assert said([m async for m in silent]) == ["a", "b"]
        assert [m.audio_frames for m in [m async for m in late]] == [10]

    running(saying([spoken("a"), audio(10)], [audio(10, outputTranscription={"text": "b"})]), use)


def test_two_readers_of_one_stream_share_it():
    async def use(session):
        stream = session.receive()

        async def read():
            return [message.output_transcription async for message in stream]

        parts = await asyncio.gather(read(), read())
        assert sorted(parts[0] + parts[1]) == ["a", "b", "c"]

    running(saying([spoken("a"), spoken("b")], [spoken("c")]), use)


@pytest.mark.parametrize("code", [1001, 1006, 1011])
def test_an_unclean_end_raises_after_the_last_message_fresh_each_time(code):
    async def use(session):
        stream, got, errors = session.receive(), [], []
        for _ in range(2):
            with pytest.raises(SessionClosed) as caught:
                await drain(stream, got)
            errors.append(caught.value)
        assert said(got) == ["a"]
        assert errors[0] is not errors[1]
        assert errors[0].code == code
        with pytest.raises(SessionClosed):
            await anext(session.receive())

    running(saying([spoken("a")], code=code, reason="why"), use)


def test_our_close_ends_iterations_after_what_was_received():
    async def script(server):
        await server.accept()
        await server.say(spoken("a"))
        await server.hear_all()

    async def use(session):
        stream = session.receive()
        waiting = asyncio.create_task(anext(session.receive(audio=False), None))
        await asyncio.sleep(1)
        await session.close()
        assert said([m async for m in stream]) == ["a"]
        await waiting

    running(script, use)


def test_a_closed_stream_ends_and_holds_nothing():
    async def use(session):
        async with session.receive() as stream:
            waiting = asyncio.create_task(anext(stream, "ended"))
            await asyncio.sleep(0.5)
        assert await waiting == "ended"
        assert await anext(stream, "ended") == "ended"
        await asyncio.sleep(3)
        assert stream.unread == 0

    running(saying([spoken("a")]), use)


def test_audio_that_is_not_read_is_dropped_oldest_first_and_counted():
    second = 24_000

    async def use(session):
        stream = session.receive()
        await asyncio.sleep(3)
        got = [m async for m in stream]
        assert stream.dropped_audio_s == pytest.approx(5)
        assert sum(m.audio_duration_s for m in got) == pytest.approx(120)
        assert said(got)[0] == "first"  # its audio is gone, its words are not
        assert got[0].audio is None
        assert got[-1].turn_complete

    batch = [audio(second, value=number % 100) for number in range(124)]
    running(saying([audio(second, outputTranscription={"text": "first"}), *batch], [DONE]), use)


def test_many_short_audio_messages_are_bounded_too(monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNREAD_MESSAGES", 100)

    async def use(session):
        stream = session.receive()
        await asyncio.sleep(3)
        got = [m async for m in stream]
        assert sum(m.audio_frames for m in got) == 100
        assert stream.dropped_audio_s == pytest.approx(50 / 24_000)
        assert got[-1].turn_complete

    running(saying([audio(1) for _ in range(150)], [DONE]), use)


@pytest.mark.parametrize(
    ("bound", "value"), [("MAX_UNREAD_AUDIO_S", 0.5), ("MAX_UNREAD_BYTES", 28_000)]
)
def test_audio_that_is_dropped_or_not_wanted_is_not_held(monkeypatch, bound, value):
    """Also where a message with more in it has to stay."""
    monkeypatch.setattr(subscription, bound, value)

    async def use(session):
        stream, deaf = session.receive(), session.receive(audio=False)
        await asyncio.sleep(3)
        size = stream._mailbox.unread_bytes
        assert size == sum(message.size_bytes for message in stream._mailbox._unread)
        assert size <= 28_000
        assert deaf._mailbox.unread_bytes < 3_000
        got, silent = [m async for m in stream], [m async for m in deaf]
        assert [said(got), said(silent)] == [["word"] * 10] * 2
        assert stream._mailbox.unread_bytes == deaf._mailbox.unread_bytes == 0
        assert 0.4 <= sum(m.audio_duration_s for m in got) <= 0.5
        assert stream.dropped_audio_s == pytest.approx(1 - sum(m.audio_duration_s for m in got))
        for message in silent + got[:5]:
            assert message.received_audio_parts == ()

    mixed = audio(2_400, outputTranscription={"text": "word"})
    running(saying([mixed] * 10), use)


def test_large_messages_that_are_not_read_end_the_session(monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNREAD_BYTES", 1_000_000)

    async def use(session):
        stream, quick = session.receive(), session.receive()
        with pytest.raises(
            ConsumerTooSlow, match=r"10 messages without audio, and 1\.0 MiB in all"
        ):
            await drain(quick, [])
        kept = []
        with pytest.raises(ConsumerTooSlow):
            await drain(stream, kept)
        assert len(kept) == 10  # nothing that was received is lost

    running(saying([spoken("x" * 100_000)] * 12), use)


def test_one_message_may_be_larger_than_the_bound(monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNREAD_BYTES", 1_000)

    async def use(session):
        stream = session.receive()
        got = [m async for m in stream]
        assert [len(text) for text in said(got)] == [5_000, 6_000]
        assert session.closure.clean

    running(saying([spoken("x" * 5_000)], [spoken("x" * 6_000)]), use)


def test_without_any_subscriber_the_oldest_go_where_they_are_large(monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNREAD_BYTES", 1_000_000)

    async def use(session):
        await asyncio.sleep(1.5)
        kept = session._driver.office._unclaimed
        assert 900_000 < kept.unread_bytes <= 1_000_000
        stream = session.receive()
        assert (stream.unread, stream.dropped_messages) == (9, 11)
        assert said([m async for m in stream])[0][0] == "l"

    running(saying([spoken(letter * 100_000) for letter in "abcdefghijklmnopqrst"]), use)


def test_messages_that_are_not_read_end_the_session(monkeypatch):
    monkeypatch.setattr("antiphon.session.subscription.MAX_UNREAD_MESSAGES", 100)

    async def use(session):
        stream = session.receive()
        quick = session.receive()
        async for _ in stream:
            break
        with pytest.raises(ConsumerTooSlow) as caught:
            await drain(quick, [])
        assert caught.value.cause == "slow_consumer"
        with pytest.raises(ConsumerTooSlow):
            await session.send("x")
        kept = []
        with pytest.raises(ConsumerTooSlow):
            await drain(stream, kept)
        assert len(kept) == 101  # nothing that was received is lost

    running(saying([spoken("x")], [spoken(str(n)) for n in range(150)]), use)


def test_without_any_subscriber_the_oldest_messages_go_and_the_session_stays(monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNREAD_MESSAGES", 100)

    async def use(session):
        await asyncio.sleep(1.5)
        stream = session.receive()
        assert stream.unread == 100
        assert stream.dropped_messages == 50
        assert (await anext(stream)).output_transcription == "50"

    running(saying([spoken(str(n)) for n in range(150)], [DONE]), use)


def test_a_stream_that_is_let_go_of_does_not_count_as_a_consumer(monkeypatch):
    monkeypatch.setattr("antiphon.session.subscription.MAX_UNREAD_MESSAGES", 100)

    async def use(session):
        async for _ in session.receive():
            break
        gc.collect()
        closure = await session.wait_closed()
        assert closure.clean

    running(saying([spoken("x")], [spoken(str(n)) for n in range(150)]), use)


def test_the_reader_does_not_wait_for_a_consumer():
    async def use(session):
        stream = session.receive()
        async for message in stream:
            assert message.received_s == pytest.approx(1.0)
            await asyncio.sleep(1)  # slower than the messages come
        assert asyncio.get_running_loop().time() > 10

    running(saying([spoken(str(n)) for n in range(10)]), use)


def test_a_subscription_after_the_end_still_gets_what_was_kept():
    async def use(session):
        await session.wait_closed()
        assert said([m async for m in session.receive()]) == ["a"]
        assert [m async for m in session.receive()] == []

    running(saying([spoken("a")]), use)


def test_the_acceptance_of_the_setup_is_not_delivered():
    async def script(server):
        await server.hear()
        await server.say(READY, {"goAway": {"timeLeft": "5s"}})
        await server.channel.close(1000)

    async def use(session):
        (message,) = [m async for m in session.receive()]
        assert message.go_away.time_left_s == 5
        assert session.go_away_s == pytest.approx(5)

    running(script, use)


def test_quiet_sessions_end_quietly():
    async def use(session):
        await session.close()
        assert [m async for m in session.receive()] == []

    running(accept_and_wait, use)
