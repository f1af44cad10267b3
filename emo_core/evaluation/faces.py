"""Where the face is in each frame of a video, how it is turned, and the pictures that judging networks want of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, grid_sample

SIDECAR = ".faces.npz"
"""Suffix of the file beside a video that holds its `FaceTrack`."""


@dataclass(frozen=True)
class FaceTrack:
    """One face through F frames; pixels are those of the video."""

    boxes: np.ndarray
    """[F, 4]: x0, y0, x1, y1."""
    landmarks: np.ndarray | None = None
    """[F, 5, 2]: the eyes, the nose, the mouth's corners; the picture's left one first."""
    rotations: np.ndarray | None = None
    """[F, 3, 3]: the head's rotation matrices."""

    def __post_init__(self) -> None:
        for name, shape in (("boxes", (4,)), ("landmarks", (5, 2)), ("rotations", (3, 3))):
            value = getattr(self, name)
            if value is not None and (value.shape[1:] != shape or len(value) != len(self.boxes)):
                raise ValueError(f"{name} must be [F, {shape}] like the boxes, got {value.shape}")

    def save(self, path: Path) -> None:
        """Write a sidecar."""
        np.savez(path, **{name: value for name, value in vars(self).items() if value is not None})

    @staticmethod
    def read(path: Path) -> FaceTrack:
        """Read a sidecar."""
        with np.load(path) as data:
            return FaceTrack(**{name: data[name] for name in data.files})


def sidecar(video: Path) -> Path:
    """Where the track of a video lies."""
    return video.with_name(video.stem + SIDECAR)


def turning_speed(rotations: np.ndarray, fps: float, unit_fps: float = 30.0) -> np.ndarray:
    """Head speed [F - 1]: the angle between neighbouring rotations [F, 3, 3], degrees per frame at `unit_fps`."""
    between = np.swapaxes(rotations[:-1], 1, 2) @ rotations[1:]
    skew = np.stack([between[:, i, j] - between[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=1)
    sine, cosine = np.linalg.norm(skew, axis=1) / 2, (np.trace(between, axis1=1, axis2=2) - 1) / 2
    return np.degrees(np.arctan2(sine, cosine)) * fps / unit_fps  # atan2: exact for the smallest angles too


def cut_out(frames: np.ndarray, centres: np.ndarray, sides: np.ndarray, size: int) -> torch.Tensor:
    """Square pictures [F, 3, size, size] in 0..255 of frames uint8 [F, H, W, 3]; beyond the edge its pixels go on.

    centres [F, 2] and sides [F] in px. Where the cut is larger than `size`, pixels are averaged.
    """
    factor = max(1, int(np.ceil(float(sides.max()) / size)))
    at = (torch.arange(size * factor) + 0.5) / (size * factor) - 0.5
    pictures = []
    for frame, (x, y), side in zip(frames, centres, sides, strict=True):
        height, width = frame.shape[:2]
        column, row = 2 * (x + at * side) / width - 1, 2 * (y + at * side) / height - 1
        grid = torch.stack(torch.meshgrid(column, row, indexing="xy"), dim=-1).float()[None]
        picture = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
        cut = grid_sample(picture, grid, padding_mode="border", align_corners=False)
        pictures.append(avg_pool2d(cut, factor) if factor > 1 else cut)
    return torch.cat(pictures)


def middles(boxes: np.ndarray) -> np.ndarray:
    """Centres [F, 2] of boxes [F, 4]."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def longer_sides(boxes: np.ndarray) -> np.ndarray:
    """The longer side [F] of each box [F, 4]."""
    return (boxes[:, 2:] - boxes[:, :2]).max(1)
