"""Heads that go to their region, and heads that stay."""

import pytest
import torch
from torch import Tensor

from emo_core.face.placing import OUTSIDE, ROOM, placed, placement

HEAD = torch.tensor([40.0, 30.0, 80.0, 90.0])  # 40 wide, 60 high


def shifted(x: float, y: float, *, grow: float = 1.0, box: Tensor = HEAD) -> Tensor:
    """A box moved by so many px and larger by a factor about its middle."""
    middle, half = (box[:2] + box[2:]) / 2 + torch.tensor([x, y]), (box[2:] - box[:2]) / 2 * grow
    return torch.cat([middle - half, middle + half])


def landed(region: Tensor, head: Tensor = HEAD) -> Tensor:
    """Where the head's box goes."""
    move = placement(head, region)
    assert move is not None
    return move.moved(head.view(2, 2)).flatten()


@pytest.mark.parametrize(
    "region",
    [
        shifted(10, 12, grow=1.6),
        shifted(0, 0),
        shifted(0.9 * OUTSIDE * 40, 0),
        torch.tensor([48.0, 55.0, 72.0, 91.0]),
        torch.tensor([45.0, 48.0, 75.0, 92.0]),
        shifted(1, -2, grow=0.99),
    ],
    ids=["inside", "the same", "a little outside", "face alone", "face and chin", "hardly elsewhere"],
)
def test_a_head_in_place_stays(region: Tensor) -> None:
    picture = torch.rand(128, 128, 3)
    assert placed(picture, HEAD, region) is picture


@pytest.mark.parametrize("head", [torch.zeros(4), torch.tensor([80.0, 30.0, 40.0, 90.0]), torch.full((4,), torch.nan)])
def test_a_picture_without_a_head_stays(head: Tensor) -> None:
    assert placement(head, torch.tensor([10.0, 10.0, 40.0, 40.0])) is None


def test_a_head_elsewhere_moves_no_further_than_into_its_region() -> None:
    box, region = landed(torch.tensor([60.0, 20.0, 120.0, 120.0])), torch.tensor([60.0, 20.0, 120.0, 120.0])
    assert box[0] == pytest.approx(60 + (1 - ROOM) * 60 / 2, abs=0.5)  # a whole pixel
    assert box[1::2].tolist() == HEAD[1::2].tolist()  # it was right from top to bottom
    assert (box[2:] - box[:2]).tolist() == [40, 60]
    assert box[2] < region[2]


def test_a_head_that_is_too_large_fills_its_room() -> None:
    region = torch.tensor([10.0, 10.0, 40.0, 40.0])
    box = landed(region)
    assert (box[3] - box[1]) == pytest.approx(ROOM * 30)
    assert (box[2] - box[0]) == pytest.approx(ROOM * 30 * 40 / 60)
    assert (box[1] + box[3]) / 2 == pytest.approx(25)
    assert box[2] == pytest.approx(25 + ROOM * 15)  # the side that the head was on


def test_a_smaller_head_asked_for_is_not_taken_for_a_painted_face() -> None:
    box = landed(shifted(2, -8, grow=0.85))
    assert (box[3] - box[1]) == pytest.approx(ROOM * 0.85 * 60)


def dotted(points: Tensor) -> Tensor:
    """A picture [128, 128, 3] with soft dots."""
    ticks = torch.arange(128) + 0.5
    dots = [
        torch.exp(-((ticks[None] - x) ** 2 + (ticks[:, None] - y) ** 2) / 8) for x, y in points.tolist()
    ]
    return (0.2 + 0.6 * sum(dots, torch.zeros(128, 128)))[..., None].expand(-1, -1, 3).contiguous()


def peak(picture: Tensor, near: Tensor) -> list[float]:
    """x, y of the middle of the dot around a place."""
    ticks = torch.arange(128) + 0.5
    mass = (picture[..., 0] - 0.2).clamp_min(0)
    mass = mass * (((ticks[None] - near[0]) ** 2 + (ticks[:, None] - near[1]) ** 2) < 6**2)
    return [float((mass.sum(0) * ticks).sum() / mass.sum()), float((mass.sum(1) * ticks).sum() / mass.sum())]


@pytest.mark.parametrize("region", [[60, 20, 120, 120], [20, 20, 60, 70], [70, 70, 96, 100]])
def test_the_picture_goes_where_the_box_goes(region: list[float]) -> None:
    marks = torch.tensor([[50.0, 45.0], [70.0, 75.0]])
    move = placement(HEAD, torch.tensor(region).float())
    assert move is not None
    made = placed(dotted(marks), HEAD, torch.tensor(region).float())
    assert made.shape == (128, 128, 3)
    for place in move.moved(marks):
        assert peak(made, place) == pytest.approx(place.tolist(), abs=0.75)  # whole pixels


def test_a_head_of_the_right_size_keeps_its_pixels() -> None:
    picture = torch.rand(128, 128, 3, generator=torch.Generator().manual_seed(0))
    made = placed(picture, HEAD, torch.tensor([60.0, 20.0, 120.0, 120.0]))
    dx = 21  # to 60 and half of the room left over, a whole pixel
    assert torch.equal(made[:, dx:], picture[:, : 128 - dx])


def test_edges_go_on_into_what_comes_in_and_run_together() -> None:
    picture = torch.full((128, 128, 3), 0.3)
    picture[30:90, 40:80] = 0.9
    picture[64:, 0] = 0.7
    picture[-1, 70:80] = 0.1
    made = placed(picture, HEAD, torch.tensor([84.0, 10.0, 128.0, 74.0]))[..., 0]  # 45 to the right, 17 up
    assert int((made > 0.8).any(0).sum()) == 40  # one head, not two
    assert made[20, 44] == pytest.approx(0.3, abs=0.02)
    assert made[100, 44] == pytest.approx(0.7, abs=0.02)
    near, far = made[:100, 44].diff().abs().max(), made[:100, 2].diff().abs().max()
    assert far < 0.5 * near  # soft, away from the edge
    assert (made[110:, 115:125] == 0.1).all()  # downwards nothing runs together
    assert (made[110:, 100:115] == 0.3).all()
    assert made.min() >= 0.1
    assert made.max() <= 0.9


def test_a_head_may_go_to_a_tiny_region_and_come_from_beyond_the_picture() -> None:
    picture = torch.rand(128, 128, 3)
    for head in (HEAD, torch.tensor([-60.0, -70.0, -5.0, -6.0]), torch.tensor([0.0, 0.0, 128.0, 128.0])):
        for region in ([0.0, 0.0, 2.0, 2.0], [125.0, 120.0, 128.0, 128.0]):
            made = placed(picture, head, torch.tensor(region))
            assert made.shape == picture.shape
            assert made.isfinite().all()


def test_fine_patterns_do_not_turn_into_coarse_ones_when_the_picture_shrinks() -> None:
    picture = torch.zeros(128, 128, 3)
    picture[:, ::2] = 1
    made = placed(picture, HEAD, torch.tensor([50.0, 45.0, 70.0, 75.0]) - 30)
    assert (made[:50, 8:50] - 0.5).abs().max() < 0.15
