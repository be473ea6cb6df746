"""How the families and models differ in the shape of what they send."""

from __future__ import annotations

import random
import re
import uuid
from dataclasses import dataclass
from typing import Any

from antiphon.emulator.request import Request
from antiphon.wire import ModelProfile, bytes_to_base64, model_id, profile_of

__all__ = ["Dialect", "dialect_of"]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The recorded habits of one model on one backend.

    Attributes:
        vertex: Vertex AI: session ids, ``candidates`` counts, mime types without a rate, the
            whole output transcription before the audio.
        role: ``role: model`` stands in every model turn.
        bundles: Audio and transcription share a message (3.x).
        empty_first: An empty ``serverContent`` precedes the first content of a turn (3.x).
        phrase_transcription: Input transcription comes as one phrase, not word by word.
        shows_code: A tool call is preceded by the code that makes it.
        call_ids: ``digits``, ``fc`` or ``uuid``.
        profile: What the model accepts.
    """

    vertex: bool
    role: bool
    bundles: bool
    empty_first: bool
    phrase_transcription: bool
    shows_code: bool
    call_ids: str
    profile: ModelProfile

    def call_id(self, rng: random.Random) -> str:
        """A new id for a function call."""
        if self.call_ids == "uuid":
            return random_uuid(rng)
        digits = rng.randrange(10**18, 10**19)
        return f"fc_{digits}" if self.call_ids == "fc" else f"function-call-{digits}"

    def model_turn(self, part: dict[str, Any]) -> dict[str, Any]:
        """A model turn of one part."""
        return {"role": "model", "parts": [part]} if self.role else {"parts": [part]}

    def audio(self, pcm: bytes) -> dict[str, Any]:
        """A model turn that holds 24 kHz audio."""
        mime_type = "audio/pcm" if self.vertex else "audio/pcm;rate=24000"
        return self.model_turn(
            {"inlineData": {"mimeType": mime_type, "data": bytes_to_base64(pcm)}}
        )


def dialect_of(request: Request, model: str) -> Dialect:
    """The dialect of a model, by any form of its name, on the backend of a request."""
    bare = model_id(model)
    generation_3 = re.match(r"gemini-3\.", bare) is not None
    profile = profile_of(bare)
    return Dialect(
        vertex=request.is_vertex,
        role=request.is_vertex or profile.unasked_notices,
        bundles=generation_3,
        empty_first=generation_3,
        phrase_transcription=generation_3 or request.is_vertex,
        shows_code=profile.text_output and not request.is_vertex,
        call_ids="uuid" if request.is_vertex else "fc" if generation_3 else "digits",
        profile=profile,
    )


def random_uuid(rng: random.Random) -> str:
    """A UUID from seeded randomness."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
