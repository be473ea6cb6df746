"""Conversations, for code without asyncio.

Written by ``tools/write_sync.py`` from the asynchronous classes: change those, and run it.
"""

from __future__ import annotations

from os import PathLike
from types import TracebackType
from typing import Self

from antiphon.conversation.conversation import Conversation as AsyncConversation
from antiphon.conversation.events import Event
from antiphon.conversation.playback import TurnPlayback
from antiphon.conversation.timeline import Timeline
from antiphon.conversation.transcript import KEPT_TURNS, Transcript
from antiphon.devices import Device
from antiphon.sync.portal import Twin
from antiphon.sync.session import LiveSession, Subscription

__all__ = [
    "Conversation",
]


class Conversation(Twin[AsyncConversation]):
    """Talks and listens: microphone to session, session to speaker, with barge-in.

    Use it as a context manager, or `start` and `close` it. The session stays open when
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

    @property
    def transcript(self) -> Transcript:
        """See `Conversation`."""
        return self._asynchronous.transcript

    @property
    def timeline(self) -> Timeline:
        """See `Conversation`."""
        return self._asynchronous.timeline

    def __init__(
        self,
        session: LiveSession,
        device: Device,
        *,
        record_to: str | PathLike[str] | None = None,
        cushion_ms: int = 60,
        tell_heard: bool = False,
        keep_turns: int = KEPT_TURNS,
    ) -> None:
        portal = session._living_portal()

        async def make() -> AsyncConversation:
            return AsyncConversation(
                session._asynchronous,
                device,
                record_to=record_to,
                cushion_ms=cushion_ms,
                tell_heard=tell_heard,
                keep_turns=keep_turns,
            )

        super().__init__(portal.call(make), portal)

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

    def start(self, *, timeout_s: float | None = None) -> None:
        """Open the device and begin.

        Raises:
            DeviceError: The device cannot be opened, or this conversation was started before.
            RecordingError: The recording cannot be made.
        """
        self._wait(lambda it: it.start(), timeout_s)

    def close(self, *, timeout_s: float | None = None) -> None:
        """End the conversation now: stop the device, complete the recording. The session stays.

        A second call does no more than wait for the first, and a cancelled one still waits until
        the recording is on the disk. To let the model finish first, wait for `TurnHeard`.

        Raises:
            RecordingError: The recording is not complete; all else is closed.
        """
        self._wait(lambda it: it.close(), timeout_s)

    def wait(self, *, timeout_s: float | None = None) -> None:
        """Return when the conversation has ended: by `close`, or the session's end.

        Raises:
            SessionClosed: The session broke.
            DeviceError: The device failed.
        """
        self._wait(lambda it: it.wait(), timeout_s)

    def events(self, *, timeout_s: float | None = None) -> Subscription[Event]:
        """The events from now on; each call is its own subscription."""
        return Subscription(self._call(lambda it: it.events()), self._portal, timeout_s)

    def __iter__(self) -> Subscription[Event]:
        return Subscription(self._call(lambda it: it.__aiter__()), self._portal)

    def send_text(self, text: str, *, timeout_s: float | None = None) -> None:
        """Say something by typing; it stands in the transcript.

        Raises:
            SessionClosed: The session has ended.
        """
        self._wait(lambda it: it.send_text(text), timeout_s)

    def interrupt(self, *, timeout_s: float | None = None) -> None:
        """Stop the model's voice now, without a word of the user.

        What still comes of the turn is not played. An `Interrupted` event follows if something
        was being played.

        Raises:
            SessionClosed: The session has ended; the voice has stopped all the same.
        """
        self._wait(lambda it: it.interrupt(), timeout_s)

    @property
    def playback(self) -> dict[int, TurnPlayback]:
        """How each of the last turns was played, in frames of the model's audio."""
        return self._asynchronous.playback

    @property
    def source_hz(self) -> int:
        """Rate of the model's audio."""
        return self._asynchronous.source_hz

    def stats(self) -> dict[str, int | float]:
        """Counters of the playout (see `antiphon.audio.Playout.stats`), and of interruptions.

        ``interruptions`` counts what the service said and the application asked for;
        ``phantom_interruptions`` those of them for which nobody had spoken or asked: a noise, the
        echo of the model's own voice, or a fault of the service.
        """
        return self._call(lambda it: it.stats())
