"""Our short way through what a server sends, against the whole way: the same for any bytes."""

import asyncio
import random
import struct

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State
from websockets.uri import parse_uri
from websockets.utils import accept_key

from antiphon.session.connection import LiveConnection

URI = parse_uri("ws://127.0.0.1/")
MAX_BYTES = 70_000
DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Wire(asyncio.Transport):
    """A transport that keeps what is written, for the server to read."""

    def __init__(self):
        super().__init__()
        self.written = bytearray()
        self.ended = False

    def write(self, data):
        self.written += data

    def write_eof(self):
        self.ended = True

    def can_write_eof(self):
        return True

    def is_closing(self):
        return False

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def abort(self):
        self.ended = True


def upgraded():
    """A client that has asked for the upgrade, and the answer to it."""
    protocol = ClientProtocol(URI, max_size=MAX_BYTES)
    request = protocol.connect()
    protocol.send_request(request)
    protocol.data_to_send()
    answer = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(protocol.key)}\r\n\r\n"
    )
    return protocol, answer.encode()


def frame(first, payload, *, masked=False, wide=0):
    """A frame as a server may send it, right or wrong; ``wide``: a longer length than it needs."""
    size, mask = len(payload), 0x80 if masked else 0
    if size < 126 and wide == 0:
        head = struct.pack("!BB", first, mask | size)
    elif size < 65_536 and wide < 2:
        head = struct.pack("!BBH", first, mask | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask | 127, size)
    return head + (bytes(4) if masked else b"") + payload


def payload_of(rng):
    size = rng.choice((0, 1, 2, 5, 125, 126, 127, 300, rng.randrange(2_000)))
    if rng.random() < 0.01:
        size = rng.choice((65_535, 65_536, MAX_BYTES, MAX_BYTES + 1))
    # Bytes that look like the beginning of a frame are everywhere in it.
    return bytes(rng.choices((0x81, 0x82, 0x01, 0x00, 0x05, 0x88, 0x89, 0x7E, 0x41), k=size))


def stream_of(rng, *, wrong):
    """What a server sends: mostly right, in the end maybe wrong."""
    said = []
    for _ in range(rng.randrange(1, 25)):
        kind = rng.random()
        if kind < 0.55:
            said.append(frame(rng.choice((0x81, 0x82)), payload_of(rng)))
        elif kind < 0.65:
            said.append(frame(rng.choice((0x89, 0x8A)), payload_of(rng)[:125]))
        elif kind < 0.85:
            said.append(frame(rng.choice((0x01, 0x02)), payload_of(rng)[:2_000]))
            for _ in range(rng.randrange(3)):
                said.append(frame(0x00, payload_of(rng)[:2_000]))
                if rng.random() < 0.4:
                    said.append(frame(0x89, b"in between"))
            said.append(frame(0x80, payload_of(rng)[:2_000]))
        elif kind < 0.9:
            said.append(frame(0x81, payload_of(rng)[:125], wide=rng.choice((1, 2))))
        elif wrong:
            said.append(
                rng.choice(
                    (
                        frame(0x88, struct.pack("!H", 1011) + b"over"),
                        frame(0x88, b""),
                        frame(0x88, b"x"),
                        frame(0x81, b"masked", masked=True),
                        frame(0xC1, b"reserved"),
                        frame(0x83, b"no such opcode"),
                        frame(0x80, b"the end of nothing"),
                        frame(0x01, b"a beginning") + frame(0x81, b"and another"),
                        frame(0x89, bytes(200)),
                        frame(0x09, b"a piece of a ping"),
                        struct.pack("!BBQ", 0x81, 127, 1 << 63) + b"endless",
                        frame(0x82, bytes(MAX_BYTES + 1)),
                        rng.randbytes(40),
                    )
                )
            )
    return b"".join(said)


def as_websockets_reads(protocol, cuts, *, close_at=None):
    """The messages, as the reference gives them; ``close_at``: after so many bytes we close."""
    pieces, messages, read = [], [], 0
    for cut in cuts:
        if close_at is not None and read >= close_at and protocol.state is State.OPEN:
            protocol.send_close(1000)
        protocol.receive_data(cut)
        read += len(cut)
        for event in protocol.events_received():
            take(event, pieces, messages)
    return messages


def take(event: Event, pieces, messages):
    if isinstance(event, Frame) and event.opcode in DATA:
        pieces.append(bytes(event.data))
        if event.fin:
            messages.append(b"".join(pieces))
            pieces.clear()


def cuts_of(rng, data, *, size):
    at = 0
    while at < len(data):
        end = at + rng.choice((1, 2, 3, rng.randrange(1, size), len(data)))
        yield data[at:end]
        at = end


def as_we_read(protocol, cuts, *, close_at=None):
    messages, wire = [], Wire()

    async def main():
        connection = LiveConnection(protocol, close_timeout=5)
        connection.connection_made(wire)
        connection.on_message = messages.append
        read = 0
        for cut in cuts:
            if close_at is not None and read >= close_at and protocol.state is State.OPEN:
                protocol.send_close(1000)
                connection.send_data()
            connection.data_received(cut)
            read += len(cut)
        if connection._deadline is not None:
            connection._deadline.cancel()

    asyncio.run(main())
    return messages, bytes(wire.written)


def controls(written):
    """How many control frames of each kind a client has written."""
    counts: dict[int, int] = {}
    at = 0
    while at < len(written):
        counts[written[at]] = counts.get(written[at], 0) + 1
        assert written[at + 1] & 0x80
        at += 6 + (written[at + 1] & 0x7F)
    return counts


@pytest.mark.parametrize("seed", range(300))
def test_any_bytes_cut_anywhere_are_read_as_websockets_reads_them(seed):
    rng = random.Random(seed)
    data = stream_of(rng, wrong=seed % 3 > 0)
    whole, answer = upgraded()
    expected = as_websockets_reads(whole, [answer + data])
    ours, answer = upgraded()
    size = rng.choice((4, 50, 5_000))
    got, written = as_we_read(ours, cuts_of(rng, answer + data, size=size))
    assert got == expected
    assert (ours.close_rcvd, ours.close_sent) == (whole.close_rcvd, whole.close_sent)
    assert ours.state is whole.state
    theirs = b"".join(whole.data_to_send())
    assert controls(written) == controls(theirs)


@pytest.mark.parametrize("seed", range(300))
def test_what_comes_while_we_close_is_read_as_websockets_reads_it(seed):
    rng = random.Random(seed)
    data = stream_of(rng, wrong=seed % 3 > 0)
    ours, answer = upgraded()
    whole, their_answer = upgraded()
    stream = [answer, *cuts_of(rng, data, size=rng.choice((4, 50, 5_000)))]
    sizes = [0]
    for cut in stream:
        sizes.append(sizes[-1] + len(cut))
    at = rng.choice(sizes[1:-1] or [sizes[-1]])
    got, _ = as_we_read(ours, stream, close_at=at)
    expected = as_websockets_reads(whole, [their_answer, *stream[1:]], close_at=at)
    assert got == expected
    assert (ours.close_rcvd, ours.close_sent) == (whole.close_rcvd, whole.close_sent)
