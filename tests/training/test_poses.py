"""A pose is told to the mover against the portrait's, each part on a way of its own."""

from __future__ import annotations

import torch

from emo_core.models.mover import WAYS
from emo_core.training.poses import COLUMNS, POSE, UNITS, along, turns_of
from emo_core.training.synthetic.types import TRACKS


def tracks(**values: float) -> torch.Tensor:
    row = torch.zeros(1, len(TRACKS))
    for name, value in values.items():
        row[0, TRACKS.index(name)] = value
    return row


def test_a_head_that_is_where_the_portrait_has_it_is_nowhere_along() -> None:
    pose = torch.randn(1, len(TRACKS), generator=torch.Generator().manual_seed(0))
    assert not turns_of(pose, pose).any()
    mouth = pose.clone()
    mouth[0, TRACKS.index("open")] += 1
    assert not turns_of(mouth, pose).any()


def test_each_part_of_a_pose_has_its_way_and_angles_their_products() -> None:
    for index, (name, unit) in enumerate(zip(POSE, UNITS, strict=True)):
        turns = turns_of(tracks(**{name: unit + 0.5}), tracks(**{name: 0.5}))
        assert turns.shape == (1, WAYS)
        expected = torch.zeros(6)
        expected[index] = 1
        torch.testing.assert_close(turns[0, :6], expected)
    both = turns_of(tracks(yaw=2 * UNITS[0], roll=3 * UNITS[2]), tracks())[0, 6:]
    torch.testing.assert_close(both, torch.tensor([4.0, 0.0, 6.0, 0.0, 0.0, 9.0]))


def test_poses_of_any_shape() -> None:
    assert along(torch.zeros(2, 5, len(COLUMNS))).shape == (2, 5, WAYS)
