"""Face boxes to the mask the Face Locator sees."""

from __future__ import annotations

import torch
from torch import Tensor


def box_mask(boxes: Tensor, height: int, width: int, expand: float = 1.0) -> Tensor:
    """Mask [1, 1, H, W] of ones inside the union of boxes [F, 4] (x0, y0, x1, y1 in pixels).

    M is the union of the boxes of all frames of a clip (paper, sec. 3.3); expand widens each box about its middle.
    """
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * expand
    low, high = middle - half, middle + half
    x = torch.arange(width, device=boxes.device) + 0.5
    y = torch.arange(height, device=boxes.device) + 0.5
    inside_x = (x >= low[:, :1]) & (x <= high[:, :1])  # [F, W]
    inside_y = (y >= low[:, 1:]) & (y <= high[:, 1:])  # [F, H]
    union = inside_y.float().T @ inside_x.float() > 0
    return union.float()[None, None]
