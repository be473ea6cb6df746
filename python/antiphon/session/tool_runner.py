"""Runs the functions that the model calls, and answers."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from antiphon.errors import AntiphonError, ToolError
from antiphon.protocol import LiveServerMessage
from antiphon.session.tools import FunctionTool, Toolbox
from antiphon.wire import FunctionCall, FunctionResponse

__all__ = ["ToolRunner"]

logger = logging.getLogger("antiphon.tools")

_REMEMBERED_IDS = 1000


class ToolRunner:
    """Answers tool calls: every call exactly once, unless it is cancelled.

    Calls of functions that the model waits for are answered together, one message per
    ``toolCall``; others each when it is done. A function that fails is answered with
    ``{"error": …}``, in words and without a traceback.

    Args:
        toolbox: The functions.
        answer: Sends responses.
    """

    def __init__(
        self, toolbox: Toolbox, answer: Callable[[Sequence[FunctionResponse]], Awaitable[None]]
    ) -> None:
        self.toolbox = toolbox
        self._answer = answer
        self._running: dict[str, asyncio.Task[FunctionResponse]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._seen: OrderedDict[str, None] = OrderedDict()

    @property
    def behavior(self) -> str:
        """What a declaration without a behavior means for this model."""
        return self.toolbox.model_behavior

    def on_message(self, message: LiveServerMessage) -> None:
        """Start what is called, cancel what is cancelled."""
        if message.tool_call is not None:
            self._start([call for call in message.tool_call.function_calls if self._is_ours(call)])
        if message.tool_call_cancellation is not None:
            for call_id in message.tool_call_cancellation.ids:
                if (task := self._running.get(call_id)) is not None:
                    task.cancel()

    def cancel_all(self) -> None:
        """Whatever runs is not wanted any more."""
        for task in (*self._running.values(), *self._answering):
            task.cancel()

    def _is_ours(self, call: FunctionCall) -> bool:
        if self.toolbox.is_manual(call.name):
            return False
        if not call.id:  # Vertex may leave it out; then a repeated call cannot be told
            return True
        if call.id in self._seen:
            logger.warning("The service repeated the call %s of %s; ignored", call.id, call.name)
            return False
        self._seen[call.id] = None
        if len(self._seen) > _REMEMBERED_IDS:
            self._seen.popitem(last=False)
        return True

    def _start(self, calls: list[FunctionCall]) -> None:
        together = [call for call in calls if self.toolbox.is_blocking(call.name)]
        alone = [[call] for call in calls if not self.toolbox.is_blocking(call.name)]
        for group in ([together] if together else []) + alone:
            tasks = [self._run(call) for call in group]
            answering = asyncio.create_task(self._answer_all(tasks), name="antiphon-tool-answer")
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)

    def _run(self, call: FunctionCall) -> asyncio.Task[FunctionResponse]:
        task = asyncio.create_task(self._respond(call), name=f"antiphon-tool-{call.name}")
        key = call.id or f"{call.name}/{id(task)}"
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))
        return task

    async def _answer_all(self, tasks: list[asyncio.Task[FunctionResponse]]) -> None:
        done = await asyncio.gather(*tasks, return_exceptions=True)
        responses = [result for result in done if isinstance(result, FunctionResponse)]
        if responses:
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
            result = {"output": await _call(function, call.args)}
        except ToolError as error:
            logger.warning("Tool call refused: %s", error)
            result = {"error": str(error)}
        except Exception as error:
            logger.exception("The tool %s failed", call.name)
            result = {"error": f"{type(error).__name__}: {error}"}
        return FunctionResponse(
            id=call.id,
            name=call.name,
            response=result,
            scheduling=function.scheduling if function is not None else None,
        )


async def _call(function: FunctionTool, args: dict[str, Any]) -> Any:
    values = function.check(args)
    try:
        async with asyncio.timeout(function.timeout_s) as limit:
            if function.is_async:
                result = await function.function(**values)
            elif function.inline:
                result = function.function(**values)
            else:
                result = await asyncio.to_thread(function.function, **values)
    except TimeoutError as error:
        if not limit.expired():
            raise  # the function's own
        raise ToolError(f"{function.name} took longer than {function.timeout_s:g} s.") from error
    try:
        return msgspec.to_builtins(result)
    except (TypeError, ValueError) as error:
        raise ToolError(
            f"{function.name} returned a {type(result).__name__}, which JSON cannot say."
        ) from error
