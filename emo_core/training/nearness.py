"""What is near a mouth and the eyes, for losses that count more there."""

from __future__ import annotations

import torch
from torch import Tensor

NEAR = (0.094, 0.06, 0.06)
"""What is near a mouth and each eye: the deviation of a bell, as part of the picture's side."""


def near(places: Tensor, size: int, deviation: float) -> Tensor:
    """1 at the places [F, 2], falling to 0 around them as a bell does, [F, size, size]; all in cells."""
    grid = torch.arange(size, device=places.device) + 0.5
    dx, dy = grid - places[:, 0, None], grid - places[:, 1, None]
    return torch.exp(-0.5 * (dx[:, None, :] ** 2 + dy[:, :, None] ** 2) / deviation**2)
