"""Face tracks of real footage for judging: the detector and head pose that also prepare training clips."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from ..evaluation.faces import FaceTrack
from ..face.face_mesh import MESH, FaceMesh
from ..face.head_pose import rotations
from ..media.video import frame_rate
from ..training.footage.tracks import follow_face

LOG = logging.getLogger(__name__)
EYES = ((33, 133), (362, 263))
"""Corners of each eye in the mesh; the picture's left one first."""
NOSE, MOUTH_CORNERS = 1, (61, 291)


class DetectedFaces:
    """Finds the largest face of a video."""

    def __init__(self) -> None:
        self._detector = FaceMesh()

    def __call__(self, path: Path, frames: np.ndarray) -> FaceTrack | None:
        """The face through all frames, or None if some frame shows none."""
        points = follow_face(frames, self._detector).points
        lost = [number for number, found in enumerate(points) if len(found) == 1]
        if lost:
            LOG.warning("%s: no face in %d of %d frames, first in %d", path, len(lost), len(points), lost[0])
            return None
        return track_of(np.stack(points), frame_rate(path))


def track_of(points: np.ndarray, fps: float) -> FaceTrack:
    """Boxes, five landmarks and rotations of mesh points [F, 468, 3]."""
    flat = points[..., :2].astype(np.float64)
    eyes = [flat[:, list(corners)].mean(1) for corners in EYES]
    five = np.stack([*eyes, flat[:, NOSE], *(flat[:, corner] for corner in MOUTH_CORNERS)], axis=1)
    turned = rotations(points.astype(np.float64), MESH, fps)
    return FaceTrack(np.concatenate([flat.min(1), flat.max(1)], axis=1), five, turned)
