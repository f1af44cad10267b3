"""Geometry added to a head: eyeballs, teeth, hair, glasses, shoulders. Metres, axes as in `head_mesh`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit


@dataclass(frozen=True)
class Part:
    """A piece of coloured geometry; V vertices, T triangles."""

    points: np.ndarray
    """float32 [V, 3]."""
    triangles: np.ndarray
    """int32 [T, 3], counter-clockwise seen from outside."""
    attributes: np.ndarray
    """float32 [V, 3]: colour 0..1, or the direction for an eyeball."""
    gloss: float = 0.0
    """Strength of the highlight."""


def join(parts: Sequence[Part]) -> Part:
    """One part of several; the gloss of the first."""
    starts = np.cumsum([0] + [len(part.points) for part in parts])
    return Part(
        np.concatenate([part.points for part in parts]).astype(np.float32),
        np.concatenate([part.triangles + s for part, s in zip(parts, starts, strict=False)]).astype(np.int32),
        np.concatenate([part.attributes for part in parts]).astype(np.float32),
        parts[0].gloss,
    )


def colored(points: np.ndarray, triangles: np.ndarray, color: np.ndarray, gloss: float = 0.0) -> Part:
    """A part of one colour [3], or of one colour per vertex [V, 3]."""
    attributes = np.broadcast_to(np.asarray(color, np.float32), points.shape)
    return Part(points.astype(np.float32), triangles.astype(np.int32), attributes.astype(np.float32), gloss)


def grid_triangles(rows: int, columns: int, closed: bool) -> np.ndarray:
    """Two triangles per cell of a grid of vertices, row by row; `closed` joins last and first column."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns - (not closed)), indexing="ij")
    following = (column + 1) % columns
    a, b = row * columns + column, row * columns + following
    c, d = a + columns, b + columns
    return (
        np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], axis=2).reshape(-1, 3).astype(np.int32)
    )


def ball(center: np.ndarray, radii: float | np.ndarray, color: np.ndarray, gloss: float = 0.0) -> Part:
    """An ellipsoid with its poles up and down."""
    points = _unit_sphere(13, 20)
    return colored(center + points * np.float32(radii), grid_triangles(13, 20, True), color, gloss)


def eyeball(center: np.ndarray, radius: float) -> Part:
    """A sphere whose attributes are directions; its poles lie to the sides, out of sight."""
    points = _unit_sphere(17, 24)[:, [2, 1, 0]] * np.array((1, 1, -1), np.float32)
    return Part(
        (center + radius * points).astype(np.float32), grid_triangles(17, 24, True), points, gloss=0.55
    )


def _unit_sphere(rows: int, columns: int) -> np.ndarray:
    polar = np.linspace(0, np.pi, rows)[:, None]
    around = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    ring = np.sin(polar)
    points = np.stack([ring * np.sin(around), -ring * np.cos(around), np.cos(polar) + 0 * around], axis=-1)
    return points.reshape(-1, 3).astype(np.float32)


