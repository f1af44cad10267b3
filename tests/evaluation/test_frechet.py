"""The Fréchet distance on sets whose distance is known, and against the libraries' own."""

import numpy as np
import pytest
import torch

from emo_core.evaluation.frechet import frechet_distance

RNG = np.random.default_rng(0)


def gaussian(mean: np.ndarray, covariance: np.ndarray, count: int) -> np.ndarray:
    """Samples whose mean and covariance are exactly these."""
    x = RNG.standard_normal((count, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T)).T)  # white
    return x @ np.linalg.cholesky(covariance).T + mean


def test_a_set_has_no_distance_from_itself() -> None:
    x = RNG.standard_normal((40, 8))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x[:5], x[:5]) == pytest.approx(0, abs=1e-9)  # fewer samples than dimensions


def test_the_distance_of_two_known_gaussians() -> None:
    a = gaussian(np.zeros(3), np.diag([1.0, 4.0, 9.0]), 50)
    b = gaussian(np.array([2.0, 0.0, -1.0]), np.diag([4.0, 4.0, 1.0]), 70)
    # commuting covariances: |means|^2 + sum (sigma_a - sigma_b)^2
    assert frechet_distance(a, b) == pytest.approx(5 + 1 + 0 + 4)


def test_it_agrees_with_torchmetrics() -> None:
    fid = pytest.importorskip("torchmetrics.image.fid")
    a, b = RNG.standard_normal((60, 6)) @ RNG.standard_normal((6, 6)), RNG.standard_normal((50, 6)) + 0.3
    means_and_covariances = [torch.from_numpy(m) for x in (a, b) for m in (x.mean(0), np.cov(x.T))]
    assert frechet_distance(a, b) == pytest.approx(float(fid._compute_fid(*means_and_covariances)))


def test_one_sample_is_no_distribution() -> None:
    with pytest.raises(ValueError, match="got 1 and 9"):
        frechet_distance(np.zeros((1, 2)), np.zeros((9, 2)))
