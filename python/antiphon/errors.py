"""The exceptions of antiphon, in one tree.

::

    AntiphonError
    ├── ConnectError          no connection: refused, unresolved, TLS, timeout
    ├── UnsupportedSetup      not sent: the model is known to refuse it (also a ValueError)
    ├── SetupRejected         connected, but the service refused the setup message
    │   ├── AuthError         … because of the credentials
    │   └── QuotaError        … because of a quota or a rate limit
    ├── SessionClosed         the session is over; sending or waiting is no longer possible
    │   └── ConsumerTooSlow   … because a subscriber left too much unread
    ├── ProtocolViolation     the peer sent what the Live API does not allow
    ├── ToolError             a tool cannot be declared, or failed to run
    ├── AudioFormatError      samples, rates or files of the wrong kind (also a ValueError)
    ├── RecordingError        a recording could not be written (also an OSError)
    └── DeviceError           an audio device failed

Every error says what happened, with the values, and what to do. Every error has ``code`` (the
WebSocket close code, or the HTTP status), ``reason`` (the server's own words), ``cause`` (what that
means) and ``hint`` (what to do about it); they are None and empty where no server said anything.
"""

from __future__ import annotations

__all__ = [
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
]


class AntiphonError(Exception):
    """Base of every error that antiphon raises on purpose.

    Attributes:
        code: The WebSocket close code, or the HTTP status; None if it has nothing to do with one.
        reason: The server's own words.
        cause: What that means, in a word: see `antiphon.wire.CloseCause`.
        hint: What to do about it; the text of the error says it too.
    """

    code: int | None = None
    reason: str = ""
    cause: str = ""
    hint: str = ""


class _Closed(AntiphonError):
    """An error that a closed connection caused: shared shape of the close information."""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        reason: str = "",
        cause: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.cause = cause
        self.hint = hint


class ConnectError(_Closed):
    """No connection to the service: refused, not resolved, TLS failure, or too slow."""


class UnsupportedSetup(AntiphonError, ValueError):
    """The setup was not sent, because the service is known to refuse it for this model.

    Attributes:
        rule: Name of the rule that it breaks; of several the first, all are in the text.
        member: The way to the member of the setup, in the service's own spelling.
        value: What it is.
        model: The id of the model.
        hint: What to do. ``strict=False`` in the configuration sends it all the same.
    """

    # With defaults, because a copy (such as one for another process) begins with the text alone.
    def __init__(
        self,
        message: str,
        *,
        rule: str = "",
        member: str = "",
        value: object = None,
        model: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.rule = rule
        self.member = member
        self.value = value
        self.model = model
        self.hint = hint


class SetupRejected(_Closed):
    """The connection was made, but the service closed it instead of accepting the setup."""


class AuthError(SetupRejected):
    """The service did not accept the credentials, with the connection or with the setup."""


class QuotaError(SetupRejected):
    """The service refused because of a quota or a rate limit, in the same ways."""


class SessionClosed(_Closed):
    """The session has ended; nothing can be sent or received any more."""


class ConsumerTooSlow(SessionClosed):
    """A subscriber of ``receive()`` left more unread than the bounds allow: messages, or bytes."""


class ProtocolViolation(AntiphonError):
    """The peer sent something that the Live API does not allow, such as malformed JSON."""


class ToolError(AntiphonError):
    """A function cannot be declared as a tool, or a tool failed."""


class AudioFormatError(AntiphonError, ValueError):
    """Audio of the wrong kind: dtype, shape, byte count, sample rate, or file format."""


class RecordingError(AntiphonError, OSError):
    """A recording could not be written, or not be read; what was written is kept if possible."""


class DeviceError(AntiphonError):
    """An audio device could not be opened, or failed while running."""
