"""Two pictures of a run: delay against alias rejection, and the edge of the band.

``python -m benches.peers.pictures`` draws those of the last full run again.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from benches.peers.measured import Case, Measured, load
from benches.picture_style import FAINT, prepare
from benches.report import RESULTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, SOXR, OTHERS, NAIVE = "#c2185b", "#1f5fa8", "#5f6b76", "#b07d2b"

# What is drawn near the edge of the band, in this order: colour, width, style.
CURVES: dict[str, tuple[str, float, str]] = {
    "linear per chunk": (NAIVE, 1.4, "-"),
    "PyAV": (OTHERS, 1.4, "-"),
    "soxr VHQ": (SOXR, 1.4, "--"),
    "soxr HQ": (SOXR, 1.6, "-"),
    "antiphon hq": ("#6a1040", 1.8, "-"),
    "antiphon voice_plus": ("#962060", 1.8, "-"),
    "antiphon voice": (OURS, 2.2, "-"),
    "antiphon lowlatency": ("#f06292", 1.6, "--"),
}

# The least delay that a logarithmic axis can show; what has none stands there.
LEAST_MS = 0.1

# Whose label stands below its point, because another point stands to the right.
LABEL_BELOW = {"soxr HQ int16"}


def draw(measured: Measured, folder: Path) -> None:
    """Write both pictures."""
    prepare(9.5)
    _delay_picture(measured, folder / "resample-delay.png")
    _response_picture(measured, folder / "resample-response.png")


def _delay_picture(measured: Measured, path: Path) -> None:
    from matplotlib import pyplot as plt

    case = measured.stream("48→16")
    assert case is not None, "48→16 is always measured"
    figure, axes = plt.subplots(figsize=(8.6, 5.2), dpi=110, layout="constrained")
    axes.set_xscale("log")
    axes.set_xlim(0.075, 330)
    axes.set_ylim(-14, 192)
    axes.grid(color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    for names, at in _points(case):
        ours = names[0].startswith("antiphon")
        stateless = any(case.qualities[name].snr_997_db < 60 for name in names)
        colour = _colour(names[0], stateless=stateless)
        size = 90 if ours else 34
        axes.scatter(*at, s=size, color=colour, edgecolor="white", linewidth=0.8, zorder=3)
        axes.annotate(
            ", ".join(names),
            at,
            xytext=(2, -15) if names[0] in LABEL_BELOW else (7, -3),
            textcoords="offset points",
            color=colour,
            fontsize=10 if ours else 8.5,
            fontweight="bold" if ours else "normal",
        )
    _plain_ticks(axes, [0.1, 0.3, 1, 3, 10, 30, 100])
    axes.set_xticklabels(["≤ 0.1", "0.3", "1", "3", "10", "30", "100"])
    axes.set_xlabel("worst delay in ms, held-back audio included, fed 10 ms at a time")
    axes.set_ylabel("rejection of aliases from Nyquist, dB")
    _title(axes, "Delay against alias rejection, 48 → 16 kHz", "up and to the left is better")
    figure.savefig(path)
    plt.close(figure)


def _points(case: Case) -> list[tuple[list[str], tuple[float, float]]]:
    """Who stands where; who stands in (nearly) one place shares a label."""
    points: list[tuple[list[str], tuple[float, float]]] = []
    for name, quality in case.qualities.items():
        if name.startswith("antiphon") and name.endswith("int16"):
            continue  # the same filters, the same delays
        x, y = max(quality.delay_ms, LEAST_MS), quality.rejection_db
        for names, (other_x, other_y) in points:
            if abs(math.log(x / other_x)) < 0.08 and abs(y - other_y) < 4:
                names.append(name)
                break
        else:
            points.append(([name], (x, y)))
    return points


def _response_picture(measured: Measured, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, (wide, close) = plt.subplots(
        1, 2, figsize=(10.2, 4.6), dpi=110, layout="constrained", width_ratios=[1.35, 1]
    )
    for name, (colour, width, style) in CURVES.items():
        if name not in measured.curves:
            continue
        fractions, gains = zip(*measured.curves[name], strict=True)
        for axes in (wide, close):
            axes.plot(fractions, gains, style, color=colour, linewidth=width, label=name)
    for axes in (wide, close):
        axes.grid(color=FAINT, linewidth=0.7)
        axes.axvline(1.0, color="#9aa4ad", linewidth=0.9)
        axes.set_xlabel("frequency of the tone / Nyquist frequency of the output")
    wide.set_xlim(0.8, 1.29)
    wide.set_ylim(-185, 8)
    wide.set_ylabel("gain of the tone; above 1: of its alias, dB")
    _title(wide, "The edge of the band, 48 → 16 kHz", "left of 1 the tone, right of 1 its alias")
    close.set_xlim(0.8, 1.0)
    close.set_xticks([0.8, 0.85, 0.9, 0.95, 1.0])
    close.set_ylim(-3.2, 0.25)
    _title(close, "The same, close up", "what is lost of the band")
    close.legend(frameon=False, fontsize=8.5, loc="lower left", reverse=True)
    figure.savefig(path)
    plt.close(figure)


def _colour(name: str, *, stateless: bool) -> str:
    if name.startswith("antiphon"):
        return OURS
    if stateless or name in {"linear per chunk", "audioop.ratecv", "soxr QQ"}:
        return NAIVE
    if name.startswith("soxr") or name in {"Pipecat path", "LiveKit"}:
        return SOXR
    return OTHERS


def _title(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", pad=20)
    axes.text(0, 1.025, below, transform=axes.transAxes, fontsize=9, color="#5f6b76")


def _plain_ticks(axes: Axes, ticks: list[float]) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xticks(ticks)
    axes.xaxis.set_minor_locator(NullLocator())


if __name__ == "__main__":
    draw(load(RESULTS / "resample.json"), RESULTS)
