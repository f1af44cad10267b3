"""Face tracks of rendered and drawn heads, read by the built-in instrument."""

from __future__ import annotations

import numpy as np

from .faces import FaceTrack
from .instrument import LEFT_EYE, MEASURES, NOSE, RIGHT_EYE, Instrument
from .metrics import smooth

ANGLES = [MEASURES.index(name) for name in ("yaw", "pitch", "roll")]
CORNERS = (3, 4)
"""Mouth corners among its landmarks, the picture's left one first."""
SMOOTH = 1.5
"""Frames; without it the instrument's noise would count as speed (docs/emo_tiny.md, Protocol)."""


def face_track(instrument: Instrument, frames: np.ndarray) -> FaceTrack:
    """Boxes, landmarks and rotations of square frames uint8 [F, S, S, 3]."""
    found = instrument.measure(frames)
    landmarks = found.landmarks[:, [LEFT_EYE, RIGHT_EYE, NOSE, *CORNERS]]
    return FaceTrack(found.boxes, landmarks, rotations(smooth(found.tracks[:, ANGLES], SMOOTH)))


def rotations(angles: np.ndarray) -> np.ndarray:
    """Matrices [F, 3, 3] of yaw, pitch, roll [F, 3] in degrees; pitch acts first, roll last."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("xyz", angles[:, [1, 0, 2]], degrees=True).as_matrix()
