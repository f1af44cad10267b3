"""What the Face Locator and regional audio attention get, from a face box, lips and key points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..config import EmoConfig
from .boxes import box_mask
from .hallo_masks import LIP_EXPAND, region_masks
from .keypoints import keypoint_pictures

LIPS_IN_FACE = (0.32, 0.70, 0.68, 0.86)
"""x0, y0, x1, y1 in shares of the face box: where the lips usually are, if nobody says."""
POINTS_IN_FACE = ((0.31, 0.40), (0.69, 0.40), (0.5, 0.60))
"""x, y in shares of the face box: the eye on the left of the picture, the one on the right, the nose."""


@dataclass(frozen=True)
class FaceMarks:
    """Where parts of the face are in a square picture, px. What is None is where it usually is."""

    face: Tensor
    """Box [1, 4]: x0, y0, x1, y1."""
    lips: Tensor | None = None
    """Box [1, 4] around the lips."""
    points: Tensor | None = None
    """[1 or F, 3, 2]: x, y of the eye on the left of the picture, the one on the right, the nose."""


@dataclass(frozen=True)
class LocatorInput:
    """What a family's networks are shown of the face."""

    picture: Tensor
    """For the Face Locator: [1 or F, inputs, H, W] in 0..1."""
    mask: Tensor
    """Where the face may be: [H, W] of 0 and 1."""
    regions: tuple[Tensor, ...] | None
    """Audio masks by level (see `Features.regions`)."""


def locator_input(config: EmoConfig, marks: FaceMarks, size: int, margin: float) -> LocatorInput:
    """Draw what the family's networks want for a picture of `size` px; margin is a share of the face's size."""
    mask = box_mask(marks.face, size, size, expand=1 + 2 * margin)
    picture = mask.expand(1, config.face_locator.inputs, -1, -1)
    if config.face_locator.shows == "key_points":
        points = marks.points if marks.points is not None else _in_box(marks.face, POINTS_IN_FACE)[None]
        picture = keypoint_pictures(points, size, size)
    regions = None
    if config.audio.site == "module":
        lips = marks.lips if marks.lips is not None else _in_box(marks.face, LIPS_IN_FACE).reshape(1, 4)
        lip_mask = box_mask(lips, size, size, expand=LIP_EXPAND)
        regions = region_masks(_as_bytes(mask), _as_bytes(lip_mask)).levels(size, size)
    return LocatorInput(picture, mask[0, 0], regions)


def _in_box(box: Tensor, shares: tuple[float, ...] | tuple[tuple[float, float], ...]) -> Tensor:
    """Points [N, 2] in px from shares of a box [1, 4]."""
    points = torch.tensor(shares).reshape(-1, 2)
    return box[:, :2] + points * (box[:, 2:] - box[:, :2])


def _as_bytes(mask: Tensor) -> np.ndarray:
    return (mask[0, 0] * 255).to(torch.uint8).numpy()
