"""The square around a face: cut out of a picture at the model's size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

SMOOTH = 9
"""Frames over which the square that follows a face is evened out."""


def square_around(box: Tensor, margin: float, height: int, width: int) -> Tensor:
    """Square [3] (left, top, side in whole px) around a box [4], with room of `margin` times its size on each side.

    It is moved into the picture where it fits; a larger one reaches beyond it.
    """
    side = max(8, round(float((box[2:] - box[:2]).max()) * (1 + 2 * margin)))
    middle = (box[:2] + box[2:]) / 2
    left, top = (_placed(float(middle[i]), side, length) for i, length in enumerate((width, height)))
    return torch.tensor([left, top, side])


def _placed(middle: float, side: int, length: int) -> int:
    start = round(middle - side / 2)
    return min(max(start, 0), length - side) if side <= length else (length - side) // 2


def following_squares(boxes: Tensor, margin: float, height: int, width: int) -> Tensor:
    """Squares [F, 3] of one side that follow a face through the boxes [F, 4] of a video, evened out over time."""
    half = (boxes[:, 2:] - boxes[:, :2]).amax(0) / 2
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = SMOOTH // 2
    padded = pad(middle.T[None], (reach, reach), mode="replicate")[0]
    middle = padded.unfold(1, SMOOTH, 1).mean(-1).T
    even = torch.cat([middle - half, middle + half], dim=1)
    return torch.stack([square_around(box, margin, height, width) for box in even])


def cut_squares(pictures: Tensor, squares: Tensor, size: int) -> Tensor:
    """Crops [N, size, size, C] of pictures [N, H, W, C] in 0..1 by squares [1 or N, 3].

    Beyond the picture its edge is repeated.
    """
    crops = [
        resized(_cut(picture, *square.tolist()), size)
        for picture, square in zip(pictures, squares.expand(len(pictures), -1), strict=True)
    ]
    return torch.stack(crops)


def _cut(picture: Tensor, left: int, top: int, side: int) -> Tensor:
    """The square [side, side, C] of a picture [H, W, C]."""
    rows = (torch.arange(side) + top).clamp(0, picture.shape[0] - 1)
    columns = (torch.arange(side) + left).clamp(0, picture.shape[1] - 1)
    return picture[rows][:, columns]


def resized(picture: Tensor, size: int) -> Tensor:
    """A square picture [S, S, C] in 0..1 as [size, size, C]."""
    if picture.shape[0] == size:
        return picture
    maps = picture.movedim(-1, 0)[None]
    return interpolate(maps, (size, size), mode="bicubic", antialias=True).clamp(0, 1)[0].movedim(0, -1)
