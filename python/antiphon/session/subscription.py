"""Who gets which message: every subscriber has a mailbox of its own.

The reader of the session never waits for a consumer. Messages without audio are always kept, up
to a count and a size at which the session gives up on the consumer; audio is kept up to a duration,
a number of messages and that size, then the oldest is dropped and counted.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from antiphon.protocol import Closure, LiveServerMessage

__all__ = [
    "MAX_UNREAD_AUDIO_S",
    "MAX_UNREAD_BYTES",
    "MAX_UNREAD_MESSAGES",
    "Mailbox",
    "MessageStream",
    "PostOffice",
]

MAX_UNREAD_MESSAGES = 10_000
# Of everything in a box, audio too; one message alone may be larger.
MAX_UNREAD_BYTES = 64 * 1024 * 1024
MAX_UNREAD_AUDIO_S = 120.0


class Mailbox:
    """Unread messages of one subscriber, in order.

    Args:
        audio: Whether it wants the model's audio.
        on_dropped: Told how many seconds of audio were dropped so far, at the first since all was
            read.
    """

    def __init__(self, *, audio: bool, on_dropped: Callable[[float], None]) -> None:
        self.dropped_audio_s = 0.0
        self.dropped_messages = 0
        self.unread_bytes = 0
        self.closure: Closure | None = None
        self.audio = audio
        """Whether audio is kept."""
        self._on_dropped = on_dropped
        self._dropping = False
        self._unread: deque[LiveServerMessage] = deque()
        self._with_audio = 0
        self._audio_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def unread(self) -> int:
        """Unread messages; those with audio do not count, they are bounded by themselves."""
        return len(self._unread) - self._with_audio

    @property
    def overfull(self) -> bool:
        """Whether too much is unread, though all audio that can be dropped was."""
        return self.unread > MAX_UNREAD_MESSAGES or self._is_too_big()

    def put(self, message: LiveServerMessage) -> bool:
        """Add a message; drop the oldest audio if there is too much.

        Returns:
            Whether the box is `overfull` all the same.
        """
        duration_s = message.audio_duration_s
        if duration_s and not self.audio:
            bare = message.without_audio()
            if bare is None:
                return False
            message, duration_s = bare, 0.0
        self._unread.append(message)
        self.unread_bytes += message.size_bytes
        if duration_s:
            self._with_audio += 1
            self._audio_s += duration_s
        if duration_s or self.unread_bytes > MAX_UNREAD_BYTES:
            while self._has_too_much_audio():
                self._drop_oldest_audio()
        if self._waiting:
            self.wake()
        # As `overfull` says it; this is asked for every message.
        unread = len(self._unread) - self._with_audio
        return unread > MAX_UNREAD_MESSAGES or (
            self.unread_bytes > MAX_UNREAD_BYTES and self._is_too_big()
        )

    def take(self) -> LiveServerMessage | None:
        """The next message; None if there is none."""
        if not self._unread:
            self._dropping = False
            return None
        message = self._unread.popleft()
        self.unread_bytes -= message.size_bytes
        if duration_s := message.audio_duration_s:
            self._with_audio -= 1
            self._audio_s -= duration_s
        return message

    def drop_oldest(self) -> None:
        """Make room where nobody reads."""
        self.take()
        self.dropped_messages += 1

    def end(self, closure: Closure) -> None:
        """Nothing more will come."""
        self.closure = closure
        self.wake()

    def news(self) -> asyncio.Future[None]:
        """Done when there may be something new. An `asyncio.Event` takes three times as long."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # asked each time, it is a system call
        future = self._loop.create_future()
        self._waiting.append(future)
        return future

    def forget(self, news: asyncio.Future[None]) -> None:
        """Its wait was cancelled."""
        if news in self._waiting:
            self._waiting.remove(news)

    def wake(self) -> None:
        """Have everyone who waits look again."""
        for future in self._waiting:
            if not future.done():  # or its wait was cancelled
                future.set_result(None)
        self._waiting.clear()

    def _is_too_big(self) -> bool:
        return self.unread_bytes > MAX_UNREAD_BYTES and len(self._unread) > 1

    def _has_too_much_audio(self) -> bool:
        too_long = self._audio_s > MAX_UNREAD_AUDIO_S and self._with_audio > 1
        too_big = self._with_audio > 0 and self._is_too_big()
        return too_long or too_big or self._with_audio > MAX_UNREAD_MESSAGES

    def _drop_oldest_audio(self) -> None:
        at, message = next(
            (at, each) for at, each in enumerate(self._unread) if each.audio_duration_s
        )
        self._with_audio -= 1
        self._audio_s -= message.audio_duration_s
        self.dropped_audio_s += message.audio_duration_s
        self.unread_bytes -= message.size_bytes
        bare = message.without_audio()
        if bare is None:
            del self._unread[at]
        else:
            self._unread[at] = bare
            self.unread_bytes += bare.size_bytes
        if not self._dropping:
            self._dropping = True
            self._on_dropped(self.dropped_audio_s)


