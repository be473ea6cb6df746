"""What the session sends: every message once, in order, over as many connections as it takes.

The service acknowledges nothing, except in Vertex's transparent mode. So what was handed to the
connection is kept for a while: after a break, what the resumed session cannot have heard is
sent again. What was *not* handed over is never lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from antiphon.wire import FunctionResponse

__all__ = ["Journal"]

_Results: TypeAlias = Sequence[FunctionResponse]


class _Entry(msgspec.Struct, gc=False):
    message: bytes
    live_s: float = 0.0
    """Duration of live audio, the one thing that may be dropped; 0.0 for all else."""
    asks: bool = True
    """An answer is waited for."""
    results: _Results = ()
    """What it says, if it is results of functions."""
    realtime: bool = False
    once: bool = False
    """It is about what this connection is doing, and means nothing to the next one."""
    again: bool = False
    """It was handed over before, to a connection that was lost."""
    tells: bool = False
    """It tells a new session what was said before."""
    number: int = 0
    """Which message of its connection it was, from 1; 0 before that."""

    @property
    def droppable_s(self) -> float:
        """Of live audio that never left: what was on the way once is not given up here."""
        return 0.0 if self.again else self.live_s


class Journal:
    """Messages on their way out. Not thread-safe; allocates one small object per message.

    Args:
        max_live_s: So much live audio may wait that never left; then the oldest is dropped and
            counted.
        max_kept_bytes: So much of what was handed over is kept to be sent again.
        max_kept_live_s: So much live audio among it, apart from the question that is being
            answered: an answer may be long, and the microphone stays open.
    """

    def __init__(
        self,
        *,
        max_live_s: float = 30.0,
        max_kept_bytes: int = 16 * 1024 * 1024,
        max_kept_live_s: float = 30.0,
    ) -> None:
        self.dropped_live_s = 0.0
        """Live audio that was dropped unsent, in seconds."""
        self.forgotten = 0
        """Messages that were handed over and are no longer kept, though nothing says that they
        arrived."""
        self._max_live_s = max_live_s
        self._max_kept_bytes = max_kept_bytes
        self._max_kept_live_s = max_kept_live_s
        self._unsent: deque[_Entry] = deque()
        self._unsent_live_s = 0.0
        # Realtime input that has to wait for the result of a function.
        self._held: deque[_Entry] | None = None
        self._in_hand: _Entry | None = None
        # What was handed over: the question of the answer under way, and what came after it.
        self._asked: deque[_Entry] = deque()
        self._since: deque[_Entry] = deque()
        self._since_live_s = 0.0
        self._kept_bytes = 0
        self._kept_questions = 0
        # Of the messages after the setup, on this connection.
        self._handed = 0

    def __len__(self) -> int:
        """Messages that are not yet handed to the connection."""
        return len(self._unsent) + len(self._held or ()) + (self._in_hand is not None)

    @property
    def idle(self) -> bool:
        """Whether realtime input would be the next to leave."""
        return not self._unsent and self._in_hand is None and self._held is None

    @property
    def handed(self) -> int:
        """How many messages this connection has taken."""
        return self._handed

    def put(
        self,
        message: bytes,
        *,
        asks: bool = True,
        realtime: bool = False,
        live_s: float = 0.0,
        results: _Results = (),
        once: bool = False,
    ) -> None:
        """Send a message when it is its turn; live audio may be dropped when it has to wait.

        Args:
            message: As it will be written.
            asks: An answer to it is waited for.
            realtime: It is realtime input, which `hold` holds back.
            live_s: Duration of live audio.
            results: What it says, if it is results of functions.
            once: It means something to the present connection only.
        """
        queue = self._held if realtime and self._held is not None else self._unsent
        queue.append(_Entry(message, live_s, asks, results, realtime=realtime, once=once))
        self._unsent_live_s += live_s
        while live_s and self._unsent_live_s > self._max_live_s and self._drop_oldest_live():
            pass

    def put_written(self, message: bytes, *, live_s: float = 0.0, left: bool) -> None:
        """Realtime input that was written while the journal was `idle`: a short way.

        Args:
            message: What was written.
            live_s: Duration of live audio.
            left: Whether it is out of our hands; if not, `handed_over` is next.
        """
        self._in_hand = _Entry(message, live_s, False, realtime=True)
        if left:
            self.handed_over()

    def tell_first(self, message: bytes, *, once: bool) -> None:
        """Tell a new session what was said, before all else, instead of an earlier telling.

        Args:
            message: As it will be written. It asks nothing.
            once: See `put`.
        """
        self._unsent = deque(entry for entry in self._unsent if not entry.tells)
        self._unsent.appendleft(_Entry(message, asks=False, once=once, tells=True))

    def hold(self) -> None:
        """Hold realtime input back that has not left, until `release`."""
        if self._held is None:
            self._held = deque(entry for entry in self._unsent if entry.realtime)
            self._unsent = deque(entry for entry in self._unsent if not entry.realtime)

    def release(self) -> None:
        """Send what was held back, after what waits."""
        held, self._held = self._held, None
        self._unsent += held or ()

    def rewrite_results(self, rewrite: Callable[[_Results], list[tuple[bytes, _Results]]]) -> int:
        """Before anything is sent on a new connection: say results of functions as it takes them.

        Args:
            rewrite: The messages that say them, with the results in each; there may be none.

        Returns:
            How many messages are not sent that an earlier connection had taken.
        """
        kept: deque[_Entry] = deque()
        left_out = 0
        for entry in self._unsent:
            if not entry.results:
                kept.append(entry)
                continue
            messages = rewrite(entry.results)
            kept += [replace(entry, message=data, results=said) for data, said in messages]
            left_out += entry.again and not messages
        self._unsent = kept
        return left_out

    def take(self) -> bytes | None:
        """The next message for the connection; None if there is none.

        Next: `handed_over` when the connection has it. A second call without that returns the
        same message.
        """
        if self._in_hand is None:
            if not self._unsent:
                return None
            self._in_hand = self._unsent.popleft()
            self._unsent_live_s -= self._in_hand.droppable_s
        return self._in_hand.message

    def handed_over(self) -> None:
        """The message of the last `take` is out of our hands."""
        entry, self._in_hand = self._in_hand, None
        if entry is None:
            return  # the connection was lost in between
        self._handed += 1
        entry.number = self._handed
        if entry.once:
            return
        self._since.append(entry)
        self._since_live_s += entry.live_s
        self._kept_bytes += len(entry.message)
        self._kept_questions += entry.asks
        if entry.live_s:
            while self._since_live_s > self._max_kept_live_s:
                self._forget(self._since, _first_live(self._since))
                self.forgotten += 1
        while self._kept_bytes > self._max_kept_bytes:
            self._forget(self._asked or self._since)
            self.forgotten += 1

    def acknowledge(self, consumed: int) -> None:
        """The service has taken the first ``consumed`` messages of this connection."""
        while (oldest := self._asked or self._since) and oldest[0].number <= consumed:
            self._forget(oldest)

    @property
    def unanswered(self) -> bool:
        """Whether something was handed over that asks, and that no answer has ended."""
        return self._kept_questions > 0

    def mark_question(self) -> None:
        """An answer begins: what was handed over so far is its question."""
        self._asked += self._since
        self._since.clear()
        self._since_live_s = 0.0

    def forget_question(self) -> None:
        """The answer is complete: its question is not to be sent again."""
        while self._asked:
            self._forget(self._asked)

    def forget_kept(self) -> None:
        """None of what was handed over is to be sent again."""
        self._asked.clear()
        self._since.clear()
        self._since_live_s, self._kept_bytes, self._kept_questions = 0.0, 0, 0

    def rewind(self, *, send_again: bool) -> int:
        """The connection is lost: begin the next one with what it has to get.

        Returns:
            How many messages will be sent that the lost connection had taken.
        """
        if not send_again:
            self.forget_kept()
        kept = [*self._asked, *self._since]
        self._unsent = deque(entry for entry in self._unsent if not entry.once)
        if self._in_hand is not None and not self._in_hand.once:
            self._unsent.appendleft(self._in_hand)
            self._unsent_live_s += self._in_hand.droppable_s
        self._in_hand = None
        for entry in reversed(kept):
            entry.again = True
            self._unsent.appendleft(entry)
        self.forget_kept()
        self._handed = 0
        return len(kept)

    def clear(self) -> None:
        """Nothing goes out any more."""
        self._unsent.clear()
        self._held = None
        self._unsent_live_s = 0.0
        self._in_hand = None
        self.forget_kept()

    def _drop_oldest_live(self) -> bool:
        for queue in filter(None, (self._unsent, self._held)):
            for at, entry in enumerate(queue):
                if live_s := entry.droppable_s:
                    del queue[at]
                    self._unsent_live_s -= live_s
                    self.dropped_live_s += live_s
                    return True
        return False

    def _forget(self, queue: deque[_Entry], at: int = 0) -> None:
        entry = queue[at]
        del queue[at]
        self._kept_bytes -= len(entry.message)
        self._kept_questions -= entry.asks
        if queue is self._since:
            self._since_live_s -= entry.live_s


def _first_live(entries: deque[_Entry]) -> int:
    return next(at for at, entry in enumerate(entries) if entry.live_s)
