"""V-Express's pictures of key points."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from emo_core.face.keypoints import COLORS, draw_keypoints, keypoint_pictures

FACE = torch.tensor([[[40.0, 50.0], [88.0, 52.0], [66.0, 80.0]]])


def test_eyes_and_nose_are_dots_in_their_colours() -> None:
    picture = keypoint_pictures(FACE, 128, 128)
    assert picture.shape == (1, 3, 128, 128)
    for point, color in zip(FACE[0], COLORS, strict=True):
        x, y = (int(value) for value in point)
        assert (picture[0, :, y, x] * 255).tolist() == list(color)
    assert (picture[0] > 0).any(0).float().mean() < 0.05


def test_points_outside_the_picture_are_cut_off() -> None:
    assert not keypoint_pictures(FACE + 500, 128, 128).any()


def test_other_points_than_three_are_refused() -> None:
    with pytest.raises(ValueError, match="left eye, right eye, nose"):
        keypoint_pictures(torch.zeros(1, 5, 2), 64, 64)


def test_pixels_are_those_that_opencv_draws() -> None:
    cv2 = pytest.importorskip("cv2")
    generator = np.random.default_rng(0)
    for _ in range(200):
        size = int(generator.choice([64, 192, 512]))
        points = (generator.uniform(0.05, 0.95, (3, 2)) * size).astype(np.float32)
        expected = np.zeros((size, size, 3), dtype=np.uint8)
        for eye, color in zip(points[:2], COLORS[:2], strict=True):
            pair = np.stack([eye, points[2]])
            dx, dy = pair[0] - pair[1]
            middle = tuple(int(value) for value in pair.mean(0))
            axes = (int((dx**2 + dy**2) ** 0.5 / 2), 4)
            stick = cv2.ellipse2Poly(middle, axes, int(math.degrees(math.atan2(dy, dx))), 0, 360, 1)
            cv2.fillConvexPoly(expected, stick, [int(value * 0.6) for value in color])
        for point, color in zip(points, COLORS, strict=True):
            cv2.circle(expected, (int(point[0]), int(point[1])), 4, color, -1)
        np.testing.assert_array_equal(draw_keypoints(points, size, size), expected)
