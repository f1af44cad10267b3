"""How the synthetic head turns and drifts: a smooth walk that keeps an asked speed."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

LIMITS = (8.0, 6.0, 4.0)
"""Largest yaw, pitch and roll, degrees either way."""

SHARE = np.array((1.0, 0.55, 0.45))
"""How much of a turn goes into yaw, pitch and roll."""
_AGILITY = 0.7  # 1/s: how quickly the direction of movement changes
_PULL = 2.5  # 1/s: how strongly the direction turns back near a limit
_PULL_PER_SPEED = 3.0  # 1/s for each degree per frame at 30 fps
_ROUNDING = 0.03  # s: sigma that rounds the corners of reflections


def random_speed(rng: np.random.Generator) -> float:
    """A clip's head speed, degrees per frame: mostly 0.05 to 0.6, sometimes nearly still or up to 2.4."""
    kind = rng.random()
    if kind < 0.04:
        return 0.0
    return float(rng.uniform(0.05, 0.6) if kind < 0.9 else rng.uniform(0.6, 2.4))


def walk(
    rng: np.random.Generator, count: int, fps: float, speed: float, limits: np.ndarray | None = None
) -> np.ndarray:
    """Yaw, pitch and roll [count, 3] in degrees, moving about `speed` degrees per frame.

    The direction is a random walk of its own, pulled back towards the middle near `limits` (`LIMITS`) and
    reflected at them, so the head can keep its speed; the speed breathes by about 25 percent.
    """
    limits = np.array(LIMITS) if limits is None else limits
    angles = np.clip(rng.normal(0, 0.3, 3), -0.8, 0.8) * limits
    direction = rng.standard_normal(3)
    margin = int(np.ceil(4 * _ROUNDING * fps))  # or the rounding would slow the first and last frames
    total = count + 2 * margin
    breath = gaussian_filter1d(rng.standard_normal(total), 0.4 * fps, mode="wrap")
    # over a fraction of a second breath hardly varies, and its mean would be many of its deviations
    pace = speed * np.exp(np.clip(0.25 * breath / max(float(breath.std()), 1e-6), -1.5, 1.5))
    path = np.empty((total, 3))
    noise = rng.standard_normal((total, 3)) * np.sqrt(2 * _AGILITY / fps)
    # Fast heads must turn round sooner, or they would run into the limits.
    pull = (_PULL + _PULL_PER_SPEED * speed * fps / 30) / fps
    for i in range(total):
        path[i] = angles
        direction += noise[i] - pull * (angles / limits) ** 3
        direction /= np.linalg.norm(direction)  # so that it turns at a limited rate and never jumps
        step = direction * SHARE
        angles = angles + pace[i] * step / np.linalg.norm(step)
        outside = np.abs(angles) > limits
        direction = np.where(outside, -np.sign(angles) * np.abs(direction), direction)
        angles = np.where(outside, 2 * np.sign(angles) * limits - angles, angles)
    return gaussian_filter1d(path, _ROUNDING * fps, axis=0)[margin : margin + count]


def rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation matrices [F, 3, 3] of yaw, pitch, roll [F, 3] in degrees; pitch acts first, roll last."""
    yaw, pitch, roll = np.deg2rad(angles.astype(np.float64)).T
    return _turn(2, 0, 1, roll) @ _turn(1, 2, 0, yaw) @ _turn(0, 1, 2, pitch)


def rotation_speed(angles: np.ndarray) -> np.ndarray:
    """Degrees per frame [F]: the angle of R_{f-1}^T R_f (EMO's velocity label as a geodesic angle).

    The first frame takes the value of the second; a single frame has speed 0.
    """
    matrices = rotation(angles)
    if len(matrices) < 2:
        return np.zeros(len(matrices), np.float32)
    step = np.swapaxes(matrices[:-1], -1, -2) @ matrices[1:]
    # The chord is exact for small angles, where the arc cosine of the trace is not.
    chord = np.linalg.norm(step - np.eye(3), axis=(-2, -1)) / np.sqrt(8)
    degrees = 2 * np.rad2deg(np.arcsin(np.clip(chord, 0, 1)))
    return np.concatenate((degrees[:1], degrees)).astype(np.float32)


def drift(rng: np.random.Generator, count: int, fps: float) -> np.ndarray:
    """Shift x, shift y and scale [count, 3]: constant in three of four clips, else drifting over seconds."""
    middle = rng.uniform((-0.03, -0.03, -0.04), (0.03, 0.03, 0.04))
    if rng.random() < 0.75:
        return np.tile(middle + np.array((0, 0, 1)), (count, 1))
    pad = int(4 * fps)
    slow = gaussian_filter1d(rng.standard_normal((count + 2 * pad, 3)), 1.2 * fps, axis=0)[pad : pad + count]
    spread = np.sqrt(2 * np.sqrt(np.pi) * 1.2 * fps)  # turns filtered white noise back to variance 1
    offset = middle + slow * spread * np.array((0.012, 0.010, 0.015))
    return np.clip(offset, (-0.06, -0.06, -0.08), (0.06, 0.06, 0.08)) + np.array((0, 0, 1))


def _turn(axis: int, a: int, b: int, angle: np.ndarray) -> np.ndarray:
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, axis, axis] = 1
    matrix[:, a, a] = matrix[:, b, b] = np.cos(angle)
    matrix[:, b, a], matrix[:, a, b] = np.sin(angle), -np.sin(angle)
    return matrix
