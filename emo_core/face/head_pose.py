"""From face points to the head's six degrees of freedom and its rotation speed.

Axes are the camera's: x right, y down, z away. A rotation matrix takes the head's own axes (the same when it looks
into the camera) to the camera's.
"""

from __future__ import annotations

import numpy as np

from .detector import Layout

SMOOTHING = 0.08
"""Sigma of the smoothing of rotations over time, s: single frames jitter by about a degree, heads do not."""
EYES = 9.0
"""Distance of the outer eye corners of an average head, cm."""
VIEW = 63.0
"""Vertical view of the camera that is supposed, degrees."""


def rotations(points: np.ndarray, layout: Layout, fps: float, smoothing: float = SMOOTHING) -> np.ndarray:
    """Rotation matrices [F, 3, 3] of the points [F, L, 3] of one person's face.

    Each frame's rigid points are laid on their mean over the clip, so that a face's own form does not count; where
    ahead is follows from the mean's symmetry.
    """
    rigid = _centred(points[:, list(layout.rigid)])
    mean, turns = rigid[len(rigid) // 2], np.eye(3)
    for _ in range(4):
        turns = _fit(mean, rigid)
        aligned = np.einsum("fji,fkj->fki", turns, rigid)  # each frame turned back
        mean = (aligned / np.linalg.norm(aligned, axis=(1, 2), keepdims=True)).mean(0)
    form = np.einsum("fji,fkj->fki", turns, points - points[:, list(layout.rigid)].mean(1, keepdims=True))
    return _smooth(turns @ _axes(form.mean(0), layout), smoothing * fps)


def angles(matrices: np.ndarray) -> np.ndarray:
    """Yaw (positive towards the picture's right), pitch (up) and roll (clockwise) [F, 3], degrees.

    Pitch acts first, roll last.
    """
    yaw = np.arcsin(np.clip(matrices[:, 2, 0], -1, 1))
    pitch = -np.arctan2(matrices[:, 2, 1], matrices[:, 2, 2])
    roll = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    return np.rad2deg(np.stack([yaw, pitch, roll], axis=1))


def places(points: np.ndarray, layout: Layout, size: tuple[int, int]) -> np.ndarray:
    """Where the middle of the rigid points is, x, y, z in cm [F, 3], in a picture of `size` (width, height) px."""
    left, right = points[:, layout.eyes[0]], points[:, layout.eyes[1]]
    scale = np.linalg.norm(right - left, axis=-1) / EYES  # px per cm at the head
    focal = size[1] / 2 / np.tan(np.deg2rad(VIEW) / 2)  # px
    middle = points[:, list(layout.rigid), :2].mean(1) - np.array(size) / 2
    return np.column_stack([middle / scale[:, None], focal / scale])


def rotation_speed(matrices: np.ndarray) -> np.ndarray:
    """Degrees per frame [F]: the angle between a frame's rotation and that of the one before.

    The first frame takes the value of the second; a single frame has speed 0.
    """
    if len(matrices) < 2:
        return np.zeros(len(matrices))
    step = np.swapaxes(matrices[:-1], -1, -2) @ matrices[1:]
    # The chord is exact for small angles, where the arc cosine of the trace is not.
    chord = np.linalg.norm(step - np.eye(3), axis=(-2, -1)) / np.sqrt(8)
    degrees = 2 * np.rad2deg(np.arcsin(np.clip(chord, 0, 1)))
    return np.concatenate([degrees[:1], degrees])


def _centred(points: np.ndarray) -> np.ndarray:
    return points - points.mean(axis=-2, keepdims=True)


def _fit(form: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The rotations [F, 3, 3] that lay a form [K, 3] best on points [F, K, 3], all centred (Kabsch)."""
    return _nearest(np.einsum("fki,kj->fij", points, form))


def _nearest(matrices: np.ndarray) -> np.ndarray:
    """The rotation nearest to each matrix [F, 3, 3]."""
    left, _, right = np.linalg.svd(matrices)
    left[..., -1] *= np.sign(np.linalg.det(left @ right))[..., None]
    return left @ right


def _axes(form: np.ndarray, layout: Layout) -> np.ndarray:
    """Right, down and away of a face's form [L, 3], as columns."""
    right = np.sum([form[b] - form[a] for a, b in layout.pairs], axis=0)
    right /= np.linalg.norm(right)
    down = form[layout.bottom] - form[layout.top]
    down -= right * (down @ right)
    down /= np.linalg.norm(down)
    return np.column_stack([right, down, np.cross(right, down)])


def _smooth(matrices: np.ndarray, sigma: float) -> np.ndarray:
    """Rotations [F, 3, 3] averaged over time with Gaussian weights; the ends are repeated."""
    if sigma <= 0:
        return matrices
    reach = int(np.ceil(4 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(matrices, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    flat = padded.reshape(len(padded), 9)
    mixed = np.stack([np.convolve(column, weights, mode="valid") for column in flat.T], axis=1)
    return _nearest(mixed.reshape(-1, 3, 3))
