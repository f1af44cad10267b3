"""A drawing as a list of filled shapes and strokes in head space, painted back to front in one go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from .drawn_geometry import Placement
    from .types import FaceState

Colour = tuple[int, ...]
"""Red, green and blue, 0..255."""
SUPERSAMPLING = 2
_FRACTION_BITS = 4


def mix(a: Colour, b: Colour, amount: float) -> Colour:
    """The colour `amount` of the way from `a` to `b`."""
    return tuple(round(p + (q - p) * amount) for p, q in zip(a, b, strict=True))


@dataclass(frozen=True)
class _Shape:
    rows: slice
    fill: Colour | None
    line: Colour | None
    width: float
    """Line width in head units."""
    closed: bool


@dataclass
class Sketch:
    """Shapes in the order in which they are painted, and named points whose picture place is asked for."""

    ink: Colour | None = None
    """Colour of outlines; none draws flat shapes."""
    ink_width: float = 0.02
    _points: list[np.ndarray] = field(default_factory=list)
    _shapes: list[_Shape] = field(default_factory=list)
    _marks: dict[str, slice] = field(default_factory=dict)
    _count: int = 0

    def _add(self, rows: np.ndarray) -> slice:
        place = slice(self._count, self._count + len(rows))
        self._points.append(rows)
        self._count = place.stop
        return place

    def fill(self, rows: np.ndarray, colour: Colour, ink: bool = False) -> None:
        """A filled polygon, outlined if `ink` and the sketch has an ink."""
        line = self.ink if ink else None
        self._shapes.append(_Shape(self._add(rows), colour, line, self.ink_width, True))

    def stroke(self, rows: np.ndarray, colour: Colour, width: float, closed: bool = False) -> None:
        """A line of `width` head units."""
        self._shapes.append(_Shape(self._add(rows), None, colour, width, closed))

    def outline(self, rows: np.ndarray) -> None:
        """An open line in the sketch's ink, if it has one."""
        if self.ink:
            self.stroke(rows, self.ink, self.ink_width)

    def mark(self, name: str, rows: np.ndarray) -> None:
        """Points to measure, not to paint."""
        self._marks[name] = self._add(rows)

    def paint(self, canvas: np.ndarray, place: Placement, state: FaceState) -> dict[str, np.ndarray]:
        """Paint onto a square canvas SUPERSAMPLING times the frame; return the marks in frame pixels."""
        size = canvas.shape[0] / SUPERSAMPLING
        where = place.project(np.concatenate(self._points), state, size)
        # OpenCV counts from pixel centres, we count from pixel edges
        fixed = np.rint((where * SUPERSAMPLING - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)
        unit = place.radius * state.scale * size * SUPERSAMPLING
        for shape in self._shapes:
            polygon = [fixed[shape.rows]]
            if shape.fill is not None:
                cv2.fillPoly(canvas, polygon, shape.fill, cv2.LINE_AA, _FRACTION_BITS)
            if shape.line is not None:
                width = max(1, round(shape.width * unit))
                cv2.polylines(canvas, polygon, shape.closed, shape.line, width, cv2.LINE_AA, _FRACTION_BITS)
        return {name: where[rows] for name, rows in self._marks.items()}
