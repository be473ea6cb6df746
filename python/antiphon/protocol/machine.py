"""The state machine of a session: opening → ready (⇄ reconnecting) → closing → closed.

It does no I/O and reads no clock. A driver feeds it bytes and times, writes what
`SessionProtocol.next_message` returns, and acts on `SessionProtocol.events`. What an application
sends in between is in `commands`.
"""

from __future__ import annotations

import msgspec

from antiphon.errors import ConnectError, ProtocolViolation
from antiphon.protocol.carryover import Carryover
from antiphon.protocol.closure import Closure
from antiphon.protocol.commands import Commands, State
from antiphon.protocol.continuity import DEFAULT_CONTINUITY, Continuity
from antiphon.protocol.events import (
    AttemptFailed,
    Closed,
    ConnectionLost,
    Event,
    GoingAway,
    MessageReceived,
    Moving,
    Notice,
    Ready,
    Reconnect,
)
from antiphon.protocol.journal import Journal
from antiphon.protocol.message import LiveServerMessage
from antiphon.protocol.reconnecting import Reconnecting
from antiphon.protocol.usage import Usage
from antiphon.wire import (
    ClientMessage,
    DecodedMessage,
    ServerContent,
    ServerMessage,
    SessionResumptionUpdate,
    Setup,
    complete_reason,
    decode_server_message,
    encode_client_message,
)
from antiphon.wire.secret import excerpt, redact

__all__ = ["SessionProtocol", "State"]

_SHOWN_CHARS = 200
_ERROR_CHARS = 500
_NOTHING = ServerMessage()
_EMPTY_CONTENT = ServerMessage(server_content=ServerContent())


