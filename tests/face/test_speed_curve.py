"""Head speed over time from a person's text."""

import pytest
import torch

from emo_core.face.speed_curve import curve_text, parse_curve, speed_curve, speeds_of


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


@pytest.mark.parametrize("values", [[0.5], 0.5, [[0.5]], torch.tensor([0.5])])
def test_a_single_number_is_one_speed(values: object) -> None:
    assert speeds_of(values, 10).tolist() == [0.5]


def test_a_list_of_one_number_per_frame_is_taken_as_it_is() -> None:
    assert speeds_of([[0.0, 0.25], [0.5]], 3).tolist() == [0.0, 0.25, 0.5]


def test_another_number_of_values_is_spread_over_the_video() -> None:
    assert speeds_of([0.0, 1.0], 5).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(("values", "words"), [([], "is empty"), ([0.5, -1.0], "-1 to 0.5 are no head speeds")])
def test_lists_that_are_no_speeds_are_named(values: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        speeds_of(values, 5)


def test_a_curve_as_text_is_the_curve() -> None:
    speeds = torch.linspace(0, 2, 50)
    torch.testing.assert_close(speed_curve(curve_text(speeds, 25.0), 46, 25.0), speeds[:46], atol=0.02, rtol=0)
