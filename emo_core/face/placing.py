"""A portrait moved and shrunk so that its head lies in the region asked for.

Not in the paper, whose networks draw a head wherever the region says. emo-tiny's animate the portrait where it is
(docs/paper_notes.md), so the portrait goes there before it is encoded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, interpolate

ROOM = 0.97
"""Part of the region that a head at rest fills at most: it moves a little while it speaks."""
OUTSIDE = 0.05
"""How far a head may reach out of its region on each side and still be in place, as a share of its size."""
AROUND = 0.05
"""How far a region may reach out of a head that it lies on, likewise."""
PAINTED = 0.65
"""Part of a head's box that a region on it covers at most if only the face was painted, without ears and hair: the head
is in place then."""
STAYS = 0.05
"""Moves of less than this share of the head's size, and such changes of size, are left out."""
BLUR = 64
"""What comes in at the edges runs together by so many parts of the picture more with each pixel: no streaks."""


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
        """Pictures [N, C, S, S] in 0..1, moved by whole pixels; their edges go on into what comes in."""
        size = pictures.shape[-1]
        side = max(1, round(self.scale * size))
        if side != size:
            pictures = interpolate(pictures, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        corner = (self.target - self.middle * side / size).round().int().clamp(1 - side, size - 1)
        left, top = corner.tolist()
        right, bottom = size - side - left, size - side - top
        blur = max(1, size // BLUR)
        pictures = _widened(pictures, left, right, (blur, blur))
        return _widened(pictures.mT, top, bottom, (blur, 0)).mT  # shoulders go on downwards as they are


def placement(head: Tensor, region: Tensor) -> Placement | None:
    """How a head's box [4] gets into a region's box [4], both x0, y0, x1, y1 in px; None if it is in place.

    It is moved no further and made no smaller than it takes. A head without size was not found, and stays.
    """
    size, room = head[2:] - head[:2], ROOM * (region[2:] - region[:2])
    if not (size > 0).all():
        return None
    face_alone = _inside(region, head, AROUND * size) and _area(region) < PAINTED * _area(head)
    if face_alone or _inside(head, region, OUTSIDE * size):
        return None
    scale = min(1.0, float((room / size).min()))
    middle, around = (head[:2] + head[2:]) / 2, (region[:2] + region[2:]) / 2
    play = (room - scale * size).clamp_min(0) / 2
    offset = (around - middle).sign() * ((around - middle).abs() - play).clamp_min(0)
    if scale > 1 - STAYS and bool((offset.abs() < STAYS * size).all()):
        return None
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


def _widened(pictures: Tensor, before: int, behind: int, blurs: tuple[int, int]) -> Tensor:
    """Pictures [N, C, H, W] with so many more columns on the left and on the right, or fewer where that is negative."""
    kept = pictures[..., max(0, -before) : pictures.shape[-1] - max(0, -behind)]
    first, last = kept[..., 0], kept[..., -1]
    return torch.cat([_run_on(first, before, blurs[0]).flip(-1), kept, _run_on(last, behind, blurs[1])], dim=-1)


def _run_on(edge: Tensor, columns: int, blur: int) -> Tensor:
    """Columns [N, C, H, columns] beyond an edge [N, C, H]: each is the one before, blurred over so many px each way."""
    made = []
    for _ in range(columns):
        edge = avg_pool1d(edge, 2 * blur + 1, 1, blur, count_include_pad=False)
        made.append(edge)
    return torch.stack(made, dim=-1) if made else edge.new_empty(*edge.shape, 0)
