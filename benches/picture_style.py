"""How the pictures of benchmarks look."""

from __future__ import annotations

INK, FAINT = "#20262c", "#d9dee3"


def prepare(font_size: float) -> None:
    """Draw to files, in this style."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "font.size": font_size,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": "#9aa4ad",
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
