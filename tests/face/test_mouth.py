"""Which part of a face may move."""

import pytest
import torch

from emo_core.face.mouth import moving_area


def face() -> torch.Tensor:
    """A face's box in a picture [100, 120]."""
    mask = torch.zeros(100, 120)
    mask[20:80, 30:90] = 1
    return mask


def test_areas_are_inside_each_other_and_soft() -> None:
    lips, lower, whole = (moving_area(face(), area) for area in ("lips", "lower face", "face"))
    assert lips.sum() < lower.sum() < whole.sum()
    assert lips[66, 60] == 1  # the mouth
    assert not lips[30:50].any()  # the eyes
    assert not lower[:40].any()
    assert whole[50, 60] == 1
    assert (lower[40:60, 60].diff() < 0.2).all()


def test_an_empty_region_is_named() -> None:
    with pytest.raises(ValueError, match="the face region is empty"):
        moving_area(torch.zeros(10, 10), "lips")
