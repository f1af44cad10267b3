"""The rendered heads: one seed, one picture; what a state asks for is what truth and picture show."""

import numpy as np
import pytest

from emo_core.training.synthetic.types import FaceState, Truth

pytest.importorskip("anny", reason="rendered heads need the training packages")

from emo_core.training.synthetic.head_parts import MOUTH_COLOR
from emo_core.training.synthetic.heads import HeadWorld, RenderedHead
from emo_core.training.synthetic.rasterizer import vertex_normals

SIZE = 128
SEEDS = (1, 23, 120, 209)
LEFT_EYE, RIGHT_EYE, NOSE, LEFT_CORNER, RIGHT_CORNER, UPPER, LOWER, CHIN, LEFT_BROW, RIGHT_BROW = range(10)


@pytest.fixture(scope="module")
def world() -> HeadWorld:
    return HeadWorld()


@pytest.fixture(scope="module", params=SEEDS)
def head(request: pytest.FixtureRequest, world: HeadWorld) -> RenderedHead:
    return world.portrait(request.param)


def truth(head: RenderedHead, **state: float) -> Truth:
    return head.render(FaceState(**state), SIZE)[1]


def inside_of_mouth(head: RenderedHead, **state: float) -> int:
    """How many pixels show the mouth's inside."""
    picture, _ = head.render(FaceState(**state), SIZE)
    shades = MOUTH_COLOR * np.linspace(0.65, 1.25, 13)[:, None] * 255
    far = np.abs(picture[:, :, None].astype(float) - shades).max(axis=-1).min(axis=-1)
    return int((far < 4).sum())


def lip_gap(head: RenderedHead, **state: float) -> float:
    marks = truth(head, **state).landmarks
    return float(marks[LOWER, 1] - marks[UPPER, 1])


def mouth_width(head: RenderedHead, **state: float) -> float:
    marks = truth(head, **state).landmarks
    return float(marks[RIGHT_CORNER, 0] - marks[LEFT_CORNER, 0])


def test_the_same_seed_gives_the_same_pixels(world: HeadWorld) -> None:
    state = FaceState(open=0.4, yaw=12, gaze_x=0.5)
    first, second = (world.portrait(7).render(state, SIZE) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1].landmarks, second[1].landmarks)


def test_different_seeds_give_different_people(world: HeadWorld) -> None:
    pictures = [world.portrait(seed).render(FaceState(), 64)[0].astype(float) for seed in range(8)]
    distances = [np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(distances) > 8


def test_the_size_of_the_picture_only_scales_the_truth(head: RenderedHead) -> None:
    state = FaceState(yaw=20, open=0.5)
    picture, large = head.render(state, 256)
    assert picture.shape == (256, 256, 3)
    np.testing.assert_allclose(large.landmarks, 2 * head.render(state, SIZE)[1].landmarks, atol=1e-3)


def test_the_neutral_head_fills_most_of_the_pictures_height(head: RenderedHead) -> None:
    x0, y0, x1, y1 = truth(head).box
    assert 0.68 < (y1 - y0) / SIZE < 0.86
    assert x0 > 0
    assert x1 < SIZE


def test_lips_touch_unless_the_mouth_is_opened(head: RenderedHead) -> None:
    for shut in ({}, {"width": 1.0}, {"width": -1.0}, {"round": 1.0}, {"smile": 1.0}, {"smile": -1.0}):
        assert lip_gap(head, **shut) < 0.3, shut
        assert inside_of_mouth(head, **shut) <= 6, shut


def test_the_mouth_opens_in_proportion(head: RenderedHead) -> None:
    gaps = [lip_gap(head, open=value) for value in (0, 0.25, 0.5, 0.75, 1)]
    steps = np.diff(gaps)
    assert steps.min() > 0.8 * steps.max() > 1
    assert inside_of_mouth(head, open=1.0) > 40


def test_width_and_rounding_move_the_corners(head: RenderedHead) -> None:
    assert mouth_width(head, width=1) > mouth_width(head) * 1.1
    assert mouth_width(head, width=-1) < mouth_width(head) * 0.9
    assert mouth_width(head, round=1) < mouth_width(head) * 0.9


def test_a_smile_lifts_the_corners_and_a_frown_drops_them(head: RenderedHead) -> None:
    heights = [
        truth(head, smile=value).landmarks[[LEFT_CORNER, RIGHT_CORNER], 1].mean() for value in (-1, 0, 1)
    ]
    assert heights[0] > heights[1] + 0.5 > heights[2] + 1


def test_brows_rise_and_fall(head: RenderedHead) -> None:
    heights = [truth(head, brow=value).landmarks[[LEFT_BROW, RIGHT_BROW], 1].mean() for value in (-1, 0, 1)]
    assert heights[0] > heights[1] + 0.5 > heights[2] + 1


def test_positive_angles_turn_right_up_and_clockwise(head: RenderedHead) -> None:
    still = truth(head).landmarks
    assert truth(head, yaw=20).landmarks[NOSE, 0] > still[NOSE, 0] + 5
    assert truth(head, pitch=15).landmarks[NOSE, 1] < still[NOSE, 1] - 2
    tilted = truth(head, roll=20).landmarks
    assert tilted[RIGHT_EYE, 1] > tilted[LEFT_EYE, 1] + 3


def test_roll_is_the_angle_of_the_line_between_the_eyes(head: RenderedHead) -> None:
    marks = truth(head, roll=15).landmarks
    across = marks[RIGHT_EYE] - marks[LEFT_EYE]
    assert np.rad2deg(np.arctan2(across[1], across[0])) == pytest.approx(15, abs=1.5)


def test_shift_and_scale_move_and_size_the_box(head: RenderedHead) -> None:
    still = truth(head).box
    moved = truth(head, shift_x=0.1, shift_y=-0.05).box
    np.testing.assert_allclose((moved - still).mean(axis=0), 0.025 * SIZE, atol=1.0)
    np.testing.assert_allclose(moved[[0, 2]] - still[[0, 2]], 0.1 * SIZE, atol=1.0)
    large = truth(head, scale=1.2).box
    assert (large[3] - large[1]) / (still[3] - still[1]) == pytest.approx(1.2, abs=0.05)


def test_pupils_follow_the_gaze_and_lids_hide_them(head: RenderedHead) -> None:
    x, y = truth(head).landmarks[[LEFT_EYE, RIGHT_EYE]].mean(axis=0).round().astype(int)

    def eyes(**state: float) -> np.ndarray:
        return head.render(FaceState(**state), SIZE)[0][y - 8 : y + 8, x - 24 : x + 24].astype(float)

    assert np.abs(eyes(gaze_x=1) - eyes(gaze_x=-1)).max() > 60
    assert np.abs(eyes(gaze_x=1, blink=1) - eyes(gaze_x=-1, blink=1)).max() < 10


def test_normals_of_a_tetrahedron_point_outwards() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    triangles = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    normals = vertex_normals(points, triangles)
    assert ((points - points.mean(axis=0)) * normals).sum(axis=1).min() > 0
