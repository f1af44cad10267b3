"""Numbers that compare curves, boxes, orders and pictures, with their uncertainty. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

STILL = 1e-6
"""Standard deviation below which a curve has nothing to correlate with."""


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two curves [F]; NaN if one of them is constant."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if len(a) < 2 or min(a.std(), b.std()) < STILL:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def best_lag(measured: np.ndarray, truth: np.ndarray, reach: int = 8) -> int:
    """Frames by which `measured` [F] comes after `truth` [F] where they correlate best, within `reach`."""

    def at(lag: int) -> float:
        late, early = (measured, truth) if lag >= 0 else (truth, measured)
        shift = abs(lag)
        return pearson(late[shift:], early[: len(early) - shift])

    lags = sorted(range(-reach, reach + 1), key=abs)  # equal values: the smaller lag
    values = [at(lag) for lag in lags]
    if np.isnan(values).all():
        return 0
    return lags[int(np.nanargmax(values))]


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    _, place, count = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return (ends - (count + 1) / 2)[place]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of the ranks of two lists; NaN if one of them is constant."""
    return pearson(ranks(a), ranks(b))


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [..., 4] (x0, y0, x1, y1)."""
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=-1)
    areas = [np.prod(np.clip(box[..., 2:] - box[..., :2], 0, None), axis=-1) for box in (a, b)]
    return both / np.maximum(areas[0] + areas[1] - both, 1e-9)


def union_box(boxes: np.ndarray) -> np.ndarray:
    """The box [4] around boxes [F, 4]."""
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def seam_ratio(steps: np.ndarray, clip_frames: int) -> float:
    """Mean jump where clips of `clip_frames` meet over the mean jump inside them; steps [F - 1] between frames."""
    is_join = np.arange(1, len(steps) + 1) % clip_frames == 0
    if not is_join.any() or is_join.all():
        return float("nan")
    return float(steps[is_join].mean() / max(steps[~is_join].mean(), 1e-9))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio, dB, of two pictures in 0..255."""
    error = np.square(a.astype(np.float64) - b).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def events(curve: np.ndarray, above: float = 0.5, release: float = 0.3) -> list[tuple[int, int]]:
    """Stretches (first, last + 1) of a curve [F] that begin above one level and end below a lower one."""
    found, start = [], -1
    for index, value in enumerate(curve):
        if start < 0 and value > above:
            start = index
        elif start >= 0 and value < release:
            found.append((start, index))
            start = -1
    return [*found, (start, len(curve))] if start >= 0 else found


def smooth(curve: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing along the first axis, ends held; sigma in frames."""
    reach = max(1, int(np.ceil(4 * sigma)))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.concatenate([curve[:1].repeat(reach, 0), curve, curve[-1:].repeat(reach, 0)])
    parts = [w * padded[i : i + len(curve)] for i, w in enumerate(weights / weights.sum())]
    return np.sum(parts, axis=0)


def bootstrap(
    values: Sequence[object] | np.ndarray,
    statistic: Callable[[list], float],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of a statistic of a list when its items are drawn again with replacement."""
    rng = np.random.default_rng(seed)
    items = list(values)
    made = [statistic([items[i] for i in rng.integers(0, len(items), len(items))]) for _ in range(draws)]
    low, high = np.nanpercentile(made, (2.5, 97.5))
    return float(low), float(high)
