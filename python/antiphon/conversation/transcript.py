"""Who said what: the utterances of both sides, put together from the pieces that arrive."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Transcript", "Utterance"]


@dataclass
class Utterance:
    """What one side said in one turn.

    Attributes:
        speaker: ``user`` or ``model``.
        turn: Number of the model's turn; for the user, of the turn that answers.
        text: The words, as the service wrote them.
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
    """The conversation in words; iterate over it for its utterances, in the order of the talk."""

    def __init__(self) -> None:
        self._utterances: list[Utterance] = []

    def __iter__(self) -> Any:
        return iter(self._utterances)

    def __len__(self) -> int:
        return len(self._utterances)

    def user(self, turn: int, *, typed: bool = False) -> Utterance:
        """The user's utterance that ``turn`` answers; made at the first call."""
        return self._find("user", turn, typed=typed)

    def model(self, turn: int) -> Utterance:
        """The model's utterance of ``turn``; made at the first call."""
        return self._find("model", turn, typed=False)

    def _find(self, speaker: Literal["user", "model"], turn: int, *, typed: bool) -> Utterance:
        for utterance in reversed(self._utterances):
            if (utterance.speaker, utterance.turn, utterance.typed) == (speaker, turn, typed):
                return utterance
        utterance = Utterance(speaker, turn, typed=typed)
        # A transcription of the user may come after the answer's first words.
        place = len(self._utterances)
        if speaker == "user":
            while place and self._utterances[place - 1].turn >= turn:
                if self._utterances[place - 1].speaker == "user":
                    break
                place -= 1
        self._utterances.insert(place, utterance)
        return utterance

    def to_json(self) -> str:
        """The utterances as a JSON array of objects with the fields of `Utterance`."""
        return json.dumps([asdict(u) for u in self._utterances], indent=2, ensure_ascii=False)

    def to_text(self) -> str:
        """For reading: one paragraph an utterance, with times, and what was heard of it."""
        return "\n".join(_as_text(u) for u in self._utterances) + "\n"


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
