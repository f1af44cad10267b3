"""A drawn head in space: points on an ellipsoid turn and shift like those of a real head.

Head space has its origin in the middle of the head: x to the picture's right, y down, z towards the viewer;
one unit is half the neutral head's height, so the crown lies at y = -1 and the chin at y = 1.
A point is a row (x, y, z, kind); the kind says how it follows the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .types import FaceState

OUTLINE, SOLID, BODY = 0.0, 1.0, 2.0
"""Kinds of points. A head's silhouette stays as wide when it turns (OUTLINE), what lies on it turns with it
(SOLID), and shoulders only go along with its shifts (BODY)."""

CHEST_FOLLOWS = 0.6
"""The part of a head shift that the shoulders make too, as in the rendered world."""
JAW_DROP = 0.17
"""How far the chin falls when the mouth is wide open, in head units."""


@dataclass(frozen=True)
class HeadShape:
    """The form of a head; lengths in head units."""

    half_width: float
    depth: float
    crown: float
    """Exponent of the upper outline's superellipse: 2 round, above it boxy."""
    jaw: float
    """The same for the lower outline: below 2 pointed, above it square."""
    cheek: float
    """Extra width at the cheeks, fraction of the half width."""

    def outline(self, turn: np.ndarray, grow: float | np.ndarray = 0.0) -> np.ndarray:
        """Silhouette points at angles `turn` [n] (radians from the crown, positive to the picture's right).

        `grow` pushes them outwards by that fraction.
        """
        sin, cos = np.sin(turn), np.cos(turn)
        power = np.where(cos > 0, 2 / self.crown, 2 / self.jaw)
        y = -np.sign(cos) * np.abs(cos) ** power
        x = self.half_width * np.sign(sin) * np.abs(sin) ** power
        x = x * (1 + self.cheek * np.exp(-(((y - 0.3) / 0.3) ** 2))) * (1 + grow)
        low = np.clip(y - 0.1, 0, None) / 0.9
        # the jaw's edge lies a little before the axis of rotation, the chin well before it
        depth = 0.12 * ((y + 0.6) / 0.6).clip(0, 1) + 0.32 * low * (1 - 0.6 * np.abs(sin))
        return np.stack([x, y * (1 + grow), depth, np.full_like(x, OUTLINE)], axis=1)

    def side(self, y: np.ndarray) -> np.ndarray:
        """Half the silhouette's width at heights `y` [n] within -1..1."""
        power = np.where(y < 0, self.crown, self.jaw)
        width = self.half_width * (1 - np.abs(y) ** power).clip(0) ** (1 / power)
        return width * (1 + self.cheek * np.exp(-(((y - 0.3) / 0.3) ** 2)))

    def surface(self, x: np.ndarray, y: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
        """Points on the head's front at `x`, `y` [n], raised by `lift` towards the viewer."""
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        rest = 1 - (x / (1.06 * self.half_width)) ** 2 - (y / 1.15) ** 2
        z = self.depth * np.sqrt(rest.clip(0.01)) + lift
        return np.stack([x, y, z, np.full_like(z, SOLID)], axis=1)


def points(x: np.ndarray, y: np.ndarray, z: float, kind: float) -> np.ndarray:
    """Rows (x, y, z, kind) from coordinates of equal or broadcast length."""
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    return np.stack([x, y, np.full_like(x, z), np.full_like(x, kind)], axis=1)


def drop_jaw(rows: np.ndarray, opening: float) -> np.ndarray:
    """The rows with the lower face pulled down by the mouth's opening (0..1)."""
    if opening <= 0:
        return rows
    moved = rows.copy()
    moved[:, 1] += JAW_DROP * opening * ((rows[:, 1] - 0.25) / 0.75).clip(0, 1.3)
    return moved


@dataclass(frozen=True)
class Placement:
    """Where an identity's head sits in the picture when nothing moves; fractions of the picture's side."""

    x: float
    y: float
    radius: float
    """Half the head's height."""

    def project(self, rows: np.ndarray, state: FaceState, size: int) -> np.ndarray:
        """Picture coordinates float64 [n, 2] of points [n, 4]; pixel i spans i .. i + 1."""
        yaw, pitch, roll = np.radians([state.yaw, state.pitch, state.roll])
        x, y, z, kind = rows.T
        solid = kind == SOLID
        turned = np.where(solid, np.cos(yaw), 1.0) * x + np.sin(yaw) * z
        forward = np.cos(yaw) * z - np.where(solid, np.sin(yaw) * x, 0.0)
        # what would vanish round the side stays on the silhouette: a flat drawing cannot hide it
        hidden = solid & (z > 0) & (forward < 0)
        turned = np.where(hidden, np.sign(turned) * np.hypot(x, z), turned)
        raised = np.where(solid, np.cos(pitch), 1.0) * y - np.sin(pitch) * forward
        near = 1 + 0.06 * (forward + np.sin(pitch) * y)  # the weakest perspective that still reads as one
        unit = self.radius * state.scale * near
        head = np.stack(
            [
                self.x + state.shift_x + unit * (np.cos(roll) * turned - np.sin(roll) * raised),
                self.y + state.shift_y + unit * (np.sin(roll) * turned + np.cos(roll) * raised),
            ],
            axis=1,
        )
        follow_x, follow_y = CHEST_FOLLOWS * state.shift_x, CHEST_FOLLOWS * state.shift_y
        body = np.stack([self.x + follow_x + self.radius * x, self.y + follow_y + self.radius * y], axis=1)
        return size * np.where((kind == BODY)[:, None], body, head)
