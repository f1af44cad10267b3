"""Where the face is, from what a person painted."""

from __future__ import annotations

import torch
from torch import Tensor

MIDDLE = (0.25, 0.18, 0.75, 0.84)
"""x0, y0, x1, y1 in shares of the picture: where the head of a portrait usually is, if nobody says."""


def box_around(mask: Tensor) -> Tensor:
    """The box [1, 4] (x0, y0, x1, y1 in pixels) around everything above 0.5 in a mask [H, W]."""
    rows, columns = torch.nonzero(mask > 0.5, as_tuple=True)
    if not len(rows):
        raise ValueError("the mask is empty: paint over the face, or leave the mask out")
    ends = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return torch.stack(ends)[None].float()


def middle_box(size: int) -> Tensor:
    """The box [1, 4] of `MIDDLE` in a square picture of `size` pixels."""
    return torch.tensor([MIDDLE]) * size
