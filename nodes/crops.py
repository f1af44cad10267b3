"""What the nodes for whole pictures make of their inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..emo_core.face.crop import cut_squares, following_squares, square_around
from ..emo_core.face.detections import Layout, boxes_of, boxes_of_mask, parse_box, pick
from ..emo_core.face.paste import Blend, paste
from .host.progress import FrameProgress
from .host.spill import gathered
from .types import CropValue


def face_boxes(image: Tensor, mask: Tensor | None, found: Any, text: str, layout: Layout) -> list[Tensor]:
    """Boxes [N, 4] in each frame that says where its faces are: one for all frames, or one for each.

    A typed box goes before a detector's output, that before a mask.
    """
    height, width = image.shape[1:3]
    if text.strip():
        return [parse_box(text)]
    if found is not None:
        return [boxes_of(found, layout)]
    if mask is None:
        raise ValueError("nothing says where the face is: connect a mask or a detector, or type a box")
    if not (mask > 0.5).any():
        raise ValueError("the mask is empty: paint over the face in the mask editor, or type its box")
    if mask.shape[-2:] != (height, width):
        raise ValueError(
            f"the mask is {mask.shape[-1]} x {mask.shape[-2]} and the picture {width} x {height}: "
            "paint it on the same picture"
        )
    if len(mask) == len(image):
        return [boxes_of_mask(picture) for picture in mask]
    return [torch.cat([boxes_of_mask(picture) for picture in mask])]  # one mask for each face


def crop_of(
    image: Tensor, mask: Tensor | None, boxes: list[Tensor], order: str, index: int, margin: float, size: int
) -> tuple[Tensor, Tensor, CropValue]:
    """Crops [N, size, size, 3], the face's mask in them [1 or N, size, size], and where they were."""
    height, width = image.shape[1:3]
    chosen = torch.stack([pick(found, order, index) for found in boxes])  # [1 or N, 4]
    squares = (
        square_around(chosen[0], margin, height, width)[None]
        if len(chosen) == 1
        else following_squares(chosen, margin, height, width)
    )
    size = size or max(8, int(squares[0, 2]) // 8 * 8)
    painted = torch.stack([_face_mask(box, mask, frame, height, width) for frame, box in enumerate(chosen)])
    faces = cut_squares(painted[..., None], squares, size)[..., 0]
    return cut_squares(image, squares, size), faces, CropValue(squares, image)


def _face_mask(box: Tensor, mask: Tensor | None, frame: int, height: int, width: int) -> Tensor:
    """The painted mask [H, W] inside the box, or the whole box."""
    x0, y0, x1, y1 = box.round().long().tolist()
    inside = torch.zeros(height, width)
    area = (slice(max(y0, 0), y1), slice(max(x0, 0), x1))
    inside[area] = 1.0
    if mask is not None and mask.shape[-2:] == inside.shape:
        painted = mask[min(frame, len(mask) - 1)] * inside
        return painted if (painted > 0.5).any() else inside
    return inside


@dataclass(frozen=True)
class Layer:
    """One speaker's animation."""

    crop: CropValue
    frames: Tensor
    """[F, S, S, 3] in 0..1."""
    mask: Tensor | None = None
    """The part of the crop that is pasted, [1 or F, S, S]."""

    def onto(self, canvas: Tensor, frame: int, blend: Blend) -> None:
        """Paste frame number `frame`, or the last one, onto a picture [H, W, 3] in place."""
        square = _held(self.crop.squares, frame)
        paste(canvas, _held(self.frames, frame).float(), square, blend, _held(self.mask, frame))


def pasted(image: Tensor, layers: list[Layer], blend: Blend, node_id: str | None) -> Tensor:
    """Pictures [F, H, W, 3] with the frames of each layer where its crop was.

    F is that of the longest; what ends earlier, the picture too, holds its last frame.
    """
    for layer in layers:
        _check(layer, image)
    frames = max(len(image), *(len(layer.frames) for layer in layers))
    progress = FrameProgress(frames, node_id)

    def pieces() -> Iterator[Tensor]:
        for frame in range(frames):
            canvas = _held(image, frame).to("cpu", torch.float32, copy=True)
            for layer in layers:
                layer.onto(canvas, frame, blend)
            progress.add(1)
            yield canvas[None]

    return gathered(pieces(), frames)


def _check(layer: Layer, image: Tensor) -> None:
    size, wanted = layer.crop.picture.shape[1:3], image.shape[1:3]
    if size != wanted:
        raise ValueError(
            f"the crop comes from a picture of {size[1]} x {size[0]} and is put into one of {wanted[1]} x {wanted[0]}: "
            "give the picture that was cropped"
        )
    height, width = layer.frames.shape[1:3]
    if height != width:
        raise ValueError(f"the frames are {width} x {height}, want squares: give the animation of the crop")


def _held(rows: Any, frame: int) -> Any:
    """Row `frame`, or the last one; None has none."""
    return None if rows is None else rows[min(frame, len(rows) - 1)]
