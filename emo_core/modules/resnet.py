"""The convolutional half of the Stable Diffusion 1.5 UNet, applied to each frame alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from ..backend import Backend


class ResnetBlock(nn.Module):
    """Norm, conv, timestep, norm, conv, with a shortcut."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        time_width: int | None,
        groups: int,
        *,
        eps: float = 1e-5,
        backend: Backend,
    ) -> None:
        super().__init__()
        self.norm1 = backend.group_norm(groups, inputs, eps)
        self.conv1 = backend.conv2d(inputs, outputs, 3)
        if time_width is not None:
            self.time_emb_proj = backend.linear(time_width, outputs)
        self.norm2 = backend.group_norm(groups, outputs, eps)
        self.conv2 = backend.conv2d(outputs, outputs, 3)
        self.conv_shortcut = backend.conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """Map x [B*F, C, H, W] and time [B, D] (one per clip, or None) to [B*F, C', H, W]."""
        h = self.conv1(_activated(self.norm1(x)))
        if time is not None:
            shift = self.time_emb_proj(silu(time))  # [B, C']
            h = h + shift.repeat_interleave(h.shape[0] // shift.shape[0], 0)[:, :, None, None]
        h = self.conv2(_activated(self.norm2(h)))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))


def _activated(h: Tensor) -> Tensor:
    """SiLU of what nobody else holds, in its place unless a gradient wants it: these maps are the widest there are."""
    return silu(h, inplace=not torch.is_grad_enabled())


class Downsample(nn.Module):
    """Halve height and width with a strided convolution."""

    def __init__(self, channels: int, *, backend: Backend) -> None:
        super().__init__()
        self.conv = backend.conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B*F, C, H, W] to [B*F, C, ceil(H/2), ceil(W/2)]."""
        return self.conv(x)


class Upsample(nn.Module):
    """Nearest-neighbour enlargement, then a convolution."""

    def __init__(self, channels: int, *, backend: Backend) -> None:
        super().__init__()
        self.conv = backend.conv2d(channels, channels, 3)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Map [B*F, C, H, W] to [B*F, C, *size]; size is that of the skip it will join."""
        return self.conv(interpolate(x, size=size, mode="nearest"))
