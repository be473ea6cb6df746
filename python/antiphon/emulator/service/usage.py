"""Token counts, estimated the way the service's documents describe them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["AUDIO_TOKENS_PER_S", "IMAGE_TOKENS", "Tokens", "text_tokens", "usage_metadata"]

AUDIO_TOKENS_PER_S = 25
IMAGE_TOKENS = 258


@dataclass
class Tokens:
    """Tokens by modality."""

    text: int = 0
    audio: int = 0
    image: int = 0

    def add_audio(self, seconds: float) -> None:
        """Count audio."""
        self.audio += math.ceil(seconds * AUDIO_TOKENS_PER_S)

    def copy(self) -> Tokens:
        """A counter of its own."""
        return Tokens(self.text, self.audio, self.image)

    def add(self, other: Tokens) -> None:
        """Count what another counter holds."""
        self.text += other.text
        self.audio += other.audio
        self.image += other.image

    @property
    def total(self) -> int:
        """All modalities."""
        return self.text + self.audio + self.image

    def details(self, *always: str) -> list[dict[str, Any]]:
        """Per modality, as on the wire; without tokens are only those that ``always`` stand."""
        counts = (("TEXT", self.text), ("AUDIO", self.audio), ("IMAGE", self.image))
        return [
            {"modality": name, "tokenCount": count} if count else {"modality": name}
            for name, count in counts
            if count or name in always
        ]


def text_tokens(text: str) -> int:
    """About four characters a token."""
    return math.ceil(len(text) / 4)


def usage_metadata(
    prompt: Tokens, response: Tokens, *, thoughts: int = 0, vertex: bool, spoken: bool
) -> dict[str, Any]:
    """``usageMetadata`` of a finished turn; zeros are left out, as proto3 JSON does.

    Args:
        prompt: The context, with what the user gave.
        response: What the model made.
        thoughts: Tokens of thoughts; no part of the total.
        vertex: The response is called ``candidates``, and that of a ``spoken`` answer lists
            text and audio even where there is none.
        spoken: The answer is speech.
    """
    ours = "candidates" if vertex else "response"
    always = ("TEXT", "AUDIO") if vertex and spoken else ()
    metadata: dict[str, Any] = {
        "promptTokenCount": prompt.total,
        f"{ours}TokenCount": response.total,
        "totalTokenCount": prompt.total + response.total,
        "promptTokensDetails": prompt.details(),
        f"{ours}TokensDetails": response.details(*always),
        "thoughtsTokenCount": thoughts,
    }
    return {name: value for name, value in metadata.items() if value}
