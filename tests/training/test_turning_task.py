"""What steers the mover learns from sounds and speeds alone, and nothing else changes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor
from training.moving_model import moving_model

from emo_core.models.emo import Emo
from emo_core.training.emo_task import windows_around
from emo_core.training.spoken_clips import SPEEDS
from emo_core.training.stages import STEERING, TURNING
from emo_core.training.synthetic.head_motion import LIMITS
from emo_core.training.turning_task import TurningTask

STAGE = dataclasses.replace(TURNING, rows=12, frames=6)
FRAMES = 40


class Sounds:
    """A head that goes where the sound's states say, further the faster it is asked to be."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.states = torch.from_numpy(rng.standard_normal((5, FRAMES, 2, 8)).astype(np.float32))
        self.speeds = rng.uniform(0, 2.4, (5, SPEEDS)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.states)

    def frames(self, clip: int) -> int:
        return FRAMES

    def get(self, clip: int, name: str, rows: np.ndarray | slice) -> Tensor:
        if name == "states":
            return self.states[clip][rows]
        where = self.states[clip][rows, 0, :3]
        return where[:, None] * torch.from_numpy(self.speeds[clip])[:, None] * 3


@pytest.fixture
def model() -> Emo:
    return moving_model()


def test_heads_come_to_turn_with_the_sound_as_fast_as_asked(model: Emo) -> None:
    task, sounds = TurningTask(model, Sounds(), STAGE), Sounds()  # pyright: ignore[reportArgumentType]
    assert {name.split(".")[1] for name in task.trained} == {"mover_projection", "mover"}
    assert {name.split(".")[2] for name in task.trained if ".mover." in name} <= set(STEERING)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 5e-3)
    for _ in range(300):
        loss = task.loss(generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    windows = windows_around(sounds, 0, np.arange(36), model.config.audio.window).split(STAGE.frames)
    with torch.no_grad():
        slow, fast = (
            task.steered([task.features(part, speed) for part in windows])[..., 0].flatten() * LIMITS[0]
            for speed in (0.4, 2.0)
        )
    wanted = sounds.states[0, :36, 0, 0]
    assert np.corrcoef(fast, wanted)[0, 1] > 0.8
    assert float(fast.std()) > 2.5 * float(slow.std())


def test_a_model_without_a_mover_is_told_what_to_set(model: Emo) -> None:
    model.backbone.mover = None
    with pytest.raises(ValueError, match=r"set reference\.mover"):
        TurningTask(model, Sounds(), STAGE)  # pyright: ignore[reportArgumentType]


def test_rows_that_are_not_told_their_speed_count_alike(model: Emo) -> None:
    task = TurningTask(model, Sounds(), dataclasses.replace(STAGE, drop_speed=1.0))  # pyright: ignore[reportArgumentType]
    rows = [task._row(np.random.default_rng(seed)) for seed in range(6)]
    assert all(features.speed is None for features, _, _ in rows)
    assert len({scale for _, _, scale in rows}) == 1


def test_heads_that_no_speed_was_asked_of_move_as_any_that_can_be_asked_for(model: Emo) -> None:
    """Not as most of the sounds' heads do, which are slow."""
    sounds = Sounds()
    sounds.speeds[:, 1:] = sounds.speeds[:, 1:] / 10
    sounds.speeds[:, 0] = 2.2
    task = TurningTask(model, sounds, dataclasses.replace(STAGE, drop_speed=1.0))  # pyright: ignore[reportArgumentType]
    reach = [float(task._row(np.random.default_rng(seed))[1][:, 0].std()) for seed in range(60)]
    assert 0.3 < np.mean(np.array(reach) > 0.3) < 0.7


def test_rows_that_are_told_their_speed_count_by_it(model: Emo) -> None:
    told = TurningTask(model, Sounds(), dataclasses.replace(STAGE, drop_speed=0.0))  # pyright: ignore[reportArgumentType]
    assert len({told._row(np.random.default_rng(seed))[2] for seed in range(6)}) == 6
