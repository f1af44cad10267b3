"""Out of the picture and back: in the same place, without a seam, nothing else touched."""

import pytest
import torch
from torch.nn.functional import interpolate

from emo_core.face.crop import cut_squares, following_squares, square_around
from emo_core.face.paste import Blend, paste, soft_square


def picture(height: int = 90, width: int = 160) -> torch.Tensor:
    """A smooth picture [H, W, 3]."""
    noise = torch.rand(1, 3, 9, 16, generator=torch.Generator().manual_seed(0))
    return (
        interpolate(noise, (height, width), mode="bicubic", align_corners=True).clamp(0, 1)[0].movedim(0, -1)
    )


def test_a_square_has_the_margin_and_stays_in_the_picture() -> None:
    assert square_around(torch.tensor([60.0, 30, 80, 60]), 0.5, 90, 160).tolist() == [40, 15, 60]
    assert square_around(torch.tensor([0.0, 0, 20, 20]), 0.5, 90, 160).tolist() == [0, 0, 40]
    assert square_around(torch.tensor([140.0, 70, 160, 90]), 0.5, 90, 160).tolist() == [120, 50, 40]


def test_a_square_larger_than_the_picture_repeats_its_edge() -> None:
    square = square_around(torch.tensor([10.0, 5, 150, 85]), 0.1, 90, 160)
    crop = cut_squares(picture()[None], square[None], int(square[2]))[0]
    assert square[1] < 0
    assert torch.equal(crop[0], crop[-int(square[1]) - 1])


def test_squares_follow_a_face_evenly() -> None:
    boxes = torch.tensor([[10.0 + i, 20, 40 + i + i % 2, 50] for i in range(40)])
    squares = following_squares(boxes, 0.2, 90, 160)
    assert (squares[:, 2] == squares[0, 2]).all()
    steps = squares[10:30, 0].diff()
    assert steps.min() >= 0
    assert steps.max() <= 2


@pytest.mark.parametrize("square", [[50, 20, 48], [-10, 40, 64], [0, 0, 200]])
@pytest.mark.parametrize("colour_match", [0.0, 1.0])
def test_an_unchanged_crop_changes_nothing(square: list[int], colour_match: float) -> None:
    canvas = picture()
    crop = cut_squares(canvas[None], torch.tensor([square]), square[2])[0]
    paste(canvas, crop, torch.tensor(square), Blend(0.1, colour_match))
    torch.testing.assert_close(canvas, picture(), atol=2e-3, rtol=0)


def test_only_the_square_changes_and_its_edge_softly() -> None:
    canvas = picture()
    paste(canvas, torch.ones(16, 16, 3), torch.tensor([50, 20, 40]), Blend(0.2, 0.0))
    changed = (canvas - picture()).abs().sum(-1)
    assert canvas[36:44, 66:74].min() > 0.9999
    changed[20:60, 50:90] = 0
    assert not changed.any()
    assert soft_square(40, 0.2)[0].max() < 0.02


def test_colours_are_matched_along_the_edge() -> None:
    canvas, square = picture(), torch.tensor([50, 20, 48])
    crop = cut_squares(canvas[None], square[None], 48)[0]
    paste(canvas, crop * 0.7 + 0.05, square, Blend(0.0, 1.0))
    torch.testing.assert_close(canvas, picture(), atol=0.02, rtol=0)


def test_a_mask_keeps_the_rest_of_the_crop() -> None:
    canvas, mask = picture(), torch.zeros(48, 48)
    mask[24:] = 1
    paste(canvas, torch.ones(48, 48, 3), torch.tensor([50, 20, 48]), Blend(0.0, 0.0), mask)
    assert torch.equal(canvas[:44], picture()[:44])
    assert canvas[44:68, 50:98].min() > 0.9999
