"""Who said what: the utterances of both sides, put together from the pieces that arrive."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["KEPT_TURNS", "Transcript", "Utterance"]

#: How many turns are remembered if nobody says otherwise: some hours of talk, a few megabytes.
KEPT_TURNS = 2_000
# Two hours of speech in one turn, and some days in all.
_MAX_UTTERANCE_CHARACTERS = 100_000
_MAX_CHARACTERS = 4_000_000


@dataclass
class Utterance:
    """What one side said in one turn.

    Attributes:
        speaker: ``user`` or ``model``.
        turn: Number of the model's turn; for the user, of the turn that answers.
        text: The words, as the service wrote them; the first 100,000 characters.
        start_s, end_s: When it was spoken, in seconds after the device's start; None if unknown.
        typed: The words were sent as text.
        interrupted: The user spoke into it.
        heard_ms: How much of it was played; None while it plays, or for the user.
        heard_text: The words up to there if it was interrupted: an estimate.
    """

    speaker: Literal["user", "model"]
    turn: int
    text: str = ""
    start_s: float | None = None
    end_s: float | None = None
    typed: bool = False
    interrupted: bool = False
    heard_ms: float | None = None
    heard_text: str | None = None


class Transcript:
    """The conversation in words; iterate over it for its utterances, in the order of the talk.

    A conversation may go on for days: the oldest utterances are forgotten. Who wants all of it
    follows the events, `UserTranscript` and `ModelTranscript`.

    Args:
        keep_turns: The utterances of so many turns before the last are kept, and 4,000,000
            characters in all.

    Attributes:
        forgotten: How many utterances were given up.
    """

    def __init__(self, keep_turns: int = KEPT_TURNS) -> None:
        self.forgotten = 0
        self._keep_turns = keep_turns
        self._utterances: list[Utterance] = []
        self._characters = 0

    def __iter__(self) -> Any:
        return iter(tuple(self._utterances))

    def __len__(self) -> int:
        return len(self._utterances)

    def user(self, turn: int, *, typed: bool = False) -> Utterance:
        """The user's utterance that ``turn`` answers; made at the first call."""
        return self._find("user", turn, typed=typed)

    def model(self, turn: int) -> Utterance:
        """The model's utterance of ``turn``; made at the first call."""
        return self._find("model", turn, typed=False)

    def add(self, utterance: Utterance, words: str) -> None:
        """More words of an utterance."""
        before = len(utterance.text)
        utterance.text += words[: max(0, _MAX_UTTERANCE_CHARACTERS - before)]
        self._characters += len(utterance.text) - before
        while self._characters > _MAX_CHARACTERS and self._utterances[0] is not utterance:
            self._forget_oldest()

    def _find(self, speaker: Literal["user", "model"], turn: int, *, typed: bool) -> Utterance:
        for utterance in reversed(self._utterances):
            if (utterance.speaker, utterance.turn, utterance.typed) == (speaker, turn, typed):
                return utterance
            if utterance.turn < turn:
                break
        utterance = Utterance(speaker, turn, typed=typed)
        place = len(self._utterances)
        while place and self._utterances[place - 1].turn > turn:
            place -= 1
        # A transcription of the user may come after the answer's first words.
        if speaker == "user":
            while place and self._utterances[place - 1].turn == turn:
                if self._utterances[place - 1].speaker == "user":
                    break
                place -= 1
        self._utterances.insert(place, utterance)
        while self._utterances[0].turn < self._utterances[-1].turn - self._keep_turns:
            self._forget_oldest()
        return utterance

    def _forget_oldest(self) -> None:
        self._characters -= len(self._utterances.pop(0).text)
        self.forgotten += 1

    def to_json(self) -> str:
        """The utterances as a JSON array of objects with the fields of `Utterance`."""
        return json.dumps([asdict(u) for u in self._utterances], indent=2, ensure_ascii=False)

    def to_text(self) -> str:
        """For reading: one paragraph an utterance, with times, and what was heard of it."""
        lines = [_as_text(u) for u in self._utterances]
        if self.forgotten:
            lines.insert(0, f"[{self.forgotten:,} earlier utterances are not kept]")
        return "\n".join(lines) + "\n"


def _as_text(utterance: Utterance) -> str:
    when = "  --:--.-" if utterance.start_s is None else _clock(utterance.start_s)
    who = "You" if utterance.speaker == "user" else "Model"
    line = f"{when}  {who + ('  (typed)' if utterance.typed else '')}: {utterance.text.strip()}"
    if not utterance.text.strip():
        line += "(no words)"
    if utterance.interrupted:
        heard_s = (utterance.heard_ms or 0.0) / 1000
        line += (
            f"\n{'':9}  [interrupted: {heard_s:.2f} s of it heard, about up to "
            f'"{utterance.heard_text or ""}"]'
        )
    return line


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):4d}:{rest:04.1f}"
