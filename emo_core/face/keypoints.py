"""V-Express's picture of a face: left eye, right eye and nose as coloured dots, joined by two sticks.

The pixels are those that OpenCV's integer drawing gives, which the published weights were trained on.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
"""Of left eye, right eye and nose."""
RADIUS = 4
"""Of a dot, and half the width of a stick, px."""
STICK_SHADE = 0.6

_ONE = 1 << 16  # of fixed-point columns

Spans = dict[int, tuple[int, int]]
"""Filled columns (first, last) by row."""


def keypoint_pictures(points: Tensor, height: int, width: int) -> Tensor:
    """Pictures [F, 3, H, W] in 0..1 of key points [F, 3, 2] (x, y in px; left eye, right eye, nose)."""
    if points.ndim != 3 or points.shape[1:] != (3, 2):
        raise ValueError(
            f"key points must be [F, 3, 2] (left eye, right eye, nose), got {tuple(points.shape)}"
        )
    pictures = [draw_keypoints(frame, height, width) for frame in points.detach().cpu().numpy()]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def draw_keypoints(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """One picture [H, W, 3], uint8 RGB, of key points [3, 2]."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    nose = points[2]
    for eye, color in zip(points[:2], COLORS[:2], strict=True):
        _fill(picture, _stick(eye, nose), tuple(int(value * STICK_SHADE) for value in color))
    for point, color in zip(points, COLORS, strict=True):
        _fill(picture, _dot(int(point[0]), int(point[1])), color)
    return picture


def _fill(picture: np.ndarray, spans: Spans, color: tuple[int, ...]) -> None:
    height, width = picture.shape[:2]
    for row, (first, last) in spans.items():
        if 0 <= row < height and last >= 0 and first < width:
            picture[row, max(first, 0) : last + 1] = color


def _dot(x: int, y: int) -> Spans:
    """A filled circle by the midpoint rule."""
    spans: Spans = {}
    far, near, error = RADIUS, 0, 0
    while far >= near:
        for row, reach in ((near, far), (far, near)):
            for side in (y - row, y + row):
                first, last = spans.get(side, (x, x))
                spans[side] = (min(first, x - reach), max(last, x + reach))
        near += 1
        error += 2 * near - 1
        if error > 0:
            error -= 2 * far - 1
            far -= 1
    return spans


def _stick(start: np.ndarray, end: np.ndarray) -> Spans:
    """A filled ellipse from `start` to `end`, turned by whole degrees, as a polygon of whole pixels."""
    x, y = np.stack([start, end], axis=1)
    half = int(((x[0] - x[1]) ** 2 + (y[0] - y[1]) ** 2) ** 0.5 / 2)
    turn = int(math.degrees(math.atan2(y[0] - y[1], x[0] - x[1]))) % 360
    degrees = np.arange(361)
    along, across = half * _sine(degrees + 90), RADIUS * _sine(degrees)
    cosine, sine = _sine(np.array(turn + 90)), _sine(np.array(turn))
    columns = np.rint(int(np.mean(x)) + along * cosine - across * sine).astype(int).tolist()
    rows = np.rint(int(np.mean(y)) + along * sine + across * cosine).astype(int).tolist()
    spans: Spans = {}
    for i in range(360):
        corners = columns[i], rows[i], columns[i + 1], rows[i + 1]
        for column, row in (*_line(*corners), *_edge(*corners)):
            first, last = spans.get(row, (column, column))
            spans[row] = (min(first, column), max(last, column))
    return spans


def _sine(degrees: np.ndarray) -> np.ndarray:
    """Sines of whole degrees in the seven digits of OpenCV's table."""
    return np.round(np.sin(np.radians(degrees)), 7).astype(np.float32).astype(np.float64)


def _line(x0: int, y0: int, x1: int, y1: int) -> list[tuple[int, int]]:
    """Pixels of a line, drawn from its left end; between two pixels it stays with the one it comes from."""
    if x1 < x0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    steps = max(x1 - x0, abs(y1 - y0), 1)
    return [(_after(x0, x1, step, steps), _after(y0, y1, step, steps)) for step in range(steps + 1)]


def _edge(x0: int, y0: int, x1: int, y1: int) -> list[tuple[int, int]]:
    """Where filling between edges ends on the rows between two corners: halves go to the right."""
    if y1 < y0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    rows = y1 - y0
    slope = int(((x1 - x0) * 2 * _ONE + rows) / (2 * rows)) if rows else 0
    return [((x0 * _ONE + row * slope + _ONE // 2) // _ONE, y0 + row) for row in range(1, rows)]


def _after(start: int, end: int, step: int, steps: int) -> int:
    way = (2 * abs(end - start) * step + steps - 1) // (2 * steps)
    return start + way if end >= start else start - way
