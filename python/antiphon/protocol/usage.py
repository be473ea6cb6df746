"""Token counts, in one vocabulary for all backends."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.wire import UsageMetadata

__all__ = ["Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens reported so far.

    Each report of the service covers one turn; the sums are over the reports.

    Attributes:
        reports: How many reports came.
        prompt_tokens: Sum of what went in.
        response_tokens: Sum of what came out (Vertex calls it candidates).
        total_tokens: Sum of the reported totals.
        last: The last report, with its details per modality; None before the first.
    """

    reports: int = 0
    prompt_tokens: int = 0
    response_tokens: int = 0
    total_tokens: int = 0
    last: UsageMetadata | None = None

    def plus(self, report: UsageMetadata) -> Usage:
        """With one more report."""
        response = report.response_token_count or report.candidates_token_count
        return Usage(
            reports=self.reports + 1,
            prompt_tokens=self.prompt_tokens + report.prompt_token_count,
            response_tokens=self.response_tokens + response,
            total_tokens=self.total_tokens + report.total_token_count,
            last=report,
        )
