"""Pictures and maps taken from where a flow points."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


def sampled(values: Tensor, flow: Tensor, mode: Literal["bilinear", "bicubic"] = "bilinear") -> Tensor:
    """Values [B, C, h, w] with each cell taken from where the flow [B, 2, h, w] points: (x, y) in cells from it.

    Beyond the borders lies what is at them.
    """
    height, width = values.shape[-2:]
    ys = (torch.arange(height, device=flow.device, dtype=torch.float32) + 0.5)[:, None].expand(height, width)
    xs = (torch.arange(width, device=flow.device, dtype=torch.float32) + 0.5)[None].expand(height, width)
    x, y = (xs + flow[:, 0]) * 2 / width - 1, (ys + flow[:, 1]) * 2 / height - 1
    grid = torch.stack([x, y], dim=-1).to(values)
    return grid_sample(values, grid, mode=mode, padding_mode="border", align_corners=False)
