"""Models and sessions, for code without asyncio.

Written by ``tools/write_sync.py`` from the asynchronous classes: change those, and run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self

from antiphon.channel import Connector
from antiphon.errors import RecordingError
from antiphon.protocol import (
    DEFAULT_CONTINUITY,
    Closure,
    Continuity,
    LiveServerMessage,
    SessionEvent,
    Usage,
)
from antiphon.session.config import LiveGenerationConfig
from antiphon.session.feed import Subscription as AsyncSubscription
from antiphon.session.feed import T
from antiphon.session.model import LiveModel as AsyncLiveModel
from antiphon.session.model import connect as async_connect
from antiphon.session.reply import Reply
from antiphon.session.reply import TurnStream as AsyncTurnStream
from antiphon.session.session import LiveSession as AsyncLiveSession
from antiphon.session.subscription import MessageStream as AsyncMessageStream
from antiphon.session.tools import ToolInput
from antiphon.sync.portal import Twin, open_portal
from antiphon.wire import (
    DEFAULT_MODEL,
    Backend,
    ClientMessage,
    ContentInput,
    FunctionResponse,
    SessionResumptionUpdate,
    Setup,
)

if TYPE_CHECKING:
    from antiphon.devices import Device
    from antiphon.session.user_audio import Pcm
    from antiphon.sync.conversation import Conversation
__all__ = [
    "LiveModel",
    "LiveSession",
    "MessageStream",
    "Subscription",
    "TurnStream",
    "connect",
]


class Subscription(Twin[AsyncSubscription[T]], Generic[T]):
    """An iterator over events, from its making on.

    Leaving a loop over it or cancelling `__anext__` loses no event. At most 10,000 unread events
    are kept, and 16 MiB of what they tell; then the oldest are dropped. Iteration ends when no
    more can come; if that is because something failed, with that error.
    """

    def __iter__(self) -> Subscription[T]:
        return self

    def __next__(self) -> T:
        try:
            return self._wait(lambda it: it.__anext__(), self._timeout_s)
        except StopAsyncIteration:
            raise StopIteration from None


class MessageStream(Twin[AsyncMessageStream]):
    """The messages of a session, from the moment of the subscription to the session's end.

    Iterate with ``for``. Leaving the loop or cancelling a wait loses no message: iterate
    again to go on. The iteration ends when the session is closed by us, or by the service with
    1000; otherwise it raises `SessionClosed` after the last message.

    A stream that is kept but not read holds its messages, up to 10,000 (those with audio: 120 s
    and as many more) and 64 MiB in all. Beyond that the oldest audio is dropped, which
    `LiveSession.events` tells (`UnreadAudioDropped`); if that does not make room, the session
    ends with `ConsumerTooSlow`. So `close` it when done, or let go of it.
    """

    @property
    def dropped_audio_s(self) -> float:
        """Seconds of audio that were dropped because they were not read in time."""
        return self._asynchronous.dropped_audio_s

    @property
    def dropped_messages(self) -> int:
        """Messages that were dropped before this subscription, because nobody subscribed."""
        return self._asynchronous.dropped_messages

    @property
    def unread(self) -> int:
        """Messages without audio that wait to be read."""
        return self._asynchronous.unread

    def __iter__(self) -> MessageStream:
        return self

    def __next__(self) -> LiveServerMessage:
        try:
            return self._wait(lambda it: it.__anext__(), self._timeout_s)
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Give up the subscription; what is unread is forgotten. The iteration ends."""
        self._call(lambda it: it.close())

    def __enter__(self) -> Self:
        self._wait(lambda it: it.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._wait(lambda it: it.__aexit__(kind, error, traceback))


class TurnStream(Twin[AsyncTurnStream]):
    """The turns of a session, each when it is complete. Ends as `MessageStream` does."""

    def __iter__(self) -> TurnStream:
        return self

    def __next__(self) -> Reply:
        try:
            return self._wait(lambda it: it.__anext__(), self._timeout_s)
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Give up the subscription."""
        self._call(lambda it: it.close())


class LiveSession(Twin[AsyncLiveSession]):
    """A session with the Live API. Made by `LiveModel.connect`; closed by `close`.

    Sending waits while the connection is slow, and raises `SessionClosed` when the session is
    over. Messages are read with `receive`; a session can be used by several threads at once.

    Attributes:
        notes: What was changed to make the configuration fit the model, in words.
    """

    @property
    def notes(self) -> list[str]:
        """See `LiveSession`."""
        return self._asynchronous.notes

    def send(
        self,
        content: ContentInput = (),
        turn_complete: bool = True,
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Send ordered content: a ``str``, parts, or ``{"role", "parts"}`` turns.

        An image is a part: ``[Blob.of(jpeg, "image/jpeg"), "What is this?"]``.
        It interrupts a running answer. With ``turn_complete`` the model answers; without, more
        is awaited. Empty content with ``turn_complete`` means: answer now.

        Raises:
            SessionClosed: The session is over.
            TypeError, ValueError: Not content.
        """
        self._wait(lambda it: it.send(content, turn_complete), timeout_s)

    def send_text_realtime(self, text: str, *, timeout_s: float | None = None) -> None:
        """Send text as if the user had said it: it interrupts, and is answered.

        Raises:
            SessionClosed: The session is over.
            TypeError: Not a `str`; nothing was sent.
        """
        self._wait(lambda it: it.send_text_realtime(text), timeout_s)

    def send_audio_realtime(
        self, pcm: Pcm, rate_hz: int = 16000, *, timeout_s: float | None = None
    ) -> None:
        """Send the user's voice; any length, one after the other.

        It is averaged to mono, resampled to 16 kHz, and cut into messages of the session's
        packet duration; what does not fill one waits for the next call (or
        `end_audio_stream`, `end_activity`). A cancelled call has sent whole packets;
        `sent_audio_packets` tells how many.

        What a break sends again of it depends on its pace: of audio that comes as it is spoken,
        in blocks of up to 2 s, the last 30 s (`Continuity.live_again_s`); what comes faster, such
        as a file in one call, whole, until it is answered.

        Args:
            pcm: int16 or float32 (full scale ±1.0), shape (frames,) or (frames, channels), an
                array or a buffer of them; or bytes of mono little-endian int16.
            rate_hz: 4,000 to 384,000.
            timeout_s: See `antiphon.sync`.

        Raises:
            AudioFormatError: Another dtype, shape or rate, or an odd number of bytes.
            SessionClosed: The session is over.
        """
        self._wait(lambda it: it.send_audio_realtime(pcm, rate_hz), timeout_s)

    def send_audio_message(
        self, message: bytes, duration_s: float | None = None, *, timeout_s: float | None = None
    ) -> None:
        """Send one ready ``realtimeInput`` message of the audio core, such as `Uplink` makes.

        Args:
            message: JSON.
            duration_s: Of its audio; None: as long as 16-bit samples at 16 kHz would be.
            timeout_s: See `antiphon.sync`.

        Raises:
            SessionClosed: The session is over.
            TypeError: Not `bytes`; nothing was sent.
            ValueError: The duration is not more than 0 s.
        """
        self._wait(lambda it: it.send_audio_message(message, duration_s), timeout_s)

    def send_live_audio_message(self, message: bytes, duration_s: float) -> None:
        """Send one message of a live microphone, which cannot wait. Never blocks.

        While there is no connection, the newest 30 s are kept and go out when there is one; what
        is dropped before that is counted, and told as `UserAudioDropped`.

        Raises:
            SessionClosed: The session is over.
            TypeError: Not `bytes`; nothing was sent.
            ValueError: The duration is not more than 0 s.
        """
        self._call(lambda it: it.send_live_audio_message(message, duration_s))

    def end_audio_stream(self, *, timeout_s: float | None = None) -> None:
        """The microphone pauses: the service works on what it has heard so far."""
        self._wait(lambda it: it.end_audio_stream(), timeout_s)

    def send_video_realtime(
        self, data: bytes, mime_type: str = "image/jpeg", *, timeout_s: float | None = None
    ) -> None:
        """Send one still image (JPEG, PNG or WebP); about one a second is looked at.

        An image that a question is about goes with it instead: see `send`. Of many, the last ten
        are sent again when a connection breaks.

        Raises:
            TypeError, ValueError: Not the bytes of an image.
            SessionClosed: The session is over.
        """
        self._wait(lambda it: it.send_video_realtime(data, mime_type), timeout_s)

    def start_activity(self, *, timeout_s: float | None = None) -> None:
        """The user begins to speak; only with ``VAD(disabled=True)``."""
        self._wait(lambda it: it.start_activity(), timeout_s)

    def end_activity(self, *, timeout_s: float | None = None) -> None:
        """The user has ended; only with ``VAD(disabled=True)``. The model answers now."""
        self._wait(lambda it: it.end_activity(), timeout_s)

    def send_function_responses(
        self, responses: Sequence[FunctionResponse], *, timeout_s: float | None = None
    ) -> None:
        """Answer function calls whose tools were only declared; functions answer themselves.

        Each needs the ``id`` of its call, but on Vertex AI, where calls may have none
        (``strict=False`` sends it without one anywhere).
        ``will_continue=True`` in a response (of a NON_BLOCKING call) says that there will be more.
        Should the connection have broken since the call: where the question is asked again, the
        model calls again under another id, and the answer to the old one is dropped; otherwise
        the answer is told as words.

        Raises:
            TypeError: Not a list of `FunctionResponse`, or the result in one is no dict; nothing
                was sent.
            ValueError: One has no id where the service needs it; nothing was sent.
            SessionClosed: The session is over.
        """
        self._wait(lambda it: it.send_function_responses(responses), timeout_s)

    def update_context(
        self,
        *,
        system_instruction: ContentInput | None = None,
        tools: Sequence[ToolInput] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Replace the system instruction, the tools, or both, in mid-session.

        It is held against the rules of the model, as a setup is; what may not fit it stands in
        `notes` then.

        Raises:
            ToolError: A function cannot be declared; nothing was sent.
            UnsupportedSetup: The service is known to refuse something of this for the model, and
                nothing was sent; ``strict=False`` in the configuration sends it all the same.
        """
        self._wait(
            lambda it: it.update_context(system_instruction=system_instruction, tools=tools),
            timeout_s,
        )

    def send_raw(self, message: ClientMessage | bytes, *, timeout_s: float | None = None) -> None:
        """Send any message of the Live API as it is.

        Raises:
            TypeError: Neither a `ClientMessage` nor JSON as bytes.
            SessionClosed: The session is over.
        """
        self._wait(lambda it: it.send_raw(message), timeout_s)

    def interrupt(self, *, timeout_s: float | None = None) -> None:
        """Cut the running answer; the rest of its audio is dropped. Nothing if none is running.

        Between two connections it is the one that was cut by the loss: it is not given again.
        What is dropped here is dropped at once, also where messages wait for the connection.
        """
        self._wait(lambda it: it.interrupt(), timeout_s)

    def receive(self, *, audio: bool = True, timeout_s: float | None = None) -> MessageStream:
        """Subscribe to the messages, to the end of the session.

        Each call is a subscription of its own; the first one also gets what came before it.

        Args:
            audio: False: without the model's audio, for those who do not play it.
            timeout_s: See `antiphon.sync`.
        """
        return MessageStream(
            self._call(lambda it: it.receive(audio=audio)), self._portal, timeout_s
        )

    def turns(self, *, timeout_s: float | None = None) -> TurnStream:
        """Subscribe to the model's turns, each as one `Reply` when it is complete.

        A reply holds 64 MiB at most; one that is longer says so (`Reply.truncated`).
        """
        return TurnStream(self._call(lambda it: it.turns()), self._portal, timeout_s)

    def ask(self, content: ContentInput, *, timeout_s: float | None = None) -> Reply:
        """Send content and wait for the answer, complete with its audio and transcripts.

        An answer of more than 64 MiB (23 minutes of speech) is `Reply.truncated`. A model that
        stays silent because it expects the user to go on gives an empty one:
        `Reply.waiting_for_input`.

        It interrupts a running answer. Of several that ask before an answer begins, all get the
        same one, and those that ask later interrupt it: one after the other.

        Raises:
            SessionClosed: The session ended before the answer was complete.
        """
        return self._wait(lambda it: it.ask(content), timeout_s)

    def start_audio_conversation(self, device: Device, **options: Any) -> Conversation:
        """Talk and listen on a device: ``with session.start_audio_conversation(device)``.

        Args:
            device: Microphone and speaker, such as `antiphon.FileDevice`.
            **options: See `antiphon.Conversation`.
        """
        room: Any = import_module("antiphon.sync.conversation")
        conversation: Conversation = room.Conversation(self, device, **options)
        return conversation

    @property
    def closed(self) -> bool:
        """Whether the session is over, or about to be."""
        return self._asynchronous.closed

    @property
    def closure(self) -> Closure | None:
        """How the session ended; None while it has not."""
        return self._asynchronous.closure

    @property
    def timing_error(self) -> RecordingError | None:
        """Why the timing trace stopped early; None while all is well, or none was asked for."""
        return self._asynchronous.timing_error

    @property
    def usage(self) -> Usage:
        """Tokens reported so far, in all and by modality; ``.since(earlier)`` is the difference."""
        return self._asynchronous.usage

    @property
    def session_id(self) -> str:
        """The service's id of the session, where it has one (Vertex); else empty."""
        return self._asynchronous.session_id

    @property
    def voice_consent_signature(self) -> str:
        """What to give `ClonedVoice` instead of the recorded consent from now on; else empty."""
        return self._asynchronous.voice_consent_signature

    @property
    def turn(self) -> int:
        """Number of the model's open or last turn; 0 before the first."""
        return self._asynchronous.turn

    @property
    def turn_open(self) -> bool:
        """Whether the model's turn has begun and not ended."""
        return self._asynchronous.turn_open

    @property
    def takes_content(self) -> bool:
        """Whether the model goes on as before after content that asks for no answer."""
        return self._asynchronous.takes_content

    @property
    def dropped_audio_frames(self) -> int:
        """Audio of interrupted turns that came too late and was dropped, in frames."""
        return self._asynchronous.dropped_audio_frames

    @property
    def sent_audio_packets(self) -> int:
        """Messages that `send_audio_realtime` has made and sent, since the start.

        What a cancelled call has sent is the difference, times the session's packet duration.
        """
        return self._asynchronous.sent_audio_packets

    @property
    def dropped_user_audio_s(self) -> float:
        """Live audio that had to wait for a connection for too long and was dropped."""
        return self._asynchronous.dropped_user_audio_s

    @property
    def resumption(self) -> SessionResumptionUpdate | None:
        """The last usable resumption handle."""
        return self._asynchronous.resumption

    @property
    def go_away_s(self) -> float | None:
        """When the service will cut the connection, in loop time; None if it did not say."""
        return self._asynchronous.go_away_s

    @property
    def unsent_messages(self) -> int:
        """Messages that wait for the connection."""
        return self._asynchronous.unsent_messages

    def events(self, *, timeout_s: float | None = None) -> Subscription[SessionEvent]:
        """What happens to the connection, from now on: see `antiphon.session.SessionEvent`.

        Each call is a subscription of its own; nothing has to be done about any event.
        """
        return Subscription(self._call(lambda it: it.events()), self._portal, timeout_s)

    def wait_closed(self, *, timeout_s: float | None = None) -> Closure:
        """Wait until the session is over, however it ends."""
        return self._wait(lambda it: it.wait_closed(), timeout_s)

    def close(self, *, timeout_s: float | None = None) -> None:
        """Send what waits, say goodbye, end every task. Harmless if the session is over.

        What no connection takes within 5 s is lost; while there is none, a live microphone and what
        would be sent again are lost at once. The log tells how many messages that were, and
        `unsent_messages` tells before.

        What was received stays readable: iterations end after their last message.
        """
        self._wait(lambda it: it.close(), timeout_s)

    def __enter__(self) -> Self:
        self._wait(lambda it: it.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._wait(lambda it: it.__aexit__(kind, error, traceback))


class LiveModel(Twin[AsyncLiveModel]):
    """A Live model on a backend, with its settings. It holds no connection: `connect` does.

    Args:
        name: The model's name, such as ``gemini-3.8-live``, in any form the backend takes.
        backend: `GoogleAI`, `VertexAI` or `FirebaseAI`.
        config: How the model should answer.
        system_instruction: What the model is and should do.
        tools: Python functions (they are called and answered), `tool` values, or declarations
            (the application answers those).
        connector: What makes connections; a `WebSocketConnector` if omitted.
        continuity: How sessions outlive their connections; None: a session ends with its first.
        packet_ms: Duration of the audio messages of ``send_audio_realtime``, 10 to 100.

    Raises:
        ToolError: A function cannot be declared.
        UnsupportedSetup: The service is known to refuse something of this for the model;
            ``strict=False`` in the configuration sends it all the same.
        TypeError, ValueError: A system instruction that is no content, or something that JSON
            cannot say.
    """

    @property
    def name(self) -> str:
        """See `LiveModel`."""
        return self._asynchronous.name

    @property
    def backend(self) -> Backend:
        """See `LiveModel`."""
        return self._asynchronous.backend

    @property
    def config(self) -> LiveGenerationConfig:
        """See `LiveModel`."""
        return self._asynchronous.config

    @property
    def packet_ms(self) -> int:
        """See `LiveModel`."""
        return self._asynchronous.packet_ms

    @property
    def continuity(self) -> Continuity | None:
        """See `LiveModel`."""
        return self._asynchronous.continuity

    def __init__(
        self,
        name: str = DEFAULT_MODEL,
        *,
        backend: Backend | None = None,
        config: LiveGenerationConfig | None = None,
        system_instruction: ContentInput | None = None,
        tools: Sequence[ToolInput] = (),
        connector: Connector | None = None,
        continuity: Continuity | None = DEFAULT_CONTINUITY,
        packet_ms: int = 20,
    ) -> None:
        super().__init__(
            AsyncLiveModel(
                name,
                backend=backend,
                config=config,
                system_instruction=system_instruction,
                tools=tools,
                connector=connector,
                continuity=continuity,
                packet_ms=packet_ms,
            )
        )

    @property
    def setup(self) -> Setup:
        """The setup of its sessions, but for the model's name, which is the backend's to say."""
        return self._asynchronous.setup

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed to make the configuration fit the model, and what may not fit it."""
        return self._asynchronous.notes

    def connect(
        self,
        history: ContentInput | None = None,
        *,
        timeout_s: float = 30.0,
        timing_trace: str | PathLike[str] | None = None,
    ) -> LiveSession:
        """Open a session: ``with model.connect() as session`` or ``model.connect()``.

        Args:
            history: Earlier turns, ``{"role": "user" | "model", "parts": …}``. They are not
                answered; with ``initial_history`` in the configuration they are announced as such.
            timeout_s: For the connection and the acceptance of the setup together.
            timing_trace: A file to write the arrival times of the model's audio to, and nothing
                of what is said; one that exists is replaced. `antiphon.session.timing` describes
                it. It is whole after every turn and when the session is closed.

        Raises:
            AuthError: A credential is missing or was refused.
            ConnectError: No connection, or no acceptance in time.
            RecordingError: The timing trace cannot be written. Should that happen later,
                `LiveSession.timing_error` is set, and the session goes on.
            SetupRejected: The service refused the setup.
        """
        it, portal = self._asynchronous, open_portal()

        async def open_session() -> AsyncLiveSession:
            return await it.connect(history, timeout_s=timeout_s, timing_trace=timing_trace)

        return LiveSession(portal.call(open_session), portal)


def connect(
    model: str = DEFAULT_MODEL,
    *,
    backend: Backend | None = None,
    system_instruction: ContentInput | None = None,
    tools: Sequence[ToolInput] = (),
    history: ContentInput | None = None,
    timeout_s: float = 30.0,
    timing_trace: str | PathLike[str] | None = None,
    connector: Connector | None = None,
    continuity: Continuity | None = DEFAULT_CONTINUITY,
    **config: Any,
) -> LiveSession:
    """The short way to a session: a `LiveModel` and its ``connect`` in one call.

    ``config`` are the fields of `LiveGenerationConfig`, such as ``voice="Puck"``.
    """
    portal = open_portal()

    async def open_session() -> AsyncLiveSession:
        return await async_connect(
            model,
            backend=backend,
            system_instruction=system_instruction,
            tools=tools,
            history=history,
            timeout_s=timeout_s,
            timing_trace=timing_trace,
            connector=connector,
            continuity=continuity,
            **config,
        )

    return LiveSession(portal.call(open_session), portal)
