"""What a close of the service means, and what to do about it.

The service refuses by closing after a successful upgrade, with a code that stands for a family
of gRPC states and a reason cut at 123 bytes. The table below is matched by the reason first,
because the code alone is ambiguous (1008 is a missing model, a policy, or an abort).

Source: the reasons that users of the service published (1007, 1008, 1011 families).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CloseCause", "explain_close"]


class CloseCause(NamedTuple):
    """What a close means."""

    cause: str
    """``auth``, ``quota``, ``model``, ``argument``, ``unavailable``, ``goodbye``, ``lost``,
    ``keepalive``, ``limit``, ``policy`` or ``unknown``."""
    meaning: str
    hint: str
    retry: bool
    """Whether a new connection with the same setup can help."""


# (close code or None, words of the reason in lower case, cause). First match wins.
_BY_REASON: tuple[tuple[int | None, str, CloseCause], ...] = (
    (
        None,
        "api key",
        CloseCause(
            "auth",
            "the API key was not accepted",
            "Check GEMINI_API_KEY, or pass api_key= to the backend.",
            False,
        ),
    ),
    (
        None,
        "unauthenticated",
        CloseCause("auth", "the credentials were not accepted", "Renew the token.", False),
    ),
    (
        None,
        "location is not supported",
        CloseCause("policy", "the service is not offered here", "Use a Vertex region.", False),
    ),
    (
        None,
        "quota",
        CloseCause("quota", "a quota is used up", "Wait, or raise the quota of the project.", True),
    ),
    (
        None,
        "resource_exhausted",
        CloseCause("quota", "a quota is used up", "Wait, or raise the quota of the project.", True),
    ),
    (
        1008,
        "is not found",
        CloseCause(
            "model",
            "the model does not exist here, or is not a Live model",
            "Check the model's name, the API version and the region.",
            False,
        ),
    ),
    (
        1008,
        "publisher model",
        CloseCause(
            "model",
            "the model does not exist in this project and location",
            "Check the model's name and the location.",
            False,
        ),
    ),
    (
        None,
        "response modalities",
        CloseCause(
            "argument",
            "the model does not answer in this modality",
            "Ask for AUDIO; text then comes as output transcription.",
            False,
        ),
    ),
    (
        1008,
        "operation was aborted",
        CloseCause(
            "limit",
            "the session has lasted as long as it may",
            "Ask for context_window_compression.",
            True,
        ),
    ),
    (
        None,
        "keepalive ping timeout",
        CloseCause("keepalive", "the connection was dead or a pong came late", "Reconnect.", True),
    ),
    (
        1008,
        "not implemented",
        CloseCause(
            "argument",
            "the model does not support something that was sent",
            "Check tools, audio during a blocking call, and the model's profile.",
            False,
        ),
    ),
)

_BY_CODE: dict[int, CloseCause] = {
    1000: CloseCause("goodbye", "the service ended the session", "Reconnect to go on.", True),
    1001: CloseCause("goodbye", "the service is going away", "Reconnect to go on.", True),
    1006: CloseCause("lost", "the connection broke without a goodbye", "Reconnect to go on.", True),
    1007: CloseCause(
        "argument",
        "the service did not accept a message",
        "Check the setup and the last message against the model's profile.",
        False,
    ),
    1008: CloseCause("policy", "the service refused", "Read the reason.", False),
    1009: CloseCause("argument", "a message was too large", "Send smaller messages.", True),
    1011: CloseCause("unavailable", "the service failed", "Try again after a pause.", True),
}

_UNKNOWN = CloseCause("unknown", "the connection was closed", "Read the code and the reason.", True)


def explain_close(code: int | None, reason: str) -> CloseCause:
    """The cause of a close with this code and reason."""
    words = reason.lower()
    for only_code, fragment, cause in _BY_REASON:
        if fragment in words and only_code in (None, code):
            return cause
    return _BY_CODE.get(code or 1006, _UNKNOWN)
