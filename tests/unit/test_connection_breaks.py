"""Real sockets that are slow, full, or broken: every packet once, in order, as it is promised."""

import asyncio
import json
import random
import socket
import time

import numpy as np
import pytest
from live_script import KEY
from raw_server import READY, raw_server, text_frame

from antiphon import Continuity
from antiphon.channel import ChannelClosed
from antiphon.session import LiveModel, WebSocketConnector
from antiphon.wire import GoogleAI, VertexAI


def model_at(port, *, transparent=False, system_instruction=None, **continuity):
    url = f"ws://127.0.0.1:{port}"
    backend = (
        VertexAI(project="p", access_token=lambda: KEY, base_url=url)
        if transparent
        else GoogleAI(api_key=KEY, base_url=url)
    )
    policy = Continuity(history=False, **continuity)
    return LiveModel(
        backend=backend,
        connector=WebSocketConnector(),
        continuity=policy,
        system_instruction=system_instruction,
    )


def run(main):
    return asyncio.run(asyncio.wait_for(main, 30))


def packet(number, padding=0):
    return json.dumps({"realtimeInput": {"text": f"{number}"}, "pad": "x" * padding}).encode()


def numbers(peer):
    return [int(m["realtimeInput"]["text"]) for m in peer.messages if "realtimeInput" in m]


async def until(condition, *, every_s=0.005):
    while not condition():  # noqa: ASYNC110 - of the other end there is no event
        await asyncio.sleep(every_s)


def test_what_a_broken_connection_refuses_has_not_left():
    """Not sent again, but sent: no byte of it had left this machine."""
    peers = []

    async def handler(peer):
        peers.append(peer)
        await peer.accept()
        if len(peers) == 1:
            await asyncio.Event().wait()
        await peer.hear_all()

    async def main():
        async with raw_server(handler) as port:
            async with model_at(port, send_again=False).connect() as session:
                peers[0].reset()
                time.sleep(0.02)  # noqa: ASYNC251 - the loop must not learn of it in between
                for number in range(20):
                    session.send_live_audio_message(packet(number), 0.02)
                await until(lambda: len(peers) == 2 and len(numbers(peers[1])) >= 20)
        return numbers(peers[1])

    assert run(main()) == list(range(20))


def test_behind_the_end_of_the_stream_nothing_is_written():
    """A server that goes without a close: who sends in that moment notices nothing."""
    peers = []

    async def handler(peer):
        peers.append(peer)
        await peer.accept()
        if len(peers) > 1:
            await peer.hear_all()

    async def main():
        number = 0
        async with raw_server(handler) as port:
            async with model_at(port, send_again=False).connect() as session:
                connection = session._driver._line._channel._connection
                await until(connection.transport.is_closing, every_s=0)
                # Here the end was read, and is not told yet.
                assert not connection.lost
                for number in range(20):
                    session.send_live_audio_message(packet(number), 0.02)
                await until(lambda: len(peers) == 2 and len(numbers(peers[1])) >= 20)
        return numbers(peers[1])

    assert run(main()) == list(range(20))


def test_a_setup_that_is_accepted_before_it_has_left_is_in_the_way_of_audio():
    peers = []

    async def handler(peer):
        peers.append(peer)
        await peer.upgrade()
        await peer.say(text_frame(READY))
        await asyncio.sleep(0.1)
        await peer.hear_all()

    async def main():
        async with raw_server(handler, receive_bytes=65_536) as port:
            model = model_at(port, system_instruction="x" * 8_000_000)
            async with model.connect() as session:
                channel = session._driver._line._channel
                await until(lambda: channel.ready, every_s=0)
                # Here the setup has left, and nobody was told yet.
                assert session._protocol._setup_message is not None
                session.send_live_audio_message(packet(0, 5_000_000), 0.02)
                session.send_live_audio_message(packet(1), 0.02)
                await until(lambda: 1 in numbers(peers[-1]))

    run(main())
    assert [numbers(peer) for peer in peers] == [[0, 1]]


def test_a_pong_that_has_to_wait_is_no_sign_that_the_connection_ends():
    async def handler(peer):
        await peer.upgrade()
        await peer.hear_all()

    async def main():
        async with raw_server(handler) as port:
            url = f"ws://127.0.0.1:{port}/ws"
            channel = await WebSocketConnector().connect(url, {}, timeout_s=5.0)
            connection = channel._connection
            connection.pause_writing()
            draining = asyncio.create_task(channel.drain())
            await asyncio.sleep(0)
            connection.resume_writing()
            connection.pause_writing()  # before `drain` was told
            await asyncio.sleep(0)
            assert not draining.done()
            connection.resume_writing()
            await asyncio.wait_for(draining, 5)
            await channel.close()

    run(main())


