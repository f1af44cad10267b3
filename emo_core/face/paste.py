"""An animated crop back into the picture it was cut out of: soft edges, the same colours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .crop import cut_squares, resized

RING = 0.12
"""Width of the edge, as a share of the side, by which colours are compared: the face is not in it."""


@dataclass(frozen=True)
class Blend:
    """How a crop melts into the picture."""

    feather: float = 0.1
    """Width of the soft edge, as a share of the crop's side."""
    colour_match: float = 1.0
    """0 leaves the colours of the animation, 1 gives its edge the brightness and contrast of the picture's."""


def paste(canvas: Tensor, frame: Tensor, square: Tensor, blend: Blend, mask: Tensor | None = None) -> None:
    """Put a frame [S, S, 3] onto a picture [H, W, 3], in place, where square [3] is; mask [S, S] keeps it inside."""
    left, top, side = square.tolist()
    frame = resized(frame, side)
    if blend.colour_match:
        original = cut_squares(canvas[None], square[None], side)[0]
        frame = torch.lerp(frame, like(frame, original), blend.colour_match).clamp(0, 1)
    share = soft_square(side, blend.feather)
    if mask is not None:
        share = share * resized(mask[..., None], side)
    rows, columns = (
        _inside(start, side, length) for start, length in zip((top, left), canvas.shape[:2], strict=True)
    )
    place = canvas[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop]
    place.lerp_(frame[rows, columns], share[rows, columns])


def soft_square(side: int, feather: float) -> Tensor:
    """Shares [side, side, 1]: 1 inside, falling smoothly to 0 over `feather` of the side at each edge."""
    distance = torch.minimum(torch.arange(side) + 0.5, side - torch.arange(side) - 0.5) / side
    ramp = (distance / max(feather, 1e-6)).clamp(0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return (ramp[:, None] * ramp)[..., None]


def like(frame: Tensor, original: Tensor) -> Tensor:
    """A frame [S, S, 3] with the mean and spread of each colour that the original [S, S, 3] has along its edge."""
    ring = torch.ones(frame.shape[:2], dtype=torch.bool)
    width = max(1, round(RING * frame.shape[0]))
    ring[width:-width, width:-width] = False
    (spread, mean), (wanted_spread, wanted_mean) = (
        torch.std_mean(picture[ring], dim=0, correction=0) for picture in (frame, original)
    )
    factor = ((wanted_spread + 1e-3) / (spread + 1e-3)).clamp(0.5, 2)
    return (frame - mean) * factor + wanted_mean


def _inside(start: int, side: int, length: int) -> slice:
    """The part of a square from `start` on that lies in a picture of that length."""
    return slice(max(0, -start), min(side, length - start))
