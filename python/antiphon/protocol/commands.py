"""What an application sends: every command becomes messages in the journal.

This is one half of `SessionProtocol`. The other, in `machine`, is the driver's: it writes what the
journal holds, and follows what comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from antiphon.protocol.calls import Calls, wants_answer
from antiphon.protocol.closure import Closure
from antiphon.protocol.events import Event, UserAudioDropped
from antiphon.protocol.held_input import HeldInput
from antiphon.protocol.history import History, Words, words_of
from antiphon.protocol.journal import Journal
from antiphon.protocol.turns import TurnTracker
from antiphon.wire import (
    Blob,
    ClientContent,
    ClientMessage,
    Content,
    ContextUpdate,
    FunctionResponse,
    RealtimeInput,
    Setup,
    Tool,
    ToolsUpdate,
    bytes_to_base64,
    encode_client_message,
    profile_of,
)

__all__ = ["Commands", "State"]


class State(Enum):
    """Where a session stands."""

    OPENING = "opening"
    READY = "ready"
    RECONNECTING = "reconnecting"
    CLOSING = "closing"
    CLOSED = "closed"


class Commands:
    """The commands of a session that can take them: ready, or between two connections.

    Each raises what the session has ended with, once it has.

    Args:
        setup: The first message.
        journal: Where messages wait for the connection.
    """

    def __init__(self, setup: Setup, journal: Journal) -> None:
        self.state = State.OPENING
        self.closure: Closure | None = None
        """How the session ended; None while it has not."""
        self.turns = TurnTracker()
        self.profile = profile_of(setup.model)
        """What the model accepts."""
        self.sending = 0
        """Sends of audio that are under way."""
        self._setup = setup
        self._journal = journal
        self.audio_written = journal.put_written
        """Instead of `send_audio_message`, while it `is_clear`: the connection was given it before.

        If it has not ``left``, `message_sent` is next. No event comes of it, no timer changes.
        """
        self._history = History()
        self._calls = Calls(self.profile, setup.tools or ())
        self._held_input = HeldInput(self._calls, journal)
        self._expects_history = False
        self._provoked_turn = 0
        self._closes = False  # when the next connection has what waits
        self._events: list[Event] = []

    @property
    def closing(self) -> bool:
        """Whether it takes no more commands: it is over, or will be when all has left."""
        return self._closes or self.state in (State.CLOSING, State.CLOSED)

    def send_content(self, turns: Sequence[Content], *, turn_complete: bool = True) -> None:
        """Append ordered turns; with ``turn_complete`` the model answers. Interrupts the model."""
        self._content(turns, turn_complete=turn_complete)

    def send_history(self, turns: Sequence[Content]) -> None:
        """What was said before; it is not answered. To be sent before anything else."""
        self._content(turns, turn_complete=False, needed=True)
        if self._expects_history and self.state is State.READY:
            # Its end: to a connection whose setup announced none, it would ask for an answer.
            end = ClientMessage(client_content=ClientContent(turn_complete=True))
            self._journal.put(encode_client_message(end), asks=False, once=True)

    def send_text(self, text: str) -> None:
        """Realtime text: counts as the user's activity, and is answered."""
        self._input(RealtimeInput(text=text), typed=[("user", text)])
        self._provoke()

    def send_audio_message(
        self, message: bytes, *, live_s: float = 0.0, waits: bool = False
    ) -> None:
        """A ready ``realtimeInput`` message, as the audio core encodes them.

        Args:
            message: As it will be written.
            live_s: Its duration, if it is sent as it is spoken: of such audio only the last
                seconds are sent again, and it is dropped when 30 s of it wait.
            waits: Its sender waits for room: it is not dropped.
        """
        self._check_ready()
        dropped_s = self._journal.dropped_live_s
        self._journal.put(message, asks=False, realtime=True, live_s=live_s, waits=waits)
        if self._journal.dropped_live_s > dropped_s:
            self._events.append(UserAudioDropped(self._journal.dropped_live_s))

    def is_clear(self) -> bool:
        """Whether nothing stands between a packet of audio and the connection."""
        return self.state is State.READY and self._journal.is_idle()

    def send_video(self, data: bytes, mime_type: str) -> None:
        """One still image."""
        blob = Blob(mime_type=mime_type, data=bytes_to_base64(data))
        self._input(RealtimeInput(video=blob), asks=False, still=True)

    def activity_start(self) -> None:
        """The user begins to speak; only with automatic detection disabled."""
        self._input(RealtimeInput(activity_start={}))
        self._provoke()

    def activity_end(self) -> None:
        """The user has ended; only with automatic detection disabled."""
        self._input(RealtimeInput(activity_end={}))

    def audio_stream_end(self) -> None:
        """The microphone pauses: the service works on what it has heard."""
        self._input(RealtimeInput(audio_stream_end=True))

    def send_function_responses(self, responses: Sequence[FunctionResponse]) -> None:
        """Results of function calls.

        Those of calls that the session lost with a connection are told in words instead, or, if
        the model will call again because it is asked again, not at all.
        """
        self._check_ready()
        # As JSON has them, and a copy: they may be said again in words, when nobody can be told
        # that they cannot.
        responses = [
            msgspec.structs.replace(
                each, response=msgspec.to_builtins(each.response, str_keys=True)
            )
            for each in responses
        ]
        for message, results in self._calls.messages(responses):
            self._journal.put(message, asks=wants_answer(results), results=results)
        if any(response.scheduling == "INTERRUPT" for response in responses):
            self._provoke()
        self._calls.answered(responses)
        if not self._calls.hold_input:
            self._held_input.release()

    def is_asked_again(self, call_id: str) -> bool:
        """Whether a call was lost with its connection, and the model will make it anew."""
        return self._calls.is_asked_again(call_id)

    def is_repeated(self, call_id: str) -> bool:
        """Whether a call was made before under the same id, on a connection that was lost."""
        return self._calls.is_repeated(call_id)

    @property
    def connection(self) -> int:
        """Number of the present connection, or else of the last one; from 1."""
        return self._calls.connection

    def update_context(
        self, *, system_instruction: Content | None = None, tools: Sequence[Tool] | None = None
    ) -> None:
        """Replace the system instruction, the tools, or both; an empty list clears the tools."""
        update = ContextUpdate(
            system_instruction=system_instruction,
            tools=None if tools is None else ToolsUpdate(tools=list(tools)),
        )
        self._check_ready()
        message = encode_client_message(ClientMessage(context_update=update))
        self._journal.put(message, asks=False)
        # A later connection may be to a session that never heard of this.
        self._setup = self.updated_setup(system_instruction=system_instruction, tools=tools)
        if tools is not None:
            self._calls.declare(tools)

    def updated_setup(
        self, *, system_instruction: Content | None = None, tools: Sequence[Tool] | None = None
    ) -> Setup:
        """What `update_context` would make of the setup."""
        setup = self._setup
        if system_instruction is not None:
            setup = msgspec.structs.replace(setup, system_instruction=system_instruction)
        if tools is not None:
            setup = msgspec.structs.replace(setup, tools=list(tools) or None)
        return setup

    def send_raw(self, message: ClientMessage | bytes) -> None:
        """Any message, as it is."""
        self._check_ready()
        self._journal.put(message if isinstance(message, bytes) else encode_client_message(message))

    def interrupt(self) -> None:
        """Cut the running answer: the rest of its audio is dropped.

        Content without a turn tells the service to stop (it has no message of its own for
        this). Nothing is sent when no turn is open.
        """
        self._check_ready()
        if self.turns.open and not self.turns.interrupted:
            self.turns.interrupt()
            self._provoke()
            stop = encode_client_message(ClientMessage(client_content=ClientContent()))
            self._journal.put(stop, asks=False, once=True)

    # ------------------------------------------------------------------ inside

    def _content(
        self, turns: Sequence[Content], *, turn_complete: bool, needed: bool = False
    ) -> None:
        content = ClientContent(turns=list(turns), turn_complete=turn_complete)
        message = encode_client_message(ClientMessage(client_content=content))
        self._check_ready()
        self._journal.put(message, asks=turn_complete, typed=words_of(turns), needed=needed)
        self._provoke()

    def _input(
        self,
        given: RealtimeInput,
        *,
        asks: bool = True,
        typed: Sequence[Words] = (),
        still: bool = False,
    ) -> None:
        self._check_ready()
        message = encode_client_message(ClientMessage(realtime_input=given))
        self._journal.put(message, asks=asks, realtime=True, typed=typed, still=still)

    def _provoke(self) -> None:
        """What was sent now may interrupt the turn."""
        self._provoked_turn = self.turns.turn

    def _check_ready(self) -> None:
        if self.closure is not None:
            raise self.closure.error()
        if self.closing:
            raise Closure.of_ours(None, "", during_setup=False).error()
        if self.state is State.OPENING:
            raise RuntimeError("The session is not ready: wait for the Ready event.")
