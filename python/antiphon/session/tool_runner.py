"""Runs the functions that the model calls, and answers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from antiphon.errors import AntiphonError, ToolError
from antiphon.protocol import LiveServerMessage, known_id
from antiphon.session.invocation import MAX_RESULTS, Invoker, in_words, stream_of
from antiphon.session.tools import FunctionTool, Toolbox, ToolResult
from antiphon.wire import FunctionCall, FunctionResponse

__all__ = ["ToolRunner"]

logger = logging.getLogger("antiphon.tools")

_REMEMBERED_IDS = 1000
_REMEMBERED_RESULTS = 64
_MAX_AT_ONCE = 2_000
_MAX_OPEN_BYTES = 64 * 1024 * 1024
# A function that is cancelled may tidy up for so long before it is left alone.
_END_TIMEOUT_S = 5.0


@dataclass
class _Stream:
    """A function that gives results to a call; a later call takes it over if this one is lost."""

    function: FunctionTool
    call: FunctionCall


class ToolRunner:
    """Answers tool calls: every call exactly once, unless it is cancelled.

    Calls of functions that the model waits for are answered together, one message per
    ``toolCall``; others each when it is done, and streams with every result. A function that
    fails is answered with ``{"error": …}``, in words and without a traceback.

    Args:
        toolbox: The functions.
        answer: Sends responses.
        is_asked_again: Whether a call was lost with its connection, and the model will make it
            anew under another id: then its result is kept for that.
        is_repeated: Whether a call is the same as one with its id on a connection that was lost:
            then its result did not arrive, and is given once more.
        connection: Number of the present connection. A call that comes twice on one is made once.
        streams: The service takes several results for one call; otherwise they are collected.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        answer: Callable[[Sequence[FunctionResponse]], Awaitable[None]],
        *,
        is_asked_again: Callable[[str], bool] = lambda _: False,
        is_repeated: Callable[[str], bool] = lambda _: False,
        connection: Callable[[], int] = lambda: 1,
        streams: bool = True,
    ) -> None:
        self.toolbox = toolbox
        self._answer = answer
        self._is_asked_again = is_asked_again
        self._is_repeated = is_repeated
        self._connection = connection
        self._streams = streams
        self._running: dict[str, asyncio.Task[Any]] = {}
        # Of the messages with the calls that run: arguments are kept as long as a function takes.
        self._open_bytes = 0
        self._answering: set[asyncio.Task[None]] = set()
        self._seen: OrderedDict[str, int] = OrderedDict()  # and on which connection
        self._owed: dict[str, asyncio.Task[None]] = {}
        self._results: OrderedDict[str, tuple[bytes, asyncio.Task[FunctionResponse]]] = (
            OrderedDict()
        )
        self._flowing: list[_Stream] = []
        self._invoker = Invoker()

    @property
    def behavior(self) -> str:
        """What a declaration without a behavior means for this model."""
        return self.toolbox.model_behavior

    def on_message(self, message: LiveServerMessage) -> None:
        """Start what is called, cancel what is cancelled."""
        if message.only_audio:
            return
        if message.tool_call is not None:
            calls = [call for call in message.tool_call.function_calls if self._is_ours(call)]
            if calls:
                self._start(calls, message.size_bytes // len(calls))
        if message.tool_call_cancellation is not None:
            for call_id in message.tool_call_cancellation.ids:
                if (task := self._running.get(call_id)) is not None:
                    task.cancel()
        if message.turn_complete:
            # What was asked again is answered: a call that comes now is another one.
            for call_id in [each for each in self._results if self._is_asked_again(each)]:
                del self._results[call_id]

    def cancel_all(self) -> None:
        """Whatever runs is not wanted any more: the session has ended."""
        for task in (*self._running.values(), *self._answering):
            task.cancel()
        self._invoker.shut()

    async def ended(self) -> None:
        """After `cancel_all`: wait until every function has tidied up, or has had time enough."""
        tasks: set[asyncio.Task[Any]] = {*self._running.values()}
        if (caller := asyncio.current_task()) in tasks:  # a function that hangs up
            tasks.discard(caller)
        else:
            tasks |= self._answering
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=_END_TIMEOUT_S)
        for task in left:
            logger.warning("%s does not end though it was cancelled", task.get_name())

    def _is_ours(self, call: FunctionCall) -> bool:
        if self.toolbox.is_manual(call.name):
            return False
        call_id = known_id(call.id)
        if not call_id:  # a repeated call cannot be told
            return True
        connection = self._connection()
        before = self._seen.get(call_id)
        self._seen[call_id] = connection
        if len(self._seen) > _REMEMBERED_IDS:
            self._seen.popitem(last=False)
        if before == connection:
            logger.warning("The service repeated the call %s of %s; ignored", call_id, call.name)
            return False
        if before is None:
            return True
        other = self._running.get(call_id)
        if self._is_repeated(call_id):
            return other is None and call_id not in self._owed  # else its answer is to come
        if other is not None:
            other.cancel()  # its result would be taken for that of this call
        return True

    def _start(self, calls: list[FunctionCall], size_bytes: int) -> None:
        """Run each of these calls, of about ``size_bytes``, or refuse it."""
        together: list[FunctionCall] = []
        # An answer that cannot leave counts as well: a peer may call and not read.
        room = max(0, _MAX_AT_ONCE - max(len(self._running), len(self._answering)))
        if self._open_bytes > _MAX_OPEN_BYTES:
            room = 0
        self._refuse(calls[room:])
        for call in calls[:room]:
            function = self.toolbox.functions.get(call.name)
            if self.toolbox.is_blocking(call.name):
                together.append(call)
            elif function is not None and function.is_stream and self._streams:
                self._stream(call, function, size_bytes)
            else:
                self._answer_later([call], [self._run(call, size_bytes)])
        if together:
            self._answer_later(together, [self._run(call, size_bytes) for call in together])

    def _refuse(self, calls: list[FunctionCall]) -> None:
        if not calls:
            return
        error = ToolError(f"Too many calls are open at once: {len(self._running):,}.")
        logger.warning("%d calls are refused: %s", len(calls), error)
        if len(self._answering) < 2 * _MAX_AT_ONCE:  # else nobody reads the answers either
            refused = ToolResult({"error": str(error)})
            self._later(self._send([self._response(call, refused) for call in calls]))

    def _answer_later(
        self, calls: list[FunctionCall], tasks: list[asyncio.Task[FunctionResponse]]
    ) -> None:
        answering = self._later(self._answer_all(tasks))
        ids = [call_id for call in calls if (call_id := known_id(call.id))]
        self._owed.update(dict.fromkeys(ids, answering))
        answering.add_done_callback(lambda _: self._settle(ids, answering))

    def _settle(self, ids: list[str], answering: asyncio.Task[None]) -> None:
        for call_id in ids:
            if self._owed.get(call_id) is answering:
                del self._owed[call_id]

    def _later(self, answer: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        answering = asyncio.create_task(answer, name="antiphon-tool-answer")
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)
        return answering

    def _run(self, call: FunctionCall, size_bytes: int) -> asyncio.Task[FunctionResponse]:
        earlier = self._lost_twin(call)
        task = asyncio.create_task(
            self._respond(call) if earlier is None else _again(call, earlier),
            name=f"antiphon-tool-{call.name}",
        )
        self._keep(call, task, size_bytes)
        if call_id := known_id(call.id):
            self._results[call_id] = (_wish(call), task if earlier is None else earlier)
            if len(self._results) > _REMEMBERED_RESULTS:
                self._results.popitem(last=False)
        return task

    def _stream(self, call: FunctionCall, function: FunctionTool, size_bytes: int) -> None:
        """Results go out as they come, so that each waits until the one before has left."""
        for stream in self._flowing:
            if _wish(stream.call) == _wish(call) and self._is_asked_again(stream.call.id):
                task = self._running.pop(stream.call.id)
                self._running[call.id], stream.call = task, call
                return
        stream = _Stream(function, call)
        name = f"antiphon-tool-{call.name}"
        self._keep(call, asyncio.create_task(self._answer_stream(stream), name=name), size_bytes)

    def _keep(self, call: FunctionCall, task: asyncio.Task[Any], size_bytes: int) -> None:
        key = known_id(call.id) or f"{call.name}/{id(task)}"
        self._running[key] = task
        self._open_bytes += size_bytes
        task.add_done_callback(lambda task: self._forget(task, size_bytes))

    def _forget(self, task: asyncio.Task[Any], size_bytes: int) -> None:
        self._open_bytes -= size_bytes
        for key in [key for key, each in self._running.items() if each is task]:
            del self._running[key]

    def _lost_twin(self, call: FunctionCall) -> asyncio.Task[FunctionResponse] | None:
        """The same call as it was made on a connection that broke, if its result is missing."""
        for call_id, (wish, task) in self._results.items():
            comes_again = self._is_asked_again(call_id) or (
                call_id == call.id and self._is_repeated(call_id)
            )
            if comes_again and wish == _wish(call) and not task.cancelled():
                del self._results[call_id]
                return task
        return None

    async def _answer_all(self, tasks: list[asyncio.Task[FunctionResponse]]) -> None:
        done = await asyncio.gather(*tasks, return_exceptions=True)
        # A function may go on though it was cancelled; what it returns is not wanted any more.
        wanted = [each for task, each in zip(tasks, done, strict=True) if not task.cancelling()]
        await self._send([each for each in wanted if isinstance(each, FunctionResponse)])

    async def _answer_stream(self, stream: _Stream) -> None:
        number = 0
        self._flowing.append(stream)
        try:
            async with aclosing(stream_of(stream.function, stream.call.args)) as results:
                async for result in results:
                    number += 1
                    if number > MAX_RESULTS:
                        raise ToolError(
                            f"{stream.call.name} gave more than {MAX_RESULTS:,} results."
                        )
                    response = self._response(stream.call, result)
                    response.will_continue = True
                    await self._send([response])
        except (Exception, asyncio.CancelledError) as error:
            last = self._response(stream.call, in_words(stream.call.name, error))
        else:
            # An empty result ends the call; it is nothing to talk about.
            last = FunctionResponse(id=stream.call.id, name=stream.call.name, scheduling="SILENT")
        finally:
            self._flowing.remove(stream)
        last.will_continue = False
        await self._send([last])

    async def _send(self, responses: list[FunctionResponse]) -> None:
        if not responses:
            return
        try:
            await self._answer(responses)
        except AntiphonError as error:  # the session ended meanwhile: nobody to answer
            logger.info("A tool's answer was not sent: %s", error)

    async def _respond(self, call: FunctionCall) -> FunctionResponse:
        function = self.toolbox.functions.get(call.name)
        try:
            if function is None:
                known = ", ".join(self.toolbox.functions) or "none"
                raise ToolError(f"There is no function {call.name!r}; the functions are: {known}.")
            result = await self._invoker.call(function, call.args)
        except (Exception, asyncio.CancelledError) as error:
            result = in_words(call.name, error)
        return self._response(call, result)

    def _response(self, call: FunctionCall, result: ToolResult) -> FunctionResponse:
        function = self.toolbox.functions.get(call.name)
        scheduling = result.scheduling
        if scheduling is None and function is not None:
            scheduling = function.scheduling
        return FunctionResponse(
            id=call.id,
            name=call.name,
            response=result.output,
            scheduling=None if self.toolbox.is_blocking(call.name) else scheduling,
        )


async def _again(call: FunctionCall, earlier: asyncio.Task[FunctionResponse]) -> FunctionResponse:
    """The answer of the earlier call, to this one."""
    response = await earlier  # and it is cancelled with this one
    return msgspec.structs.replace(response, id=call.id)


def _wish(call: FunctionCall) -> bytes:
    """What is called with what, in a few bytes: arguments may be long."""
    wish = f"{call.name} {json.dumps(call.args, sort_keys=True, default=str)}"
    return hashlib.blake2b(wish.encode(), digest_size=16).digest()
