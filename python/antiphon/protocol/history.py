"""What was said, as text: for a session that does not remember it.

Kept within bounds; the oldest is given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from antiphon.protocol.message import LiveServerMessage
from antiphon.wire import Content, Part

__all__ = ["History"]

_MAX_CHARACTERS = 32_000
_MAX_CONTENTS = 500


class History:
    """Turns of both sides, by what was typed and what was transcribed.

    Two marks lie in it: up to where a resumption handle remembers, and up to where questions
    were answered. What is typed belongs to the answer that begins after it, however many end
    before. Of what was said nobody can tell that: the service transcribes a question also after
    its answer has begun, so that words of the user count as answered by the turn they come in.
    """

    def __init__(self) -> None:
        self._turns: list[Content] = []
        self._characters = 0
        self._remembered = 0
        self._answered = 0
        # Typed since the last answer began, and how much of it a handle remembers.
        self._typed: deque[tuple[str, str]] = deque()
        self._typed_characters = 0
        self._typed_remembered = 0

    def unremembered(self, *, with_handle: bool) -> list[Content]:
        """What was said and answered, and is new to a session with or without the handle."""
        first = self._remembered if with_handle else 0
        return self._turns[first : self._answered]

    def mark_remembered(self) -> None:
        """A handle came: it remembers all this."""
        self._remembered = len(self._turns)
        self._typed_remembered = len(self._typed)

    def mark_question(self) -> None:
        """An answer begins: it is to all that was typed so far."""
        remembers_all = self._remembered == len(self._turns)
        for number, (role, text) in enumerate(self._typed, 1):
            self._add(role, text)
            if remembers_all and number <= self._typed_remembered:
                self._remembered = len(self._turns)
        self._typed.clear()
        self._typed_characters = self._typed_remembered = 0

    def mark_answered(self) -> None:
        """A turn of the model is complete."""
        self._answered = len(self._turns)

    def typed(self, turns: Sequence[Content]) -> None:
        """The application sent content."""
        for turn in turns:
            if text := "".join(part.text or "" for part in turn.parts)[-_MAX_CHARACTERS:]:
                self._typed.append((turn.role or "user", text))
                self._typed_characters += len(text)
        while self._typed_characters > _MAX_CHARACTERS:
            self._typed_characters -= len(self._typed.popleft()[1])
            self._typed_remembered = max(0, self._typed_remembered - 1)

    def take(self, message: LiveServerMessage) -> None:
        """The service sent something."""
        self._add("user", message.input_transcription or "")
        self._add("model", message.text or message.output_transcription or "")

    def _add(self, role: str, text: str) -> None:
        if not text or role not in ("user", "model"):
            return
        self._characters += len(text)
        at_mark = len(self._turns) in (self._remembered, self._answered)
        if self._turns and self._turns[-1].role == role and not at_mark:
            part = self._turns[-1].parts[0]
            part.text = f"{part.text}{text}"
        else:
            self._turns.append(Content(role=role, parts=[Part(text=text)]))
        while len(self._turns) > _MAX_CONTENTS or (
            self._characters > _MAX_CHARACTERS and len(self._turns) > 1
        ):
            dropped = self._turns.pop(0)
            self._characters -= len(dropped.parts[0].text or "")
            self._remembered = max(0, self._remembered - 1)
            self._answered = max(0, self._answered - 1)
        if (over := self._characters - _MAX_CHARACTERS) > 0:
            part = self._turns[0].parts[0]
            part.text = (part.text or "")[over:]
            self._characters -= over
