"""The picture: bars of the medians with their quartiles; logarithmic, since docker is a hundred times the floor."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Row

PEERS, FLOORS, OURS = "#9aa5b1", "#3b5b92", "#2a7f62"


def color(name: str) -> str:
    if " C" in name:
        return FLOORS
    return OURS if name.startswith(("isolib", "prepared", "exec")) else PEERS


def draw(rows: Sequence[Row], path: Path) -> None:
    """Rows of a table, the slowest at the bottom."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "isolib"  # the same figures, the same file
    rows = sorted(rows, key=lambda row: -row.median)
    medians = [row.median for row in rows]
    low = [row.median - row.quartiles[0] for row in rows]
    high = [row.quartiles[1] - row.median for row in rows]
    figure, axes = pyplot.subplots(figsize=(8, 0.36 * len(rows) + 1.2))
    names, colors = [row.name for row in rows], [color(row.name) for row in rows]
    axes.barh(names, medians, color=colors, xerr=[low, high], ecolor="#33333380", height=0.7)
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds, from the call to the end of /bin/true: median and quartiles (logarithmic)")
    for at, row in enumerate(rows):
        axes.text(row.quartiles[1] * 1.03, at, f"{row.median:.1f}", va="center", fontsize=8)
    axes.margins(x=0.1)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
