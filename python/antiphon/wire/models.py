"""What each Live model accepts, as far as the client has to know it.

Sources: the model pages of the Live API and frames of the real service, as of 2026-11. Unknown
models get the profile of a current speech model.
"""

from __future__ import annotations

import re

import msgspec

__all__ = ["DEFAULT_MODEL", "VOICES", "ModelProfile", "model_id", "profile_of"]

DEFAULT_MODEL = "gemini-3.8-live"

#: The service's prebuilt voices; names are case-sensitive.
VOICES = (
    "Achernar", "Achird", "Algenib", "Algieba", "Alnilam", "Aoede", "Autonoe", "Callirrhoe",
    "Charon", "Despina", "Enceladus", "Erinome", "Fenrir", "Gacrux", "Iapetus", "Kore",
    "Laomedeia", "Leda", "Orus", "Puck", "Pulcherrima", "Rasalgethi", "Sadachbia", "Sadaltager",
    "Schedar", "Sulafat", "Umbriel", "Vindemiatrix", "Zephyr", "Zubenelgenubi",
)  # fmt: skip


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a model accepts.

    Attributes:
        text_output: Answers with TEXT modality. Speech models do not: their text is the
            output transcription.
        tool_behavior: ``BLOCKING`` or ``NON_BLOCKING``: what a declaration without a behavior
            means.
        unasked_notices: Sends resumption handles and voice activity without being asked.
        context_tokens: Size of the context window.
        interaction_status: Says with ``turnComplete`` whether more will come unasked.
        backends: Where the real service serves it today: ``google`` (the Gemini API) and
            ``vertex``. The models of the Firebase guide's day are served nowhere any more.
    """

    text_output: bool = False
    tool_behavior: str = "BLOCKING"
    unasked_notices: bool = False
    context_tokens: int = 131_072
    interaction_status: bool = False
    backends: frozenset[str] = frozenset({"google"})


_VERTEX = frozenset({"vertex"})
_NOWHERE: frozenset[str] = frozenset()

_PROFILES: tuple[tuple[re.Pattern[str], ModelProfile], ...] = (
    (
        re.compile(r"gemini-3\.8-live-extended-thinking"),
        ModelProfile(tool_behavior="NON_BLOCKING", unasked_notices=True, interaction_status=True),
    ),
    (
        re.compile(r"gemini-3\.8-live"),
        ModelProfile(tool_behavior="NON_BLOCKING", unasked_notices=True),
    ),
    (re.compile(r"gemini-3\.\d+-.*live"), ModelProfile()),
    (re.compile(r"gemini-live-2\.5-flash-native-audio$"), ModelProfile(backends=_VERTEX)),
    (
        re.compile(r"gemini-(live-2\.5-flash|2\.5-flash)-preview-native-audio"),
        ModelProfile(backends=_NOWHERE),
    ),
    (re.compile(r".*native-audio.*"), ModelProfile()),
    # Half-cascade, TEXT or AUDIO: one is left, on Vertex.
    (
        re.compile(r"gemini-live-2\.5-flash$"),
        ModelProfile(text_output=True, context_tokens=32_768, backends=_VERTEX),
    ),
    (
        re.compile(r"gemini-(live-2\.5-flash|2\.0-flash-(live|exp)|2\.5-flash-live)"),
        ModelProfile(text_output=True, context_tokens=32_768, backends=_NOWHERE),
    ),
)


def model_id(name: str) -> str:
    """The bare id of a model: what stands after the last slash of any of its forms."""
    return name.rsplit("/", 1)[-1]


def profile_of(name: str) -> ModelProfile:
    """The profile of a model, by any form of its name."""
    bare = model_id(name)
    for pattern, profile in _PROFILES:
        if pattern.match(bare):
            return profile
    return ModelProfile()
