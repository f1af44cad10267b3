"""Pictures of any size to the square that a model takes."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate


def fit_square(pictures: Tensor, size: int) -> Tensor:
    """Cut the middle square out of pictures [N, C, H, W] in 0..1 and scale it to [N, C, size, size]."""
    if size < 8 or size % 8:
        raise ValueError(f"size must be a multiple of 8 pixels, got {size}")
    height, width = pictures.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pictures[..., top : top + side, left : left + side]
    if side == size:
        return square
    return interpolate(square, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
