"""What a session knows: what was said, exchange by exchange, and how many tokens that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from antiphon.emulator.service.usage import Tokens
from antiphon.wire import Content

__all__ = ["Context"]

_MAX_CONTENTS = 500
# Images count few tokens and have many bytes.
_MAX_BYTES = 8 * 1024 * 1024
_BYTES_PER_PART = 256


@dataclass
class _Exchange:
    """A turn of the user, and what the model answered."""

    contents: list[tuple[Content, int]] = field(default_factory=list)  # with their bytes
    tokens: Tokens = field(default_factory=Tokens)


@dataclass
class Context:
    """The context of a session; it outlives its connections.

    Attributes:
        began_at: When the first connection was set up.
        notes: The brain's own.
        system: Tokens of the system instruction; they are never given up.
        has_video: Whether an image came: such sessions may not last as long.
        size_bytes: About what the history takes.
    """

    began_at: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)
    system: Tokens = field(default_factory=Tokens)
    has_video: bool = False
    size_bytes: int = 0
    _contents: int = 0
    _exchanges: list[_Exchange] = field(default_factory=list)

    @property
    def history(self) -> list[Content]:
        """What was said, oldest first."""
        return [content for exchange in self._exchanges for content, _ in exchange.contents]

    @property
    def tokens(self) -> Tokens:
        """How much of the context window is used."""
        used = Tokens()
        used.add(self.system)
        for exchange in self._exchanges:
            used.add(exchange.tokens)
        return used

    def remember(self, content: Content) -> None:
        """Append to the history; the oldest words are forgotten beyond 500 turns or 8 MiB."""
        last = self._exchanges[-1].contents if self._exchanges else []
        # Behind a turn of the model, an exchange has none but its.
        answered = bool(last) and last[-1][0].role == "model"
        if not self._exchanges or (answered and content.role != "model"):
            self._exchanges.append(_Exchange())
        size_bytes = len(msgspec.json.encode(content)) + _BYTES_PER_PART * len(content.parts)
        self._exchanges[-1].contents.append((content, size_bytes))
        self._contents += 1
        self.size_bytes += size_bytes
        while self._contents > 1 and (
            self._contents > _MAX_CONTENTS or self.size_bytes > _MAX_BYTES
        ):
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest = self._exchanges[0]
        if oldest.contents:
            self._contents -= 1
            self.size_bytes -= oldest.contents.pop(0)[1]
        if not oldest.contents and len(self._exchanges) > 1:
            # Its tokens stay: only compression gives room in the context.
            self._exchanges[1].tokens.add(oldest.tokens)
            del self._exchanges[0]

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
            given_up = self._exchanges.pop(0).contents
            self._contents -= len(given_up)
            self.size_bytes -= sum(size_bytes for _, size_bytes in given_up)

    def snapshot(self) -> Context:
        """A copy that later turns do not change."""
        copy = Context(self.began_at, dict(self.notes), self.system.copy(), self.has_video)
        copy.size_bytes, copy._contents = self.size_bytes, self._contents
        copy._exchanges = [
            _Exchange(list(exchange.contents), exchange.tokens.copy())
            for exchange in self._exchanges
        ]
        return copy
