"""The session logic of the local server: no I/O, no clock, no thread.

A driver owns an `EmulatedSession` and does, after each call: send what `outgoing` returns, run
what `jobs` returns, and wait for the first of data (`receive`), a finished job (`job_done`) and
`next_timeout` (`handle_timeout`). All times are seconds of one clock of the driver's choice.
"""

from __future__ import annotations

import contextlib
import math
import random
from dataclasses import replace
from typing import Any

import msgspec

from antiphon import wire
from antiphon.emulator.service.context import Context
from antiphon.emulator.service.dialect import Dialect, dialect_of, random_uuid
from antiphon.emulator.service.quota import QUOTA_EXCEEDED
from antiphon.emulator.service.request import Request
from antiphon.emulator.service.resumption import Checkpoint, Lineage
from antiphon.emulator.service.setup_check import (
    Configuration,
    Refusal,
    check_setup,
    fits,
    unknown_name,
)
from antiphon.emulator.service.shared import Shared
from antiphon.emulator.service.tokens import BAD_KEY, EXPIRED, resumes
from antiphon.emulator.service.usage import IMAGE_TOKENS, text_tokens
from antiphon.emulator.session.answering import INVALID_ARGUMENT, Answering, Input
from antiphon.emulator.session.brain import Brain
from antiphon.emulator.session.jobs import Job, JobDesk, JobResult, Recognition, Recognize
from antiphon.emulator.session.lifetime import Lifetime
from antiphon.emulator.session.outlet import Outlet, OutletItem
from antiphon.emulator.session.reading import content_of, function_responses, last_words, media
from antiphon.emulator.session.record import Observer, SessionRecord
from antiphon.emulator.session.turn_taking import Ear, InvalidAudio, SpeechEnded, SpeechStarted
from antiphon.emulator.settings import Settings
from antiphon.errors import ProtocolViolation

__all__ = ["EmulatedSession"]

_NOT_JSON = "Invalid JSON payload received. Unexpected token."
_SETUP_FIRST = "setup must be the first message and only the first"
_MEDIA_CHUNKS = "realtime_input.media_chunks is deprecated. Use audio, video, or text instead."
_MANUAL_ONLY = (
    "Explicit activity control is not supported when automatic activity detection is enabled."
)
_NO_HANDLE = "BidiGenerateContent session not found"
_STILL_OPEN = "Internal error encountered."
_SESSION_TOO_LONG = "The operation was aborted."

# In transparent mode a handle is offered after so many messages, where nothing else offers one.
_MESSAGES_PER_CHECKPOINT = 50
# Utterances of one session that wait for the recognizer, which is slow.
_MAX_RECOGNIZING = 8


