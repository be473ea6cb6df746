"""What a session takes along from one connection to the next.

The next one may remember more or less of it: so the question that was not answered to its end is
asked again, results of functions are told as it understands them, and what it does not know of
the conversation is told as text.
"""

from __future__ import annotations

from antiphon.protocol.calls import Calls
from antiphon.protocol.continuity import Continuity
from antiphon.protocol.history import History
from antiphon.protocol.journal import Journal
from antiphon.protocol.message import AnswerCut, LiveServerMessage
from antiphon.protocol.turns import TurnMarks, TurnTracker
from antiphon.wire import (
    ClientContent,
    ClientMessage,
    ServerContent,
    SessionResumptionUpdate,
    encode_client_message,
)

__all__ = ["Carryover"]


class Carryover:
    """Brings what was said, asked and called from one connection to the next.

    Args:
        turns: The model's turns.
        calls: Its calls of functions.
        journal: What is sent, and what of it again.
        history: What was said.
        policy: What of it may be told twice.
        transparent: The service tells what it has taken, so that nothing is.
        has_turns: The model answers. One that translates goes on and on: nothing tells what it has
            heard, and sent again, all of it would be translated again.
    """

    def __init__(
        self,
        turns: TurnTracker,
        calls: Calls,
        journal: Journal,
        history: History,
        *,
        policy: Continuity,
        transparent: bool,
        has_turns: bool = True,
    ) -> None:
        self.asks_again = transparent or (policy.send_again and has_turns)
        """Whether a question that was cut off is asked again."""
        self._has_turns = has_turns
        self._turns = turns
        self._calls = calls
        self._journal = journal
        self._history = history
        self._tells_history = policy.history
        self._transparent = transparent
        # At least once: nothing says that what a handle should know had arrived before it came.
        self._trusts_handle = transparent or not policy.send_again
        self.given_up = 0
        """Messages of what was asked, or said after it, that were too much to be sent again."""
        self._left_turn = 0
        self._cut_turn = 0  # that was cut off, and has not begun again
        self._interrupted_turn = 0  # that was, and is not to begin again
        self._asked_late = 0  # so many messages were handed over before the answer to them spoke

    def remembered(self, update: SessionResumptionUpdate) -> None:
        """A handle came: whoever has it remembers all this."""
        if not self._journal.telling:
            self._history.mark_remembered()
        self._calls.mark_remembered()
        consumed = update.last_consumed_client_message_index
        self._journal.acknowledge(consumed if self._transparent else self._journal.handed)

    def answer_begins(self) -> None:
        """What was asked so far is what it answers."""
        self._history.mark_question()
        self._journal.mark_question()
        self._asked_late = self._cut_turn = 0

    def late_words_end(self) -> None:
        """The turn that words began goes on: with the answer to what was asked since, it seems.

        Unless it is interrupted by that.
        """
        self._history.mark_question()
        self._asked_late = self._journal.handed

    def answered(self) -> None:
        """A turn is complete: what it answers is not asked again."""
        if self._asked_late and not self._turns.interrupted:
            self._journal.mark_question(self._asked_late)
        self._asked_late = 0
        self._history.mark_answered()
        self._journal.forget_question(self._calls.were_awaited)

    def complete(self, now: float) -> LiveServerMessage:
        """The open turn is over, though nothing that could be read said so. Returns its end."""
        self.answered()
        return self._end_of_turn(now)

    def move(self, now: float) -> LiveServerMessage | None:
        """The connection is given up. Returns the end of a turn of words alone, if one is open."""
        unanswered, lost = self._journal.unanswered, self._journal.lost
        self._leave()
        if lost:
            return self._cut_answer(now, asked_again=False)
        if not (self._has_turns and self._turns.only_words):
            return None
        return self._cut_answer(now, asked_again=True) if unanswered else self._end_of_turn(now)

    def interrupt(self) -> None:
        """There is no connection. The answer that the last one cut off is not to be given again."""
        if self._cut_turn:
            self._interrupted_turn, self._cut_turn = self._cut_turn, 0
            self._left_turn = 0  # what its functions come to is told in words
            self._journal.drop_cut()
            self._history.keep_question()

    def interrupted(self, now: float) -> LiveServerMessage | None:
        """There is a connection again. Returns the end of what was interrupted meanwhile."""
        turn, self._interrupted_turn = self._interrupted_turn, 0
        if not turn:
            return None
        ended = ServerContent(interrupted=True, turn_complete=True)
        message = LiveServerMessage.local(ended, TurnMarks(turn=turn, answer_ends=True), now=now)
        message.provoked = True
        return message

    def _leave(self) -> None:
        turns = self._turns
        self.given_up = self._journal.given_up if self.asks_again else 0
        self._left_turn = turns.turn if turns.open or turns.goes_on else 0
        self._asked_late = 0
        forgotten = self._journal.rewind(send_again=self.asks_again)
        if self.asks_again:
            self._history.forget_question()
            self._history.typed(forgotten)

    def break_off(self, now: float, *, with_handle: bool) -> LiveServerMessage | None:
        """The connection broke. Returns what that means for the answer under way, if any.

        Args:
            now: The time.
            with_handle: There is a handle for the next one, to all appearance.
        """
        turns = self._turns
        # All of it came that is wanted; what is missing is its end, which the service holds back.
        complete = turns.generated or (turns.open and turns.interrupted)
        if complete:
            self.answered()
            ended = self._end_of_turn(now)
            self._leave()
            return ended
        unanswered, lost = self._journal.unanswered, self._journal.lost
        self._leave()
        goes_again = self._journal.going_again(
            known=with_handle and self._trusts_handle, answered=not with_handle
        )
        asked_again = self.asks_again and goes_again > 0 and not lost
        if asked_again and (turns.open or turns.goes_on):
            self._cut_turn = turns.turn
        if turns.open or turns.goes_on or (unanswered and not asked_again):
            return self._cut_answer(now, asked_again=asked_again)
        return None

    def resume(self, *, with_handle: bool) -> int:
        """There is a connection again, which remembers what its handle does.

        Returns:
            How many messages it is sent that an earlier one had taken.
        """
        turn = None if with_handle and self._transparent else self._left_turn
        self._calls.resume(with_handle=with_handle, asked_again=self.asks_again, turn=turn)
        trusted = with_handle and self._trusts_handle
        known = self._journal.leave_out(known=trusted, answered=not with_handle)
        self._history.typed(known, remembered=True)
        self._journal.rewrite_results(self._calls.messages)
        sent_again = self._journal.going_again()
        told = self._history.unremembered(with_handle=with_handle)
        if not with_handle:
            self._history.mark_remembered(False)
        if told and self._tells_history and not (with_handle and self._transparent):
            content = ClientContent(turns=told, turn_complete=False)
            message = encode_client_message(ClientMessage(client_content=content))
            # The connection after this one is told anew, unless its handle remembers.
            self._journal.tell_first(message, once=not self._transparent)
        return sent_again

    def _end_of_turn(self, now: float) -> LiveServerMessage:
        ended = ServerContent(turn_complete=True)
        return LiveServerMessage.local(ended, self._turns.end(), now=now)

    def _cut_answer(self, now: float, *, asked_again: bool) -> LiveServerMessage:
        """An answer will not go on, or not come at all."""
        turns = self._turns
        begun = turns.open or turns.goes_on
        turn, received_s = (turns.turn, turns.received_s) if begun else (None, 0.0)
        marks = turns.end() if begun else TurnMarks()
        message = LiveServerMessage.local(ServerContent(), marks, now=now)
        message.answer_cut = AnswerCut(turn, round(received_s, 6), asked_again)
        return message
