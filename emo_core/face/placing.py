"""A portrait moved and shrunk so that its head lies in the region asked for.

Not in the paper, whose networks draw a head wherever the region says. emo-tiny's animate the portrait where it is
(docs/paper_notes.md), so the portrait goes there before it is encoded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

ROOM = 0.97
"""Part of the region that a head at rest fills at most: it moves a little while it speaks."""
OUTSIDE = 0.03
"""How far a head may reach out of its region on each side and still be in place, as a share of its size."""
AROUND = 0.05
"""How far a region may reach out of a head that it lies on, likewise."""
PAINTED = 0.65
"""Part of a head's box that a region on it covers at most if only the face was painted, without ears and hair: the head
is in place then."""
STAYS = 0.05
"""Moves of less than this share of the head's size, and such changes of size, are left out."""
STRIDE = 1.12
"""Pixels of the portrait between two looked at, at most: more would leave some out."""


@dataclass(frozen=True)
class Placement:
    """Where a portrait's pixels go: x to target + scale * (x - middle)."""

    head: Tensor
    """Box [4] of the head where it is: x0, y0, x1, y1 in px."""
    target: Tensor
    """Where its middle goes, [2] in px."""
    scale: float

    @property
    def middle(self) -> Tensor:
        """Where its middle is, [2] in px."""
        return (self.head[:2] + self.head[2:]) / 2

    def moved(self, points: Tensor) -> Tensor:
        """Where points [..., 2] in px go."""
        return self.target + self.scale * (points - self.middle)

    def apply(self, pictures: Tensor) -> Tensor:
        """Pictures [N, C, S, S] in 0..1, moved; margins are mirrored into what comes in at the edges."""
        size = pictures.shape[-1]
        finer = max(1, math.ceil(1 / (self.scale * STRIDE)))  # places looked at for each pixel and axis
        places = (torch.arange(size * finer) + 0.5) / finer
        x, y = (
            _folded(self.middle[axis] + (places - self.target[axis]) / self.scale, size, *self.head[axis::2].tolist())
            for axis in range(2)
        )
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).to(pictures) * 2 / size - 1
        grid = grid.expand(len(pictures), -1, -1, -1)
        made = grid_sample(pictures, grid, mode="bicubic", padding_mode="border", align_corners=False)
        return avg_pool2d(made, finer).clamp(0, 1)


def placement(head: Tensor, region: Tensor) -> Placement | None:
    """How a head's box [4] gets into a region's box [4], both x0, y0, x1, y1 in px; None if it is in place.

    It is moved no further and made no smaller than it takes.
    """
    size, room = head[2:] - head[:2], ROOM * (region[2:] - region[:2])
    face_alone = _inside(region, head, AROUND * size) and _area(region) < PAINTED * _area(head)
    if face_alone or _inside(head, region, OUTSIDE * size):
        return None
    scale = min(1.0, float((room / size).min()))
    middle, around = (head[:2] + head[2:]) / 2, (region[:2] + region[2:]) / 2
    play = (room - scale * size).clamp_min(0) / 2
    offset = (around - middle).sign() * ((around - middle).abs() - play).clamp_min(0)
    if scale > 1 - STAYS and bool((offset.abs() < STAYS * size).all()):
        return None
    if scale == 1.0:
        offset = offset.round()  # pixels stay as sharp as they are
    return Placement(head, middle + offset, scale)


def placed(picture: Tensor, head: Tensor, region: Tensor) -> Tensor:
    """A portrait [S, S, 3] in 0..1 with its head in the region; the same tensor if it is there already.

    head and region are boxes [4] (x0, y0, x1, y1 in px).
    """
    move = placement(head, region)
    return picture if move is None else move.apply(picture.movedim(-1, 0)[None])[0].movedim(0, -1)


def _inside(inner: Tensor, outer: Tensor, tolerance: Tensor) -> bool:
    """Whether a box lies in another one that is larger by a tolerance [2] on each side."""
    return bool((inner[:2] >= outer[:2] - tolerance).all() and (inner[2:] <= outer[2:] + tolerance).all())


def _area(box: Tensor) -> float:
    return float((box[2:] - box[:2]).prod())


def _folded(places: Tensor, size: int, first: float, last: float) -> Tensor:
    """Places along one axis, brought into a picture of `size` px whose head is from `first` to `last`.

    Beyond an edge, the margin between it and the head goes back and forth, never the head.
    """
    before = _to_and_fro(-places, first)
    behind = size - _to_and_fro(places - size, size - last)
    return torch.where(places < 0, before, torch.where(places > size, behind, places))


def _to_and_fro(distance: Tensor, width: float) -> Tensor:
    """0 at 0, `width` at `width`, 0 again at twice that, and so on; 0 throughout where there is no width."""
    return torch.zeros_like(distance) if width < 1 else width - (distance % (2 * width) - width).abs()
