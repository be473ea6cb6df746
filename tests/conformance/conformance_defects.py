"""Where a client itself is at fault. What it does instead is asserted, so that this list shrinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance_run import Outcome


@dataclass(frozen=True)
class Defect:
    """A client's own defect.

    Attributes:
        reason: For the table.
        check: Asserts that it is still there, and that the server did its part.
    """

    reason: str
    check: Callable[[Outcome], None]


#: By the names of client and scenario.
KNOWN_DEFECTS: dict[tuple[str, str], Defect] = {}
