"""Credentials that have to be fetched: in a thread, and not for ever."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from antiphon.errors import ConnectError
from antiphon.wire import Backend

__all__ = ["resolve"]

_B = TypeVar("_B", bound=Backend)


async def resolve(backend: _B, timeout_s: float) -> _B:
    """The backend with every credential at hand.

    Functions that may block run in a thread, which goes on should they outlast the time.

    Raises:
        AuthError: A credential is missing or was refused.
        ConnectError: Who gives a credential failed, or did not within ``timeout_s``.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await backend.resolve(asyncio.to_thread)
    except TimeoutError:
        raise ConnectError(
            f"Not connected to {backend.label}: no credential within {timeout_s:g} s. Check the "
            "function that gives it, or the network.",
            cause="timeout",
            hint="Check the function that gives the credential.",
        ) from None
