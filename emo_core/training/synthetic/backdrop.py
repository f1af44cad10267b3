"""Backgrounds: plain, gradient, two colours, blocks, discs."""

from __future__ import annotations

import numpy as np


def paint_backdrop(kind: int, colors: np.ndarray, seed: int, side: int) -> np.ndarray:
    """A background float32 [side, side, 3] in 0..1; kind 0..4, colors [3, 3]."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[0:side, 0:side].astype(np.float32) / side
    slope = rng.normal(0, 0.5)
    mix = np.clip(row + slope * (column - 0.5), 0, 1)[..., None]
    if kind == 0:
        return np.broadcast_to(colors[0], (side, side, 3)).astype(np.float32)
    if kind == 1:
        return (colors[0] + mix * (colors[1] - colors[0])).astype(np.float32)
    if kind == 2:
        edge = rng.uniform(0.45, 0.8)
        return np.where(mix > edge, colors[1], colors[0]).astype(np.float32)
    picture = (colors[0] + 0.35 * mix * (colors[1] - colors[0])).astype(np.float32)
    for index in range(int(rng.integers(1, 4))):
        x, y, w, h = rng.uniform(0, 1), rng.uniform(0, 0.8), rng.uniform(0.08, 0.25), rng.uniform(0.08, 0.3)
        far = np.maximum(np.abs(column - x) / w, np.abs(row - y) / h)
        if kind == 4:
            far = np.hypot(column - x, row - y) / w
        picture[far < 1] = colors[1 + index % 2]
    return picture
