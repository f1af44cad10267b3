"""One face followed through a stretch of video: measures per frame, no pictures kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...face.detector import Face, FaceDetector, overlap
from ...optional import need

LOOK_EVERY = 5
"""Frames between two searches of the whole picture; between them the face is followed."""
RIVAL = 0.4
"""A second face counts from this part of the first one's height on."""
JUMP = 0.4
"""Least overlap of the face's box from one frame to the next."""
PATCH = 128
"""Side of the face picture that sharpness, brightness and change are measured on, px."""


@dataclass
class Track:
    """Measures of each frame; rows of frames without exactly one face are zero."""

    states: list[str] = field(default_factory=list)
    """Empty where there is exactly one face that is where it was, else why not."""
    points: list[np.ndarray] = field(default_factory=list)
    """float32 [L, 3], px of the source."""
    scores: list[float] = field(default_factory=list)
    patches: list[tuple[float, float, float]] = field(default_factory=list)
    """Sharpness, brightness and change from the frame before of the face's picture."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the source, px."""

    def part(self, first: int, last: int) -> Track:
        """Frames first .. last - 1."""
        rows = slice(first, last)
        return replace(
            self,
            states=self.states[rows],
            points=self.points[rows],
            scores=self.scores[rows],
            patches=self.patches[rows],
        )


def follow_face(pictures: Iterable[np.ndarray], detector: FaceDetector) -> Track:
    """Track the largest face of the pictures; every frame says if it is alone and steady."""
    track = Track()
    tracker = _Tracker(detector)
    patcher = _Patcher()
    empty = np.zeros((1, 3), np.float32)
    for number, picture in enumerate(pictures):
        track.size = (picture.shape[1], picture.shape[0])
        face, state = tracker.next(picture, number % LOOK_EVERY == 0)
        track.states.append(state)
        track.points.append(empty if face is None else face.points.astype(np.float32))
        track.scores.append(0.0 if face is None else face.score)
        track.patches.append((0.0, 0.0, 0.0) if face is None else patcher.measure(picture, face))
    return track


class _Tracker:
    """The face that is followed, and whether others are there."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._face: Face | None = None
        self._rivals = False

    def next(self, picture: np.ndarray, look: bool) -> tuple[Face | None, str]:
        """The face in the next picture and its state."""
        before = self._face
        face = None if before is None else self._detector.follow(picture, before)
        if look or face is None:
            face = self._look(picture, face)
        self._face = face
        if face is None:
            return None, "no face"
        if self._rivals:
            return face, "several faces"
        if before is not None and overlap(face.box, before.box) < JUMP:
            return face, "face jumps"
        return face, ""

    def _look(self, picture: np.ndarray, face: Face | None) -> Face | None:
        """Search the whole picture; a followed face is given up for others if it is not among them."""
        found = self._detector.find(picture)
        found.sort(key=lambda other: other.box[1] - other.box[3])  # the tallest first
        same = [other for other in found if face is not None and overlap(face.box, other.box) > 0.3]
        if face is None or (found and not same):
            face = found[0] if found else None
        self._rivals = face is not None and any(
            _height(other) > RIVAL * _height(face) and overlap(face.box, other.box) < 0.3 for other in found
        )
        return face


class _Patcher:
    """Measures on the small grey picture of the face."""

    def __init__(self) -> None:
        self._cv2: Any = need("cv2", "opencv-python-headless")
        self._before: tuple[np.ndarray, np.ndarray] | None = None

    def measure(self, picture: np.ndarray, face: Face) -> tuple[float, float, float]:
        """Sharpness, brightness, change. The change is that of one place, since boxes jitter in photographs too."""
        patch = self._cut(picture, face.box)
        change = 0.0
        if self._before is not None:
            box, before = self._before
            change = float(np.abs(self._cut(picture, box) - before).mean())
        self._before = (face.box, patch)
        return float(self._cv2.Laplacian(patch, self._cv2.CV_32F).var()), float(patch.mean()), change

    def _cut(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        x0, y0 = (int(np.clip(low, 0, size - 2)) for low, size in zip(box[:2], (width, height), strict=True))
        x1, y1 = max(int(np.ceil(box[2])), x0 + 1), max(int(np.ceil(box[3])), y0 + 1)
        grey = self._cv2.cvtColor(np.ascontiguousarray(picture[y0:y1, x0:x1]), self._cv2.COLOR_RGB2GRAY)
        return self._cv2.resize(grey, (PATCH, PATCH), interpolation=self._cv2.INTER_AREA).astype(np.float32)


def _height(face: Face) -> float:
    return float(face.box[3] - face.box[1])
