"""Calls a function as the model asks: checked arguments, limited time, a result that is JSON."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from antiphon.errors import ToolError
from antiphon.session.daemon_threads import DaemonThreads
from antiphon.session.tools import FunctionTool, ToolResult

__all__ = ["MAX_RESULTS", "Invoker", "in_words", "stream_of"]

logger = logging.getLogger("antiphon.tools")

#: Of one stream.
MAX_RESULTS = 1000
_MAX_THREADS = 8


class Invoker:
    """Calls functions on the loop, or in up to 8 threads of its own."""

    def __init__(self) -> None:
        self._threads: DaemonThreads | None = None
        self._free_threads = asyncio.Semaphore(_MAX_THREADS)

    async def call(self, function: FunctionTool, args: dict[str, Any]) -> ToolResult:
        """Call a function; of a stream, the last 1,000 results are one.

        Raises:
            ToolError: Wrong arguments, not in time, or a result that JSON cannot say.
            Exception: What the function raised.
        """
        values = function.check(args)
        async with _limit(function):
            if function.is_async or function.is_stream or function.inline:
                result = function.function(**values)
            else:
                result = await self._call_in_thread(function, values)
            if inspect.isawaitable(result):  # a decorator may hide what is asynchronous
                result = await result
        if isinstance(result, AsyncGenerator):
            return await _collect(_results(function, result))
        return _plain(function, result)

    def shut(self) -> None:
        """Begin nothing more; threads that run end with their functions."""
        if self._threads is not None:
            self._threads.shutdown()

    async def _call_in_thread(self, function: FunctionTool, values: dict[str, Any]) -> Any:
        # Not the loop's own threads: a function that hangs there would hold up the loop's end.
        if self._threads is None:
            self._threads = DaemonThreads(_MAX_THREADS, "antiphon-tool")
        # A call that was not in time must not wait there for threads whose functions hang.
        await self._free_threads.acquire()
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()

        def call() -> Any:
            try:
                return context.run(function.function, **values)
            finally:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._free_threads.release)

        running = loop.run_in_executor(self._threads, call)
        try:
            # What was submitted is run, and frees its thread.
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(_drop)
            raise


def stream_of(function: FunctionTool, args: dict[str, Any]) -> AsyncGenerator[ToolResult]:
    """The results of a stream as they come. Raises as `Invoker.call` does."""
    return _results(function, function.function(**function.check(args)))


async def _results(
    function: FunctionTool, given: AsyncGenerator[Any]
) -> AsyncGenerator[ToolResult]:
    async with aclosing(given) as results:
        while True:
            try:
                async with _limit(function):
                    result = await anext(results)
            except StopAsyncIteration:
                return
            yield _plain(function, result)


async def _collect(stream: AsyncGenerator[ToolResult]) -> ToolResult:
    """The last results of a stream as one."""
    outputs: deque[Any] = deque(maxlen=MAX_RESULTS)
    async with aclosing(stream) as results:
        async for result in results:
            outputs.append(result.output["output"])
    return ToolResult({"output": list(outputs)})


def _drop(done: asyncio.Future[Any]) -> None:
    """Nobody waits for a call that was given up, and what it comes to is no news."""
    if done.cancelled() or done.exception():
        return
    if inspect.iscoroutine(result := done.result()):
        result.close()


def in_words(name: str, error: Exception | asyncio.CancelledError) -> ToolResult:
    """What a function failed with, in words for the model; the traceback is for us.

    Raises:
        CancelledError: It has not failed: the task that called it was cancelled.
    """
    error = _failure(error)
    if isinstance(error, ToolError):
        logger.warning("Tool call refused: %s", error)
        return ToolResult({"error": str(error)})
    logger.error("The tool %s failed", name, exc_info=error)
    try:
        words = str(error).encode(errors="replace").decode()  # the name of a file may be no text
    except Exception:
        words = "an error that cannot be told"
    return ToolResult({"error": f"{type(error).__name__}: {words}"})


def _failure(error: Exception | asyncio.CancelledError) -> Exception:
    """What a function failed with; cancelled is only who was cancelled from outside.

    Raises:
        CancelledError: That is the case.
    """
    if not isinstance(error, asyncio.CancelledError):
        return error
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise error
    return ToolError("Something that the function waited for was cancelled.")


@asynccontextmanager
async def _limit(function: FunctionTool) -> AsyncIterator[None]:
    """The time limit of a function; a `TimeoutError` of its own is left alone."""
    try:
        async with asyncio.timeout(function.timeout_s) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ToolError(f"{function.name} took longer than {function.timeout_s:g} s.") from error


def _plain(function: FunctionTool, result: Any) -> ToolResult:
    """A result as JSON values."""
    given = result if isinstance(result, ToolResult) else ToolResult(result)
    try:
        output = msgspec.json.decode(msgspec.json.encode(given.output))
        return ToolResult({"output": output}, given.scheduling)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ToolError(
            f"{function.name} returned a {type(given.output).__name__}, which JSON cannot say."
        ) from error
