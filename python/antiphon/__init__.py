"""antiphon: live voice conversation with Gemini.

``import antiphon`` is light: every name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from antiphon.conversation import Conversation
    from antiphon.devices import FileDevice
    from antiphon.errors import (
        AntiphonError,
        AudioFormatError,
        AuthError,
        ConnectError,
        ConsumerTooSlow,
        DeviceError,
        ProtocolViolation,
        QuotaError,
        RecordingError,
        SessionClosed,
        SetupRejected,
        ToolError,
        UnsupportedSetup,
    )
    from antiphon.protocol import Continuity, LiveServerMessage
    from antiphon.session import (
        VAD,
        ClonedVoice,
        LiveGenerationConfig,
        LiveModel,
        LiveSession,
        Reply,
        ToolResult,
        WebSocketConnector,
        connect,
        create_token,
        tool,
    )
    from antiphon.sync import ask
    from antiphon.wire import (
        Blob,
        FirebaseAI,
        FunctionDeclaration,
        FunctionResponse,
        GoogleAI,
        VertexAI,
    )

    __version__: str

__all__ = [
    "VAD",
    "AntiphonError",
    "AudioFormatError",
    "AuthError",
    "Blob",
    "ClonedVoice",
    "ConnectError",
    "ConsumerTooSlow",
    "Continuity",
    "Conversation",
    "DeviceError",
    "FileDevice",
    "FirebaseAI",
    "FunctionDeclaration",
    "FunctionResponse",
    "GoogleAI",
    "LiveGenerationConfig",
    "LiveModel",
    "LiveServerMessage",
    "LiveSession",
    "ProtocolViolation",
    "QuotaError",
    "RecordingError",
    "Reply",
    "SessionClosed",
    "SetupRejected",
    "ToolError",
    "ToolResult",
    "UnsupportedSetup",
    "VertexAI",
    "WebSocketConnector",
    "__version__",
    "ask",
    "connect",
    "create_token",
    "tool",
]

#: Where each name lives.
_ROOMS: dict[str, tuple[str, ...]] = {
    "antiphon.conversation": ("Conversation",),
    "antiphon.devices": ("FileDevice",),
    "antiphon.errors": (
        "AntiphonError",
        "AudioFormatError",
        "AuthError",
        "ConnectError",
        "ConsumerTooSlow",
        "DeviceError",
        "ProtocolViolation",
        "QuotaError",
        "RecordingError",
        "SessionClosed",
        "SetupRejected",
        "ToolError",
        "UnsupportedSetup",
    ),
    "antiphon.protocol": ("Continuity", "LiveServerMessage"),
    "antiphon.session": (
        "VAD",
        "ClonedVoice",
        "LiveGenerationConfig",
        "LiveModel",
        "LiveSession",
        "Reply",
        "ToolResult",
        "WebSocketConnector",
        "connect",
        "create_token",
        "tool",
    ),
    "antiphon.sync": ("ask",),
    "antiphon.wire": (
        "Blob",
        "FirebaseAI",
        "FunctionDeclaration",
        "FunctionResponse",
        "GoogleAI",
        "VertexAI",
    ),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            value: object = version("antiphon")
        except PackageNotFoundError:  # running from a source tree that was never installed
            value = "0"
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'antiphon' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
