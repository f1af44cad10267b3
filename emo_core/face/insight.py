"""Faces by insightface's ONNX files: where they are (SCRFD), and who they are (ArcFace).

The networks run in onnxruntime, which is imported when they run; insightface itself is not needed. Its models
are for non-commercial research.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate, pad

from ..optional import need
from .detector import overlap
from .landmarks import FIVE

SIDE = 640
"""Pixels of the square in which faces are looked for."""
STRIDES = (8, 16, 32)
SURE = 0.5
SAME = 0.4
"""Boxes that overlap more are one face."""
ALIGNED = 112
"""Pixels of the square in which a face is recognised."""
# where the five points of an aligned face lie, px in a square of 112 (ArcFace)
TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


def open_session(path: Path) -> Any:
    """An ONNX file, ready to run on the CPU; MissingPackageError if onnxruntime is not installed."""
    runtime = need("onnxruntime", "onnxruntime")
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class FoundFace:
    """One face in a picture."""

    score: float
    box: Tensor
    """[4]: x0, y0, x1, y1 in px."""
    points: Tensor
    """[5, 2] in px (see `Landmarks`)."""


def find_faces(session: Any, picture: Tensor) -> list[FoundFace]:
    """All faces in a picture [3, H, W] in 0..1, the largest first, by an SCRFD network with key points."""
    height, width = picture.shape[-2:]
    scale = SIDE / max(height, width)
    size = (round(height * scale), round(width * scale))
    small = interpolate(picture[None], size, mode="bilinear", antialias=True)
    square = pad(small * 255, (0, SIDE - size[1], 0, SIDE - size[0]))
    outputs = session.run(None, {session.get_inputs()[0].name: ((square - 127.5) / 128).numpy()})
    if len(outputs) != 3 * len(STRIDES):
        raise ValueError(
            f"the detector gives {len(outputs)} outputs, want {3 * len(STRIDES)}: use an SCRFD network with key "
            "points, such as scrfd_10g_bnkps.onnx or det_10g.onnx"
        )
    tensors = [torch.from_numpy(np.asarray(output)).float() for output in outputs]
    levels = [_level(stride, tensors[i], tensors[i + 3], tensors[i + 6]) for i, stride in enumerate(STRIDES)]
    scores, boxes, points = (torch.cat(parts) for parts in zip(*levels, strict=True))
    kept = _suppress(scores, boxes)
    order = sorted(kept, key=lambda i: -float((boxes[i, 2:] - boxes[i, :2]).prod()))
    return [FoundFace(float(scores[i]), boxes[i] / scale, points[i] / scale) for i in order]


def landmarks_of(face: FoundFace, width: int, height: int) -> dict[str, Any]:
    """EMO_LANDMARKS of a found face."""
    return {"points": face.points[None], "width": width, "height": height, "box": face.box[None]}


def embed_face(session: Any, picture: Tensor, points: Tensor) -> Tensor:
    """Who the face with these points [5, 2] (px) is: an embedding [E] of a picture [3, H, W] in 0..1.

    As insightface's `embedding`: not normalised.
    """
    aligned = (align(picture, points) * 255 - 127.5) / 127.5
    (embedding,) = session.run(None, {session.get_inputs()[0].name: aligned[None].numpy()})
    return torch.from_numpy(np.asarray(embedding)).float().reshape(-1)


def align(picture: Tensor, points: Tensor) -> Tensor:
    """The face of a picture [3, H, W] turned and scaled so that its points lie on the template: [3, 112, 112]."""
    height, width = picture.shape[-2:]
    matrix = similarity(torch.tensor(TEMPLATE), points)  # from the aligned square to the picture, px
    to_pixels = torch.tensor([[ALIGNED / 2, 0, (ALIGNED - 1) / 2], [0, ALIGNED / 2, (ALIGNED - 1) / 2], [0, 0, 1]])
    to_shares = torch.tensor([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1]])
    whole = torch.cat([matrix, torch.tensor([[0.0, 0.0, 1.0]])])
    theta = to_shares @ whole @ to_pixels
    grid = affine_grid(theta[None], [1, 3, ALIGNED, ALIGNED], align_corners=False)
    return grid_sample(picture[None].float(), grid, mode="bilinear", align_corners=False)[0]


def similarity(source: Tensor, target: Tensor) -> Tensor:
    """The turn, scale and shift [2, 3] that takes points [N, 2] nearest to others (Umeyama 1991)."""
    source, target = source.double(), target.double()
    middle, goal = source.mean(0), target.mean(0)
    spread = source - middle
    left, values, right = torch.linalg.svd((target - goal).T @ spread / len(source))
    sign = torch.ones(2, dtype=torch.float64)
    sign[1] = torch.sign(torch.det(left) * torch.det(right))
    turn = left @ torch.diag(sign) @ right
    scale = (values * sign).sum() / spread.square().sum(1).mean()
    return torch.cat([scale * turn, (goal - scale * turn @ middle)[:, None]], dim=1).float()


def _level(stride: int, scores: Tensor, distances: Tensor, shifts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sure faces of one level: scores [N], boxes [N, 4] and points [N, 5, 2] in px of the square."""
    side = SIDE // stride
    scores = scores.reshape(-1)
    anchors = len(scores) // side**2
    places = torch.arange(side).float() * stride
    centers = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1).reshape(-1, 2)
    centers = centers.repeat_interleave(anchors, 0)
    sure = scores >= SURE
    centers, far = centers[sure], distances.reshape(-1, 4)[sure] * stride
    points = centers[:, None] + shifts.reshape(-1, FIVE, 2)[sure] * stride
    return scores[sure], torch.cat([centers - far[:, :2], centers + far[:, 2:]], 1), points


def _suppress(scores: Tensor, boxes: Tensor) -> list[int]:
    """The surest of boxes that overlap."""
    kept: list[int] = []
    for i in scores.argsort(descending=True).tolist():
        if all(overlap(boxes[i].numpy(), boxes[j].numpy()) <= SAME for j in kept):
            kept.append(i)
    return kept
