"""Which part of a face may move when the head is to stay still."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

AREAS = {"lips": (0.2, 0.62, 0.8, 0.95), "lower face": (0.05, 0.5, 0.95, 1.0), "face": (0.0, 0.0, 1.0, 1.0)}
"""x0, y0, x1, y1 in shares of the face's box."""
SOFT = 0.08
"""Width of the soft edge, as a share of the face's box."""


def moving_area(face: Tensor, area: str) -> Tensor:
    """Mask [H, W] in 0..1 of a part of a face, by a box painted in face [H, W]; its edge is soft."""
    rows, columns = torch.nonzero(face > 0.5, as_tuple=True)
    if not len(rows):
        raise ValueError("the face region is empty: paint over the face, or leave the mask out")
    top, left = rows.min().item(), columns.min().item()
    height, width = rows.max().item() + 1 - top, columns.max().item() + 1 - left
    x0, y0, x1, y1 = AREAS[area]
    mask = torch.zeros_like(face)
    mask[
        round(top + y0 * height) : round(top + y1 * height),
        round(left + x0 * width) : round(left + x1 * width),
    ] = 1
    return softened(mask, max(1, round(SOFT * max(height, width))))


def softened(mask: Tensor, reach: int) -> Tensor:
    """A mask [H, W] whose edge falls over `reach` px outwards and inwards."""
    maps = pad(mask[None, None].float(), (reach,) * 4, mode="replicate")
    return avg_pool2d(maps, 2 * reach + 1, stride=1)[0, 0]
