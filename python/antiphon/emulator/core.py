"""The session logic of the local server: no I/O, no clock, no thread.

A driver owns an `EmulatedSession` and does, after each call: send what `outgoing` returns, run
what `jobs` returns, and wait for the first of data (`receive`), a finished job (`job_done`) and
`next_timeout` (`handle_timeout`). All times are seconds of one clock of the driver's choice.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from antiphon import wire
from antiphon.emulator.brain import Brain, Call, Reply, ToolResult, Turn
from antiphon.emulator.dialect import Dialect, dialect_of, random_uuid
from antiphon.emulator.generation import Generation, Options
from antiphon.emulator.jobs import (
    Job,
    JobFailed,
    JobResult,
    Recognition,
    Recognize,
    Speech,
    Synthesize,
)
from antiphon.emulator.reading import (
    content_of,
    find_call,
    function_responses,
    last_words,
    media,
)
from antiphon.emulator.record import (
    FaultRecord,
    Observer,
    SessionRecord,
    ToolCallRecord,
    TurnRecord,
)
from antiphon.emulator.request import Request
from antiphon.emulator.resumption import Memory, ResumptionStore
from antiphon.emulator.settings import Settings
from antiphon.emulator.setup_check import Configuration, Refusal, check_setup, unknown_name
from antiphon.emulator.turn_taking import Ear, InvalidAudio, SpeechEnded, SpeechStarted
from antiphon.emulator.usage import IMAGE_TOKENS, Tokens, text_tokens
from antiphon.emulator.usage import usage_metadata as usage_of
from antiphon.errors import ProtocolViolation

__all__ = ["Close", "EmulatedSession"]

_BAD_KEY = "API key not valid. Please pass a valid API key."
_INVALID = "Request contains an invalid argument."
_NOT_JSON = "Invalid JSON payload received. Unexpected token."
_SETUP_FIRST = "setup must be the first message and only the first"
_MEDIA_CHUNKS = "realtime_input.media_chunks is deprecated. Use audio, video, or text instead."
_MANUAL_ONLY = (
    "Explicit activity control is not supported when automatic activity detection is enabled."
)
_NO_HANDLE = "BidiGenerateContent session not found"
_INTERNAL = "Internal error occurred."

_MAX_WAITING_INPUTS = 16


@dataclass(frozen=True)
class Close:
    """The server ends the connection; the reason is at most 123 bytes.

    1006 stands for a connection that breaks without a close.
    """

    code: int
    reason: str


@dataclass(frozen=True)
class _Input:
    """Something that wants an answer."""

    text: str
    spoken: bool = False
    duration_s: float = 0.0
    recognizable: bool = True
    tool_result: ToolResult | None = None


class EmulatedSession:
    """One connection of the local server.

    Args:
        settings: Choices of the server.
        request: The upgrade request.
        brain: Answers.
        now: The time of the upgrade.
        index: Number of the connection; with ``settings.seed`` it seeds what varies.
        store: Where resumption handles live; shared by the connections of a server.
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
        store: ResumptionStore | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.record = SessionRecord(index, request.family)
        self._settings = settings
        self._request = request
        self._brain = brain
        self._epoch = now
        self._rng = random.Random(f"{settings.seed}/{index}")  # noqa: S311 - not for secrets
        self._store = store or ResumptionStore()
        self._observer = observer
        self._memory = Memory()
        self._configuration: Configuration | None = None
        self._dialect: Dialect
        self._ear: Ear
        self._outbox: list[bytes | Close] = []
        self._closed = False
        self._jobs: list[Job] = []
        self._next_job = 0
        self._recognizing: dict[int, SpeechEnded] = {}
        self._speaking: deque[int] = deque()
        self._results: dict[int, Speech] = {}
        self._generation: Generation | None = None
        self._next_is_empty = False
        self._waiting: deque[_Input] = deque()
        self._late_calls: dict[str, Call] = {}
        self._prompt = Tokens()
        self._cut_at: float | None = None
        self._warn_at: float | None = None
        if settings.connection_limit_s is not None:
            self._cut_at = now + settings.connection_limit_s
            self._warn_at = max(now, self._cut_at - settings.go_away_lead_s)

    # -------------------------------------------------------------- the driver's side

    def receive(self, data: bytes | str, now: float) -> None:
        """Take one message of the client. Never raises for what a client sends."""
        if self._closed:
            return
        try:
            message, plain = wire.decode_client_message(data)
        except ProtocolViolation as error:
            bad_type = isinstance(error.__cause__, msgspec.ValidationError)
            self._observe("received", now, unreadable_bytes=len(data))
            self._close(1007, _INVALID if bad_type else _NOT_JSON, now)
            return
        self._observe("received", now, message=plain)
        if self._settings.api_key is not None and not self._request.carries(self._settings.api_key):
            self._close(1007, _BAD_KEY, now)
        elif refusal := unknown_name(plain) and unknown_name(msgspec.json.decode(data)):
            self._close(refusal.code, refusal.reason, now)
        elif self._configuration is None:
            self._set_up(message, now)
        else:
            self._handle(message, now)

    def outgoing(self, now: float) -> list[bytes | Close]:
        """What to send now, in order; a `Close` is the last of all."""
        self.handle_timeout(now)
        out, self._outbox = self._outbox, []
        return out

    @property
    def unsent(self) -> int:
        """Messages that `outgoing` will return; a driver that cannot send stops receiving."""
        return len(self._outbox)

    def jobs(self) -> list[Job]:
        """Work to run since the last call; give each result to `job_done`."""
        jobs, self._jobs = self._jobs, []
        return jobs

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`, if nothing else happens before."""
        if self._closed:
            return None
        generation = self._generation
        times = (self._warn_at, self._cut_at, generation.due if generation else None)
        return min((time for time in times if time is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due; harmless if nothing is."""
        while not self._closed:
            due = self.next_timeout()
            if due is None or due > now:
                return
            if self._warn_at is not None and self._warn_at <= now:
                self._warn(now)
            elif self._cut_at is not None and self._cut_at <= now:
                self._close(1000, "", now)
            else:
                # What was due earlier counts from then: a late driver does not slow the audio.
                self._step(due)

    def job_done(self, job_id: int, result: JobResult, now: float) -> None:
        """Take the result of a job."""
        if self._closed:
            return
        utterance = self._recognizing.pop(job_id, None)
        if utterance is not None:
            self._recognized(utterance, result, now)
        elif job_id in self._speaking:
            if isinstance(result, Speech):
                self._results[job_id] = result
                self._collect_speech(now)
            else:
                reason = result.reason if isinstance(result, JobFailed) else _INTERNAL
                self._close(1011, reason, now)

    def connection_lost(self, now: float, code: int = 1006, reason: str = "") -> None:
        """The connection ended; also call it after a `Close` was sent."""
        if self._generation is not None:
            self._observe_turn(self._generation.record, now)
            self._generation = None
        if self.record.close_code is None:
            self.record.close_code, self.record.close_reason = code, reason
            self._observe("closed", now, code=code, reason=reason, by="client")
        self._closed = True

    # -------------------------------------------------------------- faults

    def interrupt(self, now: float) -> None:
        """Believe that the user spoke: end the turn; without one, say it all the same."""
        if self._closed or self._configuration is None:
            return
        if self._generation is not None:
            self._interrupt(now)
        else:
            self._send({"serverContent": {"interrupted": True}}, now)

    def empty_next_turn(self) -> None:
        """Say nothing in the next turn that begins."""
        self._next_is_empty = True

    def close(self, code: int, reason: str, now: float) -> None:
        """End the connection from the server's side. Harmless if it has ended."""
        self._close(code, reason, now)

    def note_fault(self, name: str, now: float) -> None:
        """Keep in the record that something was done to this session on purpose."""
        fault = FaultRecord(name, round(now - self._epoch, 6))
        self.record.add_fault(fault)
        self._observe("fault", now, fault=name)

    # -------------------------------------------------------------- setup

    def _set_up(self, message: wire.ClientMessage, now: float) -> None:
        if message.setup is None:
            self._close(1007, _SETUP_FIRST, now)
            return
        checked = check_setup(message.setup, self._settings, self._request)
        if isinstance(checked, Refusal):
            self._close(checked.code, checked.reason, now)
            return
        if checked.resume_handle:
            memory = self._store.find(checked.resume_handle)
            if memory is None:
                self._close(1008, _NO_HANDLE, now)
                return
            self._memory = memory
        self._configuration = checked
        self.record.model = wire.model_id(checked.model)
        self._dialect = dialect_of(self._request, checked.model)
        self._ear = Ear(checked, self._settings.max_utterance_s)
        self._prompt.text += text_tokens(checked.system_instruction)
        complete = {"sessionId": random_uuid(self._rng)} if self._dialect.vertex else {}
        self._send({"setupComplete": complete}, now)
        self._offer_resumption(now)

    def _offer_resumption(self, now: float) -> None:
        assert self._configuration is not None
        if self._configuration.resumable or self._dialect.profile.unasked_notices:
            handle = random_uuid(self._rng)
            self._store.keep(handle, self._memory)
            update = {"newHandle": handle, "resumable": True}
            self._send({"sessionResumptionUpdate": update}, now)

    # -------------------------------------------------------------- input

    def _handle(self, message: wire.ClientMessage, now: float) -> None:
        if message.setup is not None:
            self._close(1007, _INVALID, now)
        if message.client_content is not None:
            self._take_content(message.client_content, now)
        if message.realtime_input is not None:
            self._take_realtime(message.realtime_input, now)
        if message.tool_response is not None:
            self._take_responses(message.tool_response.function_responses, now)
        if message.context_update is not None:
            assert self._configuration is not None
            self._configuration = self._configuration.with_update(message.context_update)

    def _take_content(self, content: wire.ClientContent, now: float) -> None:
        assert self._configuration is not None
        if responses := function_responses(content):
            # One official client sends its tool results as content.
            self._take_responses(responses, now)
            return
        self._interrupt(now)
        for turn in content.turns:
            self._memory.remember(turn)
            for part in turn.parts:
                self._prompt.text += text_tokens(part.text or "")
                self._prompt.image += IMAGE_TOKENS if part.inline_data else 0
        if not content.turn_complete:
            return
        if self._configuration.history_first:
            self._configuration = replace(self._configuration, history_first=False)
            return
        self._answer(_Input(last_words(self._memory.history)), now)

    def _take_realtime(self, realtime: wire.RealtimeInput, now: float) -> None:
        assert self._configuration is not None
        if realtime.media_chunks is not None and self.record.model.startswith("gemini-3."):
            self._close(1007, _MEDIA_CHUNKS, now)
            return
        audio, video = media(realtime)
        if video is not None:
            self.record.video_frames += 1
            self._prompt.image += IMAGE_TOKENS
        marks = realtime.activity_start is not None or realtime.activity_end is not None
        if marks and not self._configuration.manual_activity:
            self._close(1007, _MANUAL_ONLY, now)
            return
        try:
            if realtime.activity_start is not None:
                self._heard(self._ear.start(), now)
            if audio is not None:
                self._heard(self._ear.push(audio), now)
        except InvalidAudio as error:
            self._close(1007, str(error), now)
            return
        ends = realtime.audio_stream_end and not self._configuration.manual_activity
        if ends or realtime.activity_end is not None:
            self._heard(self._ear.end(), now)
        if realtime.text is not None:
            self._prompt.text += text_tokens(realtime.text)
            self._memory.remember(content_of("user", realtime.text))
            if self._configuration.interruptible:
                self._interrupt(now)
            self._answer(_Input(realtime.text), now)

    def _heard(self, events: list[SpeechStarted | SpeechEnded], now: float) -> None:
        assert self._configuration is not None
        for event in events:
            started = isinstance(event, SpeechStarted)
            self._observe("speech_started" if started else "speech_ended", now)
            if self._dialect.profile.unasked_notices:
                kind = "ACTIVITY_START" if started else "ACTIVITY_END"
                offset = {"type": kind, "audioOffset": wire.duration_text(event.offset_s)}
                self._send({"voiceActivity": offset}, now)
            if isinstance(event, SpeechStarted):
                if self._configuration.interruptible:
                    self._interrupt(now)
                continue
            self._prompt.add_audio(event.duration_s)
            job = Recognize(self._new_job(), event.pcm, self._brain.grammar)
            self._recognizing[job.id] = event
            self._jobs.append(job)

    def _recognized(self, utterance: SpeechEnded, result: JobResult, now: float) -> None:
        assert self._configuration is not None
        # A recognizer that failed has heard nothing, but the turn is still a turn.
        recognition = result if isinstance(result, Recognition) else Recognition("")
        text = recognition.text
        self.record.add_heard(text)
        self._observe("input_transcription", now, text=text, command=recognition.command)
        if self._configuration.transcribe_input and text:
            pieces = [text]
            if not self._dialect.phrase_transcription:
                pieces = [f" {word}" for word in text.split()]
            for piece in pieces:
                self._send({"serverContent": {"inputTranscription": {"text": piece}}}, now)
        self._memory.remember(content_of("user", text))
        spoken = _Input(text, True, utterance.duration_s, recognition.available)
        self._answer(spoken, now)

    # -------------------------------------------------------------- answering

    def _answer(self, given: _Input, now: float) -> None:
        """Answer now, or when the turn that is running has ended."""
        if self._generation is not None:
            if len(self._waiting) < _MAX_WAITING_INPUTS:
                self._waiting.append(given)
            return
        record = self.record.begin_turn(
            given.text, spoken=given.spoken, started_s=now - self._epoch
        )
        assert self._configuration is not None
        options = Options(
            dialect=self._dialect,
            text_output=self._configuration.text_output,
            transcribe=self._configuration.transcribe_output,
            speed=self._settings.speed,
        )
        self._generation = Generation(
            record,
            options,
            self._rng,
            start_at=now + self._rng.uniform(*self._settings.reply_delay_s),
            epoch=self._epoch,
        )
        self._observe("turn_started", now, turn=record.index, input_text=given.text)
        if self._next_is_empty:
            self._next_is_empty = False
            self._say(self._generation, Reply(), now)
            return
        self._reply(self._generation, given, now)

    def _reply(self, generation: Generation, given: _Input, now: float) -> None:
        """Let the brain answer, and start what it wants."""
        try:
            reply = self._brain.respond(self._brain_turn(given))
        except Exception as error:
            self._observe("brain_failed", now, error=f"{type(error).__name__}: {error}")
            self._close(1011, _INTERNAL, now)
            return
        reply = self._only_declared(reply)
        if reply.call is not None:
            generation.pending_call = reply.call
            if not reply.text:
                return
        self._say(generation, reply, now)

    def _say(self, generation: Generation, reply: Reply, now: float) -> None:
        assert self._configuration is not None
        for sentence in generation.say(reply, now):
            job = Synthesize(self._new_job(), sentence, self._configuration.voice)
            self._speaking.append(job.id)
            self._jobs.append(job)

    def _brain_turn(self, given: _Input) -> Turn:
        assert self._configuration is not None
        return Turn(
            text=given.text,
            spoken=given.spoken,
            duration_s=given.duration_s,
            recognizable=given.recognizable,
            tool_result=given.tool_result,
            history=tuple(self._memory.history),
            functions=self._configuration.functions,
            system_instruction=self._configuration.system_instruction,
            memory=self._memory.notes,
        )

    def _only_declared(self, reply: Reply) -> Reply:
        """A function that was not declared is never called."""
        assert self._configuration is not None
        if reply.call is None or reply.call.name in self._configuration.functions:
            return reply
        words = f"I would call {reply.call.name}, but there is no such function in this session."
        return Reply(" ".join(filter(None, (reply.text, words))), None, reply.max_speed)

    def _collect_speech(self, now: float) -> None:
        """Hand over finished sentences in the order in which they are said."""
        while self._speaking and self._speaking[0] in self._results:
            speech = self._results.pop(self._speaking.popleft())
            if self._generation is not None:
                self._generation.spoken(speech, now)

    def _step(self, now: float) -> None:
        """The turn's next messages, or its end."""
        generation = self._generation
        assert generation is not None
        if generation.pending_call is not None:
            self._call(generation, generation.pending_call, now)
            return
        messages = generation.step(now)
        if messages is None:
            self._end_turn(now)
            return
        for message in messages:
            self._send(message, now)

    # -------------------------------------------------------------- tools

    def _call(self, generation: Generation, call: Call, now: float) -> None:
        generation.pending_call = None
        args = dict(call.args)
        for message in generation.opening():
            self._send(message, now)
        if self._dialect.shows_code:
            shown = ", ".join(f"{name}={value!r}" for name, value in args.items())
            code = {"language": "PYTHON", "code": f"print(default_api.{call.name}({shown}))"}
            turn = self._dialect.model_turn({"executableCode": code})
            self._send({"serverContent": {"modelTurn": turn}}, now)
        call_id = self._dialect.call_id(self._rng)
        generation.open_calls[call_id] = call
        generation.record.tool_calls.append(ToolCallRecord(call_id, call.name, args))
        wanted = {"name": call.name, "args": args, "id": call_id}
        self._send({"toolCall": {"functionCalls": [wanted]}}, now)

    def _take_responses(self, responses: list[wire.FunctionResponse], now: float) -> None:
        for response in responses:
            self._take_response(response, now)

    def _take_response(self, response: wire.FunctionResponse, now: float) -> None:
        generation = self._generation
        calls = generation.open_calls if generation else {}
        call_id = find_call(calls, response)
        if generation is not None and call_id is not None:
            held_open = generation.waits_for_tool
            result = self._result(calls.pop(call_id), call_id, response)
            if not held_open:
                # It talked on meanwhile; the result is another turn.
                self._late_result(result, response, now)
            elif self._dialect.vertex:
                for message in generation.cut_short(now):
                    self._send(message, now)
                self._waiting.appendleft(result)
            elif not calls:
                self._reply(generation, result, now)
            return
        late_id = find_call(self._late_calls, response)
        if late_id is not None:
            result = self._result(self._late_calls.pop(late_id), late_id, response)
            self._late_result(result, response, now)
            return
        self._observe("response_ignored", now, id=response.id, name=response.name)

    def _late_result(self, result: _Input, response: wire.FunctionResponse, now: float) -> None:
        """A result of a call that did not hold the turn open: see ``scheduling``."""
        scheduling = (response.scheduling or "WHEN_IDLE").upper()
        if scheduling == "SILENT":
            return
        if scheduling == "INTERRUPT":
            self._interrupt(now)
        self._answer(result, now)

    def _result(self, call: Call, call_id: str, response: wire.FunctionResponse) -> _Input:
        for turn in reversed(self.record.turns):
            for made in turn.tool_calls:
                if made.id == call_id:
                    made.response = response.response
        self._prompt.text += text_tokens(str(response.response))
        words = f"Result of {call.name}"
        return _Input(words, tool_result=ToolResult(call, response.response))

    # -------------------------------------------------------------- ends

    def _interrupt(self, now: float) -> None:
        """The user acts while a turn is open: it ends where it is."""
        generation = self._generation
        if generation is None:
            return
        assert self._configuration is not None
        cancelled = []
        for call_id, call in generation.open_calls.items():
            declared = self._configuration.functions.get(call.name)
            if declared is not None and declared.behavior == "NON_BLOCKING":
                self._late_calls[call_id] = call
            else:
                cancelled.append(call_id)
        if cancelled:
            self._send({"toolCallCancellation": {"ids": cancelled}}, now)
            for made in generation.record.tool_calls:
                made.cancelled = made.cancelled or made.id in cancelled
        self._send({"serverContent": {"interrupted": True}}, now)
        self._end_turn(now, interrupted=True)

    def _end_turn(self, now: float, *, interrupted: bool = False) -> None:
        generation = self._generation
        assert generation is not None
        self._generation = None
        self._speaking.clear()
        self._results.clear()
        for call_id, call in generation.open_calls.items():
            if not interrupted:
                self._late_calls[call_id] = call
        self._late_calls = dict(list(self._late_calls.items())[-64:])
        record = generation.record
        record.ended_s = now - self._epoch
        record.interrupted = interrupted
        self._send(self._turn_complete(record), now)
        self._memory.remember(content_of("model", record.text_sent or record.text))
        self._observe_turn(record, now)
        self.record.end_turn(record, max_pcm_bytes=self._settings.max_pcm_bytes)
        if interrupted:
            return  # whoever interrupted has something to say
        if self._waiting:
            self._answer(self._waiting.popleft(), now)
        else:
            self._offer_resumption(now)

    def _turn_complete(self, record: TurnRecord) -> dict[str, Any]:
        """``turnComplete`` with the usage of the turn; the context grows by it."""
        response = Tokens()
        if self._configuration is not None and self._configuration.text_output:
            response.text = text_tokens(record.text_sent)
        else:
            response.add_audio(record.duration_s)
        context = self._memory.context
        context.add(self._prompt)
        self._prompt = Tokens()
        usage = usage_of(context, response, vertex=self._dialect.vertex)
        context.add(response)
        content: dict[str, Any] = {"turnComplete": True}
        if self._dialect.vertex:
            content["groundingMetadata"] = {}
        return {"serverContent": content, "usageMetadata": usage}

    def _warn(self, now: float) -> None:
        assert self._warn_at is not None
        self._warn_at = None
        left_s = max(0.0, (self._cut_at or now) - now)
        if self._configuration is not None:
            self._send({"goAway": {"timeLeft": wire.duration_text(left_s)}}, now)

    def _close(self, code: int, reason: str, now: float) -> None:
        if self._closed:
            return
        self._closed = True
        if self._generation is not None:
            self._observe_turn(self._generation.record, now)
            self._generation = None
        cut = reason.encode()[:123].decode("utf-8", "ignore")
        self.record.close_code, self.record.close_reason = code, cut
        self._outbox.append(Close(code, cut))
        self._observe("closed", now, code=code, reason=cut, by="server")

    # -------------------------------------------------------------- helpers

    def _send(self, message: dict[str, Any], now: float) -> None:
        self._outbox.append(wire.encode_server_message(message))
        self._observe("sent", now, message=message)

    def _new_job(self) -> int:
        self._next_job += 1
        return self._next_job

    def _observe(self, event: str, now: float, **fields: Any) -> None:
        if self._observer is not None:
            self._observer(event, {"at_s": round(now - self._epoch, 6), **fields})

    def _observe_turn(self, record: TurnRecord, now: float) -> None:
        self._observe("turn_ended", now, turn=record)