class SessionProtocol(Commands):
    """One session with the Live API, without I/O, over one connection or several.

    After every call, the driver must take `events` (act on them in order), write what
    `next_message` returns, one after the other, each confirmed with `message_sent`, and call
    `handle_timeout` when `next_timeout` has come. All times are seconds of one monotonic clock.

    Args:
        setup: The first message.
        setup_timeout_s: How long the service may take to accept it.
        close_timeout_s: How long the connection may take to end after `close`.
        speech_as_text: The text of a message is its output transcription, and its audio is left
            out: for TEXT from a model that only speaks.
        continuity: How the session outlives its connections; None: it ends with the first.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        setup_timeout_s: float = 30.0,
        close_timeout_s: float = 10.0,
        speech_as_text: bool = False,
        continuity: Continuity | None = None,
    ) -> None:
        policy = continuity or DEFAULT_CONTINUITY
        transparent = bool(setup.session_resumption and setup.session_resumption.transparent)
        super().__init__(
            setup, Journal(max_kept_live_s=policy.live_again_s, transparent=transparent)
        )
        self.closed_s: float | None = None
        """When it ended."""
        self.left_unsent = 0
        """Messages that no connection had taken when it ended."""
        self.session_id = ""
        self.voice_consent_signature = ""
        """Stands for the recorded consent to a cloned voice, once the service has given it."""
        self.usage = Usage()
        self.violations = 0
        """How many notices there were."""
        self.secrets: tuple[str, ...] = ()
        """What must not show, should the service say it."""
        self._setup_timeout_s = setup_timeout_s
        self._close_timeout_s = close_timeout_s
        self._speech_as_text = speech_as_text
        self._reconnecting = Reconnecting(continuity, setup.session_resumption)
        self._carryover = Carryover(
            self.turns,
            self._calls,
            self._journal,
            self._history,
            policy=policy,
            transparent=transparent,
            has_turns=not self.profile.translates,
        )
        self._connected = False
        self._setup_message: bytes | None = None
        self._timeout_at_s: float | None = None
        self._early_reported = False

    # ------------------------------------------------------------------ the driver's side

    def start(self, now: float) -> None:
        """A connection is open, the first or another. Next: write `next_message`, the setup."""
        if self.state in (State.CLOSING, State.CLOSED):
            return
        self._connected = True
        setup, timeout_s = self._setup, self._setup_timeout_s
        if self.state is State.RECONNECTING:
            setup = self._reconnecting.setup(self._setup)
            timeout_s = self._reconnecting.attempt_timeout_s
        self._expects_history = setup.history_config is not None
        self._timeout_at_s = now + timeout_s
        self._setup_message = encode_client_message(ClientMessage(setup=setup))

    def receive(self, data: bytes | str, now: float) -> None:
        """A message came. Next: take `events`. Ignored when there is no connection."""
        if (heard := self.hear(data, now)) is not None:
            self._tell(heard)

    def hear(self, data: bytes | str, now: float) -> LiveServerMessage | None:
        """`receive`, with a short way for audio.

        Returns:
            The message, if it is audio and nothing else happened: then neither `events` nor
            `next_message` nor `next_timeout` has anything new.
        """
        if not self._connected or self.state is State.CLOSED:
            return None
        try:
            decoded = decode_server_message(data, self.secrets)
        except ProtocolViolation as error:
            self._notice(error)
            self.turns.unreadable()
            return None
        turns = self.turns
        if turns.may_have_ended and _speaks(decoded):
            self._tell(self._carryover.complete(now))
        if decoded.only_audio and turns.open and turns.speaks and self.state is State.READY:
            # Most of what comes; nothing else changes by it.
            heard = LiveServerMessage(
                decoded, now, turns.go_on(decoded), speech_as_text=self._speech_as_text
            )
            if not self._events:
                return heard
            self._tell(heard)
            return None
        self._take(decoded, now)
        return None

    def connection_lost(self, code: int | None, reason: str, now: float) -> None:
        """The connection ended, or broke (code 1006). Next: take `events`.

        After a `close` of ours, any code is a clean end.
        """
        if self.state is State.CLOSING:
            self._end(Closure.of_ours(code, reason, during_setup=False), now)
            return
        if self.state is State.CLOSED or (self.state is State.RECONNECTING and not self._connected):
            return  # it was given up before
        during_setup = self.state in (State.OPENING, State.RECONNECTING)
        whole = complete_reason(reason, self._setup.model)
        self._lost(Closure.of_close(code, whole, during_setup=during_setup), now)

    def connect_failed(self, error: ConnectError, now: float) -> None:
        """The connection that `Reconnect` asked for was not made. Next: take `events`."""
        if self.state is State.RECONNECTING:
            self._attempt_failed(Closure.of_connect_error(error), now)

    def next_message(self) -> bytes | None:
        """What to write now, as one text message; None: nothing. Next: `message_sent`."""
        if not self._connected or self.state is State.CLOSED:
            return None
        if self._setup_message is not None:
            return self._setup_message
        if self.state in (State.READY, State.CLOSING):
            return self._journal.take()
        return None

    def message_sent(self) -> None:
        """The connection has taken what `next_message` gave."""
        if self._setup_message is not None:
            self._setup_message = None
        elif typed := self._journal.handed_over():
            # Not before: an answer or a handle that comes meanwhile is none of it.
            self._history.typed(typed)

    @property
    def resumption(self) -> SessionResumptionUpdate | None:
        """The last resumption handle that was usable."""
        return self._reconnecting.resumption

    @property
    def go_away_s(self) -> float | None:
        """When the service said it will cut the connection; None if it did not."""
        return self._reconnecting.go_away_s

    @property
    def unsent(self) -> int:
        """Messages that no connection has taken."""
        return len(self._journal)

    @property
    def crowd(self) -> int:
        """Messages among them that can leave and have no bound but the patience of senders.

        Live audio has one of its own, and what is sent again was counted before.
        """
        return self._journal.crowd

    @property
    def held_crowd(self) -> int:
        """The same of realtime input that waits for the result of a function."""
        return self._journal.held_crowd

    @property
    def dropped_user_audio_s(self) -> float:
        """Live audio that had to wait for too long and was dropped."""
        return self._journal.dropped_live_s

    @property
    def late_words(self) -> bool:
        """Whether the open turn may be no more than the last words of the one before.

        Then nothing will end it but the next answer.
        """
        return self.turns.only_words and not self._journal.answering

    def data_to_send(self) -> list[bytes]:
        """All that can be written now, taken as written: for a driver that never waits."""
        data = []
        while (message := self.next_message()) is not None:
            self.message_sent()
            data.append(message)
        return data

    def events(self) -> list[Event]:
        """Take what happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def next_timeout(self) -> float | None:
        """When `handle_timeout` must be called at the latest; None: never."""
        moves_at_s = self._moves_at()
        hold_ends_at_s = self._held_input.ends_at_s
        if self._timeout_at_s is None and hold_ends_at_s is None and moves_at_s is None:
            return None  # as nearly always; this is asked after every message
        times = (self._timeout_at_s, hold_ends_at_s, moves_at_s)
        return min((time for time in times if time is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Time passed. Next: take `events`; if the session is closed now, close the connection."""
        self._move_at_a_pause(now)
        self._held_input.handle_timeout(now)
        if self._timeout_at_s is None or now < self._timeout_at_s:
            return
        if self.state is State.OPENING:
            self._end(Closure.of_setup_timeout(self._setup_timeout_s), now)
        elif self.state is State.RECONNECTING:
            waited_s = self._reconnecting.attempt_timeout_s
            self._attempt_failed(Closure.of_setup_timeout(waited_s), now)
        else:
            self.connection_lost(1006, "no answer to our close", now)

    def interrupt(self) -> None:
        """Cut the running answer: the rest of its audio is dropped.

        Between two connections, what the lost one cut off is not asked again. Nothing is sent when
        no answer is running.
        """
        super().interrupt()
        if self.state is State.RECONNECTING:
            self._carryover.interrupt()

    def close(self, now: float, *, at_once: bool = False) -> None:
        """Say goodbye: no more commands. Harmless if already closing.

        Next: write what is left, then close the connection with 1000, and tell
        `connection_lost` when it has ended.

        Between two connections the session ends at once, but for what was sent meanwhile: that is
        what the next one is still waited for, unless it is to be ``at_once``. A live microphone is
        none of it.
        """
        if self.state is State.RECONNECTING:
            self._closes = not at_once and bool(self.crowd or self.held_crowd)
            if not self._closes:
                self._end(Closure.of_ours(None, "", during_setup=False), now)
        elif self.state in (State.OPENING, State.READY):
            self.state = State.CLOSING
            self._held_input.release()
            self._timeout_at_s = now + self._close_timeout_s

    def give_up_on_consumer(self, unread: int, unread_bytes: int, now: float) -> None:
        """A subscriber has too much unread: the session ends. Next: close the connection."""
        self._end(Closure.of_slow_consumer(unread, unread_bytes), now)

    # ------------------------------------------------------------------ inside

    def _take(self, decoded: DecodedMessage, now: float) -> None:
        """Whatever a message may be."""
        message = decoded.message
        if message.setup_complete is not None:
            self._setup_completed(message, now)
        elif self.state in (State.OPENING, State.RECONNECTING) and not _says_nothing(decoded):
            if message.error is not None:
                self._refused(message.error, now)
                return
            self._early(decoded)
        elif message.error is not None:
            words = self._words(message.error)
            self._notice(ProtocolViolation(f"The service sent an error: {words}."))
        self._keep_state(message, now)
        late_words = self.late_words
        marks = self.turns.observe(decoded)
        if marks.begins:
            self._carryover.answer_begins()
        elif late_words and self.turns.speaks:
            self._carryover.late_words_end()
        self._follow_calls(message, now)
        if not _says_nothing(decoded):
            received = LiveServerMessage(decoded, now, marks, speech_as_text=self._speech_as_text)
            self._tell(received)
            received.provoked = received.interrupted and self._provoked_turn == marks.turn
            self._history.take(received)
        turn_complete = message.server_content is not None and message.server_content.turn_complete
        if turn_complete and not self.turns.goes_on:
            self._carryover.answered()
        self._move_at_a_pause(now)

    def _setup_completed(self, message: ServerMessage, now: float) -> None:
        assert message.setup_complete is not None
        if self.state in (State.OPENING, State.RECONNECTING):
            again = self.state is State.RECONNECTING
            self.state = State.READY
            self._timeout_at_s = None
            self.session_id = message.setup_complete.session_id
            if (consent := message.setup_complete.voice_consent_signature) is not None:
                self.voice_consent_signature = consent.signature
            self._reconnecting.accepted(now)
            if again:
                self._resume(now)
                if self._closes:
                    self.close(now)
            else:
                self._events.append(Ready(self.session_id))
        elif self.state is State.READY:
            self._notice(ProtocolViolation("The service accepted the setup a second time."))

    def _refused(self, error: dict[str, object], now: float) -> None:
        """An error object instead of a close: some proxies in front of the service do this."""
        self._lost(Closure.of_close(None, self._words(error), during_setup=True), now)

    def _words(self, error: dict[str, object]) -> str:
        said = str(error.get("message") or error.get("status") or error)
        return redact(said, self.secrets)[:_ERROR_CHARS]

    def _early(self, decoded: DecodedMessage) -> None:
        if not self._early_reported:
            self._early_reported = True
            shown = excerpt(decoded.json, _SHOWN_CHARS, self.secrets)
            self._notice(
                ProtocolViolation(
                    f"The service sent {shown!r} before it accepted the setup; tolerated."
                )
            )

    def _keep_state(self, message: ServerMessage, now: float) -> None:
        if message.usage_metadata is not None:
            self.usage = self.usage.plus(message.usage_metadata)
        if message.go_away is not None:
            left_s = message.go_away.time_left_s
            self._events.append(GoingAway(left_s))
            self._reconnecting.going_away(left_s, now)
        update = message.session_resumption_update
        if update is not None and update.resumable and update.new_handle:
            self._reconnecting.resumption = update
            self._carryover.remembered(update)

    def _follow_calls(self, message: ServerMessage, now: float) -> None:
        if message.tool_call is not None:
            self._calls.called(message.tool_call.function_calls, self.turns.turn)
        if message.tool_call_cancellation is not None:
            self._calls.cancelled(message.tool_call_cancellation.ids)
        if message.tool_call is not None or message.tool_call_cancellation is not None:
            self._held_input.follow(now)

    # ------------------------------------------------------------------ continuity

    def _move_at_a_pause(self, now: float) -> None:
        """Before the service cuts the connection."""
        due_s = self._moves_at()
        if due_s is None or now < due_s:
            return
        if (at_s := self._reconnecting.move(now)) is not None:
            self._events.append(Moving())
            ended = self._carryover.move(now)
            self._await_connection(at_s)
            self._tell_end(ended)

    def _moves_at(self) -> float | None:
        """When to move, as things are: never while something is open that a move would cut."""
        if self.state is not State.READY or self._calls.open:
            return None
        if self.profile.translates:  # it has no pauses: one moment is like another
            return self._reconnecting.latest_move_s or self._reconnecting.move_at_s
        turns = self.turns
        if turns.open and not self.late_words:
            return None
        asks_again = self._carryover.asks_again
        # What was sent goes again: who moves before all has left never gets done on a slow link.
        unanswered = self._journal.unanswered or turns.goes_on
        expected = unanswered or turns.open or turns.user_waits
        if not (expected or self.sending or self.unsent):
            return self._reconnecting.move_at_s
        # A question is on its way: it is waited for, but not longer than there is time.
        return self._reconnecting.latest_move_s if asks_again or not unanswered else None

    def _lost(self, closure: Closure, now: float) -> None:
        """A connection ended that nobody closed here."""
        if self.state is State.OPENING:
            self._end(closure, now)
        elif self.state is State.RECONNECTING:
            self._attempt_failed(closure, now)
        else:
            self._mend(closure, now)

    def _mend(self, closure: Closure, now: float) -> None:
        """A connection was lost; another one may stand for it."""
        at_s = self._reconnecting.lost(closure, now)
        if isinstance(at_s, Closure):
            self._end(at_s, now)
            return
        self._events.append(ConnectionLost(closure))
        answer = self._carryover.break_off(now, with_handle=self._reconnecting.will_resume)
        self._await_connection(at_s)
        self._tell_end(answer)

    def _attempt_failed(self, closure: Closure, now: float) -> None:
        """Another connection was not made, or refused the setup."""
        number = self._reconnecting.attempt
        at_s = self._reconnecting.failed(closure, now)
        if isinstance(at_s, Closure):
            self._end(at_s, now)
            return
        self._events.append(AttemptFailed(number, closure.meaning, round(at_s - now, 6)))
        self._await_connection(at_s)

    def _await_connection(self, at_s: float) -> None:
        """There is none, or it is to be closed: another one is needed."""
        self.state = State.RECONNECTING
        self._held_input.release()
        self._connected = False
        self._setup_message = self._timeout_at_s = None
        self._events.append(Reconnect(at_s))

    def _resume(self, now: float) -> None:
        carryover = self._carryover
        sent_again = carryover.resume(with_handle=self._reconnecting.with_handle)
        self._held_input.follow(now)
        resumed = self._reconnecting.resumed(
            now, sent_again=sent_again, given_up=carryover.given_up
        )
        self._events.append(resumed)
        if (interrupted := carryover.interrupted(now)) is not None:
            self._tell(interrupted)

    def _tell(self, message: LiveServerMessage) -> None:
        self._events.append(MessageReceived(message))

    def _tell_end(self, answer: LiveServerMessage | None) -> None:
        """What leaving a connection means for the answer under way, if any."""
        if answer is None:
            return
        if answer.answer_cut is not None:
            self._events.append(answer.answer_cut)
        self._tell(answer)

    def _notice(self, error: ProtocolViolation) -> None:
        self.violations += 1
        self._events.append(Notice(ProtocolViolation(redact(str(error), self.secrets))))

    def _end(self, closure: Closure, now: float) -> None:
        if self.closure is not None:
            return
        if self._closes and not closure.clean:
            closure = Closure.of_ours(closure.code, closure.reason, during_setup=False)
        self.state = State.CLOSED
        self.closure = closure
        self.closed_s = now
        self.left_unsent = self.unsent
        self._timeout_at_s = None
        self._held_input.release()
        self._connected = False
        self._journal.clear()
        self._events.append(Closed(closure))


def _speaks(decoded: DecodedMessage) -> bool:
    """Whether the model says more; its transcript may come when all else has."""
    content = decoded.message.server_content
    turn = content.model_turn if content is not None else None
    return turn is not None and bool(turn.parts)


def _says_nothing(decoded: DecodedMessage) -> bool:
    """``{}``, an empty ``serverContent``, or an acknowledgement of the setup and no more."""
    message = decoded.message
    if message == _NOTHING:
        return not decoded.raw
    if message == _EMPTY_CONTENT:
        return decoded.raw == {"serverContent": {}}
    if message.setup_complete is None:
        return False
    bare = ServerMessage(setup_complete=message.setup_complete)
    return message == bare and decoded.raw == msgspec.to_builtins(bare)
