"""Runs a `SessionProtocol` on asyncio, over one connection after the other.

Every connection is a `_Line`: a channel with its reader and its writer, which rest where the
channel is prompt. Every way in which a session can end goes through `SessionDriver._finish`, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from antiphon.channel import Channel, ChannelClosed, PromptChannel
from antiphon.errors import ConnectError
from antiphon.protocol import (
    Closed,
    Closure,
    Event,
    LiveServerMessage,
    MessageReceived,
    Notice,
    Ready,
    Reconnect,
    Resumed,
    SessionEvent,
    SessionProtocol,
    State,
    UnreadAudioDropped,
)
from antiphon.session.feed import Feed
from antiphon.session.outbox import Outbox
from antiphon.session.subscription import PostOffice

__all__ = ["SessionDriver"]

logger = logging.getLogger("antiphon.session")

_LOGGED_VIOLATIONS = 100  # of a session; later ones at every power of two
_DRAIN_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 10.0
# A goodbye to who did not answer the setup is only polite.
_UNACCEPTED_CLOSE_TIMEOUT_S = 0.25
# A connection that is left has to be closed before the next one resumes the session; one that is
# dead does not answer.
_LEAVE_TIMEOUT_S = 2.0


class SessionDriver:
    """The tasks of one session.

    Args:
        protocol: The state machine; nobody else may feed it.
        channel: An open channel; the driver closes it.
        connect: Makes another one; raises `ConnectError`.
        on_message: Called with every message before the subscribers see it; must not block.
        on_end: Called once when the session has ended.
    """

    def __init__(
        self,
        protocol: SessionProtocol,
        channel: Channel,
        *,
        connect: Callable[[], Awaitable[Channel]],
        on_message: Callable[[LiveServerMessage], None],
        on_end: Callable[[], None],
    ) -> None:
        self.protocol = protocol
        events: Feed[SessionEvent] = Feed()
        self.events = events
        # Not of `self`: whoever keeps a stream need not keep the session.
        self.office = PostOffice(lambda total_s: _publish(events, UnreadAudioDropped(total_s)))
        self.outbox = Outbox(protocol)
        self.ended = asyncio.Event()
        self._connect = connect
        self._on_message = on_message
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self.clock = self._loop.time
        self._settled = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._line = _Line(channel, self)
        self._moving: set[asyncio.Task[None]] = set()
        self._finisher: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None

    @property
    def closure(self) -> Closure | None:
        """How the session ended; None while it has not."""
        return self.protocol.closure

    async def open(self) -> None:
        """Send the setup and wait until it is accepted.

        Raises:
            SetupRejected: The service closed instead; `AuthError` and `QuotaError` are kinds.
            ConnectError: It did not answer in time.
        """
        self.protocol.start(self._loop.time())
        self._line.start()
        self.pump()
        try:
            await self._settled.wait()
        except asyncio.CancelledError:
            await self.close()
            raise
        # A session that was accepted and ended at once is still one: it can be read.
        if self.closure is not None and self.closure.during_setup:
            error = self.closure.error()
            await self.close()
            raise error

    async def send(self, command: Callable[[], None], *, realtime: bool = False) -> None:
        """Give the protocol a command, when there is room for what it sends.

        Args:
            command: Calls it.
            realtime: It is realtime input.

        Raises:
            SessionClosed: The session is over.
        """
        await self.outbox.room(realtime=realtime)
        self.send_now(command)

    def send_now(self, command: Callable[[], None]) -> None:
        """Give the protocol a command that takes no room, or makes room for itself."""
        command()
        self.pump()

    def is_clear(self) -> bool:
        """Whether a packet of audio would leave at once."""
        line = self._line
        return (
            line.prompt is not None
            and not line.leaving  # a setup can be, in a session that is ready: accepted too early
            and line.prompt.ready
            and self.protocol.is_clear()
            and not self.outbox.waiting
        )

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Meanwhile, audio is sent: a pause of the conversation may begin after that."""
        self.protocol.sending += 1
        try:
            yield
        finally:
            self.protocol.sending -= 1
            if not self.protocol.sending:
                self._set_timer()

    def send_audio(self, message: bytes, live_s: float, *, waits: bool) -> None:
        """Give the protocol a packet of the user's audio; it needs no room, or makes some."""
        if self.is_clear():
            self.send_clear([message], live_s, waits=waits)
        else:
            self.send_now(
                lambda: self.protocol.send_audio_message(message, live_s=live_s, waits=waits)
            )

    def send_clear(self, packets: list[bytes], live_s: float, *, waits: bool = True) -> None:
        """`send_audio` while all `is_clear`; what does not leave waits."""
        line = self._line
        assert line.prompt is not None
        for packet in packets:
            if line.leaving:
                self.send_audio(packet, live_s, waits=waits)
                continue
            left = line.prompt.send_now(packet)
            self.protocol.audio_written(packet, live_s=live_s, waits=waits, left=left)
            if not left:
                line.leaving = True  # the rest of it is the writer's
                self.outbox.wake()

    async def close(self) -> None:
        """Send what waits, say goodbye, and end every task. Harmless if already closed."""
        if self._closer is None:
            self.protocol.close(self._loop.time())
            self.pump()
            self._closer = self._loop.create_task(self._close(), name="antiphon-closer")
        # Cancelling one caller must not leave the closing half done.
        await asyncio.shield(self._closer)

    # ------------------------------------------------------------------ for the lines

    def received(self, data: bytes) -> None:
        """A message came on the present line."""
        message = self.protocol.hear(data, self._loop.time())
        if message is None or not self._deliver(message):
            self.pump()

    def sent(self) -> None:
        """The present line has taken a message."""
        self.protocol.message_sent()
        self.outbox.wake()
        if not self.protocol.unsent:
            self._set_timer()  # a pause may have begun

    def lost(self, code: int, reason: str) -> None:
        """The present line has ended."""
        self.protocol.connection_lost(code, reason, self._loop.time())
        self.pump()

    # ------------------------------------------------------------------ tasks

    async def _reconnect(self, at_s: float) -> None:
        try:
            async with asyncio.timeout(_LEAVE_TIMEOUT_S):
                await self._line.stop()
        except TimeoutError:
            logger.warning("The connection that is left does not close; going on without it")
        await asyncio.sleep(at_s - self._loop.time())
        try:
            channel = await self._connect()
        except ConnectError as error:
            self.protocol.connect_failed(error, self._loop.time())
        else:
            self._line = _Line(channel, self)
            if self.protocol.state is State.RECONNECTING:
                self.protocol.start(self._loop.time())
                self._line.start()
            else:  # it was closed meanwhile
                await self._line.stop()
        self.pump()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                await self.outbox.drained()
        except TimeoutError:
            self.protocol.close(self._loop.time(), at_once=True)
            self.pump()
        await self._line.close()
        await self.ended.wait()
        assert self._finisher is not None
        await self._finisher

    async def _finish(self) -> None:
        """Whatever ended the session: leave no connection and no task behind."""
        for task in self._moving:
            task.cancel()
        await asyncio.gather(*self._moving, return_exceptions=True)
        await self._line.stop()

    # ------------------------------------------------------------------ events

    def pump(self) -> None:
        """Carry what the protocol has to say to where it belongs."""
        while events := self.protocol.events():
            for event in events:
                self._handle(event)
        if self.protocol.next_message() is not None:
            self._line.send_now()
            self.outbox.wake()
        self._set_timer()

    def _deliver(self, message: LiveServerMessage) -> bool:
        """False: a consumer had to be given up on, which ends the session."""
        self._on_message(message)
        if (box := self.office.deliver(message)) is None:
            return True
        self.protocol.give_up_on_consumer(box.unread, box.unread_bytes, self._loop.time())
        return False

    def _handle(self, event: Event) -> None:
        match event:
            case MessageReceived():
                self._deliver(event.message)
            case Notice(error):
                # A peer that sends nothing else must not fill the log.
                count = self.protocol.violations
                if count <= _LOGGED_VIOLATIONS or count.bit_count() == 1:
                    logger.warning("%s", error)
            case Ready():
                self._line.accepted = True
                self._settled.set()
            case Resumed():
                self._line.accepted = True
                _publish(self.events, event)
            case Reconnect(at_s):
                moving = self._loop.create_task(self._reconnect(at_s), name="antiphon-reconnect")
                self._moving.add(moving)
                moving.add_done_callback(self._moving.discard)
            case Closed(closure):
                if left := self.protocol.left_unsent:
                    logger.warning("%d messages were not sent before the session ended", left)
                self._settled.set()
                self.ended.set()
                self.outbox.shut()
                self.office.end(closure)
                self.events.end()
                self._on_end()
                self._finisher = self._loop.create_task(self._finish(), name="antiphon-finisher")
            case _:
                _publish(self.events, event)

    def _set_timer(self) -> None:
        due_s = self.protocol.next_timeout()
        if self._timer is not None and self._timer.when() == due_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due_s is None else self._loop.call_at(due_s, self._on_timer, due_s)

    def _on_timer(self, due_s: float) -> None:
        self._timer = None
        # Loops call back up to their clock's resolution too early.
        self.protocol.handle_timeout(max(due_s, self._loop.time()))
        self.pump()


