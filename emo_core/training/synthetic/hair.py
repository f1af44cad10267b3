"""Hair as one sheet of columns combed from the crown down to a line that makes the hair style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .props import Part, ball, cast, colored, grid_triangles, join

COLUMNS, LEVELS, ROWS = 96, 40, 30
"""Columns around the head (the first in front), elevations where the skull is felt, rows of the sheet."""


@dataclass(frozen=True)
class Skull:
    """Where the head's surface lies around a centre."""

    center: np.ndarray
    """float32 [3]."""
    reach: np.ndarray
    """Distance to the surface per elevation (90 to -60 degrees) and azimuth, m, [LEVELS, COLUMNS]."""


@dataclass(frozen=True)
class HairStyle:
    """A hair style in numbers; lengths in metres, heights as parts of the head (0 chin .. 1 crown)."""

    thickness: float
    """How far the hair stands off the scalp."""
    ends: tuple[float, float, float, float]
    """Height at which the hair ends in front, at the temples, above the ears and at the back."""
    hanging: tuple[bool, bool, bool, bool] = (False, False, False, False)
    """Whether it hangs free there, rather than lying on the skin."""
    parting: float = 0.0
    """How far the front line rises to one side, part of the head."""
    jagged: float = 0.0
    """How uneven the lower edge is, part of the head."""
    curls: float = 0.0
    """Waviness of the surface, part of the thickness."""
    ridge: float = 0.0
    """Extra height along the middle line, as a mohawk or a quiff."""
    ridge_width: float = 0.02
    """Half width of that, m."""
    knots: tuple[tuple[float, float, float, float], ...] = ()
    """Balls of hair: x, elevation in degrees, azimuth in degrees from the front, radius in m."""


def feel_skull(points: np.ndarray, triangles: np.ndarray, center: np.ndarray) -> Skull:
    """Measure the skull without its ears."""
    up = np.deg2rad(np.linspace(90, -60, LEVELS))[:, None]
    around = np.linspace(0, 2 * np.pi, COLUMNS, endpoint=False)[None]
    rays = np.stack([np.cos(up) * np.sin(around), -np.cos(up) * np.cos(around), np.sin(up) + 0 * around], -1)
    reach = cast(center, rays.reshape(-1, 3).astype(np.float32), points, triangles).reshape(LEVELS, COLUMNS)
    reach = np.where(reach > 0, reach, np.median(reach))
    low = np.min([np.roll(reach, shift, axis=1) for shift in range(-4, 5)], axis=0)  # an opening removes ears
    opened = np.max([np.roll(low, shift, axis=1) for shift in range(-4, 5)], axis=0)
    for _ in range(2):
        opened = (np.roll(opened, 1, axis=1) + 2 * opened + np.roll(opened, -1, axis=1)) / 4
    return Skull(center.astype(np.float32), opened.astype(np.float32))


def _noise(rng: np.random.Generator, waves: int) -> np.ndarray:
    """A smooth random curve around the head, about -1..1, [COLUMNS]."""
    around = np.linspace(0, 2 * np.pi, COLUMNS, endpoint=False)
    count = np.arange(1, waves + 1)
    phase = rng.uniform(0, 2 * np.pi, waves)
    return (np.cos(count * around[:, None] + phase) * rng.normal(0, 1, waves)).sum(axis=1) / np.sqrt(waves)


def _line(values: tuple[float, ...]) -> np.ndarray:
    """Values at front, temples, ears and back, spread smoothly over the columns, [COLUMNS]."""
    around = np.linspace(0, 360, COLUMNS, endpoint=False)
    side = np.minimum(around, 360 - around)
    knots = np.array([0, 34, 50, 60, 72, 100, 116, 180])
    f, t, e, b = values
    return np.interp(side, knots, np.array([f, f, t, t, e, e, b, b], dtype=float))


def build_hair(style: HairStyle, skull: Skull, chin: float, crown: float, color: np.ndarray,
               rng: np.random.Generator) -> Part:  # fmt: skip
    """The hair of a head whose chin and crown are at these heights z, coloured strand by strand."""
    around = np.linspace(0, 2 * np.pi, COLUMNS, endpoint=False)
    up = np.deg2rad(np.linspace(90, -60, LEVELS))[:, None]
    sideways = skull.reach * np.cos(up) * np.sin(around)
    ridge = style.ridge * np.exp(-((sideways / style.ridge_width) ** 2)) * np.clip(np.sin(up) + 0.4, 0, 1)
    wave = 1 + style.curls * _noise(rng, 18)[None] * np.cos(up)
    reach = skull.reach + style.thickness * wave + ridge
    out, height = reach * np.cos(up), skull.center[2] + reach * np.sin(up)
    skin_out = skull.reach * np.cos(up)
    ends = _line(style.ends) + style.parting * np.sin(around) * (np.cos(around) > 0)
    hanging = _line(tuple(float(h) for h in style.hanging))
    ends = chin + (crown - chin) * (ends + style.jagged * hanging * _noise(rng, 30))
    sheet = np.empty((ROWS, COLUMNS, 3), dtype=np.float32)
    for c in range(COLUMNS):
        sheet[:, c] = _comb(out[:, c], height[:, c], skin_out[:, c], ends[c], hanging[c], around[c])
    sheet += np.array([0, skull.center[1], 0], dtype=np.float32)
    strands = (
        1 + 0.10 * rng.normal(0, 1, COLUMNS)[None, :, None] + np.linspace(0.12, -0.12, ROWS)[:, None, None]
    )
    shade = np.clip(color * strands, 0, 1)
    parts = [colored(sheet.reshape(-1, 3), grid_triangles(ROWS, COLUMNS, True), shade.reshape(-1, 3), 0.10)]
    for x, elevation, azimuth, radius in style.knots:
        e, a = np.deg2rad(elevation), np.deg2rad(azimuth)
        far = np.interp(-e, -up[:, 0], skull.reach[:, int(a / (2 * np.pi) * COLUMNS) % COLUMNS])
        ray = np.array([np.cos(e) * np.sin(a), -np.cos(e) * np.cos(a), np.sin(e)])
        center = skull.center + ray * (far + style.thickness + 0.6 * radius) + np.array([x, 0, 0])
        parts.append(ball(center.astype(np.float32), radius, color, 0.10))
    return join(parts)


def _comb(out: np.ndarray, height: np.ndarray, skin: np.ndarray, end: float, hanging: float,
          azimuth: float) -> np.ndarray:  # fmt: skip
    """One column from the crown down to the height `end`, [ROWS, 3]; `hanging` 1 falls straight down."""
    fall = np.maximum.accumulate(out)
    out = out + hanging * (fall - out)
    order = np.argsort(-height, kind="stable")
    z = np.linspace(0, 1, ROWS) ** 0.8
    z = height[0] + (min(end, height[0] - 0.01) - height[0]) * (1 - np.cos(z * np.pi / 2)) / 1.0
    reach = np.interp(-z, -height[order], out[order])
    lying = np.interp(-z, -height[order], skin[order])
    edge = np.clip((z - z[-1]) / 0.014, 0, 1)  # lying hair dips under the skin at its end
    sealed = lying - 0.003 + (reach - lying + 0.003) * np.sqrt(edge)
    reach = sealed + hanging * (reach - sealed)
    return np.stack([reach * np.sin(azimuth), -reach * np.cos(azimuth), z], axis=-1)
