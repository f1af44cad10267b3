"""Head speed over time from a person's text."""

import pytest
import torch

from emo_core.face.speed_curve import parse_curve, speed_curve


def test_points_are_joined_by_straight_lines_and_the_ends_are_held() -> None:
    curve = speed_curve("1: 0.0, 3: 1.0", frames=8, fps=2.0)  # frame centres at 0.25, 0.75 ... 3.75 s
    expected = torch.tensor([0.0, 0.0, 0.125, 0.375, 0.625, 0.875, 1.0, 1.0])
    torch.testing.assert_close(curve, expected)


def test_points_may_come_in_any_order_and_on_lines() -> None:
    assert parse_curve("2: 1\n0: 0.5") == [(0.0, 0.5), (2.0, 1.0)]


@pytest.mark.parametrize("text", ["fast", "1: 2: 3", "-1: 0.5", "1: -0.5"])
def test_what_is_no_point_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text.split(",")[0]):
        parse_curve(text)
