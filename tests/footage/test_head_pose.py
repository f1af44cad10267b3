"""The head's pose and speed from points whose rotation is known."""

import numpy as np
import pytest

from emo_core.face.detector import Layout
from emo_core.face.head_pose import angles, places, rotation_speed, rotations
from emo_core.training.synthetic.head_motion import rotation_speed as speed_of_angles
from emo_core.training.synthetic.head_motion import walk

EYES, CORNERS = [[-4.5, -3, 0], [4.5, -3, 0]], [[-2.5, 3, -1], [2.5, 3, -1]]
LIPS = [[0, 2.8, -1.5], [0, 3.2, -1.5]]
FACE = np.array([*EYES, *CORNERS, [0, 0, -3], [0, -6, 0], [0, 6, 0], *LIPS], np.float64)
"""Eyes, mouth corners, nose tip, forehead, chin, lips: x right, y down, z away, cm."""
LAYOUT = Layout(rigid=(0, 1, 2, 3, 4, 5), pairs=((0, 1), (2, 3)), top=5, bottom=6, eyes=(0, 1), lips=(7, 8))


def turned(degrees: np.ndarray) -> np.ndarray:
    """Rotation matrices of yaw (right), pitch (up), roll (clockwise) [F, 3], from their definition."""
    yaw, pitch, roll = np.deg2rad(degrees).T
    zero, one = np.zeros(len(yaw)), np.ones(len(yaw))

    def matrix(*rows: tuple[np.ndarray, ...]) -> np.ndarray:
        return np.stack([np.stack(row, -1) for row in rows], -2)

    nose_up = matrix(
        (one, zero, zero), (zero, np.cos(pitch), np.sin(pitch)), (zero, -np.sin(pitch), np.cos(pitch))
    )
    nose_right = matrix(
        (np.cos(yaw), zero, -np.sin(yaw)), (zero, one, zero), (np.sin(yaw), zero, np.cos(yaw))
    )
    clockwise = matrix(
        (np.cos(roll), -np.sin(roll), zero), (np.sin(roll), np.cos(roll), zero), (zero, zero, one)
    )
    return clockwise @ nose_right @ nose_up


@pytest.mark.parametrize(("axis", "sign"), [(0, (1, 0)), (1, (0, -1))], ids=["yaw is right", "pitch is up"])
def test_the_nose_points_where_the_angle_says(axis: int, sign: tuple[int, int]) -> None:
    degrees = np.zeros((1, 3))
    degrees[0, axis] = 30
    nose = turned(degrees)[0] @ (0, 0, -1)
    np.testing.assert_allclose(nose[:2], np.array(sign) / 2, atol=1e-12)


def test_rotations_and_angles_are_found_again() -> None:
    degrees = np.array([[25, -10, 8], [-30, 15, -12], [5, 3, 0], [0, 0, 0]], np.float64)
    points = 7.5 * (turned(degrees)[:, None] @ FACE[None, :, :, None])[..., 0] + (300, 200, 0)
    np.testing.assert_allclose(angles(rotations(points, LAYOUT, 30, smoothing=0)), degrees, atol=1e-6)


def test_a_talking_mouth_does_not_turn_the_head() -> None:
    points = np.repeat(FACE[None], 20, axis=0)
    points[:, 6:, 1] += np.abs(np.sin(np.arange(20)))[:, None]  # chin and lips go down
    assert rotation_speed(rotations(points, LAYOUT, 30, smoothing=0)).max() < 1e-9


def test_speed_is_the_angle_between_frames_and_agrees_with_the_renderers() -> None:
    degrees = walk(np.random.default_rng(3), 50, 30, 1.2)
    np.testing.assert_allclose(rotation_speed(turned(degrees)), speed_of_angles(degrees), atol=1e-5)


def test_smoothing_takes_out_jitter_and_keeps_a_steady_turn() -> None:
    rng = np.random.default_rng(0)
    degrees = np.stack(
        [np.linspace(-20, 20, 81), np.zeros(81), np.zeros(81)], axis=1
    )  # half a degree per frame
    noisy = (turned(degrees)[:, None] @ FACE[None, :, :, None])[..., 0] + rng.normal(0, 0.05, (81, 9, 3))
    raw = rotation_speed(rotations(noisy, LAYOUT, 30, smoothing=0))
    smooth = rotation_speed(rotations(noisy, LAYOUT, 30))
    assert raw[10:-10].mean() > 0.7
    assert smooth[10:-10].mean() == pytest.approx(0.5, abs=0.06)


def test_a_face_twice_as_large_is_half_as_far() -> None:
    near, far = places(np.stack([20 * FACE, 10 * FACE]), LAYOUT, (640, 480))
    assert far[2] == pytest.approx(2 * near[2])
    assert near[2] == pytest.approx(480 / 2 / np.tan(np.deg2rad(31.5)) / 20)  # 20 px per cm
