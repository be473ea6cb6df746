"""Write ``docs/models.md``, the published table of what the Live models accept.

Run it after a change of the table or of the rules: ``python tools/write_models.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from antiphon.wire import AS_OF, PROFILES, RULES, VOICES, ModelProfile

PAGE = Path(__file__).parents[1] / "docs" / "models.md"

INTRODUCTION = f"""\
# What the Live models accept

As of {AS_OF}. This page is written from the table that `LiveModel` checks setups against
(`antiphon.wire.PROFILES`), so it says what the program knows, and no more.

A setup that the service is known to refuse for its model is not sent: `LiveModel` raises
`UnsupportedSetup`, a `ValueError` that names the rule, the member, its value, the model and the
fix. What is merely not documented is sent, and told in `session.notes`.
`LiveGenerationConfig(strict=False)` sends everything. For a model that is not listed here nothing
is refused but what no Live model takes.

TEXT of a model that only speaks is no refusal: the session asks for AUDIO with its transcription,
delivers the transcription as `message.text`, and says so in `session.notes`.

What all have in common: a session answers in one modality. Sound goes in as 16-bit mono PCM, and
comes out of it at 24 kHz. Video goes in as still images (JPEG, PNG or WebP), about one a second;
each counts 64 tokens in `media_resolution="low"`, 256 otherwise. Without
`context_window_compression` a session ends after some 15 minutes, or 2 with video.

"""

_BACKENDS = {"google": "Gemini API", "vertex": "Vertex AI"}
_THINKING = {
    "budget": "`thinking_budget`; 0 is off",
    "level": "`thinking_level`: {levels}",
    "required": "`thinking_level` is required: {levels}",
    "none": "none of its settings",
    "unknown": "not known",
}
_WHETHER = {
    "yes": "yes",
    "v1alpha": "Vertex AI; the Gemini API in `v1alpha`",
    "no": "no",
    "always": "always on",
    "unknown": "not known",
}


def _served(profile: ModelProfile) -> str:
    if profile.status == "unclear":
        return "not known"
    names = [_BACKENDS[backend] for backend in sorted(profile.backends)]
    where = f" ({', '.join(profile.locations)})" if profile.locations else ""
    return (", ".join(names) or "nowhere any more") + where


def _thinking(profile: ModelProfile) -> str:
    levels = ", ".join(level.lower() for level in profile.thinking_levels)
    return _THINKING[profile.thinking].format(levels=levels)


def _functions(profile: ModelProfile) -> str:
    others = [name for name in profile.tool_behaviors if name != profile.tool_behavior]
    also = f"; {others[0]} if declared" if others else " only"
    return profile.tool_behavior + also


def _tools(profile: ModelProfile) -> str:
    if profile.tools is None:
        return "not known"
    return ", ".join(f"`{kind}`" for kind in profile.tools) or "none, and no instruction"


def _sizes(profile: ModelProfile) -> str:
    output = profile.max_output_tokens
    return f"{profile.context_tokens:,}" + (f"; {output:,} of output" if output else "")


def _voices(profile: ModelProfile) -> str:
    every = profile.voices == VOICES
    return f"all {len(VOICES)}" if every else ", ".join(profile.voices)


_ROWS: tuple[tuple[str, Callable[[ModelProfile], str]], ...] = (
    ("status", lambda profile: profile.status),
    ("served on", _served),
    ("answers in", lambda profile: " or ".join(profile.modalities)),
    ("thinking", _thinking),
    ("functions", _functions),
    ("hears while it waits for one", lambda p: "no" if p.holds_input_in_call else "yes"),
    ("tools", _tools),
    ("content in mid-session", lambda profile: profile.client_content),
    ("`mediaChunks` (deprecated)", lambda profile: "yes" if profile.media_chunks else "no"),
    ("affective dialog", lambda profile: _WHETHER[profile.affective_dialog]),
    ("proactivity", lambda profile: _WHETHER[profile.proactivity]),
    ("translation", lambda profile: "yes, and nothing else" if profile.translates else "no"),
    ("handles and voice activity", lambda p: "unasked" if p.unasked_notices else "on request"),
    ("goes on unasked after `turnComplete`", lambda p: "yes" if p.interaction_status else "no"),
    ("a turn includes", lambda p: f"`{p.turn_coverage}`" if p.turn_coverage else "not known"),
    ("context, tokens", _sizes),
    ("voices", _voices),
    ("source", lambda profile: profile.sources),
)


def page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(map(_section, PROFILES)) + _rules()


def _section(profile: ModelProfile) -> str:
    rows = "".join(f"| {name} | {cell(profile)} |\n" for name, cell in _ROWS)
    models = ", ".join(f"`{model}`" for model in profile.models)
    return f"## {profile.family}\n\n{models}\n\n| | |\n|---|---|\n{rows}\n"


def _rules() -> str:
    lines = ["## The rules\n\n| rule | what happens | of |\n|---|---|---|\n"]
    for rule in RULES:
        what = "refused: `UnsupportedSetup`" if rule.refused else "sent, with a note"
        whose = "the models above" if rule.of_model else "every model"
        lines.append(f"| {rule.name} | {what} | {whose} |\n")
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
