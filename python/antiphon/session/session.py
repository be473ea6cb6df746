"""A live session, as an application holds it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any

from antiphon.protocol import (
    Closure,
    LiveServerMessage,
    SessionEvent,
    SessionProtocol,
    Usage,
)
from antiphon.session.driver import SessionDriver
from antiphon.session.feed import Subscription
from antiphon.session.reply import Reply, TurnStream, first_reply
from antiphon.session.subscription import MessageStream
from antiphon.session.tool_runner import ToolRunner
from antiphon.session.tools import Toolbox, ToolInput
from antiphon.session.user_audio import UserAudio
from antiphon.wire import (
    ClientMessage,
    Content,
    ContentInput,
    FunctionResponse,
    SessionResumptionUpdate,
    Setup,
    as_turns,
)

if TYPE_CHECKING:
    from typing import Self

    from antiphon.channel import Channel
    from antiphon.conversation import Conversation
    from antiphon.devices import Device
    from antiphon.errors import RecordingError
    from antiphon.session.timing import TimingRecorder
    from antiphon.session.user_audio import Pcm

__all__ = ["LiveSession", "as_instruction"]


class LiveSession:
    """A session with the Live API. Made by `LiveModel.connect`; closed by `close`.

    Sending waits while the connection is slow, and raises `SessionClosed` when the session is
    over. Messages are read with `receive`; a session can be used by several tasks at once.

    Attributes:
        notes: What was changed to make the configuration fit the model, in words.
    """

    def __init__(
        self,
        protocol: SessionProtocol,
        channel: Channel,
        *,
        toolbox: Toolbox,
        notes: Sequence[str] = (),
        packet_ms: int = 20,
        connect: Callable[[], Awaitable[Channel]],
        check: Callable[[Setup], Sequence[str]],
        timing: TimingRecorder | None = None,
        streams_results: bool = True,
        needs_call_ids: bool = False,
    ) -> None:
        self.notes: list[str] = list(notes)
        self._protocol = protocol
        self._timing = timing
        self._check = check
        self._needs_call_ids = needs_call_ids
        self._tools = ToolRunner(
            toolbox,
            self._answer_calls,
            is_asked_again=protocol.is_asked_again,
            is_repeated=protocol.is_repeated,
            connection=lambda: protocol.connection,
            streams=streams_results,
        )
        self._driver = SessionDriver(
            protocol,
            channel,
            connect=connect,
            on_message=self._tools.on_message if timing is None else self._on_message,
            on_end=self._on_end,
        )
        self._user_audio = UserAudio(self._driver, packet_ms=packet_ms)

    async def open(self, history: ContentInput | None = None) -> None:
        """Send the setup, wait for its acceptance, and send the history. Called by `connect`."""
        await self._driver.open()
        if history is not None:
            try:
                turns = as_turns(history)
                await self._send(lambda: self._protocol.send_history(turns))
            except BaseException:
                await self.close()
                raise

    # ------------------------------------------------------------------ sending

    async def send(self, content: ContentInput = (), turn_complete: bool = True) -> None:
        """Send ordered content: a ``str``, parts, or ``{"role", "parts"}`` turns.

        An image is a part: ``[Blob.of(jpeg, "image/jpeg"), "What is this?"]``.
        It interrupts a running answer. With ``turn_complete`` the model answers; without, more
        is awaited. Empty content with ``turn_complete`` means: answer now.

        Raises:
            SessionClosed: The session is over.
            TypeError, ValueError: Not content.
        """
        turns = as_turns(content)
        await self._send(lambda: self._protocol.send_content(turns, turn_complete=turn_complete))

    async def send_text_realtime(self, text: str) -> None:
        """Send text as if the user had said it: it interrupts, and is answered.

        Raises:
            SessionClosed: The session is over.
            TypeError: Not a `str`; nothing was sent.
        """
        if not isinstance(text, str):
            raise TypeError(f"text is a {type(text).__name__}; it must be a str. Nothing was sent.")
        await self._send(lambda: self._protocol.send_text(text), realtime=True)

    async def send_audio_realtime(self, pcm: Pcm, rate_hz: int = 16_000) -> None:
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

        Raises:
            AudioFormatError: Another dtype, shape or rate, or an odd number of bytes.
            SessionClosed: The session is over.
        """
        if not self._user_audio.send_at_once(pcm, rate_hz):
            await self._user_audio.send(pcm, rate_hz)

    async def send_audio_message(self, message: bytes, duration_s: float | None = None) -> None:
        """Send one ready ``realtimeInput`` message of the audio core, such as `Uplink` makes.

        Args:
            message: JSON.
            duration_s: Of its audio; None: as long as 16-bit samples at 16 kHz would be.

        Raises:
            SessionClosed: The session is over.
            TypeError: Not `bytes`; nothing was sent.
            ValueError: The duration is not more than 0 s.
        """
        _check_message(message)
        if duration_s is not None:
            _check_duration(duration_s)
        await self._user_audio.send_message(message, duration_s)

    def send_live_audio_message(self, message: bytes, duration_s: float) -> None:
        """Send one message of a live microphone, which cannot wait. Never blocks.

        While there is no connection, the newest 30 s are kept and go out when there is one; what
        is dropped before that is counted, and told as `UserAudioDropped`.

        Raises:
            SessionClosed: The session is over.
            TypeError: Not `bytes`; nothing was sent.
            ValueError: The duration is not more than 0 s.
        """
        _check_message(message)
        _check_duration(duration_s)
        self._driver.send_audio(message, duration_s, waits=False)

    async def end_audio_stream(self) -> None:
        """The microphone pauses: the service works on what it has heard so far."""
        await self._user_audio.flush()
        await self._send(self._protocol.audio_stream_end, realtime=True)

    async def send_video_realtime(self, data: bytes, mime_type: str = "image/jpeg") -> None:
        """Send one still image (JPEG, PNG or WebP); about one a second is looked at.

        An image that a question is about goes with it instead: see `send`. Of many, the last ten
        are sent again when a connection breaks.

        Raises:
            TypeError, ValueError: Not the bytes of an image.
            SessionClosed: The session is over.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"data is a {type(data).__name__}; it must be the bytes of a JPEG, PNG or WebP."
            )
        if not mime_type.startswith("image/"):
            raise ValueError(
                f"mime_type is {mime_type!r}; video is sent as still images, such as image/jpeg."
            )
        if not data:
            raise ValueError("data is empty; it must be the bytes of an image.")
        await self._send(lambda: self._protocol.send_video(bytes(data), mime_type), realtime=True)

    async def start_activity(self) -> None:
        """The user begins to speak; only with ``VAD(disabled=True)``."""
        await self._send(self._protocol.activity_start, realtime=True)

    async def end_activity(self) -> None:
        """The user has ended; only with ``VAD(disabled=True)``. The model answers now."""
        await self._user_audio.flush()
        await self._send(self._protocol.activity_end, realtime=True)

    async def send_function_responses(self, responses: Sequence[FunctionResponse]) -> None:
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
        listed = list(responses) if isinstance(responses, Sequence) else [responses]
        if wrong := [each for each in listed if not isinstance(each, FunctionResponse)]:
            raise TypeError(
                f"responses has a {type(wrong[0]).__name__}; it must be a list of "
                "FunctionResponse, each with the id and the name of its call."
            )
        if bad := [each for each in listed if not isinstance(each.response, dict)]:
            raise TypeError(
                f"The response of {bad[0].name!r} is a {type(bad[0].response).__name__}; it must "
                "be a dict, such as response={'output': …}. Nothing was sent."
            )
        if self._needs_call_ids and (bare := [each.name for each in listed if not each.id]):
            raise ValueError(
                f"The response of {bare[0]!r} has no id, and the Gemini API needs that of its "
                "call: FunctionResponse(id=call.id, name=call.name, response=…). Nothing was sent."
            )
        await self._answer_calls(listed)

    async def update_context(
        self,
        *,
        system_instruction: ContentInput | None = None,
        tools: Sequence[ToolInput] | None = None,
    ) -> None:
        """Replace the system instruction, the tools, or both, in mid-session.

        It is held against the rules of the model, as a setup is; what may not fit it stands in
        `notes` then.

        Raises:
            ToolError: A function cannot be declared; nothing was sent.
            UnsupportedSetup: The service is known to refuse something of this for the model, and
                nothing was sent; ``strict=False`` in the configuration sends it all the same.
        """
        toolbox = None if tools is None else Toolbox(tools, model_behavior=self._tools.behavior)
        declared = None if toolbox is None else toolbox.wire_tools()
        instruction = None if system_instruction is None else as_instruction(system_instruction)
        setup = self._protocol.updated_setup(system_instruction=instruction, tools=declared)
        doubts = [doubt for doubt in self._check(setup) if doubt not in self.notes]

        def command() -> None:
            self._protocol.update_context(system_instruction=instruction, tools=declared)
            self.notes += doubts
            if toolbox is not None:
                self._tools.toolbox = toolbox

        await self._send(command)

    async def send_raw(self, message: ClientMessage | bytes) -> None:
        """Send any message of the Live API as it is.

        Raises:
            TypeError: Neither a `ClientMessage` nor JSON as bytes.
            SessionClosed: The session is over.
        """
        if not isinstance(message, ClientMessage | bytes):
            raise TypeError(
                f"message is a {type(message).__name__}; it must be a ClientMessage, or JSON as "
                "bytes."
            )
        await self._send(lambda: self._protocol.send_raw(message))

    async def interrupt(self) -> None:
        """Cut the running answer; the rest of its audio is dropped. Nothing if none is running.

        Between two connections it is the one that was cut by the loss: it is not given again.
        What is dropped here is dropped at once, also where messages wait for the connection.
        """

        def command() -> None:
            cuts = self._protocol.turns.open
            self._protocol.interrupt()
            if cuts and self._timing is not None:
                self._timing.interrupt(asyncio.get_running_loop().time())

        # It takes no room: there is one for each turn at most.
        self._driver.send_now(command)

    # ------------------------------------------------------------------ receiving

    def receive(self, *, audio: bool = True) -> MessageStream:
        """Subscribe to the messages, to the end of the session.

        Each call is a subscription of its own; the first one also gets what came before it.

        Args:
            audio: False: without the model's audio, for those who do not play it.
        """
        return self._driver.office.subscribe(audio=audio)

    def turns(self) -> TurnStream:
        """Subscribe to the model's turns, each as one `Reply` when it is complete.

        A reply holds 64 MiB at most; one that is longer says so (`Reply.truncated`).
        """
        return TurnStream(self.receive())

    async def ask(self, content: ContentInput) -> Reply:
        """Send content and wait for the answer, complete with its audio and transcripts.

        An answer of more than 64 MiB (23 minutes of speech) is `Reply.truncated`. A model that
        stays silent because it expects the user to go on gives an empty one:
        `Reply.waiting_for_input`.

        It interrupts a running answer. Of several that ask before an answer begins, all get the
        same one, and those that ask later interrupt it: await one after the other.

        Raises:
            SessionClosed: The session ended before the answer was complete.
        """
        turns = as_turns(content)
        office, tracker = self._driver.office, self._protocol.turns
        streams: list[MessageStream] = []
        before, unfinished, late_words = 0, False, False

        def command() -> None:
            nonlocal before, unfinished, late_words
            self._protocol.send_content(turns)
            before, unfinished = tracker.turn, tracker.open
            late_words = self._protocol.late_words
            streams.append(office.subscribe(from_now=True))

        await self._send(command)
        try:
            reply = await first_reply(
                streams[0], after=before, unfinished=unfinished, late_words=late_words
            )
        finally:
            streams[0].close()
        if reply is not None:
            return reply
        closure = self.closure
        assert closure is not None
        raise closure.error()

    # ------------------------------------------------------------------ sound

    def start_audio_conversation(self, device: Device, **options: Any) -> Conversation:
        """Talk and listen on a device: ``async with session.start_audio_conversation(device)``.

        Args:
            device: Microphone and speaker, such as `antiphon.FileDevice`.
            **options: See `antiphon.Conversation`.
        """
        # By name and only now: a session needs no sound, so it must not depend on it.
        room: Any = import_module("antiphon.conversation")
        conversation: Conversation = room.Conversation(self, device, **options)
        return conversation

    # ------------------------------------------------------------------ state

    @property
    def closed(self) -> bool:
        """Whether the session is over, or about to be."""
        return self._protocol.closing

    @property
    def closure(self) -> Closure | None:
        """How the session ended; None while it has not."""
        return self._protocol.closure

    @property
    def timing_error(self) -> RecordingError | None:
        """Why the timing trace stopped early; None while all is well, or none was asked for."""
        return None if self._timing is None else self._timing.error

    @property
    def usage(self) -> Usage:
        """Tokens reported so far, in all and by modality; ``.since(earlier)`` is the difference."""
        return self._protocol.usage

    @property
    def session_id(self) -> str:
        """The service's id of the session, where it has one (Vertex); else empty."""
        return self._protocol.session_id

    @property
    def voice_consent_signature(self) -> str:
        """What to give `ClonedVoice` instead of the recorded consent from now on; else empty."""
        return self._protocol.voice_consent_signature

    @property
    def turn(self) -> int:
        """Number of the model's open or last turn; 0 before the first."""
        return self._protocol.turns.turn

    @property
    def turn_open(self) -> bool:
        """Whether the model's turn has begun and not ended."""
        return self._protocol.turns.open

    @property
    def takes_content(self) -> bool:
        """Whether the model goes on as before after content that asks for no answer."""
        return self._protocol.profile.takes_content

    @property
    def dropped_audio_frames(self) -> int:
        """Audio of interrupted turns that came too late and was dropped, in frames."""
        return self._protocol.turns.dropped_audio_frames

    @property
    def sent_audio_packets(self) -> int:
        """Messages that `send_audio_realtime` has made and sent, since the start.

        What a cancelled call has sent is the difference, times the session's packet duration.
        """
        return self._user_audio.sent_packets

    @property
    def dropped_user_audio_s(self) -> float:
        """Live audio that had to wait for a connection for too long and was dropped."""
        return self._protocol.dropped_user_audio_s

    @property
    def resumption(self) -> SessionResumptionUpdate | None:
        """The last usable resumption handle."""
        return self._protocol.resumption

    @property
    def go_away_s(self) -> float | None:
        """When the service will cut the connection, in loop time; None if it did not say."""
        return self._protocol.go_away_s

    @property
    def unsent_messages(self) -> int:
        """Messages that wait for the connection."""
        return self._protocol.unsent

    def events(self) -> Subscription[SessionEvent]:
        """What happens to the connection, from now on: see `antiphon.session.SessionEvent`.

        Each call is a subscription of its own; nothing has to be done about any event.
        """
        return self._driver.events.subscribe()

    async def wait_closed(self) -> Closure:
        """Wait until the session is over, however it ends."""
        await self._driver.ended.wait()
        assert self._protocol.closure is not None
        return self._protocol.closure

    async def close(self) -> None:
        """Send what waits, say goodbye, end every task. Harmless if the session is over.

        What no connection takes within 5 s is lost; while there is none, a live microphone and what
        would be sent again are lost at once. The log tells how many messages that were, and
        `unsent_messages` tells before.

        What was received stays readable: iterations end after their last message.
        """
        await self._driver.close()
        await self._tools.ended()
        if self._timing is not None:
            await asyncio.to_thread(self._timing.wait)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # ------------------------------------------------------------------ inside

    def _on_message(self, message: LiveServerMessage) -> None:
        assert self._timing is not None
        self._timing.take(message)
        self._tools.on_message(message)

    def _on_end(self) -> None:
        self._tools.cancel_all()
        if self._timing is not None:
            self._timing.end()

    async def _answer_calls(self, responses: Sequence[FunctionResponse]) -> None:
        await self._send(lambda: self._protocol.send_function_responses(responses))

    async def _send(self, command: Callable[[], None], *, realtime: bool = False) -> None:
        await self._driver.send(command, realtime=realtime)


def _check_duration(duration_s: float) -> None:
    if not 0.0 < duration_s < math.inf:
        raise ValueError(f"duration_s is {duration_s!r}; it must be more than 0 s.")


def _check_message(message: bytes) -> None:
    """Refuse what no connection could write, before it waits for one."""
    if not isinstance(message, bytes):
        raise TypeError(
            f"message is a {type(message).__name__}; it must be the bytes of a message, such as "
            "Uplink makes."
        )


def as_instruction(content: ContentInput) -> Content:
    """A system instruction: all parts in one content."""
    return Content(role="user", parts=[part for turn in as_turns(content) for part in turn.parts])
