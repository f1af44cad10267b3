"""A portrait is the frame whose head is where it mostly is, with a closed mouth, open eyes and quiet brows."""

from __future__ import annotations

import numpy as np

from emo_core.training.synthetic.rest import at_rest
from emo_core.training.synthetic.types import TRACKS


def performance(**columns: list[float]) -> np.ndarray:
    tracks = np.zeros((len(next(iter(columns.values()))), len(TRACKS)), np.float32)
    for name, values in columns.items():
        tracks[:, TRACKS.index(name)] = values
    return tracks


def test_a_head_that_rests_turned_is_at_rest_there() -> None:
    tracks = performance(yaw=[6, 9, 6.1, 2, 8], pitch=[-1, -1, -1.2, 3, -1])
    assert at_rest(tracks)[:2].tolist() == [0, 2]


def test_open_mouths_and_closed_eyes_come_last() -> None:
    tracks = performance(open=[0.9, 0.1, 0.0, 0.3], blink=[0, 0, 1, 0], yaw=[0, 0.1, 0, 0])
    assert at_rest(tracks).tolist() == [1, 3, 0, 2]


def test_brows_that_are_up_come_behind_quiet_ones() -> None:
    tracks = performance(brow=[0.8, -0.1, -0.7, 0.0], yaw=[0, 0.1, 0, 0.3])
    assert at_rest(tracks).tolist() == [3, 1, 2, 0]
