"""The asyncio driver of `antiphon.protocol`: models, sessions, tools, connections.

Read in this order: `model`, `session` (what applications hold), `config`, `tools`, `tokens`; then
what is underneath: `driver`, `outbox`, `user_audio`, `subscription`, `feed`, `reply`,
`tool_runner`, `invocation`, `daemon_threads`, `timing`, `backends`, `proxy`, `websocket`,
`connection`. Time comes only from ``loop.time()``, bytes only from a `Channel`.
"""

from antiphon.protocol import (
    AnswerCut,
    AttemptFailed,
    ConnectionLost,
    GoingAway,
    Moving,
    Resumed,
    SessionEvent,
    UnreadAudioDropped,
    UserAudioDropped,
)
from antiphon.session.config import VAD, VOICES, ClonedVoice, LiveGenerationConfig
from antiphon.session.model import Connecting, LiveModel, connect
from antiphon.session.reply import Reply, TurnStream
from antiphon.session.session import LiveSession
from antiphon.session.subscription import MessageStream
from antiphon.session.tokens import create_token
from antiphon.session.tools import FunctionTool, Toolbox, ToolInput, ToolResult, tool
from antiphon.session.websocket import WebSocketConnector

__all__ = [
    "VAD",
    "VOICES",
    "AnswerCut",
    "AttemptFailed",
    "ClonedVoice",
    "Connecting",
    "ConnectionLost",
    "FunctionTool",
    "GoingAway",
    "LiveGenerationConfig",
    "LiveModel",
    "LiveSession",
    "MessageStream",
    "Moving",
    "Reply",
    "Resumed",
    "SessionEvent",
    "ToolInput",
    "ToolResult",
    "Toolbox",
    "TurnStream",
    "UnreadAudioDropped",
    "UserAudioDropped",
    "WebSocketConnector",
    "connect",
    "create_token",
    "tool",
]
