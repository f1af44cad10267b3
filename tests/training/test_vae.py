"""Small moves are the same for latents and pictures, and the VAE's loss with them goes down."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emo_core.config import VaeConfig
from emo_core.training.vae import VaePlan, VaeTask, small_moves, warped


def blob(side: int, x: float, y: float) -> torch.Tensor:
    """A soft spot at (x, y) in 0..1, [1, 1, side, side]."""
    grid = (torch.arange(side) + 0.5) / side
    return torch.exp(-0.5 * ((grid[None, :] - x) ** 2 + (grid[:, None] - y) ** 2) / 0.1**2)[None, None]


def middle(picture: torch.Tensor) -> tuple[float, float]:
    """Where the spot is, in 0..1."""
    mass, grid = picture[0, 0], (torch.arange(picture.shape[-1]) + 0.5) / picture.shape[-1]
    return float((mass.sum(0) * grid).sum() / mass.sum()), float((mass.sum(1) * grid).sum() / mass.sum())


@pytest.mark.parametrize("seed", range(5))
def test_latents_and_pictures_of_other_sizes_move_alike(seed: int) -> None:
    move = small_moves(1, 0.2, torch.Generator().manual_seed(seed))
    coarse, fine = (warped(blob(side, 0.45, 0.55), move) for side in (16, 64))
    assert middle(coarse) == pytest.approx(middle(fine), abs=0.01)
    assert middle(fine) != pytest.approx((0.45, 0.55), abs=0.005)


def test_moves_are_small() -> None:
    moves = small_moves(500, 0.2, torch.Generator().manual_seed(0))
    sizes = torch.linalg.det(moves[:, :, :2]).sqrt()
    assert 0.84 < sizes.min() < 0.87
    assert 1.15 < sizes.max() < 1.19
    assert moves[:, :, 2].abs().max() <= 0.2
    turns = torch.rad2deg(torch.atan2(moves[:, 1, 0], moves[:, 0, 0]))
    assert 9 < turns.abs().max() <= 10


class Clips:
    """One clip of moving stripes."""

    def __len__(self) -> int:
        return 1

    def frames(self, clip: int) -> np.ndarray:
        ramp = np.arange(64)[None, None, :, None] + 8 * np.arange(4)[:, None, None, None]
        return np.broadcast_to(np.uint8(127 + 120 * np.sin(ramp / 6)), (4, 64, 64, 3))

    def landmarks(self, clip: int) -> np.ndarray:
        return np.full((4, 12, 2), 32, np.float32)


def test_a_few_steps_lower_the_error_with_and_without_moves() -> None:
    torch.manual_seed(0)
    config = VaeConfig(channels=(8, 8, 16), layers_per_block=1, latent_channels=4, groups=4)
    for moved in (0.0, 1.0):
        task = VaeTask(config, Clips(), VaePlan(crop=32, batch=2, moved=moved))  # type: ignore[arg-type]
        optimiser = torch.optim.Adam(task.model.parameters(), 3e-3)
        losses = []
        for step in range(40):
            loss = task.loss(torch.Generator().manual_seed(step))
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            losses.append(loss.item())
        assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
