"""Which frame of a performance would do for a portrait."""

from __future__ import annotations

import numpy as np

from .types import TRACKS

TURNED = {"yaw": 4.0, "pitch": 3.0, "roll": 2.0}
"""Degrees away from where a head is mostly which count as much as ..."""
OPENED, CLOSED, BROWED = 2.0, 2.0, 1.0
"""... an open mouth, closed eyes and brows up or down do, times these."""


def at_rest(tracks: np.ndarray) -> np.ndarray:
    """Frames of a performance [F, tracks], the most restful first: head where it mostly is, mouth closed, eyes open,
    brows still.

    A portrait is taken for the pose around which a head moves. When it was turned by who knows what, the sound tells
    how a head turns and not where it is, and movement is left to chance (docs/emo_tiny_history.md). So it is with
    brows.
    """
    column = {name: tracks[:, index] for index, name in enumerate(TRACKS)}
    away = OPENED * column["open"] + CLOSED * column["blink"] + BROWED * np.abs(column["brow"])
    for name, degrees in TURNED.items():
        away = away + np.abs(column[name] - np.median(column[name])) / degrees
    return np.argsort(away, kind="stable")