def test_closing_waits_well_for_what_leaves_while_the_connection_ends():
    """The peer has said goodbye and all; what waits here still leaves, and ends the transport."""
    ends, reads = asyncio.Event(), asyncio.Event()

    async def handler(peer):
        await peer.upgrade()
        await ends.wait()
        await peer.say(b"\x88\x02\x03\xf1")  # a close, with 1009
        peer.sock.shutdown(socket.SHUT_WR)
        await reads.wait()
        await peer.hear_all()

    async def main():
        async with raw_server(handler, receive_bytes=65_536) as port:
            channel = await WebSocketConnector().connect(f"ws://127.0.0.1:{port}", {}, timeout_s=5)
            connection = channel._connection
            assert not channel.send_now(packet(0, 8_000_000))
            ends.set()
            await until(connection.transport.is_closing)
            assert connection.waiting_bytes
            closing = asyncio.create_task(channel.close())
            await asyncio.sleep(0)
            reads.set()
            await closing
            assert connection.lost
            connection.abort()  # harmless
            with pytest.raises(ChannelClosed) as caught:
                await channel.receive()
        return caught.value.code

    assert run(main()) == 1009


async def read_slowly(peer, rng, breaks_at, *, name):
    """With a ``name``, tell handles with what they know; break after ``breaks_at`` messages."""
    while await peer.hear() is not None:
        count = len(peer.messages) - 1
        if rng.random() < 0.1:
            await asyncio.sleep(rng.random() * 0.02)
        if name and rng.random() < 0.1:
            update = {
                "newHandle": f"{name}/{count}",
                "resumable": True,
                "lastConsumedClientMessageIndex": f"{count}",
            }
            await peer.say(text_frame(json.dumps({"sessionResumptionUpdate": update}).encode()))
        if count == breaks_at:
            await asyncio.sleep(0.03)
            peer.reset()
            return


def consumed(peers):
    """What the last connection's session knows: what its handle did, and what came since."""
    known = {None: []}
    for number, peer in enumerate(peers, 1):
        heard = numbers(peer)
        before = known[peer.messages[0]["setup"]["sessionResumption"].get("handle")]
        for count in range(len(heard) + 1):
            known[f"{number}/{count}"] = before + heard[:count]
    return before + heard


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("policy", ["again", "never again", "transparent"])
def test_a_peer_that_reads_slowly_and_breaks_off_at_any_place(seed, policy):
    rng = random.Random(seed)
    transparent = policy == "transparent"
    peers, total = [], 150

    async def handler(peer):
        peers.append(peer)
        await peer.accept()
        breaks_at = rng.randrange(1, 60) if len(peers) <= 2 else None
        await read_slowly(peer, rng, breaks_at, name=f"{len(peers)}" if transparent else "")

    async def main():
        async with raw_server(handler, receive_bytes=8_192) as port:
            model = model_at(
                port, transparent=transparent, send_again=policy != "never again", max_attempts=30
            )
            async with model.connect() as session:
                for number in range(total):
                    size = rng.choice((0, 100, 20_000, 200_000))
                    if number % 3:
                        session.send_live_audio_message(packet(number, size), 0.02)
                    else:
                        await session.send_audio_message(packet(number, size))
                    if rng.random() < 0.3:
                        await asyncio.sleep(rng.random() * 0.01)
                await until(
                    lambda: session.unsent_messages == 0 and total - 1 in numbers(peers[-1])
                )
                assert session.dropped_user_audio_s == 0.0

    run(main())
    heard = [numbers(peer) for peer in peers]
    assert len(heard) == 3
    for each in heard:
        assert each == sorted(set(each))
    if transparent:
        assert consumed(peers) == list(range(total))
    elif policy == "again":
        assert set().union(*heard) == set(range(total))
    else:
        everything = [number for each in heard for number in each]
        assert everything == sorted(set(everything))


@pytest.mark.parametrize("seed", range(2))
def test_voice_and_words_keep_their_order_and_their_count_on_a_slow_connection(seed):
    rng = random.Random(seed)
    frames = np.arange(1, 320 * 150 + 1, dtype=np.int16).astype(np.int16)

    async def handler(peer):
        await peer.accept()
        while await peer.hear() is not None:
            if rng.random() < 0.05:
                await asyncio.sleep(rng.random() * 0.03)
        heard.set_result(peer.messages[1:])

    async def main():
        nonlocal heard
        heard = asyncio.get_running_loop().create_future()
        said, at = [], 0
        async with raw_server(handler, receive_bytes=4_096) as port:
            async with model_at(port).connect() as session:
                while at < len(frames):
                    block = frames[at : at + 320 * rng.choice((1, 1, 1, 5, 30))]
                    before = session.sent_audio_packets
                    sending = asyncio.ensure_future(session.send_audio_realtime(block))
                    await asyncio.sleep(0)
                    if rng.random() < 0.2:
                        sending.cancel()
                    await asyncio.wait([sending])
                    count = session.sent_audio_packets - before
                    if not sending.cancelled():
                        assert count == len(block) // 320
                    said += ["audio"] * count
                    at += len(block)
                    if rng.random() < 0.5:
                        await session.send("x" * rng.choice((1, 300_000)), turn_complete=False)
                        said.append("text")
            return said, await heard

    heard = None
    said, messages = run(main())
    assert ["audio" if "realtimeInput" in m else "text" for m in messages] == said
