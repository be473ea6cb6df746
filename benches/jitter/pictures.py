"""The picture of a run: delay against concealment, for each class of link.

``python -m benches.jitter.pictures`` draws that of the last full run again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benches.jitter import anchors
from benches.jitter.contestants import CRATE, OURS_PACKET, PACKET_FIFOS_MS, fifo
from benches.jitter.means import Values, by_class, over_classes
from benches.jitter.measured import Measured, load
from benches.picture_style import FAINT, prepare
from benches.report import RESULTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, CPP, CRATES, FIFOS = "#c2185b", "#1f5fa8", "#b07d2b", "#5f6b76"
MEAN = "mean of all classes"

Point = tuple[float, float]
Curves = dict[str, list[Point]]


def curves(measured: Measured) -> dict[str, Curves]:
    """Panel by panel: who stands where, in ms of delay and ms/min concealed."""
    families = {
        "ours": list(OURS_PACKET.values()),
        "fifo": [fifo(ms) for ms in PACKET_FIFOS_MS],
        "crate": [CRATE],
    }
    players = {
        name: by_class(measured.rows, "packet", name)
        for names in families.values()
        for name in names
    }
    classes = [cls for cls in anchors.BY_CLASS["packet"] if any(cls in p for p in players.values())]
    panels: dict[str, Curves] = {}
    for panel in (MEAN, *classes) if classes else ():
        at = {
            name: over_classes(played) if panel == MEAN else played.get(panel, {})
            for name, played in players.items()
        }
        panels[panel] = {
            family: [_point(at[name]) for name in names if at[name]]
            for family, names in families.items()
        }
        if not measured.seeds:  # of other traces, it is not known
            whole = set(classes) == set(anchors.BY_CLASS["packet"])
            known = anchors.BY_CLASS["packet"].get(panel, anchors.MEANS["packet"])
            panels[panel]["cpp"] = [_point(known)] if panel != MEAN or whole else []
    return panels


def _point(values: Values) -> Point:
    return values["delay_mean"], values["conc_ms_min"]


def draw(measured: Measured, path: Path) -> None:
    """Write it, if anything was measured in the packet regime."""
    prepare(9)
    from matplotlib import pyplot as plt

    panels = curves(measured)
    if not panels:
        return
    columns = min(5, len(panels) + 1)
    rows = -(-(len(panels) + 1) // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(2.75 * columns, 2.6 * rows + 0.5),
        dpi=110,
        layout="constrained",
        squeeze=False,
    )
    every = [axes for line in grid for axes in line]
    for axes, (panel, of) in zip(every, panels.items(), strict=False):
        _panel(axes, panel, of)
    for axes in every[len(panels) :]:
        axes.axis("off")
    shown = {
        label: handle
        for axes in every
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    every[len(panels)].legend(shown.values(), shown.keys(), frameon=False, loc="center")
    figure.supxlabel("added delay, ms", fontsize=10)
    figure.supylabel("concealed, ms per minute", fontsize=10)
    figure.suptitle(
        "Packet regime: delay against concealment, down and to the left is better",
        fontsize=11.5,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    figure.savefig(path)
    plt.close(figure)


def _panel(axes: Axes, panel: str, of: Curves) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_title(
        panel, fontsize=9.5, loc="left", fontweight="bold" if panel == MEAN else "normal"
    )
    axes.set_yscale("log")
    axes.grid(color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    for family, colour, style, label in (
        ("fifo", FIFOS, "o-", "FIFO of 20, 60, 120, 200 ms"),
        ("crate", CRATES, "s", "neteq crate"),
        ("cpp", CPP, "D", anchors.NAME),
        ("ours", OURS, "o-", "antiphon, smoothness 0.3, 0.5, 0.7"),
    ):
        if not of.get(family):
            continue
        delays_ms, concealed_ms_min = zip(*of[family], strict=True)
        size = 6 if family == "ours" else 5
        axes.plot(
            delays_ms,
            [max(value, 1.0) for value in concealed_ms_min],
            style,
            color=colour,
            markersize=size,
            linewidth=2 if family == "ours" else 1.2,
            markeredgecolor="white",
            markeredgewidth=0.7,
            label=label,
        )
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


if __name__ == "__main__":
    draw(load(RESULTS / "jitter.json"), RESULTS / "jitter.png")