def tube(path: np.ndarray, radius: float, color: np.ndarray, closed: bool, gloss: float = 0.0) -> Part:
    """A round tube of 6 sides along a path [P, 3]."""
    ahead = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    if not closed:
        ahead[0], ahead[-1] = path[1] - path[0], path[-1] - path[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9
    helper = np.where(np.abs(ahead[:, 1:2]) > 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])
    side = np.cross(ahead, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    other = np.cross(ahead, side)
    around = np.linspace(0, 2 * np.pi, 6, endpoint=False)[None, :, None]
    points = path[:, None] + radius * (np.cos(around) * side[:, None] + np.sin(around) * other[:, None])
    rows = np.concatenate([points, points[:1]]) if closed else points
    return colored(rows.reshape(-1, 3), grid_triangles(len(rows), 6, True), color, gloss)


def glasses(eyes: np.ndarray, size: np.ndarray, front: float, ears: np.ndarray, shape: float, thick: float,
            color: np.ndarray) -> Part:  # fmt: skip
    """A frame before both eye centres [2, 3].

    size: half width and half height, m; front: y of the lenses; ears [2, 3]: where the temples end;
    shape: 2 round .. 5 rectangular (exponent of the superellipse); thick: tube radius, m.
    """
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    outline = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    outline = np.sign(outline) * np.abs(outline) ** (2 / shape)
    parts = []
    for eye, ear, side in zip(eyes, ears, (-1, 1), strict=True):
        middle = np.array([eye[0] * 1.03, front, eye[2] - 0.002])
        ring = middle + np.stack([outline[:, 0] * size[0], 0 * turn, outline[:, 1] * size[1]], axis=-1)
        hinge = middle + np.array([side * size[0], 0.0, size[1] * 0.35])
        bow = np.stack(
            [hinge, hinge + np.array([side * 0.006, 0.01, 0]), [ear[0] + side * 0.004, ear[1], hinge[2]]]
        )
        parts += [tube(ring, thick, color, True, 0.3), tube(bow, thick, color, False, 0.3)]
    inner = np.abs(eyes[:, 0]).mean() * 1.03 - size[0]
    bridge = np.stack([[x, front - 0.002 * (1 - abs(x) / 0.02), eyes[:, 2].mean() + 0.002]
                       for x in np.linspace(-inner, inner, 5)])  # fmt: skip
    return join([*parts, tube(bridge, thick, color, False, 0.3)])


def teeth(lip: np.ndarray, width: float) -> Part:
    """An upper row of teeth behind the point `lip` [3] where the lips meet; width m."""
    across = np.linspace(-1, 1, 15)
    arc = np.stack([across * width / 2, 0.007 + 0.016 * across**2, 0 * across], axis=-1)
    drop = 0.0010 * (1 - 0.5 * across**2)[:, None] * np.array([[0, 0, 1.0]])
    rows = np.stack([arc + np.array([0, 0, 0.010]), arc - drop]) + lip
    return colored(rows.reshape(-1, 3), grid_triangles(2, 15, False), np.array((0.86, 0.84, 0.80), np.float32))


def shoulders(neck: np.ndarray, radius: np.ndarray, width: float, collar: float, colors: np.ndarray) -> Part:
    """Chest and shoulders around the neck's base.

    neck [3]: centre of the neck's base; radius: half width and half depth of the neck, m; width: half
    width of the shoulders, m; collar: how far cloth climbs the neck, m; colors [3, 3]: cloth, collar and
    stripe colour (the cloth colour for none).
    """
    w, d = radius * 1.10
    profile = np.array([  # height, half width, half depth, centre y
        [collar, w * 0.99, d * 0.99, 0.0],
        [collar, w * 1.06, d * 1.06, 0.0],
        [0.000, w * 1.12, d * 1.14, 0.0],
        [-0.010, w * 1.28, d * 1.22, 0.0],
        [-0.024, w + (width - w) * 0.42, d * 1.35, 0.004],
        [-0.038, w + (width - w) * 0.68, d * 1.45, 0.006],
        [-0.056, w + (width - w) * 0.87, d * 1.55, 0.006],
        [-0.080, w + (width - w) * 0.97, d * 1.65, 0.004],
        [-0.120, width, d * 1.75, 0.0],
        [-0.170, width * 0.99, d * 1.80, 0.0],
        [-0.230, width * 0.97, d * 1.80, 0.0],
        [-0.300, width * 0.95, d * 1.80, 0.0],
    ])  # fmt: skip
    fine = np.linspace(0, len(profile) - 1, 34)
    height, half, deep, center = (np.interp(fine, np.arange(len(profile)), column) for column in profile.T)
    around = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = half[:, None] * np.sin(around)
    y = center[:, None] - deep[:, None] * np.cos(around)
    z = np.broadcast_to(height[:, None], x.shape)
    color = np.broadcast_to(colors[0], (len(fine), 40, 3)).copy()
    color[fine < 2.6] = colors[1]
    color[(np.floor(fine * 1.1) % 3 == 0) & (fine > 4)] = colors[2]
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3) + neck
    return colored(points, grid_triangles(len(fine), 40, True), color.reshape(-1, 3), 0.03)


@njit(cache=True)
def cast(origin: np.ndarray, rays: np.ndarray, points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Distance along each ray [D, 3] to the outermost triangle, 0 where there is none; float32 [D]."""
    far = np.zeros(len(rays), dtype=np.float32)
    for t in range(len(triangles)):
        i, j, k = triangles[t]
        e, f, s = points[j] - points[i], points[k] - points[i], origin - points[i]
        q0, q1, q2 = s[1] * e[2] - s[2] * e[1], s[2] * e[0] - s[0] * e[2], s[0] * e[1] - s[1] * e[0]
        reach = f[0] * q0 + f[1] * q1 + f[2] * q2
        middle = (points[i] + points[j] + points[k]) / np.float32(3) - origin
        size = np.sqrt((middle * middle).sum()) + 1e-9
        for r in range(len(rays)):
            ray = rays[r]
            if (middle[0] * ray[0] + middle[1] * ray[1] + middle[2] * ray[2]) < 0.9 * size:
                continue  # far off the ray: the triangles are small
            h0, h1, h2 = (
                ray[1] * f[2] - ray[2] * f[1],
                ray[2] * f[0] - ray[0] * f[2],
                ray[0] * f[1] - ray[1] * f[0],
            )
            det = e[0] * h0 + e[1] * h1 + e[2] * h2
            if abs(det) < 1e-12:
                continue
            u = (s[0] * h0 + s[1] * h1 + s[2] * h2) / det
            v = (ray[0] * q0 + ray[1] * q1 + ray[2] * q2) / det
            if u >= -1e-4 and v >= -1e-4 and u + v <= 1.0002:
                far[r] = max(far[r], np.float32(reach / det))
    return far
