"""Face boxes out of whatever a person or another node gives: numbers, text, a mask, a detector's output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

Layout = Literal["corners", "size"]
"""What the four numbers of a box are: x0, y0, x1, y1, or x, y, width, height."""
ORDERS = ("left to right", "right to left", "top to bottom", "largest first", "as given")
BOX_NAMES = ("bbox", "bboxes", "box", "boxes")
"""Under these keys detectors keep their boxes."""
SPECK = 5e-4
"""Parts of a mask that are smaller, as a share of the picture, are no face."""
NEAR = 0.3
"""Parts of a mask are one face if the gap between their boxes is below this share of the larger one."""


def parse_box(text: str) -> Tensor:
    """Boxes [N, 4] of a text such as "120, 40, 380, 330", one box a line, corners in px."""
    rows = [line for line in text.splitlines() if line.strip()]
    try:
        boxes = [[float(number) for number in row.replace(",", " ").split()] for row in rows]
    except ValueError as error:
        raise ValueError(f"{text!r} is no box, want four numbers: x0, y0, x1, y1 in pixels") from error
    return boxes_of(boxes, "corners")


def boxes_of(found: Any, layout: Layout) -> Tensor:
    """Boxes [N, 4] (x0, y0, x1, y1 in px) of a detector's output.

    Known are rows of numbers (lists, tensors, arrays), dictionaries with x, y, width, height or with a bbox, and
    objects with a bbox, in lists or alone, such as the SEGS of Impact Pack.
    """
    boxes = list(_boxes(found, layout))
    if not boxes:
        raise ValueError("the detector found no face: paint a mask over it, or type its box")
    boxes = torch.tensor(boxes, dtype=torch.float32)
    if not ((boxes[:, 2:] > boxes[:, :2]).all() and torch.isfinite(boxes).all()):
        raise ValueError(f"{boxes.tolist()} holds a box without area: want x0 < x1 and y0 < y1 in pixels")
    return boxes


def _boxes(found: Any, layout: Layout) -> Iterator[list[float]]:
    if isinstance(found, Mapping):
        if {"x", "y", "width", "height"} <= found.keys():
            yield _corners([found[name] for name in ("x", "y", "width", "height")], "size")
        else:
            yield from _boxes(next((found[name] for name in BOX_NAMES if name in found), None), layout)
    elif hasattr(found, "bbox"):
        yield from _boxes(found.bbox, "corners")
    elif hasattr(found, "tolist"):
        yield from _boxes(found.tolist(), layout)
    elif isinstance(found, Sequence) and len(found) >= 4 and all(_number(item) for item in found[:4]):
        yield _corners([float(item) for item in found[:4]], layout)
    elif isinstance(found, Sequence) and not isinstance(found, str):
        # SEGS begin with the picture's height and width, which are no box
        for item in found:
            if not (isinstance(item, Sequence) and len(item) == 2 and all(map(_number, item))):
                yield from _boxes(item, layout)
    else:
        raise ValueError(
            f"a {type(found).__name__} is no face box: give four numbers, a BBOX, SEGS or a MASK"
        )


def _number(item: Any) -> bool:
    return isinstance(item, (int, float)) or (hasattr(item, "item") and getattr(item, "ndim", 1) == 0)


def _corners(box: Sequence[float], layout: Layout) -> list[float]:
    x, y, a, b = box
    return [x, y, x + a, y + b] if layout == "size" else [x, y, a, b]


def boxes_of_mask(mask: Tensor) -> Tensor:
    """A box [N, 4] around each face that is painted in a mask [H, W]: strokes near each other are one face."""
    from scipy import ndimage  # ComfyUI brings it

    labels: Any = ndimage.label((mask > 0.5).numpy())[0]  # pyright: ignore[reportIndexIssue]
    found: list[tuple[slice, slice]] = ndimage.find_objects(labels)
    boxes = [[x.start, y.start, x.stop, y.stop] for y, x in found]
    least = SPECK * mask.numel()
    boxes = [box for box in boxes if (box[2] - box[0]) * (box[3] - box[1]) >= least]
    if not boxes:
        raise ValueError("the mask is empty: paint over the face, or type its box")
    return torch.tensor(_merged(boxes), dtype=torch.float32)


def _merged(boxes: list[list[int]]) -> list[list[int]]:
    """Boxes with those united that lie near each other."""
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            if _near(one, other):
                united = [*map(min, one[:2], other[:2]), *map(max, one[2:], other[2:])]
                return _merged([united, *(box for box in boxes if box is not one and box is not other)])
    return boxes


def _near(one: list[int], other: list[int]) -> bool:
    reach = NEAR * max(one[2] - one[0], one[3] - one[1], other[2] - other[0], other[3] - other[1])
    return all(one[i] - reach < other[i + 2] and other[i] - reach < one[i + 2] for i in (0, 1))


def pick(boxes: Tensor, order: str, index: int) -> Tensor:
    """Box [4] number `index`, counted from 0, of boxes [N, 4] in an order of `ORDERS`."""
    if not 0 <= index < len(boxes):
        raise ValueError(f"there is no face {index}: {len(boxes)} found, counted from 0")
    size = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    keys = {
        "left to right": boxes[:, 0] + boxes[:, 2],
        "right to left": -boxes[:, 0] - boxes[:, 2],
        "top to bottom": boxes[:, 1] + boxes[:, 3],
        "largest first": -size,
        "as given": torch.arange(len(boxes)),
    }
    return boxes[keys[order].argsort(stable=True)[index]]
