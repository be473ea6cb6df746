"""What can be chosen about the local server; the defaults imitate the recorded service."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["LIVE_MODELS", "Settings"]

#: The Live models that the service has, or had: see `antiphon.wire.profile_of`.
LIVE_MODELS = frozenset(
    {
        "gemini-3.8-live",
        "gemini-3.8-live-extended-thinking",
        "gemini-3.5-flash-live-preview",
        "gemini-3.5-flash-lite-live-preview",
        "gemini-3.1-flash-live-preview",
        "gemini-2.5-flash-native-audio-preview-12-2025",
        "gemini-2.5-flash-native-audio-preview-09-2025",
        "gemini-2.5-flash-native-audio-latest",
        "gemini-2.5-flash-preview-native-audio-dialog",
        "gemini-live-2.5-flash-native-audio",
        "gemini-live-2.5-flash-preview-native-audio-09-2025",
        "gemini-live-2.5-flash",
        "gemini-live-2.5-flash-preview",
        "gemini-2.0-flash-live-001",
        "gemini-2.0-flash-live-preview-04-09",
        "gemini-2.0-flash-exp",
    }
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Choices of the local server.

    Attributes:
        api_key: The only credential that is accepted; None accepts any, and none.
        seed: Of everything that varies: delays, gaps between chunks, ids.
        models: Bare ids of the models that exist.
        as_of: ``guide``: models that the service has retired still answer, in TEXT or AUDIO,
            on every backend, as in the days of the Firebase guide; ``today``: they are refused,
            and so are models of the other backend.
        strict: Refuse names that nobody knows, as the service does; False: ignore them.
        reply_delay_s: The shortest and the longest time from the end of an input to the first
            message of its answer (synthesis and recognition come on top).
        speed: How many times faster than real time audio is sent, at least and at most.
        empty_frames: Send ``{}`` before the messages of an answer, as recorded from 3.8: it is
            not known whether they were empty at the source. Two official clients (Swift, Dart)
            fail on them, so they are not sent unless wanted.
        first_chunk_ms: Duration of the first piece of audio of an answer, and
        next_chunk_ms: of every other one.
        even_gaps: Chunks leave in even gaps instead of in bursts.
        connection_limit_s: Close the connection after this time; None: never. The service's
            is about ten minutes.
        go_away_lead_s: ``goAway`` is sent this long before that.
        session_limit_s: End a session that does not ask for compression after this time, all
            its connections together; None: never. The service's is 15 minutes.
        video_session_limit_s: The same for one that has sent images. The service's: 2 minutes.
        context_tokens: Size of the context window; None: the model's own.
        handle_lifetime_s: A resumption handle is good for so long.
        max_sessions: So many at the same time; more are refused. None: any number.
        tokens_per_minute: Of all sessions together; then turns are refused. None: any number.
        usage: What the prompt counts of ``usageMetadata`` are of: the whole ``context``, as the
            service's, or what was new in the ``turn``.
        max_utterance_s: Longer speech is taken as ended.
        max_pcm_bytes: Spoken PCM that a session's records keep; the oldest turns lose theirs.

    Raises:
        ValueError: A range that is none, or a chunk of no duration.
    """

    api_key: str | None = field(default=None, repr=False)
    seed: int = 0
    models: frozenset[str] = LIVE_MODELS
    as_of: Literal["guide", "today"] = "guide"
    strict: bool = True
    reply_delay_s: tuple[float, float] = (0.25, 0.45)
    speed: tuple[float, float] = (3.5, 6.0)
    empty_frames: bool = False
    first_chunk_ms: int = 200
    next_chunk_ms: int = 240
    even_gaps: bool = False
    connection_limit_s: float | None = 600.0
    go_away_lead_s: float = 60.0
    session_limit_s: float | None = 900.0
    video_session_limit_s: float | None = 120.0
    context_tokens: int | None = None
    handle_lifetime_s: float = 7_200.0
    max_sessions: int | None = None
    tokens_per_minute: int | None = None
    usage: Literal["context", "turn"] = "context"
    max_utterance_s: float = 60.0
    max_pcm_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in ("reply_delay_s", "speed"):
            least, most = getattr(self, name)
            if not 0 <= least <= most < math.inf or (name == "speed" and not least):
                raise ValueError(
                    f"{name} is {(least, most)}; it must be the least and the most, not below 0"
                    + (", and a speed of 0 sends nothing." if name == "speed" else ".")
                )
        for name in ("first_chunk_ms", "next_chunk_ms"):
            if (chunk_ms := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {chunk_ms}; a chunk is 1 ms or longer.")
