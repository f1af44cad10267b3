"""A detector of somebody else: it never sees anybody."""

import numpy as np

from emo_core.face.detector import Face
from emo_core.face.face_mesh import MESH


class Nobody:
    """Implements `FaceDetector`."""

    layout = MESH

    def find(self, picture: np.ndarray) -> list[Face]:
        return []

    def follow(self, picture: np.ndarray, face: Face) -> Face | None:
        return None
