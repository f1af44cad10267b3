"""Faces posed at random on heads that keep still, in silence: what a network learns to draw from, whatever is said.

In speech eyes are closed in one of twelve frames, brows and mouths go together, and heads move more than faces. Here
the first frame is a portrait, mostly at rest, and all that differs from it in the others is the expression.
"""

from __future__ import annotations

import cv2
import numpy as np

from .head_motion import LIMITS
from .types import TRACKS, Performance

RATE = 16000
"""Hz of the silence."""
TURNED, FARTHEST = 1.0, 2.5
"""Deviation and farthest of a head's turn, in those a talking head has from its middle (`LIMITS`): portraits look
aside further than heads do that talk."""
TALKING = 0.5
"""Part of the people whose portrait has its mouth open or its brows up or down: singers hardly ever close their mouths,
and people hand in such portraits."""


def pose(seed: int, frames: int, fps: float) -> Performance:
    """One face in `frames` expressions, the first a portrait's; the same arguments give the same faces."""
    rng = np.random.default_rng(seed)
    track = {name: np.zeros(frames) for name in TRACKS}
    turned = np.clip(rng.normal(0, TURNED, 3), -FARTHEST, FARTHEST) * LIMITS
    track["yaw"][:], track["pitch"][:], track["roll"][:] = turned
    track["shift_x"][:], track["shift_y"][:] = rng.uniform(-0.03, 0.03, 2)
    track["scale"][:] = rng.uniform(0.96, 1.04)
    track["smile"][:], track["gaze_x"][:], track["gaze_y"][:] = rng.normal((0.15, 0, 0), (0.12, 0.12, 0.06))
    shown = slice(1, None)
    count = frames - 1
    open_ = rng.beta(1.2, 1.8, count) * (rng.random(count) < 0.75)
    rounded = np.where(rng.random(count) < 0.4, rng.uniform(0, 1, count), 0.0)
    track["open"][shown], track["round"][shown] = open_, rounded
    track["width"][shown] = np.where(rounded > 0, rng.uniform(-0.9, 0.1, count), rng.uniform(-0.5, 0.9, count))
    lids = rng.random(count)
    track["blink"][shown] = np.select([lids < 0.3, lids < 0.5], [1.0, rng.random(count)], 0.0)
    track["brow"][shown] = rng.uniform(-1, 1, count)
    if rng.random() < TALKING:
        track["open"][0] = rng.beta(1.2, 1.8)
        track["width"][0], track["brow"][0] = rng.uniform(-0.6, 0.8), rng.uniform(-0.7, 0.7)
    return Performance(
        tracks=np.stack([track[name] for name in TRACKS], axis=1).astype(np.float32),
        waveform=np.zeros(round(frames / fps * RATE), np.float32),
        sample_rate=RATE,
        fps=fps,
        speed=np.zeros(frames, np.float32),
    )


def recoloured(pictures: np.ndarray, seed: int) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3] of one person in other colours, sometimes flattened, all in the same way.

    People hand in portraits of styles that are not among ours.
    """
    rng = np.random.default_rng((seed, 1))
    hue, saturation, contrast = rng.uniform(-0.8, 0.8), rng.uniform(0.4, 1.4), rng.uniform(0.75, 1.25)
    gamma = np.exp(rng.normal(0, 0.2, 3))
    if rng.random() < 0.3:
        pictures = np.stack([cv2.medianBlur(np.ascontiguousarray(picture), 5) for picture in pictures])
    grey = np.full((3, 3), 1 / 3)
    turn = cv2.Rodrigues(np.full(3, hue / np.sqrt(3)))[0]
    mix = contrast * (grey + saturation * (np.eye(3) - grey) @ turn)
    colours = 0.5 + (pictures.astype(np.float32) / 255 - 0.5) @ mix.T.astype(np.float32)
    return np.rint(255 * colours.clip(0, 1) ** gamma).astype(np.uint8)
