"""What stands still in a drawn portrait: background and clothes, and the neck that joins them to the head."""

from __future__ import annotations

import cv2
import numpy as np

from .drawn_geometry import BODY, OUTLINE, points
from .drawn_identity import Identity
from .drawn_palette import any_colour
from .drawn_sketch import Colour, Sketch, mix


def draw_background(who: Identity, size: int) -> np.ndarray:
    """The identity's background, uint8 [size, size, 3]."""
    rng = np.random.default_rng(who.manner.seed)
    first, second = any_colour(rng, 0.8, 70), any_colour(rng, 0.8, 70)
    picture = np.empty((size, size, 3), np.uint8)
    picture[:] = first
    if who.manner.background == "gradient":
        return _gradient(first, second, rng.uniform(0, 2 * np.pi), size)
    if who.manner.background == "horizon":
        picture[int(size * rng.uniform(0.45, 0.8)) :] = second
    if who.manner.background == "stripes":
        count = int(rng.integers(4, 10))
        bands = (np.arange(size) * count // size) % 2 == 0
        picture[:, bands] = mix(first, second, 0.4)
    if who.manner.background == "blocks":
        for x, y, w, h in rng.uniform([0, 0, 0.1, 0.1], [0.9, 0.8, 0.4, 0.5], (int(rng.integers(3, 8)), 4)):
            far = (int((x + w) * size), int((y + h) * size))
            cv2.rectangle(picture, (int(x * size), int(y * size)), far, any_colour(rng, 0.7, 70), -1)
    if who.manner.background == "circles":
        for x, y, r in rng.uniform([0, 0, 0.05], [1, 1, 0.25], (int(rng.integers(5, 14)), 3)):
            tone = mix(first, second, rng.uniform(0.2, 0.9))
            cv2.circle(picture, (int(x * size), int(y * size)), int(r * size), tone, -1, cv2.LINE_AA)
    if who.manner.background == "rays":
        middle = np.array([who.place.x, who.place.y]) * size
        for turn in np.arange(12) * np.pi / 6 + rng.uniform(0, 1):
            tips = middle + 2 * size * np.array([[np.cos(t), np.sin(t)] for t in (turn, turn + np.pi / 12)])
            cv2.fillPoly(
                picture, [np.vstack([middle, tips]).astype(np.int32)], mix(first, second, 0.5), cv2.LINE_AA
            )
    return picture


def _gradient(first: Colour, second: Colour, angle: float, size: int) -> np.ndarray:
    ramp = (np.arange(size) + 0.5) / size - 0.5
    along = ramp[None, :] * np.cos(angle) + ramp[:, None] * np.sin(angle)
    along = (along / (abs(np.cos(angle)) + abs(np.sin(angle))) + 0.5)[..., None]
    return np.rint(np.array(first) + (np.array(second, float) - first) * along).astype(np.uint8)


BASE = 1.3
"""Height at which the neck meets the shoulders, in head units from the neutral head's middle."""


def draw_shoulders(sketch: Sketch, who: Identity) -> None:
    """The clothes' outline and pattern."""
    wide, neck = who.clothes.shoulders, who.clothes.neck
    x = np.array([neck, 0.55 * wide, 0.85 * wide, wide, 1.06 * wide, 1.08 * wide])
    y = np.array([BASE - 0.08, BASE + 0.07, BASE + 0.2, BASE + 0.42, BASE + 0.8, BASE + 1.8])
    rim = points(np.concatenate([-x[::-1], x]), np.concatenate([y[::-1], y]), 0.0, BODY)
    sketch.fill(rim, who.clothes.cloth, ink=True)
    if who.clothes.pattern == "stripes":
        for level in np.arange(BASE + 0.3, BASE + 1.2, 0.22):
            reach = np.interp(level, y, x)
            bar = points(
                np.array([-reach, reach, reach, -reach]), level + np.array([0, 0, 0.1, 0.1]), 0.0, BODY
            )
            sketch.fill(bar, mix(who.clothes.cloth, who.clothes.second, 0.7))
    if who.clothes.pattern == "dots":
        circle = np.linspace(0, 2 * np.pi, 9)[:-1]
        for row, level in enumerate(np.arange(BASE + 0.25, BASE + 1.1, 0.2)):
            for column in np.arange(-4, 5) * 0.34 + 0.17 * (row % 2):
                if abs(column) < np.interp(level, y, x) - 0.12:
                    dot = points(column + 0.05 * np.cos(circle), level + 0.05 * np.sin(circle), 0.0, BODY)
                    sketch.fill(dot, mix(who.clothes.cloth, who.clothes.second, 0.8))


def draw_neck(sketch: Sketch, who: Identity) -> None:
    """Neck, its shadow under the chin, and the collar around it."""
    w = who.clothes.neck
    skin = mix(who.skin, who.manner.shade, 0.55)
    if who.clothes.collar in ("vee", "shirt", "jacket"):
        hem = np.array([[w + 0.05, BASE - 0.05], [0.0, BASE + 0.42], [-w - 0.05, BASE - 0.05]])
    else:
        depth = {"scoop": 0.3, "hood": 0.14}.get(who.clothes.collar, 0.16)
        turn = np.linspace(0, np.pi, 11)
        spread = 1.25 if who.clothes.collar == "scoop" else 1.04
        hem = np.stack([spread * w * np.cos(turn), BASE - 0.06 + depth * np.sin(turn)], axis=1)
    top = points(np.array([-0.92 * w, 0.92 * w]), np.array([0.6, 0.6]), -0.15, OUTLINE)
    body = points(hem[:, 0], hem[:, 1], 0.0, BODY)
    if who.clothes.collar == "turtle":
        body[:, 1] -= 0.12
    sketch.fill(np.concatenate([top, body]), skin, ink=True)
    _draw_collar(sketch, who, body)


def _draw_collar(sketch: Sketch, who: Identity, hem: np.ndarray) -> None:
    """The edge of the clothes along the neck's hem [n, 4]."""
    w = who.clothes.neck
    dark = mix(who.clothes.cloth, (20, 16, 24), 0.3)
    if who.clothes.collar in ("crew", "scoop", "vee"):
        sketch.stroke(hem, dark, 0.06)
    elif who.clothes.collar == "turtle":
        low = hem[::-1].copy()
        low[:, 1] += 0.26
        low[:, 0] *= 1.12
        sketch.fill(np.concatenate([hem, low]), dark, ink=True)
    elif who.clothes.collar == "hood":
        turn = np.linspace(0, np.pi, 11)
        ring = [
            points(r * w * np.cos(turn), BASE - 0.1 + d * np.sin(turn), 0.0, BODY)
            for r, d in ((1.0, 0.2), (1.6, 0.48))
        ]
        sketch.fill(np.concatenate([ring[0], ring[1][::-1]]), dark, ink=True)
        for side in (-1, 1):
            cord = points(
                np.array([side * 0.3 * w, side * 0.36 * w]), np.array([BASE + 0.32, BASE + 0.75]), 0.0, BODY
            )
            sketch.stroke(cord, who.clothes.second, 0.04)
    else:
        white = 0.9 if who.clothes.collar == "jacket" else 0.3
        cloth = mix(who.clothes.cloth, (246, 246, 242), white)
        for side in (-1, 1):
            flap = np.array(
                [[0.95 * w, -0.16], [1.2 * w, -0.04], [0.75 * w, 0.36], [0.02, 0.42], [0.5 * w, 0.12]]
            )
            sketch.fill(points(side * flap[:, 0], BASE + flap[:, 1], 0.0, BODY), cloth, ink=True)
        if who.clothes.collar == "jacket":
            tie = np.array(
                [[-0.08, 0.36], [0.08, 0.36], [0.06, 0.5], [0.13, 1.3], [-0.13, 1.3], [-0.06, 0.5]]
            )
            sketch.fill(points(tie[:, 0], BASE + tie[:, 1], 0.0, BODY), who.clothes.second, ink=True)
