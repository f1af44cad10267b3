"""Fréchet distance of two sets of feature vectors: what FID, FVD and E-FID have in common."""

from __future__ import annotations

import numpy as np


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared distance of the Gaussians through features a [N, D] and b [M, D].

    |mean difference|^2 + tr(Ca + Cb - 2 (Ca Cb)^1/2). With Ca = A'A and Cb = B'B the last trace is the sum of the
    singular values of A B': exact for any number of samples, where the usual matrix root needs a full rank.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(
            f"a distance of distributions needs 2 samples on each side, got {len(a)} and {len(b)}"
        )
    mean_a, mean_b = a.mean(0, dtype=np.float64), b.mean(0, dtype=np.float64)
    root_a, root_b = _root(a - mean_a), _root(b - mean_b)
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = np.square(root_a).sum() + np.square(root_b).sum() - 2 * shared
    return float(np.square(mean_a - mean_b).sum() + max(spread, 0.0))


def _root(centred: np.ndarray) -> np.ndarray:
    """R with R'R the covariance of centred samples [N, D]; never more than D rows."""
    rows, width = centred.shape
    scaled = centred / np.sqrt(rows - 1)
    return np.asarray(np.linalg.qr(scaled, mode="r")) if rows > width else scaled
