"""Sinusoidal embeddings of timesteps and frame positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ..backend import Backend


def timestep_embedding(timesteps: Tensor, width: int) -> Tensor:
    """Embed timesteps [B] (0..1000, fractions allowed) as [B, width] float32, cosines first (Stable Diffusion 1.5)."""
    half = width // 2
    frequencies = torch.exp(
        -math.log(10000.0) * torch.arange(half, device=timesteps.device, dtype=torch.float32) / half
    )
    angles = timesteps.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def position_table(length: int, width: int, device: torch.device | None = None) -> Tensor:
    """Sines and cosines of frame positions [1, length, width], interleaved (AnimateDiff).

    Made where it is used: a copy from the computer would make a GPU wait.
    """
    position = torch.arange(length, dtype=torch.float32, device=device)[:, None]
    frequencies = torch.arange(0, width, 2, dtype=torch.float32, device=device)
    angles = position * torch.exp(frequencies * (-math.log(10000.0) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[None, :, :width]


def pixel_table(
    height: int,
    width: int,
    channels: int,
    periods: tuple[float, float] | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Sines and cosines of rows and columns [height * width, channels]: half the channels for each.

    periods: the shortest and the longest, in cells; None as `UNetConfig.position_periods` says.
    """
    quarter = channels // 4
    steps = torch.arange(quarter, dtype=torch.float32, device=device)
    if periods is None:
        frequencies = torch.exp(-math.log(100.0) * steps / max(quarter, 1))
    else:
        shortest, longest = periods
        frequencies = 2 * math.pi / shortest * (shortest / longest) ** (steps / max(quarter - 1, 1))
    rows, columns = (torch.arange(side, dtype=torch.float32, device=device) for side in (height, width))
    angles = (rows[:, None, None] * frequencies, columns[None, :, None] * frequencies)
    parts = [f(angle).expand(height, width, quarter) for angle in angles for f in (torch.sin, torch.cos)]
    table = torch.zeros(height, width, channels, device=device)
    table[..., : 4 * quarter] = torch.cat(parts, dim=-1)
    return table.flatten(0, 1)


class TimestepEmbedding(nn.Module):
    """Two linear layers behind the sinusoids."""

    def __init__(self, inputs: int, width: int, *, backend: Backend) -> None:
        super().__init__()
        self.inputs = inputs
        self.linear_1 = backend.linear(inputs, width)
        self.linear_2 = backend.linear(width, width)

    def forward(self, timesteps: Tensor, dtype: torch.dtype) -> Tensor:
        """Map timesteps [B] to [B, D], computed in `dtype` after float32 sinusoids."""
        return self.linear_2(silu(self.linear_1(timestep_embedding(timesteps, self.inputs).to(dtype))))
