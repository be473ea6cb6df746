"""What was said, as text: for a session that does not remember it.

Kept within bounds; the oldest is given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from antiphon.protocol.message import LiveServerMessage
from antiphon.wire import Content, Part

__all__ = ["History", "Words", "words_of"]

_MAX_CHARACTERS = 32_000
_MAX_CONTENTS = 500

#: Who says it, and what.
Words: TypeAlias = tuple[str, str]


def words_of(turns: Sequence[Content]) -> list[Words]:
    """What is said in contents, as far as it is remembered."""
    said = ((turn.role, "".join(part.text or "" for part in turn.parts)) for turn in turns)
    return [(role or "user", text[-_MAX_CHARACTERS:]) for role, text in said if text]


@dataclass(slots=True)
class _Said:
    role: str
    text: str
    typed: bool = False
    """The application sent it; all else was heard."""
    remembered: bool = False
    """Whoever has the last handle knows it."""


class History:
    """Turns of both sides, by what was typed and what was transcribed.

    A mark lies in it: up to where questions were answered. What is typed belongs to the answer
    that begins after it, however many end before. Of what was said nobody can tell that: the
    service transcribes a question also after its answer has begun, so that words of the user
    count as answered by the turn they come in.
    """

    def __init__(self) -> None:
        self._turns: list[_Said] = []
        self._characters = 0
        self._answered = 0
        # Typed since the last answer began.
        self._typed: deque[_Said] = deque()
        self._typed_characters = 0
        # What was typed of the question that is typed again, and where it stood.
        self._withdrawn: list[tuple[int, _Said]] = []

    def unremembered(self, *, with_handle: bool) -> list[Content]:
        """What was said and answered, and is new to a session with or without the handle."""
        return [
            Content(role=said.role, parts=[Part(text=said.text)])
            for said in self._turns[: self._answered]
            if not (with_handle and said.remembered)
        ]

    def mark_remembered(self, remembered: bool = True) -> None:
        """A handle came: it remembers all this. Or a new session began: none of its will."""
        for said in (*self._turns, *self._typed):
            said.remembered = remembered

    def mark_question(self) -> None:
        """An answer begins: it is to all that was typed so far."""
        self._withdrawn.clear()
        for said in self._typed:
            self._add(said)
        self._typed.clear()
        self._typed_characters = 0

    def mark_answered(self) -> None:
        """A turn of the model is complete."""
        self._answered = len(self._turns)

    def typed(self, words: Iterable[Words], *, remembered: bool = False) -> None:
        """The connection was given what the application says.

        Args:
            words: What that is.
            remembered: Whoever has the last handle knows it.
        """
        for role, text in words:
            self._typed.append(_Said(role, text, True, remembered))
            self._typed_characters += len(text)
        while self._typed_characters > _MAX_CHARACTERS:
            self._typed_characters -= len(self._typed.popleft().text)

    def forget_question(self) -> None:
        """What was typed and is not answered will be typed again."""
        self._typed.clear()
        self._typed_characters = 0
        asked, self._turns[self._answered :] = self._turns[self._answered :], []
        typed = [(at, said) for at, said in enumerate(asked) if said.typed]
        self._withdrawn = typed or self._withdrawn
        for said in asked:
            if said.typed:
                self._characters -= len(said.text)
            else:
                self._turns.append(said)

    def keep_question(self) -> None:
        """… but it is not typed again: it was answered, as far as the answer came."""
        for at, said in self._withdrawn:
            self._turns.insert(self._answered + at, said)
            self._characters += len(said.text)
        self._withdrawn.clear()
        self.mark_answered()

    def take(self, message: LiveServerMessage) -> None:
        """The service sent something."""
        self._add(_Said("user", message.input_transcription or ""))
        self._add(_Said("model", message.text or message.output_transcription or ""))

    def _add(self, said: _Said) -> None:
        if not said.text or said.role not in ("user", "model"):
            return
        self._characters += len(said.text)
        last = self._turns[-1] if len(self._turns) > self._answered else None
        if last is not None and _is_alike(last, said):
            last.text += said.text
        else:
            self._turns.append(said)
        while len(self._turns) > _MAX_CONTENTS or (
            self._characters > _MAX_CHARACTERS and len(self._turns) > 1
        ):
            self._characters -= len(self._turns.pop(0).text)
            self._answered = max(0, self._answered - 1)
        if (over := self._characters - _MAX_CHARACTERS) > 0:
            self._turns[0].text = self._turns[0].text[over:]
            self._characters -= over


def _is_alike(last: _Said, said: _Said) -> bool:
    return (last.role, last.typed, last.remembered) == (said.role, said.typed, said.remembered)
