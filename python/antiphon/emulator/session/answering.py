"""The model's side of a session: inputs that want an answer become turns, one at a time.

It asks the brain, has sentences spoken, lets `Generation` send them when it is time, calls
functions and takes their results, and ends turns: complete, or where the user interrupts.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from antiphon import wire
from antiphon.emulator.faults import Fault
from antiphon.emulator.service.context import Context
from antiphon.emulator.service.dialect import Dialect
from antiphon.emulator.service.quota import QUOTA_EXCEEDED, Quota
from antiphon.emulator.service.setup_check import Configuration
from antiphon.emulator.service.usage import Tokens, text_tokens
from antiphon.emulator.service.usage import usage_metadata as usage_of
from antiphon.emulator.session.agenda import Agenda
from antiphon.emulator.session.brain import Brain, Call, Reply, Send, ToolResult, Turn
from antiphon.emulator.session.generation import Generation, Options
from antiphon.emulator.session.jobs import (
    SPEECH_HZ,
    JobDesk,
    JobFailed,
    JobResult,
    Speech,
    Synthesize,
)
from antiphon.emulator.session.outlet import Outlet
from antiphon.emulator.session.reading import content_of, find_call
from antiphon.emulator.session.record import SessionRecord, ToolCallRecord, TurnRecord
from antiphon.emulator.session.thinking import thought_about
from antiphon.emulator.settings import Settings

__all__ = ["INTERNAL_ERROR", "INVALID_ARGUMENT", "Answering", "Input"]

INTERNAL_ERROR = "Internal error occurred."
INVALID_ARGUMENT = "Request contains an invalid argument."

_MAX_WAITING_INPUTS = 16
# At four characters a token, the 8,192 tokens that the models make at most.
_MAX_REPLY_CHARS = 32_768
# Sentences are spoken ahead of what is sent, but not the whole of a long answer at once; those of
# turns that were cut count as well until they are done.
_MAX_SENTENCES_AHEAD = 6
_MAX_BYTES_AHEAD = 10 * 2 * SPEECH_HZ
_MAX_JOBS = 12
_MAX_RESPONSES = 512
_MAX_LATE_CALLS = 64


@dataclass(frozen=True)
class Input:
    """Something that wants an answer."""

    text: str
    spoken: bool = False
    duration_s: float = 0.0
    recognizable: bool = True
    tool_result: ToolResult | None = None


class Answering:
    """Answers one connection. Created when the setup was accepted.

    Args:
        configuration: What the setup asked for; replaced by a ``contextUpdate``.
        dialect: How this model speaks on this backend.
        brain: Answers.
        settings: Choices of the server.
        context: What the session knows; turns are added to it.
        record: What the session said.
        outlet: The way out.
        desk: Takes the jobs.
        quota: What all sessions of the server may use.
        rng: Seeded; of delays, gaps and ids.
        on_idle: Called with the time when a turn has ended and nothing waits to be answered.
        on_result: Called with the time when a turn that waited for tools has all results.
    """

    def __init__(
        self,
        *,
        configuration: Configuration,
        dialect: Dialect,
        brain: Brain,
        settings: Settings,
        context: Context,
        record: SessionRecord,
        outlet: Outlet,
        desk: JobDesk,
        quota: Quota,
        rng: random.Random,
        on_idle: Callable[[float], None],
        on_result: Callable[[float], None],
    ) -> None:
        self.configuration = configuration
        self.prompt = Tokens()
        """What the user gave since the last turn ended."""
        self._dialect = dialect
        self._brain = brain
        self._settings = settings
        self._context = context
        self._record = record
        self._outlet = outlet
        self._desk = desk
        self._quota = quota
        self._rng = rng
        self._on_idle = on_idle
        self._on_result = on_result
        self._generation: Generation | None = None
        self._agenda = Agenda()
        self._next_is_empty = False
        self._waiting: deque[Input] = deque()
        self._unspoken: deque[str] = deque()
        self._speaking: deque[int] = deque()
        self._spoken: dict[int, Speech] = {}
        self._late_calls: dict[str, Call] = {}

    @property
    def answering(self) -> bool:
        """Whether a turn of the model is open."""
        return self._generation is not None

    @property
    def executing(self) -> bool:
        """Whether a function was called that is not answered yet."""
        open_calls = self._generation.open_calls if self._generation is not None else {}
        return bool(open_calls or self._late_calls)

    @property
    def due(self) -> float | None:
        """When `step` has something to do."""
        planned, speaks = self._agenda.due, self._generation.due if self._generation else None
        if planned is None or speaks is None:
            return speaks if planned is None else planned
        return min(planned, speaks)

    # -------------------------------------------------------------- answering

    def answer(self, given: Input, now: float) -> None:
        """Answer now, or when the turn that is running has ended."""
        if self._generation is not None:
            if len(self._waiting) < _MAX_WAITING_INPUTS:
                self._waiting.append(given)
            return
        if self._quota.exhausted(now):
            self._outlet.close(1011, QUOTA_EXCEEDED, now)
            return
        if not self._fits_the_context():
            self._outlet.close(1007, INVALID_ARGUMENT, now)
            return
        if self.configuration.resumable:
            # In the middle of a turn nobody can resume: there is no handle.
            self._outlet.send({"sessionResumptionUpdate": {}}, now)
        record = self._record.begin_turn(
            given.text, spoken=given.spoken, started_s=self._outlet.elapsed_s(now)
        )
        options = Options(
            dialect=self._dialect,
            text_output=self.configuration.text_output,
            transcribe=self.configuration.transcribe_output and not self.configuration.text_output,
            settings=self._settings,
            show_thoughts=self._shows_thoughts,
            empty_frames=self._settings.empty_frames and self._dialect.empty_frames,
        )
        self._generation = Generation(
            record,
            options,
            self._rng,
            start_at=now + self._rng.uniform(*self._settings.reply_delay_s),
            epoch=now - self._outlet.elapsed_s(now),
        )
        self._outlet.observe("turn_started", now, turn=record.index, input_text=given.text)
        if self._next_is_empty:
            self._next_is_empty = False
            self._start(self._generation, Reply(), now)
            return
        self._reply(self._generation, given, now)

    def _fits_the_context(self) -> bool:
        """Whether there is room for an answer; compresses the context if the setup allows it."""
        compression = self.configuration.compression
        given = self.prompt.total
        if compression and self._context.tokens.total + given > compression.trigger_tokens:
            self._context.compress(max(0, compression.target_tokens - given))
        return self._context.tokens.total + given < self.configuration.context_tokens

    def empty_next_turn(self) -> None:
        """Say nothing in the next turn that begins."""
        self._next_is_empty = True

    def step(self, now: float) -> None:
        """Do what is due: of turns that have ended, then of the turn that is open."""
        if self._agenda.due is not None and self._agenda.due <= now:
            step = self._agenda.pop()
            self._do(dict(step.message) if isinstance(step, Send) else step, now)
            return
        generation = self._generation
        assert generation is not None
        acts = generation.step(now)
        self._speak_ahead(generation)
        if acts is None:
            self._end_turn(generation, now)
            return
        for act in acts:
            if isinstance(act, Call):
                self._call(generation, act, now)
            elif isinstance(act, Reply):
                self._start(generation, act, now, follows=True)
            else:
                self._do(act, now)

    def _do(self, act: dict[str, Any] | Fault, now: float) -> None:
        if isinstance(act, Fault):
            self._outlet.fail(act, now)
        else:
            self._outlet.send(act, now)

    def speech_done(self, job_id: int, result: JobResult, now: float) -> None:
        """Take a sentence that was spoken; sentences are said in their order."""
        if job_id not in self._speaking:  # of a turn that was interrupted
            if self._generation is not None:
                self._speak_ahead(self._generation)
            return
        if not isinstance(result, Speech):
            reason = result.reason if isinstance(result, JobFailed) else INTERNAL_ERROR
            self._outlet.close(1011, reason, now)
            return
        self._spoken[job_id] = result
        while self._speaking and self._speaking[0] in self._spoken:
            speech = self._spoken.pop(self._speaking.popleft())
            if self._generation is not None:
                self._generation.spoken(speech, now)
                self._speak_ahead(self._generation)

    def _speak_ahead(self, generation: Generation) -> None:
        """Have the next sentences spoken."""
        while (
            self._unspoken
            and len(self._speaking) < _MAX_SENTENCES_AHEAD
            and generation.unsent_bytes < _MAX_BYTES_AHEAD
            and self._desk.under_way < _MAX_JOBS
        ):
            sentence = self._unspoken.popleft()
            job = Synthesize(self._desk.new_id(), sentence, self.configuration.voice)
            self._speaking.append(job.id)
            self._desk.submit(job)

    def _reply(self, generation: Generation, given: Input, now: float) -> None:
        """Let the brain answer, and start what it wants."""
        try:
            reply = self._brain.respond(self._brain_turn(given))
        except Exception as error:
            self._outlet.observe("brain_failed", now, error=f"{type(error).__name__}: {error}")
            self._outlet.close(1011, INTERNAL_ERROR, now)
            return
        if len(reply.text) > _MAX_REPLY_CHARS and reply.speech is None:
            reply = replace(reply, text=reply.text[:_MAX_REPLY_CHARS])
        if reply.thought is None and given.tool_result is None:
            reply = replace(reply, thought=thought_about(given.text))
        self._start(generation, reply, now)

    def _start(
        self, generation: Generation, reply: Reply, now: float, *, follows: bool = False
    ) -> None:
        call = None if reply.call is None else {"name": reply.call.name, "args": reply.call.args}
        frame = generation.record.frames_sent
        self._outlet.observe(
            "reply", now, text=reply.text, call=call, follows=follows, first_frame=frame
        )
        if self._thinks:
            generation.think(reply.thought or "")
        self._unspoken.extend(generation.take(self._only_declared(reply), now))
        self._speak_ahead(generation)

    @property
    def _thinks(self) -> bool:
        wanted = self.configuration.thinks
        return self._dialect.thinks if wanted is None else wanted

    @property
    def _shows_thoughts(self) -> bool:
        wanted = self.configuration.include_thoughts
        return self._dialect.shows_thoughts if wanted is None else wanted

    def _brain_turn(self, given: Input) -> Turn:
        return Turn(
            text=given.text,
            spoken=given.spoken,
            duration_s=given.duration_s,
            recognizable=given.recognizable,
            tool_result=given.tool_result,
            history=tuple(self._context.history),
            functions=self.configuration.functions,
            system_instruction=self.configuration.system_instruction,
            memory=self._context.notes,
        )

    def _only_declared(self, reply: Reply) -> Reply:
        """A function that was not declared is never called."""
        if reply.call is None or reply.call.name in self.configuration.functions:
            return reply
        words = f"I would call {reply.call.name}, but there is no such function in this session."
        return replace(reply, text=" ".join(filter(None, (reply.text, words))), call=None)

    def _do_later(self, generation: Generation, now: float) -> None:
        self._agenda.add(generation.after, now)
        generation.after.clear()

    # -------------------------------------------------------------- tools

    def take_responses(self, responses: list[wire.FunctionResponse], now: float) -> None:
        """Take results of functions, in order."""
        if len(responses) > _MAX_RESPONSES:
            self._outlet.close(1007, INVALID_ARGUMENT, now)
            return
        was_executing = self.executing
        for response in responses:
            self._take_response(response, now)
        if was_executing and not self.executing and not self.answering:
            self._on_idle(now)

    def _call(self, generation: Generation, call: Call, now: float) -> None:
        args = dict(call.args)
        if self._dialect.shows_code:
            shown = ", ".join(f"{name}={value!r}" for name, value in args.items())
            code = {"language": "PYTHON", "code": f"print(default_api.{call.name}({shown}))"}
            turn = self._dialect.model_turn({"executableCode": code})
            self._outlet.send({"serverContent": {"modelTurn": turn}}, now)
        call_id = self._dialect.call_id(self._rng)
        generation.open_calls[call_id] = call
        generation.record.tool_calls.append(ToolCallRecord(call_id, call.name, args))
        wanted = {"name": call.name, "args": args, "id": call_id}
        self._outlet.send({"toolCall": {"functionCalls": [wanted]}}, now)
        if self._dialect.ends_turn_with_call:
            generation.end_with_call(now)
        elif generation.waits_for_tool:
            self._do_later(generation, now)

    def _take_response(self, response: wire.FunctionResponse, now: float) -> None:
        generation = self._generation
        calls = generation.open_calls if generation else {}
        call_id = find_call(calls, response)
        if generation is not None and call_id is not None:
            held_open = generation.waits_for_tool
            result = self._result(calls, call_id, response)
            if not held_open:
                # It talked on meanwhile; the result is another turn.
                self._late_result(result, response, now)
            elif not calls:
                self._on_result(now)
                generation.take_up_again()
                self._reply(generation, result, now)
            return
        late_id = find_call(self._late_calls, response)
        if late_id is not None:
            result = self._result(self._late_calls, late_id, response)
            self._late_result(result, response, now)
            return
        if self._dialect.answers_any_result:
            unasked = ToolResult(Call(response.name), response.response)
            self.prompt.text += text_tokens(str(response.response))
            self.answer(Input(f"Result of {response.name}", tool_result=unasked), now)
            return
        self._outlet.observe("response_ignored", now, id=response.id, name=response.name)

    def _late_result(self, result: Input, response: wire.FunctionResponse, now: float) -> None:
        """A result of a call that did not hold the turn open: see ``scheduling``."""
        scheduling = (response.scheduling or "WHEN_IDLE").upper()
        if scheduling == "SILENT":
            return
        if scheduling == "INTERRUPT":
            self.interrupt(now)
        self.answer(result, now)

    def _result(
        self, calls: dict[str, Call], call_id: str, response: wire.FunctionResponse
    ) -> Input:
        """The result as an input; its call is over, unless there ``will_continue`` to be more."""
        call = calls[call_id]
        if not response.will_continue:
            del calls[call_id]
        self._record.add_response(call_id, response.response)
        self.prompt.text += text_tokens(str(response.response))
        words = f"Result of {call.name}"
        return Input(words, tool_result=ToolResult(call, response.response))

    # -------------------------------------------------------------- ends

    def interrupt(self, now: float) -> None:
        """The user acts while a turn is open: it ends where it is. Nothing without a turn."""
        generation = self._generation
        if generation is None:
            return
        cancelled = []
        for call_id, call in generation.open_calls.items():
            declared = self.configuration.functions.get(call.name)
            if declared is not None and declared.behavior == "NON_BLOCKING":
                self._late_calls[call_id] = call
            else:
                cancelled.append(call_id)
        if cancelled:
            self._outlet.send({"toolCallCancellation": {"ids": cancelled}}, now)
            for made in generation.record.tool_calls:
                made.cancelled = made.cancelled or made.id in cancelled
        self._outlet.send({"serverContent": {"interrupted": True}}, now)
        self._end_turn(generation, now, interrupted=True)

    def abandon(self, now: float) -> None:
        """The connection has ended, and the turn with it."""
        if self._generation is not None:
            self._outlet.observe_turn(self._generation.record, now)
            self._generation = None

    def _end_turn(self, generation: Generation, now: float, *, interrupted: bool = False) -> None:
        self._generation = None
        self._unspoken.clear()
        self._speaking.clear()
        self._spoken.clear()
        if not interrupted:
            self._late_calls |= generation.open_calls
        self._late_calls = dict(list(self._late_calls.items())[-_MAX_LATE_CALLS:])
        record = generation.record
        record.ended_s = self._outlet.elapsed_s(now)
        record.interrupted = interrupted
        if interrupted or generation.completes:
            self._outlet.send(self._turn_complete(record, now), now)
        self._do_later(generation, now)
        self._context.remember(content_of("model", record.text_sent or record.text))
        self._outlet.observe_turn(record, now)
        self._record.end_turn(record, max_pcm_bytes=self._settings.max_pcm_bytes)
        if interrupted:
            return  # whoever interrupted has something to say
        if self._waiting:
            self.answer(self._waiting.popleft(), now)
        else:
            self._on_idle(now)

    def _turn_complete(self, record: TurnRecord, now: float) -> dict[str, Any]:
        """``turnComplete`` with the usage of the turn; the context grows by it."""
        response = self._made(record)
        new, self.prompt = self.prompt, Tokens()
        self._context.spend(new)
        context = self._context.tokens
        usage = usage_of(
            context if self._settings.usage == "context" else new,
            response,
            thoughts=text_tokens(record.thought),
            vertex=self._dialect.vertex,
            spoken=not self.configuration.text_output,
        )
        self._context.spend(response)
        self._quota.spend(context.total + response.total, now)
        content: dict[str, Any] = {"turnComplete": True}
        if self._dialect.profile.interaction_status:
            more = self._waiting or self._late_calls
            content["interactionStatus"] = "IN_PROGRESS" if more else "IDLE"
        if self._dialect.vertex:
            content["groundingMetadata"] = {}
        return {"serverContent": content, "usageMetadata": usage}

    def _made(self, record: TurnRecord) -> Tokens:
        """What the model made in a turn, as the models were recorded to count it."""
        made = Tokens()
        calls = "".join(f"{call.name}{call.args}" for call in record.tool_calls)
        if self._dialect.writes:
            made.text = text_tokens(record.text_sent + calls)
        elif not record.thought and not self._dialect.bundles:
            # Where calls were thought out they are no output of their own.
            made.text = text_tokens(calls)
        spoken = not self.configuration.text_output
        if spoken and (self._dialect.vertex or not self._dialect.writes):
            made.add_audio(record.duration_s)
        return made
