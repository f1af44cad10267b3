"""Hallo's regions of the face."""

from __future__ import annotations

import numpy as np
import pytest

from emo_core.face.hallo_masks import LIPS, OUTLINE, blur, landmark_rectangle, locator_picture, region_masks


def landmarks(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """A face whose outline fills a box and whose lips fill the middle third of its lower half."""
    points = np.full((478, 2), [(left + right) / 2, (top + bottom) / 2])
    for ids, box in (
        (OUTLINE, (left, top, right, bottom)),
        (
            LIPS,
            (left + (right - left) / 3, top + 0.7 * (bottom - top), right - (right - left) / 3, bottom - 10),
        ),
    ):
        for number, index in enumerate(ids):
            points[index] = [box[0 if number % 2 else 2], box[1 if number % 4 < 2 else 3]]
    return points


def rectangle(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[height // 4 : height // 2, width // 3 : width // 2] = 255
    return mask


def test_the_rectangle_is_wider_than_the_face() -> None:
    mask = landmark_rectangle(landmarks(60, 50, 140, 150), 200, 200)
    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max() + 1) == (52, 148)
    assert (rows.min(), rows.max() + 1) == (40, 160)


def test_at_the_border_it_is_pushed_back_into_the_picture() -> None:
    mask = landmark_rectangle(landmarks(0, 50, 80, 150), 200, 200)
    columns = np.nonzero(mask)[1]
    assert (columns.min(), columns.max() + 1) == (0, 96)


def test_a_face_larger_than_the_picture_fills_it() -> None:
    assert (landmark_rectangle(landmarks(5, 5, 195, 195), 200, 200) == 255).all()


def test_the_regions_complete_each_other() -> None:
    face = landmark_rectangle(landmarks(60, 50, 140, 150), 200, 200)
    lip = landmark_rectangle(landmarks(60, 50, 140, 150), 200, 200, lips=True)
    masks = region_masks(face, lip)
    assert (masks.face.astype(int) + masks.lip >= blur(face, 51)).all()
    assert (abs(masks.full.astype(int) + blur(face, 51) - 255) <= 1).all()
    levels = masks.levels(512, 512)
    assert [tuple(level.shape) for level in levels] == [(3, 4096), (3, 1024), (3, 256), (3, 64)]
    assert min(level.min() for level in levels) >= 0
    assert max(level.max() for level in levels) <= 1


def test_the_face_locator_sees_the_rectangle_at_the_size_of_the_video() -> None:
    assert locator_picture(rectangle(200, 300), 128, 192).shape == (1, 1, 128, 192)


def test_an_empty_mask_stays_empty() -> None:
    assert not blur(np.zeros((100, 100), dtype=np.uint8), 51).any()


@pytest.mark.parametrize("kernel", [51, 31])
def test_blurring_is_that_of_opencv(kernel: int) -> None:
    cv2 = pytest.importorskip("cv2")
    for height, width in ((64, 64), (200, 300), (720, 511), (33, 50)):
        mask = rectangle(height, width)
        blurred = cv2.GaussianBlur(cv2.resize(mask, (64, 64)), (kernel, kernel), 0)
        expected = cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX)
        np.testing.assert_array_equal(blur(mask, kernel), expected)
