"""What finds faces: an interface, so that another network can take the place of the one we bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Layout:
    """Which of a detector's points are what. Left and right are the picture's, for a head that looks ahead."""

    rigid: tuple[int, ...]
    """Points that move with the skull, whatever the face does."""
    pairs: tuple[tuple[int, int], ...]
    """Mirror points (left, right)."""
    top: int
    """The middle of the forehead."""
    bottom: int
    """The chin."""
    eyes: tuple[int, int]
    """Outer corners of the eyes (left, right)."""
    lips: tuple[int, int]
    """Inner edges of the lips (upper, lower)."""


@dataclass(frozen=True)
class Face:
    """One face in one picture."""

    score: float
    """How sure the detector is, 0..1."""
    box: np.ndarray
    """x0, y0, x1, y1 in px, float64 [4]."""
    points: np.ndarray
    """x and y in px, z in px towards the far side, about any plane, float64 [L, 3]."""


class FaceDetector(Protocol):
    """Finds faces in pictures, uint8 [H, W, 3] RGB."""

    layout: Layout

    def find(self, picture: np.ndarray) -> list[Face]:
        """All faces, the surest first."""
        ...

    def follow(self, picture: np.ndarray, face: Face) -> Face | None:
        """The face of the picture before in this one, or None if it is not there any more."""
        ...


def overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    both = float(np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2])) - shared
    return shared / both if both > 0 else 0.0
