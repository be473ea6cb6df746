"""What a close of the service means, and what to do about it.

The service refuses by closing after a successful upgrade, with a code that stands for a family
of gRPC states and a reason cut at 123 bytes. The table below is matched by the reason first,
because the code alone is ambiguous (1008 is a missing model, a policy, or an abort).

Source: the reasons that users of the service published (1007, 1008, 1011 families).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TOO_LARGE_FOR_US", "CloseCause", "complete_reason", "explain_close"]

#: How the reason of a 1009 begins that is ours: the service would not say so of our messages.
TOO_LARGE_FOR_US = "a message of the service is larger than max_message_bytes"

# A close frame has room for so much of a reason; a character that would not fit whole is left out.
_MAX_REASON_BYTES = 123
_MIN_CUT_BYTES = _MAX_REASON_BYTES - 3
# Fewer characters in common could be those of another sentence.
_MIN_COMMON = 12

# Sentences of the service that are longer than that, {0} is the model. What comes before them in a
# reason may be anything.
_NOT_FOUND = (
    "{{0}} is not found for API version {version}, or is not supported for bidiGenerateContent. "
    "Call ListModels to see the list of available models and their supported methods."
)
_NO_ACCESS = (
    "Publisher Model `{0}` was not found or your project does not have access to it. Please ensure "
    "you are using a valid model version."
)
_LONG_SENTENCES = (
    *(_NOT_FOUND.format(version=version) for version in ("v1", "v1beta", "v1alpha")),
    _NO_ACCESS,
    "': Cannot find field.",
)


class CloseCause(NamedTuple):
    """What a close means."""

    cause: str
    """``auth``, ``quota``, ``model``, ``argument``, ``unavailable``, ``goodbye``, ``lost``,
    ``keepalive``, ``limit``, ``policy`` or ``unknown``."""
    meaning: str
    hint: str
    retry: bool
    """Whether a new connection with the same setup can help."""


_FAILED_PERMISSION = CloseCause(
    "auth",
    "the credentials are not allowed to do this",
    "Check what the key or the account may do, and that the API is enabled in the project.",
    False,
)

# (close code or None, words of the reason in lower case, cause). First match wins.
_BY_REASON: tuple[tuple[int | None, str, CloseCause], ...] = (
    (
        None,
        "api key expired",
        CloseCause(
            "auth",
            "the API key has expired, or the ephemeral token, or its uses are spent",
            "Renew it; create_token says for how long and how often a token can be used.",
            False,
        ),
    ),
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
    (None, "permission_denied", _FAILED_PERMISSION),
    (None, "permission denied", _FAILED_PERMISSION),
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
        1007,
        "cannot find field",
        CloseCause(
            "argument",
            "this version of the API does not know a member of what was sent",
            "Leave out the member that the reason names, or try another api_version= of the "
            "backend.",
            False,
        ),
    ),
    (
        1007,
        "from a non-audio request",
        CloseCause(
            "argument",
            "an answer in TEXT has no voice",
            "Leave out the voice, or ask for AUDIO.",
            False,
        ),
    ),
    (
        1007,
        "media_chunks is deprecated",
        CloseCause(
            "argument",
            "the model does not take mediaChunks",
            "Send audio, video or text by their own methods.",
            False,
        ),
    ),
    (
        1008,
        "entity was not found",
        CloseCause(
            "argument",
            "the service does not know something that was named, such as a function call",
            "Check ids of function calls, resumption handles and the model's name.",
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
    (
        1009,
        TOO_LARGE_FOR_US,
        CloseCause(
            "argument",
            "a message was too large for this side",
            "For larger ones pass WebSocketConnector(max_message_bytes=…).",
            True,
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
    1009: CloseCause(
        "argument",
        "a message was too large for the service",
        "Send smaller images, and long input in several pieces.",
        False,  # it would be sent again
    ),
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


def complete_reason(reason: str, model: str) -> str:
    """A reason without the cut at 123 bytes, if it is known how it goes on; else as it is.

    Args:
        reason: As it came.
        model: What the setup says; a refusal may name it.
    """
    if not _MIN_CUT_BYTES <= len(reason.encode()) <= _MAX_REASON_BYTES:
        return reason
    sentences = [sentence.format(model) for sentence in _LONG_SENTENCES]
    common = max(_common(reason, sentence) for sentence in sentences)
    if common < _MIN_COMMON:
        return reason
    rests = {each[common:] for each in sentences if _common(reason, each) == common}
    return reason + rests.pop() if len(rests) == 1 else reason


def _common(reason: str, sentence: str) -> int:
    """How much of a sentence is at the end of a reason, in characters."""
    sizes = range(min(len(reason), len(sentence)), 0, -1)
    return next((size for size in sizes if reason.endswith(sentence[:size])), 0)
