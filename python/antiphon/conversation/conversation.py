"""A live conversation: a session, a device, and everything between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from os import PathLike
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import msgspec

from antiphon.audio import Capture, Playout
from antiphon.conversation.downlink import DownlinkMessage, DownlinkPump
from antiphon.conversation.events import (
    Event,
    Interrupted,
    ModelTranscript,
    RecordingFailed,
    ToolCalled,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)
from antiphon.conversation.playback import TurnPlayback
from antiphon.conversation.recorder import StereoRecorder
from antiphon.conversation.timeline import Timeline
from antiphon.conversation.transcript import KEPT_TURNS, Transcript
from antiphon.conversation.uplink import UplinkPump, UplinkSession
from antiphon.devices import Device
from antiphon.errors import AntiphonError, DeviceError, SessionClosed
from antiphon.session.feed import Feed, Subscription

__all__ = ["Conversation", "ConversationSession", "EventSubscription"]

_RECORDER_CHECK_S = 0.1
# Notices that wait for typed words; the newest say what matters.
_MAX_UNTOLD = 8

EventSubscription: TypeAlias = Subscription[Event]


class MessageSource(Protocol):
    """A subscription to the messages of a session."""

    def __aiter__(self) -> AsyncIterator[DownlinkMessage]: ...

    def close(self) -> None:
        """Give it up."""
        ...


class ConversationSession(UplinkSession, Protocol):
    """What a conversation asks of a session; `antiphon.LiveSession` is one."""

    @property
    def turn(self) -> int:
        """Number of the model's open or last turn; 0 before the first."""
        ...

    @property
    def turn_open(self) -> bool:
        """Whether that turn has begun and not ended."""
        ...

    @property
    def takes_content(self) -> bool:
        """Whether the model goes on as before after content that asks for no answer."""
        ...

    def receive(self) -> MessageSource:
        """All messages from now on."""
        ...

    async def interrupt(self) -> None:
        """Have the running answer cut."""
        ...

    async def send_text_realtime(self, text: str, /) -> None:
        """Send typed words."""
        ...

    async def send(self, content: str, /, turn_complete: bool) -> None:
        """Send content."""
        ...


