"""Credentials that have to be fetched: in a thread, and not for ever."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from antiphon.errors import AntiphonError, ConnectError
from antiphon.session.daemon_threads import DaemonThreads
from antiphon.wire import Backend

__all__ = ["resolve", "run_blocking"]

_B = TypeVar("_B", bound=Backend)
_T = TypeVar("_T")
_MAX_LEFT = 64
_left: set[Future[Any]] = set()


async def resolve(backend: _B, timeout_s: float) -> _B:
    """The backend with every credential at hand.

    Functions that may block run in a thread of their own.

    Raises:
        AuthError: A credential is missing or was refused.
        ConnectError: Who gives a credential failed, or did not within ``timeout_s``.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await backend.resolve(run_blocking)
    except TimeoutError:
        raise ConnectError(
            f"Not connected to {backend.label}: no credential within {timeout_s:g} s. Check the "
            "function that gives it, or the network.",
            cause="timeout",
            hint="Check the function that gives the credential.",
        ) from None


async def run_blocking(function: Callable[[], _T], /) -> _T:
    """Run a function that asks somebody, where it holds up nothing, even if it never returns.

    Its thread is left if nobody waits any more. In one of the loop's own it would hold up whoever
    needs those, name look-up among them, and the end of the process.

    Raises:
        ConnectError: 64 of them were left, and go on; or no thread can be started.
        Exception: What the function raised.
    """
    if len(_left) >= _MAX_LEFT:
        raise ConnectError(
            f"{len(_left)} functions that give credentials, or requests for tokens, were given up "
            "and have not returned; no other is begun. Give what they wait for a time limit.",
            cause="credential",
            hint="Check the functions that give credentials.",
        )
    threads = DaemonThreads(1, "antiphon-credential")
    try:
        future = threads.submit(contextvars.copy_context().run, function)
    except AntiphonError as error:
        raise ConnectError(str(error), cause="credential") from error
    threads.shutdown()
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        _left.add(future)
        future.add_done_callback(_left.discard)
        raise
