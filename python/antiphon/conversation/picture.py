"""A conversation as a picture: both voices, turns, interruption, tool call, buffer, latencies."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from antiphon.conversation.timeline import Timeline, TurnTiming
from antiphon.conversation.transcript import Transcript

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_timeline"]

Pcm16 = NDArray[np.int16]

_USER, _MODEL, _CUT, _TOOL, _FILL, _INK = (
    "#2a6f97",
    "#6a4c93",
    "#c1121f",
    "#b56576",
    "#8a9a5b",
    "#33373d",
)
_COLUMNS = 3000
_LETTERS_ACROSS = 215
_LEGEND = "↔  from the end of the user's voice to the first sound of the answer"


def draw_timeline(
    path: str | PathLike[str],
    recording: Pcm16,
    rate_hz: int,
    timeline: Timeline,
    transcript: Transcript,
    *,
    title: str = "",
) -> bool:
    """Draw a conversation as a PNG.

    Args:
        path: Where to; it is overwritten.
        recording: int16, shape (frames, 2): user left, model right.
        rate_hz: Its rate.
        timeline: Of the same conversation.
        transcript: Likewise.
        title: Above it.

    Returns:
        False if matplotlib is not installed (``pip install 'antiphon[plot]'``); nothing is
        drawn then.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    duration_s = len(recording) / rate_hz
    figure = Figure(figsize=(15, 7.6), layout="constrained")
    FigureCanvasAgg(figure)
    user, model, fill = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 4, 1.4]}
    )
    fill.set_xlim(0, duration_s)
    _draw_user(user, recording[:, 0], rate_hz, timeline, transcript)
    _draw_model(model, recording[:, 1], rate_hz, timeline, transcript)
    _draw_fill(fill, timeline)
    for axes in (user, model, fill):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK, labelsize=9)
    fill.set_xlabel("seconds of the conversation, as heard", color=_INK)
    figure.text(0.99, 0.985, _LEGEND, ha="right", va="top", fontsize=8.5, color=_INK)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=_INK, weight="bold")
    figure.savefig(path, dpi=130)
    return True


def _draw_user(
    axes: Axes, pcm: Pcm16, rate_hz: int, timeline: Timeline, transcript: Transcript
) -> None:
    _waveform(axes, pcm, rate_hz, _USER)
    axes.set_ylabel("user", color=_USER, weight="bold")
    for span in timeline.user_speech:
        if span.end_s is not None:
            axes.axvspan(span.start_s, span.end_s, color=_USER, alpha=0.10, lw=0)
    for utterance in transcript:
        if utterance.speaker != "user" or utterance.start_s is None:
            continue
        words = f"“{utterance.text.strip()}”" + ("\n(typed)" if utterance.typed else "")
        _note(axes, utterance.start_s, 1.08, words, _USER)
        if utterance.typed:
            axes.axvline(utterance.start_s, color=_USER, lw=1.2, ls=":")


def _draw_model(
    axes: Axes, pcm: Pcm16, rate_hz: int, timeline: Timeline, transcript: Transcript
) -> None:
    _waveform(axes, pcm, rate_hz, _MODEL)
    axes.set_ylabel("model", color=_MODEL, weight="bold")
    texts = {u.turn: u.text.strip() for u in transcript if u.speaker == "model"}
    for timing in timeline.turns.values():
        _draw_turn(axes, timing, texts.get(timing.turn, ""))
    for interruption in timeline.interruptions:
        axes.axvline(interruption.message_s, color=_CUT, lw=1.4)
        said = (
            f"interrupted: silent {interruption.silence_ms:.0f} ms after the message,\n"
            f"{interruption.heard_ms / 1000:.2f} s of the answer had been heard"
        )
        _note(axes, interruption.message_s, -1.12, said, _CUT, below=True)
    for tool in timeline.tools:
        axes.axvline(tool.at_s, color=_TOOL, lw=1.4, ls="--")
        values = ", ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in tool.arguments.items()
        )
        _note(axes, tool.at_s, -1.12, f"{tool.name}({values})", _TOOL, below=True)


def _draw_turn(axes: Axes, timing: TurnTiming, text: str) -> None:
    sound = timing.sound
    if sound is None or sound.end_s is None:
        return
    axes.axvspan(sound.start_s, sound.end_s, color=_MODEL, alpha=0.10, lw=0)
    shown_s = axes.get_xlim()[1]
    width = max(26, int((sound.end_s - sound.start_s) / shown_s * _LETTERS_ACROSS))
    _note(axes, sound.start_s, 1.08, f"turn {timing.turn}: {_wrapped(text, width)}", _MODEL)
    if timing.latency_ms is not None:
        asked_s = sound.start_s - timing.latency_ms / 1000
        arrow = {"arrowstyle": "<->", "color": _INK, "lw": 1.0, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (asked_s, 0.82), (sound.start_s, 0.82), arrowprops=arrow)
        axes.text(
            (asked_s + sound.start_s) / 2,
            0.86,
            f"{timing.latency_ms:.0f} ms",
            ha="center",
            va="bottom",
            fontsize=8,
            color=_INK,
        )


def _draw_fill(axes: Axes, timeline: Timeline) -> None:
    axes.set_ylabel("waiting", color=_FILL, weight="bold")
    if timeline.buffer_fill:
        at_s, queued_ms = np.array(timeline.buffer_fill).T
        axes.fill_between(at_s, queued_ms / 1000, color=_FILL, alpha=0.45, lw=0)
        axes.plot(at_s, queued_ms / 1000, color=_FILL, lw=1.0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:.0f} s")


def _waveform(axes: Axes, pcm: Pcm16, rate_hz: int, color: str) -> None:
    """The envelope, one column a pixel or so: each shows its lowest and highest sample."""
    column = max(1, len(pcm) // _COLUMNS)
    whole = len(pcm) // column * column
    columns = pcm[:whole].reshape(-1, column).astype(np.float64)
    scale = max(1.0, float(np.max(np.abs(columns), initial=1.0)))
    at_s = (np.arange(len(columns)) + 0.5) * column / rate_hz
    axes.fill_between(
        at_s, columns.min(axis=1) / scale, columns.max(axis=1) / scale, color=color, lw=0
    )
    axes.set_ylim(-1.0, 1.0)
    axes.set_yticks([])


def _note(
    axes: Axes, at_s: float, height: float, text: str, color: str, *, below: bool = False
) -> None:
    longest = max(len(line) for line in text.split("\n"))
    shown_s = axes.get_xlim()[1]
    too_far = at_s + longest / _LETTERS_ACROSS * shown_s > shown_s * 1.01
    axes.text(
        shown_s if too_far else at_s,
        height,
        text,
        color=color,
        fontsize=8.5,
        linespacing=1.25,
        va="top" if below else "bottom",
        ha="right" if too_far else "left",
    )


def _wrapped(text: str, width: int) -> str:
    """As many words as fit above the turn, in three lines at most."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    if len(lines) > 3:
        lines = [*lines[:2], lines[2] + " …"]
    return "\n".join(lines)
