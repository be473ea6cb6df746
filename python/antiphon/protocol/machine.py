"""The state machine of a session: opening → ready → closing → closed.

It does no I/O and reads no clock. A driver feeds it bytes and times, writes what
`SessionProtocol.data_to_send` returns, and acts on `SessionProtocol.events`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from antiphon.errors import ProtocolViolation
from antiphon.protocol.closure import Closure
from antiphon.protocol.events import Closed, Event, MessageReceived, Notice, Ready
from antiphon.protocol.message import LiveServerMessage
from antiphon.protocol.turns import TurnTracker
from antiphon.protocol.usage import Usage
from antiphon.wire import (
    Blob,
    ClientContent,
    ClientMessage,
    Content,
    ContextUpdate,
    DecodedMessage,
    FunctionResponse,
    RealtimeInput,
    ServerContent,
    ServerMessage,
    SessionResumptionUpdate,
    Setup,
    Tool,
    ToolResponse,
    ToolsUpdate,
    bytes_to_base64,
    decode_server_message,
    encode_client_message,
)

__all__ = ["SessionProtocol", "State"]

_NOTHING = ServerMessage()
_EMPTY_CONTENT = ServerMessage(server_content=ServerContent())


class State(Enum):
    """Where a session stands."""

    OPENING = "opening"
    READY = "ready"
    CLOSING = "closing"
    CLOSED = "closed"


class SessionProtocol:
    """One session with the Live API, without I/O.

    After every call, the driver must take `data_to_send` (write it in order) and `events` (act
    on them in order), and call `handle_timeout` when `next_timeout` has come. All times are
    seconds of one monotonic clock.

    Args:
        setup: The first message.
        setup_timeout_s: How long the service may take to accept it.
        close_timeout_s: How long the connection may take to end after `close`.
        speech_as_text: The text of a message is its output transcription, and its audio is left
            out: for TEXT from a model that only speaks.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        setup_timeout_s: float = 30.0,
        close_timeout_s: float = 10.0,
        speech_as_text: bool = False,
    ) -> None:
        self.state = State.OPENING
        self.closure: Closure | None = None
        """How the session ended; None while it has not."""
        self.closed_s: float | None = None
        """When it ended."""
        self.session_id = ""
        self.turns = TurnTracker()
        self.usage = Usage()
        self.resumption: SessionResumptionUpdate | None = None
        """The last resumption handle that was usable."""
        self.go_away_s: float | None = None
        """When the service said it will cut the connection; None if it did not."""
        self.violations = 0
        """How many notices there were."""
        self._setup = setup
        self._setup_timeout_s = setup_timeout_s
        self._close_timeout_s = close_timeout_s
        self._speech_as_text = speech_as_text
        self._timeout_at_s: float | None = None
        self._outgoing: list[bytes] = []
        self._events: list[Event] = []
        self._early_reported = False

    # ------------------------------------------------------------------ the driver's side

    def start(self, now: float) -> None:
        """The connection is open: queue the setup. Next: write `data_to_send`."""
        self._timeout_at_s = now + self._setup_timeout_s
        self._send(ClientMessage(setup=self._setup))

    def receive(self, data: bytes | str, now: float) -> None:
        """A message came. Next: take `events`. Ignored when the session is closed."""
        if self.state is State.CLOSED:
            return
        try:
            decoded = decode_server_message(data)
        except ProtocolViolation as error:
            self._notice(error)
            return
        message = decoded.message
        if message.setup_complete is not None:
            self._setup_completed(message)
        elif self.state is State.OPENING and not _says_nothing(decoded):
            if message.error is not None:
                self._refused(message.error, now)
                return
            self._early(decoded)
        self._keep_state(message, now)
        marks = self.turns.observe(decoded)
        if not _says_nothing(decoded):
            self._events.append(
                MessageReceived(
                    LiveServerMessage(
                        decoded,
                        received_s=now,
                        marks=marks,
                        speech_as_text=self._speech_as_text,
                    )
                )
            )

    def connection_lost(self, code: int | None, reason: str, now: float) -> None:
        """The connection ended, or broke (code 1006). Next: take `events`; no more calls.

        After a `close` of ours, any code is a clean end.
        """
        during_setup = self.state is State.OPENING
        make = Closure.of_ours if self.state is State.CLOSING else Closure.of_close
        self._end(make(code, reason, during_setup=during_setup), now)

    def data_to_send(self) -> list[bytes]:
        """Take the messages to write, in order, each as one text message."""
        data, self._outgoing = self._outgoing, []
        return data

    def events(self) -> list[Event]:
        """Take what happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def next_timeout(self) -> float | None:
        """When `handle_timeout` must be called at the latest; None: never."""
        return self._timeout_at_s

    def handle_timeout(self, now: float) -> None:
        """Time passed. Next: take `events`; if the session is closed now, close the connection."""
        if self._timeout_at_s is None or now < self._timeout_at_s:
            return
        if self.state is State.OPENING:
            self._end(Closure.of_setup_timeout(self._setup_timeout_s), now)
        else:
            self.connection_lost(1006, "no answer to our close", now)

    def close(self, now: float) -> None:
        """Say goodbye: no more commands. Harmless if already closing.

        Next: write what is left, then close the connection with 1000, and tell
        `connection_lost` when it has ended.
        """
        if self.state in (State.OPENING, State.READY):
            self.state = State.CLOSING
            self._timeout_at_s = now + self._close_timeout_s

    def give_up_on_consumer(self, unread: int, now: float) -> None:
        """A subscriber has too much unread: the session ends. Next: close the connection."""
        self._end(Closure.of_slow_consumer(unread), now)

    # ------------------------------------------------------------------ commands

    def send_content(self, turns: Sequence[Content], *, turn_complete: bool = True) -> None:
        """Append ordered turns; with ``turn_complete`` the model answers. Interrupts the model."""
        self._command(
            ClientMessage(
                client_content=ClientContent(turns=list(turns), turn_complete=turn_complete)
            )
        )

    def send_text(self, text: str) -> None:
        """Realtime text: counts as the user's activity, and is answered."""
        self._command(ClientMessage(realtime_input=RealtimeInput(text=text)))

    def send_audio_message(self, message: bytes) -> None:
        """A ready ``realtimeInput`` message, as the audio core encodes them."""
        self._check_ready()
        self._outgoing.append(message)

    def send_video(self, data: bytes, mime_type: str) -> None:
        """One still image."""
        blob = Blob(mime_type=mime_type, data=bytes_to_base64(data))
        self._command(ClientMessage(realtime_input=RealtimeInput(video=blob)))

    def activity_start(self) -> None:
        """The user begins to speak; only with automatic detection disabled."""
        self._command(ClientMessage(realtime_input=RealtimeInput(activity_start={})))

    def activity_end(self) -> None:
        """The user has ended; only with automatic detection disabled."""
        self._command(ClientMessage(realtime_input=RealtimeInput(activity_end={})))

    def audio_stream_end(self) -> None:
        """The microphone pauses: the service works on what it has heard."""
        self._command(ClientMessage(realtime_input=RealtimeInput(audio_stream_end=True)))

    def send_function_responses(self, responses: Sequence[FunctionResponse]) -> None:
        """Results of function calls."""
        self._command(ClientMessage(tool_response=ToolResponse(function_responses=list(responses))))

    def update_context(
        self, *, system_instruction: Content | None = None, tools: Sequence[Tool] | None = None
    ) -> None:
        """Replace the system instruction, the tools, or both; an empty list clears the tools."""
        update = ContextUpdate(
            system_instruction=system_instruction,
            tools=None if tools is None else ToolsUpdate(tools=list(tools)),
        )
        self._command(ClientMessage(context_update=update))

    def send_raw(self, message: ClientMessage | bytes) -> None:
        """Any message, as it is."""
        self._check_ready()
        self._outgoing.append(
            message if isinstance(message, bytes) else encode_client_message(message)
        )

    def interrupt(self) -> None:
        """Cut the running answer: the rest of its audio is dropped.

        Content without a turn tells the service to stop (it has no message of its own for
        this). Nothing is sent when no turn is open.
        """
        self._check_ready()
        if self.turns.open and not self.turns.interrupted:
            self.turns.interrupt()
            self._send(ClientMessage(client_content=ClientContent()))

    # ------------------------------------------------------------------ inside

    def _command(self, message: ClientMessage) -> None:
        self._check_ready()
        self._send(message)

    def _check_ready(self) -> None:
        if self.closure is not None:
            raise self.closure.error()
        if self.state is State.CLOSING:
            raise Closure.of_ours(None, "", during_setup=False).error()
        if self.state is State.OPENING:
            raise RuntimeError("The session is not ready: wait for the Ready event.")

    def _send(self, message: ClientMessage) -> None:
        self._outgoing.append(encode_client_message(message))

    def _setup_completed(self, message: ServerMessage) -> None:
        assert message.setup_complete is not None
        if self.state is State.OPENING:
            self.state = State.READY
            self._timeout_at_s = None
            self.session_id = message.setup_complete.session_id
            self._events.append(Ready(self.session_id))
        elif self.state is State.READY:
            self._notice(ProtocolViolation("The service accepted the setup a second time."))

    def _refused(self, error: dict[str, object], now: float) -> None:
        """An error object instead of a close: some proxies in front of the service do this."""
        reason = str(error.get("message") or error.get("status") or error)[:500]
        self._end(Closure.of_close(None, reason, during_setup=True), now)

    def _early(self, decoded: DecodedMessage) -> None:
        if not self._early_reported:
            self._early_reported = True
            shown = decoded.json[:200].decode("utf-8", "replace")
            self._notice(
                ProtocolViolation(
                    f"The service sent {shown!r} before it accepted the setup; tolerated."
                )
            )

    def _keep_state(self, message: ServerMessage, now: float) -> None:
        if message.usage_metadata is not None:
            self.usage = self.usage.plus(message.usage_metadata)
        if message.go_away is not None:
            self.go_away_s = now + message.go_away.time_left_s
        update = message.session_resumption_update
        if update is not None and update.resumable and update.new_handle:
            self.resumption = update

    def _notice(self, error: ProtocolViolation) -> None:
        self.violations += 1
        self._events.append(Notice(error))

    def _end(self, closure: Closure, now: float) -> None:
        if self.closure is not None:
            return
        self.state = State.CLOSED
        self.closure = closure
        self.closed_s = now
        self._timeout_at_s = None
        self._outgoing.clear()
        self._events.append(Closed(closure))


def _says_nothing(decoded: DecodedMessage) -> bool:
    """``{}``, an empty ``serverContent``, or an acknowledgement of the setup and no more."""
    message = decoded.message
    if message == _NOTHING:
        return not decoded.raw
    if message == _EMPTY_CONTENT:
        return decoded.raw == {"serverContent": {}}
    return message.setup_complete is not None and message == ServerMessage(
        setup_complete=message.setup_complete
    )
