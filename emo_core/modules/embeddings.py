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


def position_table(length: int, width: int) -> Tensor:
    """Sines and cosines of frame positions [1, length, width], interleaved (AnimateDiff)."""
    position = torch.arange(length, dtype=torch.float32)[:, None]
    frequencies = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    table = torch.zeros(1, length, width)
    table[0, :, 0::2] = torch.sin(position * frequencies)
    table[0, :, 1::2] = torch.cos(position * frequencies)
    return table


def pixel_table(height: int, width: int, channels: int) -> Tensor:
    """Sines and cosines of rows and columns [height * width, channels]: half the channels for each."""
    quarter = channels // 4
    frequencies = torch.exp(-math.log(100.0) * torch.arange(quarter, dtype=torch.float32) / max(quarter, 1))
    rows = torch.arange(height, dtype=torch.float32)[:, None, None] * frequencies
    columns = torch.arange(width, dtype=torch.float32)[None, :, None] * frequencies
    parts = [
        f(angle).expand(height, width, quarter) for angle in (rows, columns) for f in (torch.sin, torch.cos)
    ]
    table = torch.zeros(height, width, channels)
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
