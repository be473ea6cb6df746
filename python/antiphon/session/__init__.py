"""The asyncio driver of `antiphon.protocol`: models, sessions, tools, connections.

Read in this order: `model`, `session` (what applications hold), `config`, `tools`; then what is
underneath: `driver`, `outbox`, `subscription`, `reply`, `tool_runner`, `timing`, `websocket`. Time
comes only from ``loop.time()``, bytes only from a `Channel`.
"""

from antiphon.session.config import VAD, VOICES, ClonedVoice, LiveGenerationConfig
from antiphon.session.model import Connecting, LiveModel, connect
from antiphon.session.reply import Reply, TurnStream
from antiphon.session.session import LiveSession
from antiphon.session.subscription import MessageStream
from antiphon.session.tools import FunctionTool, Toolbox, ToolInput, tool
from antiphon.session.websocket import WebSocketConnector

__all__ = [
    "VAD",
    "VOICES",
    "ClonedVoice",
    "Connecting",
    "FunctionTool",
    "LiveGenerationConfig",
    "LiveModel",
    "LiveSession",
    "MessageStream",
    "Reply",
    "ToolInput",
    "Toolbox",
    "TurnStream",
    "WebSocketConnector",
    "connect",
    "tool",
]