class Conversation:
    """Talks and listens: microphone to session, session to speaker, with barge-in.

    Use it as an async context manager, or `start` and `close` it. The session stays open when
    the conversation ends; the device does not. Functions that the model calls are the session's
    business.

    Args:
        session: An open session.
        device: Microphone and speaker; not yet started.
        record_to: A WAV file for both sides, the user left and the model right, as heard: up to
            4 GiB, six hours at 48 kHz; then `RecordingFailed` tells that it ends.
        tell_heard: After an interruption, tell the model in words what was heard of its answer:
            it takes all that it said for heard. Sent as content of the user that asks for no
            answer, when no turn is open. 3.1 refused that with 1007 until mid-2026, and is
            documented to take it since. Models before 2.5 answered no speech after it: those are
            told before the next words that are typed, and not in between, because realtime text
            by itself would be answered.
        cushion_ms: Audio to wait for at the start of a turn: more is safer on a shaky line,
            less is quicker.
        keep_turns: How many turns `transcript`, `timeline` and `playback` remember, of a
            conversation that may go on for days: 2,000 are some hours of talk and a few
            megabytes. Older ones are forgotten; `events` told them all.

    Attributes:
        transcript: What was said, so far.
        timeline: When everything was, so far.

    Raises:
        ValueError: ``keep_turns`` is less than 1.
        RecordingError: The recording cannot be made.
        AudioFormatError: The device's format is not supported.
    """

    def __init__(
        self,
        session: ConversationSession,
        device: Device,
        *,
        record_to: str | PathLike[str] | None = None,
        cushion_ms: int = 60,
        tell_heard: bool = False,
        keep_turns: int = KEPT_TURNS,
    ) -> None:
        if keep_turns < 1:
            raise ValueError(f"keep_turns is {keep_turns!r}; it must be 1 or more.")
        self.transcript: Transcript = Transcript(keep_turns)
        self.timeline: Timeline = Timeline(keep_turns=keep_turns)
        self._session = session
        self._device = device
        self._capture = Capture(device.rate_hz, device.input_channels)
        self._playout = Playout(device.rate_hz, device.output_channels, cushion_ms=cushion_ms)
        self._downlink = DownlinkPump(
            device,
            self._playout,
            self.transcript,
            self.timeline,
            self._publish,
            keep_turns=keep_turns,
        )
        self._tell_heard = tell_heard
        self._untold: deque[str] = deque(maxlen=_MAX_UNTOLD)
        self._record_to = record_to
        self._recorder: StereoRecorder | None = None
        self._feed: Feed[Event] = Feed(_size_bytes)
        self._running: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.close()
        except AntiphonError:
            if error is None:  # the first error is the one to see
                raise

    async def start(self) -> None:
        """Open the device and begin.

        Raises:
            DeviceError: The device cannot be opened, or this conversation was started before.
            RecordingError: The recording cannot be made.
        """
        if self._running is not None:
            raise DeviceError("This conversation was started before; make a new one to talk again.")
        self._downlink.begin(self._session.turn - self._session.turn_open)
        if self._record_to is not None:
            self._recorder = StereoRecorder(self._record_to, self._device.rate_hz)
        try:
            self._device.start(capture=self._capture, playout=self._playout, tap=self._recorder)
        except BaseException:
            if self._recorder is not None:
                self._recorder.close()
            raise
        self._running = asyncio.create_task(self._run(self._session.receive()), name="conversation")
        self._running.add_done_callback(self._finish)

    async def close(self) -> None:
        """End the conversation now: stop the device, complete the recording. The session stays.

        A second call does no more than wait for the first, and a cancelled one still waits until
        the recording is on the disk. To let the model finish first, wait for `TurnHeard`.

        Raises:
            RecordingError: The recording is not complete; all else is closed.
        """
        if self._running is None:
            return
        if self._closing is not None:
            await asyncio.wait([self._closing])
            return
        self._closing = asyncio.create_task(self._close(self._running), name="closing")
        try:
            await asyncio.shield(self._closing)
        except asyncio.CancelledError:
            await asyncio.wait([self._closing])
            raise

    async def _close(self, running: asyncio.Task[None]) -> None:
        running.cancel()
        try:
            await asyncio.wait([running])
            await self._device.stop()
        finally:
            if self._recorder is not None:
                # A slow disk must not hold the loop up.
                await asyncio.to_thread(self._recorder.close)

    async def wait(self) -> None:
        """Return when the conversation has ended: by `close`, or the session's end.

        Raises:
            SessionClosed: The session broke.
            DeviceError: The device failed.
        """
        if self._running is not None:
            await asyncio.wait([self._running])
            if not self._running.cancelled():
                self._running.result()

    def events(self) -> EventSubscription:
        """The events from now on; each call is its own subscription."""
        return self._feed.subscribe()

    def __aiter__(self) -> EventSubscription:
        return self.events()

    async def send_text(self, text: str) -> None:
        """Say something by typing; it stands in the transcript.

        Raises:
            SessionClosed: The session has ended.
        """
        answer, at_s = self._downlink.next_answer, self._now_s()
        untold = [] if self._session.takes_content else list(self._untold)
        await self._session.send_text_realtime("\n".join((*untold, text)))
        for notice in untold:
            if self._untold and self._untold[0] is notice:  # or newer ones have taken its place
                self._untold.popleft()
        utterance = self.transcript.user(answer, typed=True)
        self.transcript.add(utterance, text)
        utterance.start_s = utterance.end_s = at_s

    async def interrupt(self) -> None:
        """Stop the model's voice now, without a word of the user.

        What still comes of the turn is not played. An `Interrupted` event follows if something
        was being played.

        Raises:
            SessionClosed: The session has ended; the voice has stopped all the same.
        """
        self._downlink.interrupt()
        await self._session.interrupt()

    @property
    def playback(self) -> dict[int, TurnPlayback]:
        """How each of the last turns was played, in frames of the model's audio."""
        return self._downlink.playback.turns

    @property
    def source_hz(self) -> int:
        """Rate of the model's audio."""
        return self._playout.source_hz

    def stats(self) -> dict[str, int | float]:
        """Counters of the playout (see `antiphon.audio.Playout.stats`), and of interruptions.

        ``interruptions`` counts what the service said and the application asked for;
        ``phantom_interruptions`` those of them for which nobody had spoken or asked: a noise, the
        echo of the model's own voice, or a fault of the service.
        """
        return {
            **self._playout.stats(),
            "interruptions": self._downlink.interruptions,
            "phantom_interruptions": self._downlink.phantom_interruptions,
        }

    async def _run(self, messages: MessageSource) -> None:
        uplink = UplinkPump(self._session, self._device, self._capture, self._publish)
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(uplink.run(), name="uplink"),
                    tasks.create_task(self._downlink.watch(), name="playhead watch"),
                    tasks.create_task(self._watch_recorder(), name="recorder watch"),
                ]
                if self._tell_heard:
                    helpers.append(tasks.create_task(self._tell_what_was_heard(), name="notices"))
                await self._downlink.run(messages)
                for helper in helpers:
                    helper.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # one task failed; the others were cancelled
        finally:
            messages.close()

    def _finish(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        self._feed.end(failure)

    async def _watch_recorder(self) -> None:
        while self._recorder is not None:
            await asyncio.sleep(_RECORDER_CHECK_S)
            if error := self._recorder.error:
                self._publish(RecordingFailed(str(error), self._now_s()))
                return

    async def _tell_what_was_heard(self) -> None:
        # How and why the session ended is told to those who receive from it.
        with contextlib.suppress(SessionClosed):
            async for event in self.events():
                if isinstance(event, Interrupted) and self.transcript.model(event.turn).interrupted:
                    self._untold.append(_heard_notice(event.heard_text))
                # Content would cut a turn that is open.
                while self._untold and self._session.takes_content and not self._session.turn_open:
                    await self._session.send(self._untold.popleft(), turn_complete=False)

    def _publish(self, event: Event) -> None:
        match event:
            case UserStartedSpeaking(at_s):
                self.timeline.speech_started(at_s)
            case UserStoppedSpeaking(at_s):
                self.timeline.speech_stopped(at_s)
        self._feed.put(event)

    def _now_s(self) -> float:
        return (self._device.now_us() - self._device.started_us) / 1e6


def _size_bytes(event: Event) -> int:
    """Of what the service can make as long as it likes."""
    match event:
        case UserTranscript() | ModelTranscript():
            return len(event.text)
        case ToolCalled():
            return len(msgspec.json.encode(event.arguments))
        case Interrupted():
            return len(event.heard_text)
    return 0


def _heard_notice(heard_text: str) -> str:
    if not heard_text:
        return "[You were interrupted before anything of your last answer was heard.]"
    return f"[You were interrupted. Of your last answer was heard, about: {heard_text!r}]"
