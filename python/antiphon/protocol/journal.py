"""What the session sends: every message once, in order, over as many connections as it takes.

The service acknowledges nothing, except in Vertex's transparent mode. So what was handed to the
connection is kept for a while: after a break, what the next session cannot have heard is sent
again. Which that is depends on whether it is the same session, by its handle, or a new one: so
every message is kept until neither could ask for it. What was *not* handed over is never lost.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from antiphon.protocol.history import Words
from antiphon.wire import FunctionResponse

__all__ = ["Journal"]

_Results: TypeAlias = Sequence[FunctionResponse]

# Sums of seconds are not exact.
_EPSILON_S = 1e-6
_MAX_FORGOTTEN_WORDS = 500
# A camera shows what there is to be seen now, and a question has some pictures.
_MAX_KEPT_STILLS = 10
# When the oldest is to be given up, so many are looked at for one that no answer is waited for.
_LOOKED_AT = 100


class _Entry(msgspec.Struct, gc=False):
    message: bytes
    live_s: float = 0.0
    """Duration of live audio: it is sent as it is spoken; 0.0 for all else."""
    waits: bool = False
    """Its sender waits for room, so that it is not dropped though it is live."""
    asks: bool = True
    """An answer is waited for."""
    results: _Results = ()
    """What it says, if it is results of functions."""
    realtime: bool = False
    typed: Sequence[Words] = ()
    """What the application says with it, until that is answered."""
    once: bool = False
    """It is about what this connection is doing, and means nothing to the next one."""
    again: bool = False
    """It was handed over before, to a connection that was lost."""
    cut: bool = False
    """… which cut the answer to it off."""
    tells: bool = False
    """It tells a new session what was said before."""
    needed: bool = False
    """A new session has to know it, whatever may be sent again."""
    still: bool = False
    """It is an image, of which only the last ones are sent again."""
    known: bool = False
    """Whoever has the last handle knows it."""
    answered: bool = False
    """It is part of what is told to a session without the handle."""
    number: int = 0
    """Which message of its connection it was, from 1; less, for what is kept and was none of it.
    What is kept has it in its order."""

    @property
    def droppable_s(self) -> float:
        """Of live audio that never left: what was on the way once is not given up here."""
        return 0.0 if self.again or self.waits else self.live_s

    @property
    def takes_room(self) -> bool:
        """Its sender has to wait where there is none; the rest has bounds of its own."""
        return not ((self.live_s and not self.waits) or self.again or self.tells)

    @property
    def open_question(self) -> bool:
        """No answer to it has ended."""
        return self.asks and not self.answered

    @property
    def stays(self) -> bool:
        """Of what is too much, it is given up last."""
        return self.open_question or self.needed


class _GivenUp:
    """Of what was handed over: what was too much to be kept, and no live audio."""

    def __init__(self) -> None:
        self.messages = 0
        self.questions = 0

    def add(self, other: _GivenUp) -> None:
        """Count what another one has as of this, too."""
        self.messages += other.messages
        self.questions += other.questions


class Journal:
    """Messages on their way out. Not thread-safe; allocates one small object per message.

    Args:
        max_live_s: So much live audio may wait that never left, and whose sender does not wait for
            room; then the oldest is dropped and counted.
        max_kept_bytes: So much of what was handed over is kept to be sent again; then the oldest
            is given up, but what asks last.
        max_kept_live_s: So much live audio among it, and ten images, apart from the question that
            is being answered: an answer may be long, and the microphone stays open.
        transparent: The service says what it has taken. So what it has not is kept whole, answered
            or not.
    """

    def __init__(
        self,
        *,
        max_live_s: float = 30.0,
        max_kept_bytes: int = 64 * 1024 * 1024,
        max_kept_live_s: float = 30.0,
        transparent: bool = False,
    ) -> None:
        self.dropped_live_s = 0.0
        """Live audio that was dropped unsent, in seconds."""
        self.crowd = 0
        """Messages that take room and wait for the connection."""
        self.held_crowd = 0
        """Messages that take room and are held back."""
        self.forgotten = 0
        """Messages that were handed over and are no longer kept, though nothing says that they
        arrived."""
        self._max_live_s = max_live_s
        self._max_kept_bytes = max_kept_bytes
        self._max_kept_live_s = max_kept_live_s + _EPSILON_S
        self._transparent = transparent
        self._unsent: deque[_Entry] = deque()
        self._unsent_live_s = 0.0
        # Realtime input that has to wait for the result of a function.
        self._held: deque[_Entry] | None = None
        self._in_hand: _Entry | None = None
        # What was handed over: the question of the answer under way, and what came after it, images
        # and live audio by themselves: they go first, and may lie behind all of a long file.
        self._asked: deque[_Entry] = deque()
        self._since: deque[_Entry] = deque()
        self._stills: deque[_Entry] = deque()
        self._live: deque[_Entry] = deque()
        self._live_s = 0.0
        self._kept_bytes = 0
        self._kept_questions = 0
        self._asked_given_up, self._since_given_up = _GivenUp(), _GivenUp()
        # Typed, not answered, and not to be sent again.
        self._forgotten_words: deque[Words] = deque(maxlen=_MAX_FORGOTTEN_WORDS)
        # Of the messages after the setup, on this connection.
        self._handed = 0

    def __len__(self) -> int:
        """Messages that are not yet handed to the connection."""
        return len(self._unsent) + len(self._held or ()) + (self._in_hand is not None)

    def is_idle(self) -> bool:
        """Whether realtime input would be the next to leave."""
        return not self._unsent and self._in_hand is None and self._held is None

    @property
    def telling(self) -> bool:
        """Whether a new session has still to be told what was said."""
        return any(entry.tells for entry in (self._in_hand, *self._unsent) if entry is not None)

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
        waits: bool = False,
        results: _Results = (),
        typed: Sequence[Words] = (),
        once: bool = False,
        needed: bool = False,
        still: bool = False,
    ) -> None:
        """Send a message when it is its turn; live audio may be dropped where nobody waits.

        Args:
            message: As it will be written.
            asks: An answer to it is waited for.
            realtime: It is realtime input, which `hold` holds back.
            live_s: Duration of live audio, which is sent as it is spoken. That of a file is none:
                it is kept whole, to be sent again.
            waits: The sender of live audio waits for room: it is not dropped.
            results: What it says, if it is results of functions.
            typed: What the application says with it: `handed_over` gives it back.
            once: It means something to the present connection only.
            needed: Every new session has to be told, until an answer shows that it was heard.
            still: It is an image, one of many perhaps.
        """
        entry = _Entry(
            message,
            live_s,
            waits,
            asks,
            results,
            realtime,
            typed,
            once=once,
            needed=needed,
            still=still,
        )
        if realtime and self._held is not None:
            self._held.append(entry)
            self.held_crowd += entry.takes_room
        else:
            self._unsent.append(entry)
            self.crowd += entry.takes_room
        self._unsent_live_s += entry.droppable_s
        while (
            entry.droppable_s
            and self._unsent_live_s > self._max_live_s
            and self._drop_oldest_live()
        ):
            pass

    def put_written(
        self, message: bytes, *, live_s: float = 0.0, waits: bool = False, left: bool = True
    ) -> None:
        """Realtime input that was written while the journal `is_idle`: a short way.

        Args:
            message: What was written.
            live_s: See `put`.
            waits: See `put`.
            left: Whether it is out of our hands; if not, `handed_over` is next.
        """
        entry = _Entry(message, live_s, waits, False, (), True)
        if left:
            self._hand_over(entry)
        else:
            self._in_hand = entry
            self.crowd += entry.takes_room

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
            self._count_crowds()

    def release(self) -> None:
        """Send what was held back, after what waits."""
        held, self._held = self._held, None
        if held:
            self._unsent += held
            self._count_crowds()

    def going_again(self, *, known: bool = False, answered: bool = False) -> int:
        """How many messages will be sent that an earlier connection had taken.

        Args:
            known: The handle says what its session knows: that is left out.
            answered: What was answered is told in words, and left out.
        """
        return sum(entry.again for entry in self._unsent if not _spared(entry, known, answered))

    def leave_out(self, *, known: bool, answered: bool) -> list[Words]:
        """Before anything is sent on a new connection: leave out what its session knows.

        It is still kept: the session after it may be a new one. See `going_again`.

        Returns:
            What of it was typed, and is not answered.
        """
        typed: list[Words] = []
        unsent, self._unsent = self._unsent, deque()
        for number, entry in enumerate(unsent, 1 - len(unsent)):
            if not _spared(entry, known, answered):
                entry.known = False
                self._unsent.append(entry)
            elif not entry.answered:
                entry.number = number
                self._keep(entry)
                typed += entry.typed
        return typed

    def drop_cut(self) -> None:
        """The answer that was cut off by the loss of the connection is not wanted any more."""
        self._unsent = deque(entry for entry in self._unsent if not entry.cut)
        self._count_crowds()

    def rewrite_results(self, rewrite: Callable[[_Results], list[tuple[bytes, _Results]]]) -> None:
        """Before anything is sent on a new connection: say results of functions as it takes them.

        Args:
            rewrite: The messages that say them, with the results in each; there may be none.
        """
        kept: deque[_Entry] = deque()
        for entry in self._unsent:
            if not entry.results:
                kept.append(entry)
                continue
            messages = rewrite(entry.results)
            kept += [replace(entry, message=data, results=said) for data, said in messages]
        self._unsent = kept
        self._count_crowds()

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

    def handed_over(self) -> Sequence[Words]:
        """The message of the last `take` is out of our hands.

        Returns:
            What this connection was told with it, unless that was answered on an earlier one.
        """
        entry, self._in_hand = self._in_hand, None
        if entry is None:
            return ()  # the connection was lost in between
        self.crowd -= entry.takes_room
        self._hand_over(entry)
        return entry.typed

    def acknowledge(self, consumed: int) -> None:
        """A handle came that knows the first ``consumed`` messages of this connection."""
        for queue in (self._asked, *self._later()):
            for entry in queue:
                if entry.number > consumed:
                    break
                if not entry.known:
                    entry.known = True
                    if self._transparent and queue is self._live:
                        self._live_s += entry.live_s
        while self._asked and self._asked[0].known and self._asked[0].answered:
            self._forget(self._asked)
        self._forget_live()
        self._forget_stills()

    @property
    def unanswered(self) -> bool:
        """Whether something was handed over that asks, and that no answer has ended."""
        return self._kept_questions > 0 or self.lost

    @property
    def lost(self) -> bool:
        """Whether something was, and none of it is kept."""
        asked = self._asked_given_up.questions + self._since_given_up.questions
        return asked > 0 and not self._kept_questions

    @property
    def given_up(self) -> int:
        """Messages of what is not answered that are not kept, because all was too much."""
        return self._asked_given_up.messages + self._since_given_up.messages

    @property
    def answering(self) -> bool:
        """Whether the answer under way is known to have a question: voice alone is none."""
        return any(entry.open_question for entry in self._asked)

    def mark_question(self, handed: int | None = None) -> None:
        """An answer begins: what was handed over so far is its question.

        Args:
            handed: So many messages of this connection are; None: all.
        """
        self._asked_given_up.add(self._since_given_up)
        self._since_given_up = _GivenUp()
        since = self._in_order()
        for queue in self._later():
            queue.clear()
        self._live_s = 0.0
        for entry in since:
            if handed is not None and entry.number > handed:
                self._put_since(entry)
            else:
                self._asked.append(entry)

    def forget_question(self, was_awaited: Callable[[_Results], bool] = lambda _: False) -> None:
        """The answer is complete: its question is not to be sent again.

        Transparent, that is for the handle to say, if there is one.

        Args:
            was_awaited: Whether the answer had waited for these results; they are part of its
                question, though they were handed over later.
        """
        self._forgotten_words.clear()
        self._asked_given_up = _GivenUp()
        asked, self._asked = self._asked, deque()
        since, self._since = self._since, deque()
        # What stays keeps its place: a handle knows all up to one of them.
        for entry in asked:
            if not self._settle(entry):
                self._asked.append(entry)
        for entry in since:
            awaited = bool(entry.results) and was_awaited(entry.results)
            if not (awaited and self._settle(entry)):
                self._since.append(entry)

    def forget_kept(self) -> None:
        """None of what was handed over is to be sent again."""
        for queue in (self._asked, *self._later()):
            queue.clear()
        self._live_s, self._kept_bytes, self._kept_questions = 0.0, 0, 0
        self._asked_given_up, self._since_given_up = _GivenUp(), _GivenUp()

    def rewind(self, *, send_again: bool) -> list[Words]:
        """The connection is lost: begin the next one with what it may have to get.

        Next: `leave_out`, when it is known what that is.

        Returns:
            What was typed, and is not answered, but is no longer kept to be sent again.
        """
        for entry in self._asked:
            entry.cut = not entry.answered
        kept = [each for each in (*self._asked, *self._in_order()) if send_again or each.needed]
        self._unsent = deque(entry for entry in self._unsent if not entry.once)
        if self._in_hand is not None and not self._in_hand.once:
            self._unsent.appendleft(self._in_hand)
            self._unsent_live_s += self._in_hand.droppable_s
        self._in_hand = None
        for entry in reversed(kept):
            entry.again = True
            if not send_again:
                entry.typed = ()  # as all else that was typed, it was told once
            self._unsent.appendleft(entry)
        self.forget_kept()
        self._handed = 0
        self._count_crowds()
        return list(self._forgotten_words)

    def clear(self) -> None:
        """Nothing goes out any more."""
        self._unsent.clear()
        self._held = None
        self._unsent_live_s = 0.0
        self._in_hand = None
        self._forgotten_words.clear()
        self.forget_kept()
        self._count_crowds()

    def _count_crowds(self) -> None:
        waiting = self._unsent if self._in_hand is None else (self._in_hand, *self._unsent)
        self.crowd = sum(entry.takes_room for entry in waiting)
        self.held_crowd = sum(entry.takes_room for entry in self._held or ())

    def _drop_oldest_live(self) -> bool:
        for queue in filter(None, (self._unsent, self._held)):
            for at, entry in enumerate(queue):
                if live_s := entry.droppable_s:
                    del queue[at]
                    self._unsent_live_s -= live_s
                    self.dropped_live_s += live_s
                    return True
        return False

    def _hand_over(self, entry: _Entry) -> None:
        """A message was handed over; it is kept, and what is too much goes."""
        self._handed += 1
        entry.number = self._handed
        if entry.once:
            return
        self._keep(entry)
        if self._live_s > self._max_kept_live_s:
            self._forget_live()
        if entry.still:
            self._forget_stills()
        while self._kept_bytes > self._max_kept_bytes:
            self._give_up_oldest()

    def _keep(self, entry: _Entry) -> None:
        self._kept_bytes += len(entry.message)
        self._kept_questions += entry.open_question
        self._put_since(entry)

    def _put_since(self, entry: _Entry) -> None:
        if not entry.live_s:
            (self._stills if entry.still else self._since).append(entry)
            return
        self._live.append(entry)
        if self._may_go(entry):
            self._live_s += entry.live_s

    def _later(self) -> tuple[deque[_Entry], ...]:
        """What came after the question, apart."""
        return self._since, self._stills, self._live

    def _in_order(self) -> list[_Entry]:
        """What came after the question."""
        return list(heapq.merge(*self._later(), key=lambda entry: entry.number))

    def _settle(self, entry: _Entry) -> bool:
        """The answer to it has ended; returns whether it is no longer kept."""
        if self._transparent and not entry.known:
            self._kept_questions -= entry.open_question
            entry.answered, entry.typed = True, ()
            return False
        self._take_off(entry)
        return True

    def _take_off(self, entry: _Entry) -> None:
        self._kept_bytes -= len(entry.message)
        self._kept_questions -= entry.open_question

    def _forget(self, queue: deque[_Entry], at: int = 0) -> None:
        entry = queue[at]
        del queue[at]
        self._take_off(entry)
        if queue is self._live and self._may_go(entry):
            self._live_s -= entry.live_s

    def _forget_live(self) -> None:
        while self._live_s > self._max_kept_live_s:
            self._forget(self._live)
            self.forgotten += 1

    def _forget_stills(self) -> None:
        while len(self._stills) > _MAX_KEPT_STILLS and self._may_go(self._stills[0]):
            self._forget(self._stills)
            self.forgotten += 1

    def _may_go(self, entry: _Entry) -> bool:
        return entry.known or not self._transparent

    def _give_up_oldest(self) -> None:
        """All that is kept is too much."""
        queues = [queue for queue in (self._asked, *self._later()) if queue]
        found = [(queue, at) for queue in queues if (at := _first_spare(queue)) is not None]
        last = [(queue, 0) for queue in queues]
        queue, at = min(found or last, key=lambda place: place[0][place[1]].number)
        entry = queue[at]
        self._forgotten_words += entry.typed
        if not (self._transparent and entry.known):
            side = self._asked_given_up if queue is self._asked else self._since_given_up
            side.messages += not entry.live_s
            side.questions += entry.open_question
        self.forgotten += 1
        self._forget(queue, at)


def _first_spare(queue: deque[_Entry]) -> int | None:
    """Where the first stands that can be given up before others; None: among the first is none."""
    looked_at = enumerate(islice(queue, _LOOKED_AT))
    return next((at for at, entry in looked_at if not entry.stays), None)


def _spared(entry: _Entry, known: bool, answered: bool) -> bool:
    return entry.again and ((known and entry.known) or (answered and entry.answered))
