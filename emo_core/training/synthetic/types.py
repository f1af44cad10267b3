"""What one synthetic clip is made of: a performance (what the face does) and the truth measured on it.

The sound side (`speech`, `singing`, `behaviour`) makes performances, the picture side (`heads`, `drawn`)
renders them; neither knows the other. Arrays are NumPy float32, one row per video frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

TRACKS = (
    "open",
    "width",
    "round",
    "smile",
    "blink",
    "brow",
    "gaze_x",
    "gaze_y",
    "yaw",
    "pitch",
    "roll",
    "shift_x",
    "shift_y",
    "scale",
)
"""The columns of a performance, in the order in which they are stored."""


@dataclass(frozen=True)
class FaceState:
    """What the face does in one frame; the neutral face looks into the camera with a closed mouth."""

    open: float = 0.0
    """Mouth opening, 0 closed .. 1 wide open (jawOpen)."""
    width: float = 0.0
    """Mouth width, -1 narrow .. 0 neutral .. 1 stretched ("ee")."""
    round: float = 0.0
    """Lip rounding, 0 none .. 1 pucker or funnel ("oo")."""
    smile: float = 0.0
    """Corners of the mouth, -1 frown .. 1 smile."""
    blink: float = 0.0
    """Eyelids, 0 open .. 1 closed."""
    brow: float = 0.0
    """Brows, -1 lowered .. 1 raised."""
    gaze_x: float = 0.0
    """Eyes, -1 to the picture's left .. 1 to its right."""
    gaze_y: float = 0.0
    """Eyes, -1 down .. 1 up."""
    yaw: float = 0.0
    """Head turn about the vertical axis, degrees, positive towards the picture's right."""
    pitch: float = 0.0
    """Head nod, degrees, positive up."""
    roll: float = 0.0
    """Head tilt in the picture plane, degrees, positive clockwise."""
    shift_x: float = 0.0
    """Head centre against the identity's own place, fraction of the picture's width, positive right."""
    shift_y: float = 0.0
    """The same downwards, fraction of the picture's height."""
    scale: float = 1.0
    """Head size against the identity's own size, a factor."""


@dataclass(frozen=True)
class Performance:
    """What the face does in each of F frames, with the sound that drives it."""

    tracks: np.ndarray
    """Columns `TRACKS`, float32 [F, 14]."""
    waveform: np.ndarray
    """Mono sound from the first frame's start to the last frame's end, float32 [S], within -1..1."""
    sample_rate: int
    """Hz."""
    fps: float
    """Frames per second."""
    speed: np.ndarray
    """Head rotation from the frame before to this one, degrees per frame, float32 [F]."""

    def state(self, frame: int) -> FaceState:
        """The face of one frame."""
        return FaceState(*(float(v) for v in self.tracks[frame]))


@dataclass(frozen=True)
class Truth:
    """Exact measures of one rendered frame, in pixels of that frame."""

    landmarks: np.ndarray
    """float32 [12, 2], x and y: left eye centre, right eye centre, nose tip, left and right mouth corner,
    inner upper lip, inner lower lip, chin, left and right brow centre, left and right head side.
    Left means the picture's left."""
    box: np.ndarray
    """Head box (skin of face and ears, chin to hairline or crown, without long hair), float32 [4]: x0, y0, x1, y1."""


class Portrait(Protocol):
    """An identity that can be rendered."""

    def render(self, state: FaceState, size: int) -> tuple[np.ndarray, Truth]:
        """One frame as uint8 [size, size, 3] RGB, with its truth."""
        ...


