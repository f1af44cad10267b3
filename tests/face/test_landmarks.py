"""Points of a face from several sources, and what is drawn from them."""

from __future__ import annotations

import pytest
import torch

from emo_core.checkpoints.echomimic import ECHOMIMIC
from emo_core.checkpoints.hallo import HALLO
from emo_core.checkpoints.v_express import V_EXPRESS
from emo_core.face.landmarks import Landmarks, parse_points
from emo_core.face.locator_input import FaceMarks, locator_input

POINTS = [[40.0, 50.0], [60.0, 50.0], [50.0, 62.0], [43.0, 75.0], [57.0, 75.0]]
FACE = FaceMarks(torch.tensor([[16.0, 8.0, 48.0, 56.0]]))


def test_landmarks_follow_the_middle_square_of_the_picture() -> None:
    found = Landmarks.read({"points": [POINTS], "width": 200, "height": 100, "box": [[60, 20, 140, 90]]})
    square = found.in_square(50)
    assert square.points[0].tolist() == [(40 - 50) / 2, 25]
    assert square.face_box().tolist() == [[5, 10, 45, 45]]


def test_openpose_faces_are_read_in_px_or_in_shares() -> None:
    flat = [value for i in range(70) for value in (float(i), 2.0 * i, 1.0)]
    frame = {"people": [{"face_keypoints_2d": flat}], "canvas_width": 200, "canvas_height": 400}
    found = Landmarks.read([frame])
    assert found.points[2].tolist() == [30, 60]  # the tip of the nose
    shares = [value / (200 if i % 3 == 0 else 400) for i, value in enumerate(flat)]
    again = Landmarks.read([{**frame, "people": [{"face_keypoints_2d": shares}]}])
    torch.testing.assert_close(again.points, found.points)


def test_key_points_without_a_face_say_so() -> None:
    with pytest.raises(ValueError, match="turn on face detection"):
        Landmarks.read([{"people": [], "canvas_width": 1, "canvas_height": 1}])


def test_boxes_are_made_from_points_where_there_are_none() -> None:
    found = Landmarks.read({"points": POINTS, "width": 100, "height": 100})
    (x0, y0, x1, y1), (lx0, ly0, lx1, ly1) = found.face_box()[0].tolist(), found.lips_box()[0].tolist()
    assert x0 < 40 < 60 < x1
    assert y0 < 50 < 75 < y1
    assert y0 < ly0 < 75 < ly1 < y1
    assert lx0 < 43 < 57 < lx1


def test_typed_points_are_checked() -> None:
    assert parse_points(" ") is None
    points = parse_points("0.4 0.4, 0.6 0.4, 0.5 0.6")
    assert points is not None
    assert points.shape == (1, 3, 2)
    with pytest.raises(ValueError, match="are 2 points, want three"):
        parse_points("0.4 0.4, 0.6 0.4")
    with pytest.raises(ValueError, match="are no key points"):
        parse_points("left, right, nose")


def test_every_family_is_shown_what_it_was_trained_with() -> None:
    hallo = locator_input(HALLO.config, FACE, 64, 0.1)
    assert hallo.picture.shape == (1, 3, 64, 64)
    assert hallo.regions is not None
    assert [tuple(level.shape) for level in hallo.regions] == [(3, 64), (3, 16), (3, 4), (3, 1)]
    echomimic = locator_input(ECHOMIMIC.config, FACE, 64, 0.1)
    assert echomimic.picture.shape == (1, 1, 64, 64)
    assert echomimic.regions is None
    assert torch.equal(echomimic.picture[0, 0], echomimic.mask)
    v_express = locator_input(V_EXPRESS.config, FACE, 64, 0.1).picture
    eye = v_express[0, :, 8 + round(48 * 0.4), 16 + round(32 * 0.31)]
    assert eye.tolist() == [1, 0, 0]


def test_lips_that_are_given_move_their_mask() -> None:
    usual = locator_input(HALLO.config, FACE, 64, 0.1).regions
    high = FaceMarks(FACE.face, lips=torch.tensor([[24.0, 12.0, 40.0, 18.0]]))
    moved = locator_input(HALLO.config, high, 64, 0.1).regions
    assert usual is not None
    assert moved is not None
    rows = torch.arange(8).repeat_interleave(8).float()  # of the finest level, 8 x 8
    heights = [(level[0][2] * rows).sum() / level[0][2].sum() for level in (usual, moved)]
    assert heights[1] < heights[0] - 2