class MessageStream(AsyncIterator[LiveServerMessage]):
    """The messages of a session, from the moment of the subscription to the session's end.

    Iterate with ``async for``. Leaving the loop or cancelling a wait loses no message: iterate
    again to go on. The iteration ends when the session is closed by us, or by the service with
    1000; otherwise it raises `SessionClosed` after the last message.

    A stream that is kept but not read holds its messages, up to 10,000 (those with audio: 120 s
    and as many more) and 64 MiB in all. Beyond that the oldest audio is dropped, which
    `LiveSession.events` tells (`UnreadAudioDropped`); if that does not make room, the session
    ends with `ConsumerTooSlow`. So `close` it when done, or let go of it.
    """

    def __init__(self, mailbox: Mailbox, office: PostOffice) -> None:
        self._mailbox = mailbox
        self._office = office
        self._closed = False

    @property
    def dropped_audio_s(self) -> float:
        """Seconds of audio that were dropped because they were not read in time."""
        return self._mailbox.dropped_audio_s

    @property
    def dropped_messages(self) -> int:
        """Messages that were dropped before this subscription, because nobody subscribed."""
        return self._mailbox.dropped_messages

    @property
    def unread(self) -> int:
        """Messages without audio that wait to be read."""
        return self._mailbox.unread

    def __aiter__(self) -> MessageStream:
        return self

    async def __anext__(self) -> LiveServerMessage:
        while not self._closed:
            message = self._mailbox.take()
            if message is not None:
                return message
            closure = self._mailbox.closure
            if closure is not None:
                if closure.clean:
                    break
                raise closure.error()
            news = self._mailbox.news()
            try:
                await news
            except asyncio.CancelledError:
                self._mailbox.forget(news)
                raise
        raise StopAsyncIteration

    def close(self) -> None:
        """Give up the subscription; what is unread is forgotten. The iteration ends."""
        self._closed = True
        self._mailbox.wake()
        self._office.unsubscribe(self._mailbox)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class PostOffice:
    """Delivers every message to all subscribers.

    While there is no subscriber, messages are kept for the next one (the oldest are dropped at
    the bounds: nobody is too slow then). A stream that is let go of without being closed leaves
    what it has not read to the next subscriber in the same way.

    Args:
        on_dropped: See `Mailbox`, of every subscriber.
    """

    def __init__(self, on_dropped: Callable[[float], None]) -> None:
        self._on_dropped = on_dropped
        self._subscribers: dict[int, Mailbox] = {}
        self._unclaimed = self._new_box()
        self._closure: Closure | None = None

    def subscribe(self, *, audio: bool = True, from_now: bool = False) -> MessageStream:
        """A new subscription. It begins with what was kept; ``from_now``, the next one does."""
        mailbox = self._new_box(audio=audio)
        if not from_now:
            kept, self._unclaimed = self._unclaimed, self._new_box()
            mailbox.dropped_audio_s = kept.dropped_audio_s
            mailbox.dropped_messages = kept.dropped_messages
            while (message := kept.take()) is not None:
                mailbox.put(message)
        if self._closure is not None:
            mailbox.end(self._closure)
        self._subscribers[id(mailbox)] = mailbox
        stream = MessageStream(mailbox, self)
        weakref.finalize(stream, self._let_go, mailbox).atexit = False
        return stream

    def unsubscribe(self, mailbox: Mailbox) -> None:
        """No more messages for this one."""
        self._subscribers.pop(id(mailbox), None)

    def deliver(self, message: LiveServerMessage) -> Mailbox | None:
        """Give a message to everyone; returns a box that is overfull by it, if one is."""
        if not self._subscribers:
            self._unclaimed.put(message)
            while self._unclaimed.overfull:
                self._unclaimed.drop_oldest()
            return None
        overfull = None
        # A list: anything may have the garbage collector let go of a stream, here and now.
        for mailbox in list(self._subscribers.values()):
            if mailbox.put(message):
                overfull = mailbox
        return overfull

    def end(self, closure: Closure) -> None:
        """The session is over: every subscription ends after its last message."""
        self._closure = closure
        for mailbox in list(self._subscribers.values()):
            mailbox.end(closure)

    def _new_box(self, *, audio: bool = True) -> Mailbox:
        return Mailbox(audio=audio, on_dropped=self._on_dropped)

    def _let_go(self, mailbox: Mailbox) -> None:
        if self._subscribers.pop(id(mailbox), None) is not None and not self._subscribers:
            mailbox.audio = True  # whoever comes next may want it
            # Nothing is lost by it: what was kept, this one had begun with.
            self._unclaimed = mailbox
