"""Write ``docs/phrases.md``, the published table of what the concierge understands.

Run it after a change of the table: ``python tools/write_phrases.py``.
"""

from __future__ import annotations

from pathlib import Path

from antiphon.emulator import PHRASES

PAGE = Path(__file__).parents[1] / "docs" / "phrases.md"

INTRODUCTION = """\
# What to say to the local server

Its default brain, the concierge, follows this table: the first line that fits answers. Typed or
spoken words count alike; case and punctuation do not matter. Without a line that fits, the words
are acknowledged: "You said: …". Sound in which no words are found is a turn as well, and gets an
answer.

Spoken commands (walks and playing cards) are recognized by a grammar, everything else by the free
model of the recognizer, so it may be heard as something else.

The same words in the same state give the same answer. Other brains: [scenarios](scenarios.md).

| about | say, for example | what happens |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    lines = []
    for phrase in PHRASES:
        examples = "<br>".join(f'"{example}"' for example in phrase.examples)
        lines.append(f"| {phrase.name} | {examples} | {phrase.effect} |\n")
    return INTRODUCTION + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
