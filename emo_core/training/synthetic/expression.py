"""From a `FaceState` to facial actions, the head's rotation and the direction of the eyes."""

from __future__ import annotations

import numpy as np

from .head_mesh import ACTIONS
from .types import FaceState

GAZE_YAW, GAZE_PITCH = 30.0, 20.0
"""Turn of the eyes at gaze 1, degrees."""


def action_weights(state: FaceState) -> np.ndarray:
    """Weights of `ACTIONS` for the expression of a state, float32 [A]."""
    wide, narrow = max(state.width, 0.0), max(-state.width, 0.0)
    smile, frown = max(state.smile, 0.0), max(-state.smile, 0.0)
    raised, lowered = max(state.brow, 0.0), max(-state.brow, 0.0)
    awake, parted = 1 - state.blink, min(1.0, 4 * state.open)
    up, down = max(state.gaze_y, 0.0) * awake, max(-state.gaze_y, 0.0) * awake
    pucker = min(1.1, 0.75 * narrow + state.round)
    sides = {
        "mouthLowerDown": 0.30 * state.open * (1 - state.round) + 0.12 * wide * parted,
        "mouthUpperUp": 0.20 * state.open * (1 - state.round) + 0.10 * wide * parted,
        "mouthSmile": 0.85 * smile + 0.12 * wide,
        "mouthFrown": 0.9 * frown,
        "mouthStretch": 0.75 * wide,
        "mouthDimple": 0.45 * wide,
        "cheekSquint": 0.5 * smile,
        "eyeBlink": state.blink,
        "browOuterUp": 1.35 * raised,
        "browDown": 1.5 * lowered,
        "eyeWide": 0.5 * raised * awake,
        "eyeLookUp": up,
        "eyeLookDown": 0.9 * down,
    }
    weights = {f"{name}{side}": value for name, value in sides.items() for side in ("Left", "Right")}
    weights["jawOpen"] = 0.80 * state.open
    weights["mouthPucker"] = pucker
    weights["mouthFunnel"] = 0.55 * state.round * min(1.0, 0.3 + state.open)
    weights["browInnerUp"] = 1.35 * raised
    return np.array([weights.get(name, 0.0) for name in ACTIONS], dtype=np.float32)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The head's rotation by angles in degrees with the signs of `FaceState`, float32 [3, 3]."""
    y, p, r = np.deg2rad((yaw, pitch, roll))
    nod = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turn = np.array([[np.cos(y), -np.sin(y), 0], [np.sin(y), np.cos(y), 0], [0, 0, 1]])
    tilt = np.array([[np.cos(r), 0, np.sin(r)], [0, 1, 0], [-np.sin(r), 0, np.cos(r)]])
    return (tilt @ turn @ nod).astype(np.float32)


def gaze_direction(state: FaceState) -> np.ndarray:
    """Where the eyes look in the frame of the head, a unit vector, float32 [3]."""
    yaw, pitch = np.deg2rad((GAZE_YAW * state.gaze_x, GAZE_PITCH * state.gaze_y))
    flat = np.cos(pitch)
    return np.array([np.sin(yaw) * flat, -np.cos(yaw) * flat, np.sin(pitch)], np.float32)
