"""A picture of the tables: one panel per metric, published values as lines, measured ones with their intervals."""

from __future__ import annotations

from pathlib import Path

from .paper_table import COLUMNS, PUBLISHED, PUBLISHED_VELOCITY, VELOCITY_ROWS, Runs


def plot_tables(runs: Runs, path: Path) -> None:
    """Write a PNG; ValueError if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("the plot needs matplotlib: pip install matplotlib") from error
    names = (*COLUMNS, *VELOCITY_ROWS)
    figure = Figure(figsize=(16, 7), layout="constrained")
    for axes, name in zip(figure.subplots(2, 4).flat, names, strict=True):
        known = _published(name)
        for x, (method, value) in enumerate(known.items()):
            axes.plot(x, value, "o", color="0.6", mfc="white")
            axes.annotate(
                method, (x, value), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=6
            )
        for x, (run, scores) in enumerate(runs.items(), len(known)):
            _measured(axes, x, run, scores[name])
        axes.set_title(name)
        axes.set_xticks([])
        axes.set_xlim(-0.7, len(known) + len(runs) - 0.3)
        axes.margins(y=0.15)
    figure.suptitle("white: published (HDTF); black: measured here, on other videos, with 95 % intervals")
    figure.savefig(path, dpi=110)


def _published(name: str) -> dict[str, float]:
    if name in COLUMNS:
        cells = {method: cells[COLUMNS.index(name)][0] for method, cells in PUBLISHED.items()}
        return {method: value for method, value in cells.items() if value is not None}
    return {method: values[VELOCITY_ROWS.index(name)] for method, values in PUBLISHED_VELOCITY.items()}


def _measured(axes, x: int, run: str, score) -> None:
    if score.value is None:
        text = f"{run}: unavailable" if score.reason else f"{run}: –"
        axes.text(
            x,
            0.5,
            text,
            transform=axes.get_xaxis_transform(),
            rotation=90,
            fontsize=7,
            ha="center",
            va="center",
        )
        return
    low, high = (score.value if end is None else end for end in (score.low, score.high))
    axes.vlines(x, low, high, color="black")
    axes.plot(x, score.value, "o", color="black")
    axes.annotate(run, (x, score.value), xytext=(5, 3), textcoords="offset points", fontsize=7)