class EmulatedSession:
    """One connection of the local server.

    Args:
        settings: Choices of the server.
        request: The upgrade request.
        brain: Answers.
        now: The time of the upgrade.
        index: Number of the connection; with ``settings.seed`` it seeds what varies.
        shared: What the connections of a server have in common.
        observer: Told of everything that happens.
    """

    def __init__(
        self,
        settings: Settings,
        request: Request,
        brain: Brain,
        *,
        now: float,
        index: int = 0,
        shared: Shared | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.record = SessionRecord(index, request.family)
        self._settings = settings
        self._request = request
        self._brain = brain
        self._rng = random.Random(f"{settings.seed}/{index}")  # noqa: S311 - not for secrets
        self._shared = shared or Shared(settings)
        self._outlet = Outlet(self.record, now, observer, on_end=self._ended)
        self._desk = JobDesk()
        self._lifetime = Lifetime(self._outlet, settings.go_away_lead_s)
        if settings.connection_limit_s is not None:
            self._lifetime.end_at(now + settings.connection_limit_s, 1000, "")
        self._context = Context(began_at=now)
        self._lineage = Lineage()
        self._counts_in_quota = False
        self._consumed = 0
        self._acknowledged = 0
        self._recognizing: dict[int, SpeechEnded] = {}
        # Since the setup was accepted:
        self._answering: Answering | None = None
        self._dialect: Dialect
        self._ear: Ear

    # -------------------------------------------------------------- the driver's side

    def receive(self, data: bytes | str, now: float) -> None:
        """Take one message of the client. Never raises for what a client sends."""
        if self._outlet.closed:
            return
        if self._answering is not None and not self._outlet.observed:
            # Nearly all messages are such; they need no closer look.
            audio = wire.decode_realtime_audio(data)
            if audio is not None:
                self._hear(self._answering, *audio, now)
                return
        try:
            message, plain = wire.decode_client_message(data)
        except ProtocolViolation as error:
            bad_type = isinstance(error.__cause__, msgspec.ValidationError)
            self._outlet.observe("received", now, unreadable_bytes=len(data))
            self._outlet.close(1007, INVALID_ARGUMENT if bad_type else _NOT_JSON, now)
            return
        self._outlet.observe("received", now, message=plain)
        if not self._may_speak():
            self._outlet.close(1007, BAD_KEY, now)
        elif self._settings.strict and (refusal := _unknown_name(plain, data)):
            self._outlet.close(refusal.code, refusal.reason, now)
        elif self._answering is None:
            self._set_up(message, plain, now)
        else:
            self._handle(self._answering, message, now)

    def outgoing(self, now: float) -> list[OutletItem]:
        """What to send now, in order; a `Close` is the last of all.

        A `Fault` is a rule that applies from there on: `FaultySession` sees to it.
        """
        self.handle_timeout(now)
        return self._outlet.take()

    @property
    def unsent(self) -> int:
        """Messages that `outgoing` will return; a driver that cannot send stops receiving."""
        return self._outlet.unsent

    def jobs(self) -> list[Job]:
        """Work to run since the last call; give each result to `job_done`."""
        return self._desk.take()

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`, if nothing else happens before."""
        if self._outlet.closed:
            return None
        ends, answers = self._lifetime.due, self._answering.due if self._answering else None
        if ends is None or answers is None:
            return answers if ends is None else ends
        return min(ends, answers)

    def handle_timeout(self, now: float) -> None:
        """Do what is due; harmless if nothing is."""
        while (due := self.next_timeout()) is not None and due <= now:
            if due == self._lifetime.due:
                self._lifetime.step(now, ready=self._answering is not None)
            elif self._answering is not None:
                # What was due earlier counts from then: a late driver does not slow the audio.
                self._answering.step(due)

    def job_done(self, job_id: int, result: JobResult, now: float) -> None:
        """Take the result of a job."""
        if self._outlet.closed or self._answering is None:
            return
        self._desk.done()
        utterance = self._recognizing.pop(job_id, None)
        if utterance is not None:
            self._recognized(self._answering, utterance, result, now)
        else:
            self._answering.speech_done(job_id, result, now)

    def connection_lost(self, now: float, code: int = 1006, reason: str = "") -> None:
        """The connection ended; also call it after a `Close` was sent."""
        self._outlet.lost(code, reason, now)

    def _ended(self, now: float) -> None:
        if self._answering is not None:
            self._answering.abandon(now)
            self._lineage.connected = False
        if self._counts_in_quota:
            self._shared.quota.leave()

    # -------------------------------------------------------------- faults

    def interrupt(self, now: float) -> None:
        """Believe that the user spoke: end the turn; without one, say it all the same."""
        if self._answering is None:
            return
        if self._answering.answering:
            self._answering.interrupt(now)
        else:
            self._outlet.send({"serverContent": {"interrupted": True}}, now)

    def empty_next_turn(self) -> None:
        """Say nothing in the next turn that begins."""
        if self._answering is not None:
            self._answering.empty_next_turn()

    def go_away(self, lead_s: float, now: float) -> None:
        """Send ``goAway`` now, and close ``lead_s`` later."""
        self._lifetime.go_away(lead_s, now)

    def close(self, code: int, reason: str, now: float) -> None:
        """End the connection from the server's side. Harmless if it has ended."""
        self._outlet.close(code, reason, now)

    def overlook(self, data: bytes | str, now: float) -> None:
        """Take a message that is answered by a fault: it is observed, and that is all."""
        with contextlib.suppress(ProtocolViolation):
            self._outlet.observe("received", now, message=wire.decode_client_message(data)[1])

    def note_fault(self, name: str, now: float) -> None:
        """Keep in the record that something was done to this session on purpose."""
        self._outlet.note_fault(name, now)

    # -------------------------------------------------------------- setup

    def _may_speak(self) -> bool:
        """Whether the key is right; a token is looked at when the setup comes."""
        key = self._settings.api_key
        token = self._request.ephemeral_token
        return key is None or token is not None or self._request.carries(key)

    def _set_up(self, message: wire.ClientMessage, plain: dict[str, Any], now: float) -> None:
        if message.setup is None:
            self._outlet.close(1007, _SETUP_FIRST, now)
            return
        checked = self._checked(message.setup, plain["setup"], now)
        if isinstance(checked, Refusal):
            self._outlet.close(checked.code, checked.reason, now)
            return
        heard = b""
        if checked.resume_handle:
            checkpoint = self._shared.resumption.find(checked.resume_handle, now)
            if checkpoint is None:
                self._outlet.close(1008, _NO_HANDLE, now)
                return
            if checkpoint.lineage.connected:
                self._outlet.close(1011, _STILL_OPEN, now)
                return
            self._lineage, heard = checkpoint.lineage, checkpoint.heard
            self._context = checkpoint.context.snapshot()
        self._counts_in_quota = self._shared.quota.enter()
        if not self._counts_in_quota:
            self._outlet.close(1011, QUOTA_EXCEEDED, now)
            return
        self._begin(checked, heard, now)

    def _checked(
        self, setup: wire.Setup, plain: dict[str, Any], now: float
    ) -> Configuration | Refusal:
        """What the setup asks for, as far as an ephemeral token allows it."""
        if token := self._request.ephemeral_token:
            admitted = self._shared.tokens.admit(token, now, resuming=resumes(plain))
            if isinstance(admitted, Refusal):
                return admitted
            self._lifetime.end_at(admitted.expires_at, 1007, EXPIRED)
            setup = msgspec.convert(admitted.apply(plain), wire.Setup, strict=False)
        return check_setup(setup, self._settings, self._request)

    def _begin(self, checked: Configuration, heard: bytes, now: float) -> None:
        """The setup is accepted."""
        self.record.model = wire.model_id(checked.model)
        self._dialect = dialect_of(self._request, checked.model)
        self._ear = Ear(checked, self._settings.max_utterance_s)
        self._answering = Answering(
            configuration=checked,
            dialect=self._dialect,
            brain=self._brain,
            settings=self._settings,
            context=self._context,
            record=self.record,
            outlet=self._outlet,
            desk=self._desk,
            quota=self._shared.quota,
            rng=self._rng,
            on_idle=self._offer_resumption,
            on_result=self._offer_after_result,
        )
        self._lineage.connected = True
        self._context.system.text = text_tokens(checked.system_instruction)
        self._limit_session(checked)
        complete = {"sessionId": random_uuid(self._rng)} if self._dialect.vertex else {}
        self._outlet.send({"setupComplete": complete}, now)
        self._heard(self._answering, self._ear.recall(heard), now)
        self._offer_resumption(now)

    def _limit_session(self, configuration: Configuration) -> None:
        """A session without compression may not go on for ever, whatever its connections do."""
        settings = self._settings
        limit_s = settings.session_limit_s
        if self._context.has_video and settings.video_session_limit_s is not None:
            limit_s = min(limit_s or math.inf, settings.video_session_limit_s)
        if limit_s is not None and configuration.compression is None:
            self._lifetime.end_at(self._context.began_at + limit_s, 1008, _SESSION_TOO_LONG)

    def _offer_resumption(self, now: float) -> None:
        """Hand out a handle; not while something goes on that could not be taken up again."""
        assert self._answering is not None
        configuration = self._answering.configuration
        if not configuration.resumable and not self._dialect.profile.unasked_notices:
            return
        hearing = self._ear.speaking or self._recognizing
        if self._answering.answering or self._answering.executing:
            return
        if configuration.transparent and hearing:
            return
        self._hand_out(configuration, now)

    def _offer_after_result(self, now: float) -> None:
        """Some models hand one out in the middle of a turn."""
        if self._answering is not None and self._dialect.handle_after_result:
            self._hand_out(self._answering.configuration, now)

    def _hand_out(self, configuration: Configuration, now: float) -> None:
        handle = random_uuid(self._rng)
        update = {"newHandle": handle, "resumable": True}
        heard = b""
        if configuration.transparent:
            heard = self._ear.recent
            self._acknowledged = self._consumed
            if self._consumed:  # proto3 JSON leaves a zero out
                update["lastConsumedClientMessageIndex"] = str(self._consumed)
        checkpoint = Checkpoint(self._lineage, self._context.snapshot(), heard)
        self._shared.resumption.keep(handle, checkpoint, now)
        self._outlet.send({"sessionResumptionUpdate": update}, now)

    # -------------------------------------------------------------- input

    def _handle(self, answering: Answering, message: wire.ClientMessage, now: float) -> None:
        if message.setup is not None:
            self._outlet.close(1007, INVALID_ARGUMENT, now)
        if message.client_content is not None:
            self._take_content(answering, message.client_content, now)
        if message.realtime_input is not None:
            self._take_realtime(answering, message.realtime_input, now)
        if message.tool_response is not None:
            answering.take_responses(message.tool_response.function_responses, now)
        if message.context_update is not None:
            configuration = answering.configuration.with_update(message.context_update)
            if not fits(configuration):
                self._outlet.close(1007, INVALID_ARGUMENT, now)
                return
            answering.configuration = configuration
        self._count(answering, now)

    def _count(self, answering: Answering, now: float) -> None:
        self._consumed += 1
        behind = self._consumed - self._acknowledged
        if answering.configuration.transparent and behind >= _MESSAGES_PER_CHECKPOINT:
            self._offer_resumption(now)

    def _take_content(self, answering: Answering, content: wire.ClientContent, now: float) -> None:
        if responses := function_responses(content):
            # One official client sends its tool results as content.
            answering.take_responses(responses, now)
            return
        answering.interrupt(now)
        for turn in content.turns:
            self._context.remember(turn)
            for part in turn.parts:
                answering.prompt.text += text_tokens(part.text or "")
                answering.prompt.image += IMAGE_TOKENS if part.inline_data else 0
        if not content.turn_complete:
            return
        if answering.configuration.history_first:
            answering.configuration = replace(answering.configuration, history_first=False)
            return
        if self._recognizing and not last_words(content.turns):
            return  # it asks for the answer to what was said just before, which is on its way
        answering.answer(Input(last_words(self._context.history)), now)

    def _take_realtime(
        self, answering: Answering, realtime: wire.RealtimeInput, now: float
    ) -> None:
        configuration = answering.configuration
        if realtime.media_chunks is not None and self.record.model.startswith("gemini-3."):
            self._outlet.close(1007, _MEDIA_CHUNKS, now)
            return
        audio, video = media(realtime)
        if video is not None:
            self._see(answering)
        marks = realtime.activity_start is not None or realtime.activity_end is not None
        if marks and not configuration.manual_activity:
            self._outlet.close(1007, _MANUAL_ONLY, now)
            return
        try:
            if realtime.activity_start is not None:
                self._heard(answering, self._ear.start(), now)
            if audio is not None:
                self._heard(answering, self._ear.push(audio), now)
        except InvalidAudio as error:
            self._outlet.close(1007, str(error), now)
            return
        ends = realtime.audio_stream_end and not configuration.manual_activity
        if ends or realtime.activity_end is not None:
            self._heard(answering, self._ear.end(), now)
        if realtime.text is not None:
            answering.prompt.text += text_tokens(realtime.text)
            self._context.remember(content_of("user", realtime.text))
            if configuration.interruptible:
                answering.interrupt(now)
            words = last_words(self._context.history) or realtime.text
            answering.answer(Input(words), now)

    def _hear(self, answering: Answering, mime_type: str, pcm: bytes, now: float) -> None:
        """A message of nothing but audio came."""
        try:
            self._heard(answering, self._ear.hear(mime_type, pcm), now)
        except InvalidAudio as error:
            self._outlet.close(1007, str(error), now)
        self._count(answering, now)

    def _see(self, answering: Answering) -> None:
        """An image came."""
        self.record.video_frames += 1
        only_activity = answering.configuration.turn_coverage == "TURN_INCLUDES_ONLY_ACTIVITY"
        if self._ear.speaking or not only_activity:
            answering.prompt.image += IMAGE_TOKENS
        if not self._context.has_video:
            self._context.has_video = True
            self._limit_session(answering.configuration)

    def _heard(
        self, answering: Answering, events: list[SpeechStarted | SpeechEnded], now: float
    ) -> None:
        for event in events:
            started = isinstance(event, SpeechStarted)
            self._outlet.observe("speech_started" if started else "speech_ended", now)
            if started or not answering.configuration.transcribe_input:
                self._tell_activity(answering, event, now)
            if isinstance(event, SpeechStarted):
                if answering.configuration.interruptible:
                    answering.interrupt(now)
                continue
            everything = answering.configuration.turn_coverage == "TURN_INCLUDES_ALL_INPUT"
            answering.prompt.add_audio(self._ear.take_heard_s() if everything else event.duration_s)
            if len(self._recognizing) >= _MAX_RECOGNIZING:
                self._recognized(answering, event, Recognition(""), now)
                continue
            job = Recognize(self._desk.new_id(), event.pcm, self._brain.grammar)
            self._recognizing[job.id] = event
            self._desk.submit(job)

    def _tell_activity(
        self, answering: Answering, event: SpeechStarted | SpeechEnded, now: float
    ) -> None:
        if answering.configuration.explicit_vad_signal or self._dialect.profile.unasked_notices:
            kind = "ACTIVITY_START" if isinstance(event, SpeechStarted) else "ACTIVITY_END"
            activity = {"type": kind, "audioOffset": wire.duration_text(event.offset_s)}
            self._outlet.send({"voiceActivity": activity}, now)

    def _recognized(
        self, answering: Answering, utterance: SpeechEnded, result: JobResult, now: float
    ) -> None:
        # A recognizer that failed has heard nothing, but the turn is still a turn.
        recognition = result if isinstance(result, Recognition) else Recognition("")
        text = recognition.text
        self.record.add_heard(text)
        self._outlet.observe("input_transcription", now, text=text, command=recognition.command)
        if answering.configuration.transcribe_input:
            for piece in self._dialect.input_pieces(text):
                transcription = {"inputTranscription": {"text": piece}}
                self._outlet.send({"serverContent": transcription}, now)
            # The words come before the end of the speech that they are of.
            self._tell_activity(answering, utterance, now)
        self._context.remember(content_of("user", text))
        spoken = Input(text, True, utterance.duration_s, recognition.available)
        answering.answer(spoken, now)


def _unknown_name(plain: dict[str, Any], data: bytes | str) -> Refusal | None:
    """The refusal of a name that nobody knows, spelled as the client spelled it."""
    return unknown_name(plain) and unknown_name(msgspec.json.decode(data))