def _publish(events: Feed[SessionEvent], event: SessionEvent) -> None:
    logger.info("%s", event)
    events.put(event)


class _Line:
    """One connection: its channel, and who reads and writes it.

    A prompt channel is read and written where something happens; its writer only has to wait when
    the connection is slow.
    """

    def __init__(self, channel: Channel, driver: SessionDriver) -> None:
        self._channel = channel
        self.prompt = channel if isinstance(channel, PromptChannel) else None
        self._driver = driver
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False
        self.leaving = False
        self.accepted = False

    def start(self) -> None:
        """Read and write from now on."""
        self._tasks = [asyncio.create_task(self._write(), name="antiphon-writer")]
        if self.prompt is None:
            self._tasks.append(asyncio.create_task(self._read(), name="antiphon-reader"))
        else:
            self.prompt.listen(self._received, self._closed)

    async def stop(self) -> None:
        """End the tasks, then the connection: nothing of it reaches the driver any more."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.close()

    async def close(self) -> None:
        """Close the connection; harmless if it has ended."""
        wait_s = _CLOSE_TIMEOUT_S if self.accepted else _UNACCEPTED_CLOSE_TIMEOUT_S
        try:
            async with asyncio.timeout(wait_s):
                await self._channel.close(1000)
        except Exception as error:
            if self.accepted or not isinstance(error, TimeoutError):
                logger.warning("The connection did not close well: %r", error)

    def send_now(self) -> None:
        """Write what leaves without waiting."""
        prompt, protocol = self.prompt, self._driver.protocol
        if prompt is None or self.leaving or not prompt.ready:
            return
        while (data := protocol.next_message()) is not None:
            if not prompt.send_now(data):
                self.leaving = True  # the rest of it is the writer's
                return
            protocol.message_sent()

    def _received(self, data: bytes) -> None:
        if self._stopped:
            return
        try:
            self._driver.received(data)
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        logger.error("The connection ends: its reader failed", exc_info=error)
        self._stopped = True
        self._driver.lost(1006, f"internal error: {error!r}")

    def _closed(self, closed: ChannelClosed) -> None:
        if not self._stopped:
            self._driver.lost(closed.code, closed.reason)

    async def _read(self) -> None:
        try:
            while not self._stopped:
                self._received(await self._channel.receive())
        except ChannelClosed as closed:
            self._closed(closed)
        except Exception as error:
            self._failed(error)

    async def _write(self) -> None:
        try:
            while (data := await self._driver.outbox.next_message()) is not None:
                await self._send(data)
                self._driver.sent()
        except ChannelClosed:
            pass  # the reader learns it too, after what came before the close
        except Exception as error:
            logger.exception("The connection ends: its writer failed")
            self._driver.lost(1006, f"internal error: {error!r}")

    async def _send(self, data: bytes) -> None:
        if self.prompt is None:
            await self._channel.send(data)
            return
        begun, self.leaving = self.leaving, True
        try:
            await (self.prompt.drain() if begun else self.prompt.send(data))
        finally:
            self.leaving = False
