"""Work that the session logic asks for and does not do itself: speaking and recognizing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "Grammar",
    "Job",
    "JobDesk",
    "JobFailed",
    "JobResult",
    "Recognition",
    "Recognize",
    "Speech",
    "Synthesize",
    "Word",
]

SPEECH_HZ = 24_000
HEARING_HZ = 16_000


@dataclass(frozen=True)
class Grammar:
    """What a brain expects to hear.

    Attributes:
        keyphrases: Phrases that show that this is a command, each with the threshold of the
            spotter (1e-50 finds everything, 1 nothing). Only then does the grammar decide.
        jsgf: A JSGF grammar of the commands. A grammar never rejects: anything is forced into
            it, hence the keyphrases.
        lead: Words that a command may begin with, and
        heads: the words that may follow them there. A lead shorter than 0.2 s is not speech
            but the noise of an onset that the grammar had to call something; it is dropped.
    """

    keyphrases: tuple[tuple[str, float], ...]
    jsgf: str
    lead: frozenset[str] = frozenset()
    heads: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Word:
    """A word and its place in the audio, in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Synthesize:
    """Speak ``text`` with one of the service's voices."""

    id: int
    text: str
    voice: str


@dataclass(frozen=True)
class Speech:
    """Result of `Synthesize`: mono int16 at 24,000 Hz; ``words`` is empty if not known."""

    pcm: bytes
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Recognize:
    """Recognize an utterance: mono int16 at 16,000 Hz."""

    id: int
    pcm: bytes = field(repr=False)
    grammar: Grammar | None = None


@dataclass(frozen=True)
class Recognition:
    """Result of `Recognize`.

    Attributes:
        text: The words; empty if none were recognized.
        command: The grammar gave the words, so they can be relied on.
        available: False where no recognizer is installed.
    """

    text: str
    command: bool = False
    available: bool = True


@dataclass(frozen=True)
class JobFailed:
    """Instead of a result: why there is none, in words for the user."""

    reason: str


Job: TypeAlias = Synthesize | Recognize
JobResult: TypeAlias = Speech | Recognition | JobFailed


class JobDesk:
    """Where a session puts its jobs, and the driver fetches them."""

    def __init__(self) -> None:
        self.under_way = 0
        """Jobs that were asked for, and are not done yet: the owner sees to a bound."""
        self._last_id = 0
        self._jobs: list[Job] = []

    def new_id(self) -> int:
        """An id that no other job of this session has."""
        self._last_id += 1
        return self._last_id

    def submit(self, job: Job) -> None:
        """Ask for a job."""
        self.under_way += 1
        self._jobs.append(job)

    def done(self) -> None:
        """A job has ended, whether or not anybody still waits for it."""
        self.under_way -= 1

    def take(self) -> list[Job]:
        """What was asked for since the last call."""
        jobs, self._jobs = self._jobs, []
        return jobs
