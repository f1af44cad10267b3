"""Head-speed conditioning (EMO, arXiv:2402.17485v3, Speed Layers)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ..backend import Backend
from ..config import SpeedConfig


class SpeedEncoder(nn.Module):
    """Embed how fast the head turns around each frame."""

    def __init__(self, config: SpeedConfig, *, backend: Backend) -> None:
        super().__init__()
        self.config = config
        self.proj_in = backend.linear(config.window * len(config.centers), config.width)
        self.proj_out = backend.linear(config.width, config.width)

    def forward(self, speed: Tensor) -> Tensor:
        """Map speed [F, K] in degrees per frame, K neighbours of each frame, to [F, D].

        Bucket i sees tanh(3 (w - c_i) / r_i): -1 well below it, 0 at its centre, 1 well above.
        """
        centers, radii = speed.new_tensor(self.config.centers), speed.new_tensor(self.config.radii)
        buckets = torch.tanh(3 * (speed[..., None] - centers) / radii)  # [F, K, d]
        return self.proj_out(silu(self.proj_in(buckets.flatten(-2))))
