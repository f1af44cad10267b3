"""The skin texture, painted over azimuth and height of the mean head, so that it moves with the mesh."""

from __future__ import annotations

import numpy as np

from .look import Look
from .props import cast

WIDTH, HEIGHT = 400, 320
"""Texels over azimuth -REACH .. REACH and over the height of the canonical head, crown first."""
REACH = 2.1


class Canvas:
    """Where things are on the canonical head; all painting happens in its metres."""

    def __init__(self, neutral: np.ndarray, skin: np.ndarray, eye: np.ndarray, mouth: np.ndarray) -> None:
        """neutral: mean head [V, 3]; skin: its triangles [T, 3]; eye: centre of the eye on the picture's
        right [3]; mouth: where the lips meet [3]."""
        self.bottom, self.top = float(neutral[:, 2].min()), float(neutral[:, 2].max())
        self.axis = float((neutral[:, 1].min() + neutral[:, 1].max()) / 2 + 0.01)
        self.eye, self.mouth = eye, mouth
        azimuth = np.linspace(-REACH, REACH, WIDTH)[None]
        self.z = np.linspace(self.top, self.bottom, HEIGHT)[:, None] + 0 * azimuth
        self.azimuth = azimuth + 0 * self.z
        self.x = np.abs(self._reach(neutral, skin) * np.sin(self.azimuth))

    def _reach(self, neutral: np.ndarray, skin: np.ndarray) -> np.ndarray:
        """Distance of the surface from the axis, m, [HEIGHT, WIDTH]; felt on every eighth texel."""
        azimuth, heights = self.azimuth[0, ::8], self.z[::8, 0]
        rays = np.stack([np.sin(azimuth), -np.cos(azimuth), 0 * azimuth], axis=-1).astype(np.float32)
        felt = np.stack([cast(np.array((0, self.axis, z), np.float32), rays, neutral, skin) for z in heights])
        wide = np.stack([np.interp(self.azimuth[0], azimuth, row) for row in felt])
        return np.stack([np.interp(-self.z[:, 0], -heights, column) for column in wide.T], axis=1)

    def texels(self, points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """Texture places of all corners, float32 [T, 3, 2], of canonical points [V, 3]."""
        azimuth = np.arctan2(points[:, 0], -(points[:, 1] - self.axis))[triangles]
        middle = points[triangles].mean(axis=1)
        behind = np.abs(np.arctan2(middle[:, 0], -(middle[:, 1] - self.axis))) > REACH
        azimuth[behind] = REACH  # keeps triangles across the seam at the back on one side
        column = (np.clip(azimuth, -REACH, REACH) / REACH + 1) / 2 * (WIDTH - 1)
        row = (self.top - points[:, 2][triangles]) / (self.top - self.bottom) * (HEIGHT - 1)
        return np.stack([column, row], axis=-1).astype(np.float32)


def _ramp(low: float | np.ndarray, high: float | np.ndarray, value: np.ndarray) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _blend(picture: np.ndarray, color: np.ndarray, strength: np.ndarray) -> None:
    picture += np.clip(strength, 0, 1)[..., None] * (color - picture)


def beard_mask(
    x: np.ndarray, azimuth: np.ndarray, z: np.ndarray, mouth: np.ndarray, look: Look
) -> np.ndarray:
    """How much beard grows at places given by |x|, |azimuth| and height, 0..1."""
    if look.beard is None:
        return np.zeros_like(z)
    up = z - mouth[2]
    lip = 0.011 - 0.006 * np.clip(x / 0.026, 0, 1)
    moustache = _ramp(lip - 0.001, lip + 0.003, up) * _ramp(0.024, 0.019, up) * _ramp(0.034, 0.027, x)
    below = _ramp(-0.012, -0.018, up + 0.10 * np.clip(x - 0.018, 0, 1)) * _ramp(-0.0430, -0.0395, up)
    chin = below * _ramp(0.036, 0.026, x)
    under = -0.041 + 0.041 * _ramp(0.4, 1.3, azimuth)  # along the jaw bone, up to the ear
    over = -0.010 + 0.020 * _ramp(0.3, 0.7, azimuth) + 0.060 * _ramp(0.7, 1.25, azimuth)
    jaw = _ramp(over + 0.002, over - 0.004, up) * _ramp(under - 0.004, under, up) * _ramp(1.55, 1.42, azimuth)
    jaw *= _ramp(0.022, 0.030, x)
    jaw = np.maximum(jaw, below)
    beard = look.beard
    return np.maximum.reduce([beard.moustache * moustache, beard.chin * chin, beard.jaw * jaw])


def paint_skin(look: Look, canvas: Canvas, hairline: float) -> np.ndarray:
    """The texture of an identity, float32 [HEIGHT, WIDTH, 3]; hairline: the scalp's edge, m."""
    rng = np.random.default_rng(look.seed)
    picture = np.tile(look.skin, (HEIGHT, WIDTH, 1)).astype(np.float64)
    x, z, eye, mouth = canvas.x, canvas.z, canvas.eye, canvas.mouth
    coarse = (
        rng.normal(0, 0.012, (HEIGHT // 16 + 1, WIDTH // 16 + 1)).repeat(16, 0).repeat(16, 1)[:HEIGHT, :WIDTH]
    )
    for _ in range(3):
        coarse = (
            coarse + np.roll(coarse, 6, 0) + np.roll(coarse, 6, 1) + np.roll(coarse, (-6, -6), (0, 1))
        ) / 4
    picture *= 1 + coarse[..., None]
    cheek = np.exp(-(((x - 0.045) / 0.018) ** 2) - ((z - eye[2] + 0.036) / 0.014) ** 2)
    nose = 0.5 * np.exp(-((x / 0.012) ** 2) - ((z - mouth[2] - 0.034) / 0.01) ** 2)
    _blend(picture, look.blush[:3], look.blush[3] * np.maximum(cheek, nose))
    if look.freckles:
        spots = (
            (rng.random((HEIGHT, WIDTH)) < 0.03) * np.exp(-(((z - eye[2] + 0.028) / 0.016) ** 2)) * (x < 0.06)
        )
        _blend(picture, look.skin * (0.7, 0.5, 0.4), 0.8 * spots)
    lid = np.exp(-(((x - eye[0]) / 0.024) ** 4) - ((z - eye[2] - 0.006) / 0.010) ** 4)
    _blend(picture, look.eye_shadow[:3], look.eye_shadow[3] * lid)
    _blend(picture, look.skin * (0.78, 0.7, 0.7), 0.5 * lid * (1 - look.eye_shadow[3]))
    if look.beard is not None:
        mask = beard_mask(x, np.abs(canvas.azimuth), z, mouth, look)
        _blend(picture, look.beard.color, 0.92 * mask)
    scalp = _ramp(-0.003, 0.004, z - hairline + 0.10 * np.clip(np.abs(canvas.azimuth) - 0.75, 0, 0.6))
    _blend(picture, look.hair_color, scalp * (0.9 if look.hair else look.stubble * 0.5))
    _blend(picture, look.brows.color, _brow_mask(look, canvas))
    return picture.astype(np.float32)


def _brow_mask(look: Look, canvas: Canvas) -> np.ndarray:
    """Both brows, mirror images, 0..1, [HEIGHT, WIDTH]."""
    brow, x = look.brows, canvas.x
    start = canvas.eye[0] - 0.46 * brow.length
    t = (x - start) / brow.length
    line = canvas.eye[2] + 0.0215 + 4 * brow.arch * t * (1 - t) + brow.tilt * (x - canvas.eye[0])
    thick = brow.thickness * np.clip(1.05 - 0.75 * np.clip(t, 0, 1) ** 2, 0, 1)
    inside = _ramp(-0.04, 0.06, t) * _ramp(1.02, 0.94, t)
    return inside * _ramp(1.15, 0.75, np.abs(canvas.z - line) / thick)
