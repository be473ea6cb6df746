"""Token counts, in one vocabulary for all backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from antiphon.wire import ModalityTokens, UsageMetadata

__all__ = ["Usage"]

# The service has five; a sum over what a peer makes up must not grow for ever.
_MAX_MODALITIES = 32
_MAX_NAME_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one report of the service, or the sum of several.

    Each report covers one turn. `LiveSession.usage` is the total since the start of the session;
    what came between two looks at it is ``later.since(earlier)``. The maps are by modality:
    ``TEXT``, ``AUDIO``, ``IMAGE``, ``VIDEO`` and ``DOCUMENT``, where the service said so.

    Attributes:
        reports: How many reports came.
        prompt_tokens: What went in: the whole context, at every turn anew.
        response_tokens: What came out (Vertex calls it candidates).
        cached_tokens: Of the prompt, what was not computed anew.
        tool_use_tokens: What tools of the service brought into the prompt.
        thoughts_tokens: What the model thought.
        total_tokens: The totals as reported.
        prompt, response, cached, tool_use: The same by modality.
        last: The last report as it came; None before the first.
    """

    reports: int = 0
    prompt_tokens: int = 0
    response_tokens: int = 0
    cached_tokens: int = 0
    tool_use_tokens: int = 0
    thoughts_tokens: int = 0
    total_tokens: int = 0
    prompt: Mapping[str, int] = field(default_factory=dict)
    response: Mapping[str, int] = field(default_factory=dict)
    cached: Mapping[str, int] = field(default_factory=dict)
    tool_use: Mapping[str, int] = field(default_factory=dict)
    last: UsageMetadata | None = field(default=None, repr=False)

    @classmethod
    def of(cls, report: UsageMetadata) -> Usage:
        """One report."""
        return cls(
            reports=1,
            prompt_tokens=report.prompt_token_count,
            response_tokens=report.response_token_count or report.candidates_token_count,
            cached_tokens=report.cached_content_token_count,
            tool_use_tokens=report.tool_use_prompt_token_count,
            thoughts_tokens=report.thoughts_token_count,
            total_tokens=report.total_token_count,
            prompt=_by_modality(report.prompt_tokens_details),
            response=_by_modality(
                report.response_tokens_details or report.candidates_tokens_details
            ),
            cached=_by_modality(report.cache_tokens_details),
            tool_use=_by_modality(report.tool_use_prompt_tokens_details),
            last=report,
        )

    def plus(self, report: UsageMetadata) -> Usage:
        """With one more report."""
        return self._combined(Usage.of(report), 1, last=report)

    def since(self, earlier: Usage) -> Usage:
        """What was reported after ``earlier``, an older total of the same session."""
        return self._combined(earlier, -1, last=self.last)

    def _combined(self, other: Usage, sign: int, *, last: UsageMetadata | None) -> Usage:
        return Usage(
            reports=self.reports + sign * other.reports,
            prompt_tokens=self.prompt_tokens + sign * other.prompt_tokens,
            response_tokens=self.response_tokens + sign * other.response_tokens,
            cached_tokens=self.cached_tokens + sign * other.cached_tokens,
            tool_use_tokens=self.tool_use_tokens + sign * other.tool_use_tokens,
            thoughts_tokens=self.thoughts_tokens + sign * other.thoughts_tokens,
            total_tokens=self.total_tokens + sign * other.total_tokens,
            prompt=_added(self.prompt, other.prompt, sign),
            response=_added(self.response, other.response, sign),
            cached=_added(self.cached, other.cached, sign),
            tool_use=_added(self.tool_use, other.tool_use, sign),
            last=last,
        )


def _by_modality(details: Sequence[ModalityTokens]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for item in details:
        name = item.modality[:_MAX_NAME_CHARACTERS]
        counts[name] = counts.get(name, 0) + item.token_count
    return counts


def _added(ours: Mapping[str, int], theirs: Mapping[str, int], sign: int) -> Mapping[str, int]:
    names = list(dict.fromkeys((*ours, *theirs)))[:_MAX_MODALITIES]
    sums = {name: ours.get(name, 0) + sign * theirs.get(name, 0) for name in names}
    return {name: count for name, count in sums.items() if count}
