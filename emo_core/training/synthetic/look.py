"""What an identity of the rendered world is made of, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .hair import HairStyle
from .rasterizer import Lights


@dataclass(frozen=True)
class Brows:
    """Brows in the canonical face, metres and radians."""

    thickness: float
    length: float
    arch: float
    tilt: float
    color: np.ndarray


@dataclass(frozen=True)
class Beard:
    """Hair on the face; each strength 0 (none) .. 1 (dense)."""

    moustache: float
    chin: float
    jaw: float
    volume: float
    """How far it stands off the skin, m."""
    color: np.ndarray


@dataclass(frozen=True)
class Glasses:
    """A frame; sizes in metres."""

    half_width: float
    half_height: float
    squareness: float
    thickness: float
    color: np.ndarray


@dataclass(frozen=True)
class Look:
    """Everything that makes one identity."""

    phenotype: dict[str, float]
    changes: dict[str, float]
    eye_size: float
    """Enlargement of eyes and lids, a factor."""
    iris_angle: float
    skin: np.ndarray
    lips: np.ndarray
    blush: np.ndarray
    """Cheek colour and its strength, [4]."""
    freckles: float
    eye_shadow: np.ndarray
    """Colour and strength, [4]."""
    iris: np.ndarray
    brows: Brows
    hair: HairStyle | None
    hair_color: np.ndarray
    stubble: float
    """Hair colour on a bald scalp, 0..1."""
    beard: Beard | None
    glasses: Glasses | None
    cloth: np.ndarray
    """Cloth, collar and stripe colours, [3, 3]."""
    collar: float
    shoulder_width: float
    lights: Lights
    distance: float
    """Camera to head, m."""
    fraction: float
    """Height of the neutral head, part of the picture's height."""
    place: np.ndarray
    """Head centre in the picture, parts of its size, [2]."""
    backdrop: int
    """Kind of background, see `backdrop.py`."""
    backdrop_colors: np.ndarray
    """[3, 3]."""
    seed: int
    """For the fine random detail of texture, hair and background."""
