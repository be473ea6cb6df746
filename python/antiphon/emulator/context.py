"""What a session knows: what was said, exchange by exchange, and how many tokens that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from antiphon.emulator.usage import Tokens
from antiphon.wire import Content

__all__ = ["Context"]

_MAX_CONTENTS = 500
_MAX_BYTES = 8 * 1024 * 1024
_BYTES_PER_PART = 256


@dataclass
class _Exchange:
    """A turn of the user, and what the model answered."""

    contents: list[Content] = field(default_factory=list)
    sizes_bytes: list[int] = field(default_factory=list)
    tokens: Tokens = field(default_factory=Tokens)


@dataclass
class Context:
    """The context of a session; it outlives its connections.

    Attributes:
        began_at: When the first connection was set up.
        notes: The brain's own.
        system: Tokens of the system instruction; they are never given up.
        has_video: Whether an image came: such sessions may not last as long.
    """

    began_at: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)
    system: Tokens = field(default_factory=Tokens)
    has_video: bool = False
    _exchanges: list[_Exchange] = field(default_factory=list)

    @property
    def history(self) -> list[Content]:
        """What was said, oldest first."""
        return [content for exchange in self._exchanges for content in exchange.contents]

    @property
    def tokens(self) -> Tokens:
        """How much of the context window is used."""
        used = Tokens()
        used.add(self.system)
        for exchange in self._exchanges:
            used.add(exchange.tokens)
        return used

    @property
    def size_bytes(self) -> int:
        """About what the history takes."""
        return sum(sum(exchange.sizes_bytes) for exchange in self._exchanges)

    def remember(self, content: Content) -> None:
        """Append to the history; the oldest words are forgotten when there are too many."""
        last = self._exchanges[-1].contents if self._exchanges else []
        answered = any(said.role == "model" for said in last)
        if not self._exchanges or (answered and content.role != "model"):
            self._exchanges.append(_Exchange())
        self._exchanges[-1].contents.append(content)
        self._exchanges[-1].sizes_bytes.append(_size_bytes(content))
        count = sum(len(exchange.contents) for exchange in self._exchanges)
        size_bytes = self.size_bytes
        for exchange in self._exchanges:
            while exchange.contents and (
                count > _MAX_CONTENTS or (size_bytes > _MAX_BYTES and count > 1)
            ):
                del exchange.contents[0]
                count -= 1
                size_bytes -= exchange.sizes_bytes.pop(0)

    def spend(self, tokens: Tokens) -> None:
        """Count tokens of the exchange that goes on."""
        if not self._exchanges:
            self._exchanges.append(_Exchange())
        self._exchanges[-1].tokens.add(tokens)

    def compress(self, target_tokens: int) -> None:
        """Give up the oldest exchanges, so that the rest begins with a turn of the user.

        Source: the sliding window of the Live API's ``contextWindowCompression``.
        """
        while len(self._exchanges) > 1 and self.tokens.total > target_tokens:
            del self._exchanges[0]

    def snapshot(self) -> Context:
        """A copy that later turns do not change."""
        copy = Context(self.began_at, dict(self.notes), self.system.copy(), self.has_video)
        copy._exchanges = [
            _Exchange(list(exchange.contents), list(exchange.sizes_bytes), exchange.tokens.copy())
            for exchange in self._exchanges
        ]
        return copy


def _size_bytes(content: Content) -> int:
    return len(msgspec.json.encode(content)) + _BYTES_PER_PART * len(content.parts)
