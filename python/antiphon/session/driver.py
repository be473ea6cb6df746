"""Runs a `SessionProtocol` on asyncio: one reader, one writer, one timer, and their end.

Every way in which a session can end goes through `SessionDriver._finish`, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from antiphon.channel import Channel, ChannelClosed
from antiphon.protocol import (
    Closed,
    Closure,
    Event,
    LiveServerMessage,
    MessageReceived,
    Notice,
    SessionProtocol,
)
from antiphon.session.outbox import Outbox
from antiphon.session.subscription import MAX_UNREAD_MESSAGES, PostOffice

__all__ = ["SessionDriver"]

logger = logging.getLogger("antiphon.session")

_DRAIN_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 10.0


class SessionDriver:
    """The tasks of one session.

    Args:
        protocol: The state machine; nobody else may feed it.
        channel: An open channel; the driver closes it.
        on_message: Called with every message before the subscribers see it; must not block.
        on_end: Called once when the session has ended.
    """

    def __init__(
        self,
        protocol: SessionProtocol,
        channel: Channel,
        *,
        on_message: Callable[[LiveServerMessage], None],
        on_end: Callable[[], None],
    ) -> None:
        self.protocol = protocol
        self.office = PostOffice()
        self.outbox = Outbox()
        self.ended = asyncio.Event()
        self._channel = channel
        self._on_message = on_message
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._settled = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
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
        self._reader = self._loop.create_task(self._read(), name="antiphon-reader")
        self._writer = self._loop.create_task(self._write(), name="antiphon-writer")
        self._pump()
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

    async def send(self, command: Callable[[], None]) -> None:
        """Give the protocol a command, when there is room for what it sends.

        Raises:
            SessionClosed: The session is over.
        """
        async with self.outbox.room():
            command()
            self._pump()

    async def close(self) -> None:
        """Send what waits, say goodbye, and end every task. Harmless if already closed."""
        if self._closer is None:
            self.protocol.close(self._loop.time())
            self._pump()
            self._closer = self._loop.create_task(self._close(), name="antiphon-closer")
        # Cancelling one caller must not leave the closing half done.
        await asyncio.shield(self._closer)

    # ------------------------------------------------------------------ tasks

    async def _read(self) -> None:
        code, reason = 1006, ""
        try:
            while True:
                data = await self._channel.receive()
                self.protocol.receive(data, self._loop.time())
                self._pump()
        except ChannelClosed as closed:
            code, reason = closed.code, closed.reason
        except Exception as error:
            logger.exception("The session ends: its reader failed")
            reason = f"internal error: {error!r}"
        self._lost(code, reason)

    async def _write(self) -> None:
        try:
            while (data := await self.outbox.take()) is not None:
                await self._channel.send(data)
        except ChannelClosed:
            pass  # the reader learns it too, after what came before the close
        except Exception as error:
            logger.exception("The session ends: its writer failed")
            self._lost(1006, f"internal error: {error!r}")

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                await self.outbox.drained()
        except TimeoutError:
            logger.warning("%d messages were not sent before the close", len(self.outbox))
        await self._close_channel()
        await self.ended.wait()
        assert self._finisher is not None
        await self._finisher

    async def _finish(self) -> None:
        """Whatever ended the session: leave no connection and no task behind."""
        await self._close_channel()
        tasks = [task for task in (self._reader, self._writer) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close_channel(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._channel.close(1000)
        except Exception as error:
            logger.warning("The connection did not close well: %r", error)

    # ------------------------------------------------------------------ events

    def _lost(self, code: int, reason: str) -> None:
        self.protocol.connection_lost(code, reason, self._loop.time())
        self._pump()

    def _pump(self) -> None:
        """Carry what the protocol has to say to where it belongs."""
        self.outbox.put(self.protocol.data_to_send())
        while events := self.protocol.events():
            for event in events:
                self._handle(event)
        self._set_timer()

    def _handle(self, event: Event) -> None:
        if isinstance(event, MessageReceived):
            self._on_message(event.message)
            unread = self.office.deliver(event.message)
            if unread > MAX_UNREAD_MESSAGES:
                self.protocol.give_up_on_consumer(unread, self._loop.time())
        elif isinstance(event, Notice):
            logger.warning("%s", event.error)
        elif isinstance(event, Closed):
            self._settled.set()
            self.ended.set()
            self.outbox.shut()
            self.office.end(event.closure)
            self._on_end()
            self._finisher = self._loop.create_task(self._finish(), name="antiphon-finisher")
        else:
            self._settled.set()

    def _set_timer(self) -> None:
        due_s = self.protocol.next_timeout()
        if self._timer is not None and self._timer.when() == due_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due_s is None else self._loop.call_at(due_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.protocol.handle_timeout(self._loop.time())
        self._pump()
