"""Boxes from painted masks."""

import pytest
import torch

from emo_core.face.regions import box_around, middle_box


def test_the_box_holds_exactly_what_is_painted() -> None:
    mask = torch.zeros(10, 20)
    mask[2:5, 6:9] = 1
    assert box_around(mask).tolist() == [[6.0, 2.0, 9.0, 5.0]]


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="mask is empty"):
        box_around(torch.zeros(8, 8))


def test_the_middle_box_lies_inside_the_picture() -> None:
    left, top, right, bottom = middle_box(128)[0].tolist()
    assert 0 < left < right < 128
    assert 0 < top < bottom < 128
