"""Does the head turn as fast as it is asked to? The paper's Table 2 with our buckets."""

from __future__ import annotations

import numpy as np

from ..evaluation.metrics import bootstrap, spearman
from .clip_rows import measured_speed
from .row import Bar, Missing, Row
from .takes import Studio

SECONDS = 2.0


def speed_spearman(studio: Studio, count: int) -> Row | Missing:
    """Ask `count` people for every bucket's speed, and once without speed layers."""
    claim = "Spearman(speed asked, head degrees per frame measured)"
    buckets = studio.animator.config.speed
    if buckets is None or not count:
        return Missing(claim, "the model has no speed layers" if count else "left out: ask for --speed-clips")
    asked: list[float | None] = [*buckets.centers, None]
    curves = [
        [measured_speed(studio.clip_take(clip, speed=speed, seconds=SECONDS)) for speed in asked]
        for clip in range(count)
    ]
    means = np.array([[curve.mean() for curve in row] for row in curves])  # [clips, speeds]

    def statistic(drawn: list[np.ndarray]) -> float:
        table = np.stack(drawn)[:, :-1]
        return spearman(np.broadcast_to(buckets.centers, table.shape).ravel(), table.ravel())

    rows = list(means)
    table = [_line(speed, means[:, i], [row[i] for row in curves]) for i, speed in enumerate(asked)]
    value = statistic(rows)
    interval = bootstrap(rows, statistic) if count > 1 else (float("nan"), float("nan"))
    by_bucket = spearman(np.array(buckets.centers), means[:, :-1].mean(0))
    details = {"clips": count, "of_bucket_means": by_bucket, "table": table, "must": _ordering(table)}
    return Row(claim, value, *interval, Bar(0.9), details)


def _line(asked: float | None, means: np.ndarray, curves: list[np.ndarray]) -> dict[str, float | None]:
    """The paper's three numbers: mean, variance within clips, variance of the clips' means (VMV)."""
    return {
        "asked": asked,
        "mean": float(means.mean()),
        "variance": float(np.mean([curve.var() for curve in curves])),
        "vmv": float(means.var()),
    }


def _ordering(table: list[dict[str, float | None]]) -> dict[str, bool]:
    """What the paper's Table 2 shows: without speed layers heads vary more than at a speed of middle size."""
    free, slow, fast = table[-1], table[1], table[-2]
    middle = table[: (len(table) + 1) // 2]
    return {
        "mean speed rises from slow to fast": _value(fast, "mean") > _value(slow, "mean"),
        "VMV is lower than without speed layers": float(np.mean([_value(r, "vmv") for r in middle]))
        < _value(free, "vmv"),
    }


def _value(line: dict[str, float | None], name: str) -> float:
    return float(line[name] or 0.0)
