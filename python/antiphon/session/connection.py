"""One WebSocket connection, with short ways for what is frequent.

`websockets` opens the connection (through a proxy or not), keeps it alive, closes it, and reads
whatever is unusual. Text on its way out, and messages in one piece on their way in, pass it by:
there each takes several coroutines and a task switch, and 75 of them come and go in a second.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import Event, State

from antiphon._native import text_frame, whole_messages
from antiphon.channel import ChannelClosed
from antiphon.wire.close_codes import TOO_LARGE_FOR_US
from antiphon.wire.secret import redact

__all__ = ["LiveConnection", "WebSocketChannel"]

_MAX_REASON_BYTES = 123
# Of what waits for a reader; then the peer does.
_MAX_UNREAD = 64
_MAX_UNREAD_BYTES = 1024 * 1024
# Of pings, whose answers the peer does not take.
_MAX_UNANSWERED = 1000
_KEY_POOL_BYTES = 256
# Over TLS, where one message may wait below, unknown: of these, it matters.
_LONG_BYTES = 64 * 1024
_END_OF_ANSWER = b"\r\n\r\n"
# The first byte of a frame.
_FINAL = 0x80
_PIECES = (1, 2, 0)  # the first of several, or one in the middle
_LAST_PIECE = _FINAL | 0


class LiveConnection(ClientConnection):
    """The asyncio protocol: messages go to `on_message`; while there is none, they wait.

    Attributes:
        heard_s: When there was the last sign of life: data, pongs, anything.
        lost: Whether the connection has ended.
        writable: Whether all that was written has left, and more can.
    """

    def __init__(self, protocol: ClientProtocol, **settings: Any) -> None:
        super().__init__(protocol, **settings)
        self.heard_s: float | None = None
        self.lost = False
        self.writable = False
        self.on_message: Callable[[bytes], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        self.unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self.changed = asyncio.Event()
        self._answered = False
        self._mask_keys = b""
        self._plain = False  # what comes next is the beginning of a message
        self._head = b""  # the beginning of what cannot be told yet
        self._missing = 0  # how much of the frame that `websockets` reads is still to come
        self._in_pieces = False
        self._pieces = bytearray()  # of a message: their number has no bound, their bytes have
        self._deadline: asyncio.TimerHandle | None = None
        self._unanswered = 0
        self._max_message_bytes = protocol.max_message_size or sys.maxsize

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        super().connection_made(transport)
        # What was written must be known to have left: none of it may wait here unnoticed. TLS
        # counts differently from TCP, and takes a limit of zero to be always exceeded.
        for layer in _layers(self.transport):
            over_tls = layer.get_extra_info("ssl_object") is not None
            layer.set_write_buffer_limits(1 if over_tls else 0, 0)
            self._carrier = layer

    # ------------------------------------------------------------------ out

    def write_text(self, text: bytes) -> bool:
        """Send a text message in one piece; whether it has left, and another may be sent."""
        keys = self._mask_keys or secrets.token_bytes(_KEY_POOL_BYTES)  # nobody can foresee them
        self._mask_keys = keys[4:]
        frame = text_frame(text, keys[:4])
        if len(frame) > _LONG_BYTES and self._carrier is not self.transport:
            # TLS tells that it waits only of what comes when the layer below is full already.
            self.transport.write(frame[:-1])
            frame = frame[-1:]
        self.transport.write(frame)
        # A transport that was refused a write knows it before the connection is lost, and takes
        # whatever comes until then for nothing.
        if self._carrier.is_closing():
            self.writable = False
        return self.writable

    @property
    def waiting_bytes(self) -> int:
        """How much of what was written has not left."""
        return sum(layer.get_write_buffer_size() for layer in _layers(self.transport))

    def pause_writing(self) -> None:
        """Something waits in the transport."""
        super().pause_writing()
        self.writable = False

    def resume_writing(self) -> None:
        """It has left."""
        super().resume_writing()
        self._unanswered = 0
        self._look_at_state()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye: after that, nothing more can be written."""
        self.writable = False
        if self.protocol.state is State.OPEN:
            await super().close(code, reason)
        else:  # there `websockets` aborts what has ended
            self._expect_end()
            await self.wait_closed()

    def abort(self) -> None:
        """End it without a goodbye; harmless if it has ended, which asyncio does not promise."""
        if not self.lost:
            self.transport.abort()

    def _look_at_state(self) -> None:
        # That is asked here, because `writable` is for every message.
        self.writable = (
            not self.paused
            and self.protocol.state is State.OPEN
            and not self.transport.is_closing()
            and not self._carrier.is_closing()
        )

    # ------------------------------------------------------------------ in

    def data_received(self, data: bytes) -> None:
        """Bytes came: take the messages among them."""
        self.heard_s = self.loop.time()
        if not self._answered:
            data = self._read_answer(data)
        elif self._head:
            data, self._head = self._head + data, b""
        while data:
            if self._plain:
                messages, end = whole_messages(data, self._max_message_bytes)
                deliver = self.on_message or self._keep
                for message in messages:
                    deliver(message)
                if end == len(data):
                    return
                data = data[end:]
            data = self._read_unusual(data)

    def process_event(self, event: Event) -> None:
        """What `websockets` has read."""
        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            if self.paused and isinstance(event, Frame) and event.opcode is Opcode.PING:
                self._unanswered += 1
                if self._unanswered > _MAX_UNANSWERED:
                    self.abort()
            return
        if not event.fin:
            self._pieces += event.data
            return
        message = bytes(event.data)
        if self._pieces:
            message = bytes(self._pieces) + message
            self._pieces.clear()
        (self.on_message or self._keep)(message)

    def eof_received(self) -> None:
        """The peer says no more: `websockets` ends its own side with that."""
        super().eof_received()
        self._look_at_state()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended: nothing more will come."""
        super().connection_lost(exc)
        self.lost, self.writable = True, False
        if self._deadline is not None:
            self._deadline.cancel()
        self.changed.set()
        if self.on_lost is not None:
            self.on_lost()

    def take(self) -> bytes:
        """The oldest unread message."""
        message = self.unread.popleft()
        self._unread_bytes -= len(message)
        if not self._too_much_unread:
            self.transport.resume_reading()
        return message

    @property
    def _too_much_unread(self) -> bool:
        return len(self.unread) >= _MAX_UNREAD or self._unread_bytes >= _MAX_UNREAD_BYTES

    def _read_answer(self, data: bytes) -> bytes:
        """Read the answer to the upgrade, as it comes; returns what is behind it."""
        seen = self._head + data  # its end may have come in pieces
        end = seen.find(_END_OF_ANSWER)
        if end < 0:
            self._head = seen[1 - len(_END_OF_ANSWER) :]
            self._read_slowly(data)
            return b""
        end += len(_END_OF_ANSWER) - len(self._head)
        self._answered, self._head = True, b""
        self._read_slowly(data[:end])
        self._plain = self.protocol.state is State.OPEN
        return data[end:]

    def _read_unusual(self, data: bytes) -> bytes:
        """Read one frame, or what has come of it; returns what is behind it."""
        if self.protocol.state is not State.OPEN:
            self._plain = False  # from now on nothing here knows where a frame begins
            self._read_slowly(data)
            return b""
        end = self._missing or _frame_bytes(data)
        if not end:
            self._head = data
            return b""
        if not self._missing and (data[0] in _PIECES or data[0] == _LAST_PIECE):
            self._in_pieces = data[0] != _LAST_PIECE
        self._read_slowly(data[:end])
        self._missing = max(0, end - len(data))
        # Behind a close, or what was refused, comes nothing.
        ended = self.protocol.state is not State.OPEN
        self._plain = not (self._missing or self._in_pieces or ended)
        return data[end:]

    def _read_slowly(self, data: bytes) -> None:
        super().data_received(data)
        self._look_at_state()
        if self.protocol.state is State.CLOSING:
            self._expect_end()

    def _expect_end(self) -> None:
        """A peer that says goodbye and stays is not waited for."""
        if self._deadline is None and not self.lost:
            self._deadline = self.loop.call_later(self.close_timeout or 0.0, self.abort)

    def _keep(self, message: bytes) -> None:
        self.unread.append(message)
        self._unread_bytes += len(message)
        self.changed.set()
        if self._too_much_unread:
            self.transport.pause_reading()


def _layers(transport: asyncio.Transport) -> Iterator[asyncio.Transport]:
    """A transport and, under its TLS, what carries it, as far as there is a way to that.

    The last one has the socket: what TLS has encrypted waits there, and there it is known first
    that a connection was reset. asyncio has no public name for it; uvloop has none at all.
    """
    yield transport
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    if below is not None:
        yield from _layers(below)


def _frame_bytes(data: bytes) -> int:
    """The length of the frame that begins here; 0: not to be told yet.

    A server does not mask. One that does sends four bytes more, and `websockets` refuses it.
    """
    if len(data) < 2:
        return 0
    size, head = data[1] & 0x7F, 2
    if size >= 126:
        head = 4 if size == 126 else 10
        if len(data) < head:
            return 0
        size = int.from_bytes(data[2:head], "big")
    return head + size


class WebSocketChannel:
    """A `PromptChannel` over a `LiveConnection`.

    Args:
        connection: It is open.
        secrets: What must not show in the reason of a close.
        silence_timeout_s: It counts as dead when nothing came for so long, nor left.
        write_timeout_s: … or when nothing of what was sent has left for so long.
    """

    def __init__(
        self,
        connection: LiveConnection,
        secrets: Iterable[str],
        silence_timeout_s: float,
        write_timeout_s: float,
    ) -> None:
        self.send_now = connection.write_text
        self._connection = connection
        self._secrets = tuple(secrets)
        self._silence_timeout_s = silence_timeout_s
        self._write_timeout_s = write_timeout_s
        self._death = ""
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self._watch_silence()

    @property
    def ready(self) -> bool:
        """Whether everything that was sent has left, and more can: the peer wants it."""
        return self._connection.writable

    async def send(self, data: bytes) -> None:
        """Send one text message; returns when it has left."""
        await self.drain()
        self._connection.write_text(data)
        await self.drain()

    async def drain(self) -> None:
        """Wait until the channel is `ready`.

        Raises:
            ChannelClosed: The connection has ended.
        """
        connection = self._connection
        waiting = connection.waiting_bytes
        while not self.ready and not connection.lost:
            try:
                async with asyncio.timeout(self._write_timeout_s):
                    await connection.drain()
                    while connection.paused:  # by a pong, which nobody waits for
                        await connection.drain()
                    if not self.ready:  # it is closing
                        await connection.wait_closed()
            except TimeoutError:
                before, waiting = waiting, connection.waiting_bytes
                if waiting < before:  # a long message, and a slow link that takes it
                    connection.heard_s = self._loop.time()  # no ping comes to its turn before
                    continue
                self._die(f"nothing that was sent has left for {self._write_timeout_s:g} s")
                raise ChannelClosed(1006, self._death) from None
            except OSError:
                await connection.wait_closed()
        if connection.lost:
            raise self._closed()

    async def receive(self) -> bytes:
        """The next message.

        Raises:
            ChannelClosed: The connection has ended, and all that came before was received.
        """
        connection = self._connection
        while not connection.unread:
            if connection.lost:
                raise self._closed()
            connection.changed.clear()
            await connection.changed.wait()
        return connection.take()

    def listen(
        self, on_message: Callable[[bytes], None], on_closed: Callable[[ChannelClosed], None]
    ) -> None:
        """Instead of `receive`: be told."""
        connection = self._connection
        while connection.unread:
            on_message(connection.take())
        connection.on_message = on_message
        connection.on_lost = lambda: on_closed(self._closed())
        if connection.lost:
            connection.on_lost()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and close; harmless if it has ended."""
        self._stop_watching()
        short = reason.encode()[:_MAX_REASON_BYTES].decode("utf-8", "ignore")
        try:
            await self._connection.close(code, short)
        except asyncio.CancelledError:
            self._connection.abort()  # who does not wait for its goodbye is rid of it
            raise

    def _closed(self) -> ChannelClosed:
        self._stop_watching()
        if self._death:
            return ChannelClosed(1006, self._death)
        protocol = self._connection.protocol
        # What the peer said wins; a close of our own side comes next.
        close = protocol.close_rcvd or protocol.close_sent
        if close is None:
            return ChannelClosed(1006)
        reason = redact(close.reason, self._secrets)
        if protocol.close_rcvd is None and close.code == CloseCode.MESSAGE_TOO_BIG:
            reason = f"{TOO_LARGE_FOR_US}: {reason}"
        return ChannelClosed(close.code, reason)

    def _die(self, why: str) -> None:
        self._death = self._death or why
        self._stop_watching()
        self._connection.abort()

    def _watch_silence(self) -> None:
        heard_s = self._connection.heard_s
        now_s = self._loop.time()
        due_s = (now_s if heard_s is None else heard_s) + self._silence_timeout_s
        if now_s >= due_s:
            self._die(f"neither data nor a pong came for {self._silence_timeout_s:g} s")
        else:
            self._watch = self._loop.call_at(due_s, self._watch_silence)

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
