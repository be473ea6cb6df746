"""What a model thinks before it answers."""

from __future__ import annotations

__all__ = ["thought_about"]

_MAX_QUOTED = 80


def thought_about(text: str) -> str:
    """A thought in the form of the recorded ones: a headline and a paragraph."""
    quoted = text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}..."
    subject = f'The user says "{quoted}".' if text else "The user said something without words."
    return f"**Considering the Answer**\n\n{subject} I will answer that briefly.\n\n\n"
