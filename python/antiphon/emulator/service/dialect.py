"""How the families and models differ in the shape of what they send."""

from __future__ import annotations

import random
import re
import uuid
from dataclasses import dataclass
from typing import Any

from antiphon.emulator.service.request import Request
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
        empty_first: An empty ``serverContent`` precedes the first content of a turn, and what
            follows a tool's result (3.x).
        phrase_transcription: Input transcription comes as one phrase, not word by word.
        thinks: Thoughts precede an answer if the setup does not say otherwise.
        shows_thoughts: They are sent, as text parts of their own kind (2.5 native audio).
        shows_code: A tool call is preceded by the code that makes it.
        ends_turn_with_call: A turn ends with its tool call, and the result begins another one
            (Vertex); else the turn waits.
        answers_any_result: Tool results that nobody asked for are answered too (Vertex).
        handle_after_result: A resumption handle follows a tool's result, unasked (3.1).
        empty_frames: ``{}`` was recorded before each audio message (3.8); see `Settings`.
        writes: The model makes text, which is spoken then: its tokens are text (half-cascade).
        call_ids: ``digits``, ``fc`` or ``uuid``.
        profile: What the model accepts.
    """

    vertex: bool
    role: bool
    bundles: bool
    empty_first: bool
    phrase_transcription: bool
    thinks: bool
    shows_thoughts: bool
    shows_code: bool
    ends_turn_with_call: bool
    answers_any_result: bool
    handle_after_result: bool
    empty_frames: bool
    writes: bool
    call_ids: str
    profile: ModelProfile

    def call_id(self, rng: random.Random) -> str:
        """A new id for a function call."""
        if self.call_ids == "uuid":
            return random_uuid(rng)
        digits = rng.randrange(10**18, 10**19)
        return f"fc_{digits}" if self.call_ids == "fc" else f"function-call-{digits}"

    def input_pieces(self, text: str) -> list[str]:
        """The transcription of an utterance as it is sent; nothing of nothing."""
        if self.phrase_transcription:
            return [text] if text else []
        # Word by word, each with the space before it; commas by themselves.
        return re.findall(r" [^ ,]*|,[^ ,]*", f" {' '.join(text.split())}") if text else []

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
    native_2_5 = not (generation_3 or profile.text_output or request.is_vertex)
    return Dialect(
        vertex=request.is_vertex,
        role=request.is_vertex or profile.unasked_notices,
        bundles=generation_3 and not request.is_vertex,
        empty_first=generation_3,
        phrase_transcription=generation_3 or request.is_vertex,
        thinks=native_2_5 or profile.unasked_notices,
        shows_thoughts=native_2_5,
        shows_code=profile.text_output and not request.is_vertex,
        ends_turn_with_call=request.is_vertex,
        answers_any_result=request.is_vertex,
        handle_after_result=bare.startswith("gemini-3.1-"),
        empty_frames=profile.unasked_notices,
        writes=profile.text_output,
        call_ids="uuid" if request.is_vertex else "fc" if generation_3 else "digits",
        profile=profile,
    )


def random_uuid(rng: random.Random) -> str:
    """A UUID from seeded randomness."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
