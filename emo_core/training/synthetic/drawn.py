"""Drawn portraits: flat, stylised talking heads from a seed, for variety beside the rendered ones.

A portrait is a list of polygons in head space (`drawn_geometry`), laid on an ellipsoid so that features, hair
and ears move with parallax when the head turns, and painted with OpenCV at twice the frame's size.
"""

from __future__ import annotations

import cv2
import numpy as np

from .drawn_face import draw_beard, draw_brow, draw_cheeks, draw_eye, draw_glasses, draw_mouth, draw_nose
from .drawn_geometry import OUTLINE, drop_jaw, points
from .drawn_hair import STYLES, draw_hair, draw_hair_behind
from .drawn_identity import Identity, plain, sample_identity
from .drawn_scene import draw_background, draw_neck, draw_shoulders
from .drawn_sketch import SUPERSAMPLING, Sketch, mix
from .types import FaceState, Truth

ROUND = np.linspace(-np.pi, np.pi, 57)[:-1]
CIRCLE = np.linspace(0, 2 * np.pi, 17)[:-1]


class DrawnPortrait:
    """One drawn identity; implements `types.Portrait`."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._background: np.ndarray | None = None

    def render(self, state: FaceState, size: int) -> tuple[np.ndarray, Truth]:
        """One frame as uint8 [size, size, 3] RGB, with its truth; pixel i spans i .. i + 1."""
        inner = SUPERSAMPLING * size
        if self._background is None or len(self._background) != inner:
            self._background = draw_background(self.identity, inner)
        canvas = self._background.copy()
        marks = self.sketch(state).paint(canvas, self.identity.place, state)
        return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), _truth(marks)

    def sketch(self, state: FaceState) -> Sketch:
        """The drawing of one state, back to front."""
        who = self.identity
        sketch = Sketch(ink=who.manner.ink, ink_width=who.manner.ink_width)
        draw_hair_behind(sketch, who)
        draw_shoulders(sketch, who)
        draw_neck(sketch, who)
        near = -1 if state.yaw > 0 else 1  # the ear on the side that turns towards the viewer
        _draw_ear(sketch, who, -near)
        _draw_skull(sketch, who, state)
        _draw_ear(sketch, who, near)
        draw_cheeks(sketch, who)
        draw_beard(sketch, who, state)
        draw_nose(sketch, who)
        draw_mouth(sketch, who, state)
        for side in (-1, 1):
            draw_eye(sketch, who, state, side)
        draw_hair(sketch, who)
        for side in (-1, 1):
            draw_brow(sketch, who, state, side)
        draw_glasses(sketch, who)
        return sketch


def drawn_portrait(seed: int, *, as_cartoon: bool = False) -> DrawnPortrait:
    """The drawn portrait of a seed (any non-negative integer); the same seed gives the same pictures.

    as_cartoon: in a plainer hand (`drawn_identity.plain`).
    """
    identity = sample_identity(seed)
    return DrawnPortrait(plain(identity) if as_cartoon else identity)


def _draw_skull(sketch: Sketch, who: Identity, state: FaceState) -> None:
    """The skin of the head, its shadow on the side away from the light, and the measured outline."""
    rim = drop_jaw(who.head.outline(ROUND), state.open)
    sketch.fill(rim, who.skin)
    turn = np.linspace(0.35, 3.0, 21) * -who.manner.light
    arc = drop_jaw(who.head.outline(turn), state.open)
    for step in range(who.manner.shading):
        tone = mix(who.skin, who.manner.shade, 0.7 * (step + 1) / who.manner.shading)
        back = arc[::-1].copy()
        back[:, 0] *= 0.72 + 0.28 * step / who.manner.shading
        sketch.fill(np.concatenate([arc, back]), tone)
    sketch.outline(np.concatenate([rim, rim[:1]]))
    sketch.mark("skin", rim)
    sides = who.head.outline(np.array([-np.pi / 2, np.pi / 2]))
    sketch.mark("sides", sides)
    sketch.mark("chin", drop_jaw(who.head.outline(np.array([np.pi])), state.open))


def _draw_ear(sketch: Sketch, who: Identity, side: int) -> None:
    """One ear with its inner fold, and an earring if worn."""
    if not STYLES[who.hair.style].ears:
        return
    size, x0 = who.worn.ear_size, side * who.head.half_width
    x = x0 + side * 0.3 * size + 0.55 * size * np.cos(CIRCLE)
    ear = who.head.surface(x, 0.1 + size * np.sin(CIRCLE))
    ear[:, 2] = -0.12
    sketch.fill(ear, mix(who.skin, who.manner.shade, 0.35), ink=True)
    fold = ear.copy()
    fold[:, :2] += 0.45 * (ear[:, :2].mean(axis=0) - ear[:, :2])
    sketch.fill(fold, mix(who.skin, who.manner.shade, 0.8))
    sketch.mark("left ear" if side < 0 else "right ear", ear)
    if who.worn.earrings:
        ring = points(
            x0 + side * 0.3 * size + 0.05 * np.cos(CIRCLE), 0.14 + size + 0.05 * np.sin(CIRCLE), -0.1, OUTLINE
        )
        sketch.fill(ring, who.worn.earrings, ink=True)


def _truth(marks: dict[str, np.ndarray]) -> Truth:
    """Landmarks in the order of `Truth`, and the box around the skin of head and ears."""
    order = (
        "left eye",
        "right eye",
        "nose",
        "mouth corners",
        "inner lips",
        "chin",
        "left brow",
        "right brow",
        "sides",
    )
    skin = np.concatenate([marks[name] for name in ("skin", "left ear", "right ear") if name in marks])
    return Truth(
        landmarks=np.concatenate([marks[name] for name in order]).astype(np.float32),
        box=np.concatenate([skin.min(axis=0), skin.max(axis=0)]).astype(np.float32),
    )
