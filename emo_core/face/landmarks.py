"""Points of a face, from whatever found them, in the square that the model sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

FIVE = 5
"""The eye on the left of the picture, the one on the right, the nose, the left and the right corner of the mouth."""
# OpenPose's 70 points of a face: two eyes of six points, the tip of the nose, the corners of the mouth
_OPENPOSE = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))
_FACE_ROOM = (0.9, 0.75, 0.9, 0.65)
"""Room left, above, right and below the five points, in distances between the eyes: a detector's usual box."""
_LIPS_SHARE = (1.1, 0.55)
"""Width and height of the lips in distances between the corners of the mouth."""


@dataclass(frozen=True)
class Landmarks:
    """Five points of one face in a picture."""

    points: Tensor
    """[5, 2]: x, y in px."""
    width: int
    height: int
    box: Tensor | None = None
    """[4]: x0, y0, x1, y1 of the face in px, if the detector gave one."""

    @staticmethod
    def read(value: Any) -> Landmarks:
        """From EMO_LANDMARKS, a mapping of `points`, `width`, `height` and maybe `box`, or from the key points of an
        OpenPose node (POSE_KEYPOINT). Of several faces or frames it is the first; ValueError if there is none."""
        if isinstance(value, Mapping):
            points = torch.as_tensor(value["points"], dtype=torch.float32).reshape(-1, FIVE, 2)
            box = value.get("box")
            box = None if box is None else torch.as_tensor(box, dtype=torch.float32).reshape(-1, 4)[0]
            return Landmarks(points[0], int(value["width"]), int(value["height"]), box)
        return _of_openpose(value)

    def in_square(self, size: int) -> Landmarks:
        """The same in the middle square of the picture, scaled to `size` px."""
        side = min(self.width, self.height)
        offset = torch.tensor([(self.width - side) // 2, (self.height - side) // 2]).float()
        box = None if self.box is None else ((self.box.reshape(2, 2) - offset) * size / side).reshape(4)
        return Landmarks((self.points - offset) * size / side, size, size, box)

    def face_box(self) -> Tensor:
        """Box [1, 4] of the face."""
        if self.box is not None:
            return self.box[None]
        unit = (self.points[1] - self.points[0]).norm()
        left, above, right, below = (unit * room for room in _FACE_ROOM)
        low, high = self.points.amin(0), self.points.amax(0)
        return torch.stack([low[0] - left, low[1] - above, high[0] + right, high[1] + below])[None]

    def lips_box(self) -> Tensor:
        """Box [1, 4] of the lips."""
        corners = self.points[3:]
        half = (corners[1] - corners[0]).norm() * torch.tensor(_LIPS_SHARE) / 2
        return torch.cat([corners.mean(0) - half, corners.mean(0) + half])[None]

    def eyes_and_nose(self) -> Tensor:
        """Points [1, 3, 2]."""
        return self.points[None, :3]


def _of_openpose(frames: Any) -> Landmarks:
    frame = frames[0] if isinstance(frames, Sequence) and frames else None
    people = frame.get("people", []) if isinstance(frame, Mapping) else []
    faces = [person.get("face_keypoints_2d") for person in people]
    flat = next((face for face in faces if face), None)
    if frame is None or flat is None:
        raise ValueError("the key points hold no face: turn on face detection in the node that made them")
    points = torch.tensor(flat, dtype=torch.float32).reshape(-1, 3)[:, :2]
    width, height = int(frame["canvas_width"]), int(frame["canvas_height"])
    if points.max() <= 1:  # some nodes give shares of the picture
        points = points * torch.tensor([width, height])
    five = torch.stack([points[list(group)].mean(0) for group in _OPENPOSE])
    return Landmarks(five, width, height)


def parse_points(text: str) -> Tensor | None:
    """Three points 'x y, x y, x y' in shares of the square, as [1, 3, 2]; None for an empty text."""
    if not text.strip():
        return None
    try:
        numbers = [[float(part) for part in point.split()] for point in text.split(",")]
        points = torch.tensor(numbers)
    except ValueError as error:
        raise ValueError(f"{text!r} are no key points: want 'x y, x y, x y' with shares from 0 to 1") from error
    if points.shape != (3, 2):
        raise ValueError(f"{text!r} are {len(numbers)} points, want three: the left eye, the right eye, the nose")
    return points[None]
