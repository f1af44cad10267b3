"""The colours of drawn portraits and how a seed chooses among them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .drawn_sketch import Colour, mix

MOUTH_INTERIOR: Colour = (88, 6, 34)
"""Dark maroon that no skin, hair, lip or cloth comes near, so that an instrument can find an open mouth."""

HUMAN_SKINS: tuple[Colour, ...] = (
    (255, 228, 206),
    (250, 214, 186),
    (240, 196, 160),
    (228, 176, 136),
    (210, 152, 112),
    (188, 128, 90),
    (160, 104, 70),
    (132, 84, 56),
    (106, 68, 48),
)
FANCY_SKINS: tuple[Colour, ...] = (
    (150, 205, 140),
    (130, 190, 225),
    (185, 160, 225),
    (240, 175, 205),
    (175, 185, 190),
    (245, 215, 110),
    (120, 205, 190),
)
NATURAL_HAIRS: tuple[Colour, ...] = (
    (28, 26, 28),
    (48, 36, 32),
    (78, 54, 38),
    (112, 76, 46),
    (150, 106, 60),
    (200, 160, 92),
    (232, 208, 152),
    (184, 92, 40),
    (170, 170, 172),
    (232, 232, 228),
)
IRISES: tuple[Colour, ...] = (
    (70, 44, 26),
    (116, 78, 40),
    (60, 104, 150),
    (70, 130, 84),
    (110, 120, 130),
    (40, 60, 96),
    (150, 110, 50),
)


def pick(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """A name from a table, as often as its weight says."""
    chances = np.array(list(weights.values()), dtype=np.float64)
    return list(weights)[rng.choice(len(weights), p=chances / chances.sum())]


def vary(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """The colour with its brightness varied by `amount` and its channels by half of that (of 255)."""
    light = rng.normal(0, amount)
    return tuple(int(np.clip(c + light + rng.normal(0, amount / 2), 22, 255)) for c in colour)


def any_colour(rng: np.random.Generator, saturation: float = 0.7, dark: float = 60) -> Colour:
    """A colour of any hue whose brightest channel exceeds `dark`, away from the mouth's interior."""
    while True:
        hue, grey = rng.random(3), rng.random()
        value = rng.uniform(dark, 250)
        wash = (hue - hue.min()) / max(float(np.ptp(hue)), 1e-6)
        level = value * (1 - saturation * grey + saturation * grey * wash)
        colour = tuple(int(v) for v in level.clip(0, 255))
        if clear_of_mouth(colour):
            return colour


def clear_of_mouth(colour: Colour, distance: float = 60) -> bool:
    """Whether a colour differs from the mouth's interior by more than `distance` (Euclidean, of 255)."""
    return float(np.linalg.norm(np.subtract(colour, MOUTH_INTERIOR))) > distance


def skin_tone(rng: np.random.Generator) -> Colour:
    """A human skin from pale to dark, or now and then one of a fairy tale."""
    if rng.random() < 0.13:
        return vary(rng, FANCY_SKINS[rng.integers(len(FANCY_SKINS))], 8)
    tone = rng.uniform(0, len(HUMAN_SKINS) - 1)
    low = min(int(tone), len(HUMAN_SKINS) - 2)
    return vary(rng, mix(HUMAN_SKINS[low], HUMAN_SKINS[low + 1], tone - low), 4)
