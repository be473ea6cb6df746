"""antiphon without asyncio, for scripts, notebooks' kernels, worker threads and Locust.

The classes of `antiphon.session` and `antiphon.conversation` under the same names, with the same
methods, arguments and errors::

    from antiphon.sync import connect

    with connect() as session:
        print(session.ask("Hello!", timeout_s=20).text)

It is the same session: every call is carried out on one event loop, on a thread that all sessions
of the process share. It begins when it is first used and ends with the process, or by `close`.
Methods that wait take ``timeout_s``; for ``receive``, ``turns`` and ``events`` it limits the wait
for each message. Ctrl-C cancels the call that waits. Any thread may use any session, but not an
event loop, and not a process that was forked after the session was opened.

Read `portal` for how calls get to the loop. `session` and `conversation` are written by
``tools/write_sync.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antiphon.session import Reply
from antiphon.session.tokens import create_token as create
from antiphon.sync.portal import close, open_portal
from antiphon.sync.session import (
    LiveModel,
    LiveSession,
    MessageStream,
    Subscription,
    TurnStream,
    connect,
)
from antiphon.wire import DEFAULT_MODEL, ContentInput

if TYPE_CHECKING:
    from antiphon.sync.conversation import Conversation

__all__ = [
    "Conversation",
    "LiveModel",
    "LiveSession",
    "MessageStream",
    "Subscription",
    "TurnStream",
    "ask",
    "close",
    "connect",
    "create_token",
]


def create_token(model: LiveModel | None = None, **settings: Any) -> str:
    """Create an ephemeral token of the Gemini API: see `antiphon.create_token`.

    ``settings`` are its keyword arguments.
    """
    asynchronous = None if model is None else model._asynchronous  # noqa: SLF001 - a twin's
    return open_portal().call(lambda: create(asynchronous, **settings))


def ask(content: ContentInput, model: str = DEFAULT_MODEL, **settings: Any) -> Reply:
    """One question and its answer, for scripts without asyncio: connects, asks, closes.

    ``settings`` are the keyword arguments of `connect`.

    Raises:
        RuntimeError: Called from a running event loop; use ``await session.ask(…)`` there.
        AuthError, ConnectError, SetupRejected, SessionClosed: See `LiveModel.connect`.
    """
    with connect(model, **settings) as session:
        return session.ask(content)


def __getattr__(name: str) -> object:
    # Only now: a session needs no sound.
    if name == "Conversation":
        from antiphon.sync.conversation import Conversation

        return Conversation
    raise AttributeError(f"module 'antiphon.sync' has no attribute {name!r}")
