"""The mover learns alone how a pose moves a head, and leaves its mouth be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from training.latent_folder import latent_clips
from training.moving_model import moving_model

from emo_core.models.emo import Emo
from emo_core.training.latent_clips import LatentClips
from emo_core.training.moving_task import LOWER, MovingTask, flow_at
from emo_core.training.stages import MOVING, STEERING
from emo_core.training.synthetic.types import TRACKS

CELLS, SIZE, FRAMES, CLIPS = 16, 64, 16, 3
MOUTH = (1.5, 1.5)
STAGE = dataclasses.replace(MOVING, rows=6, frames=4)


@pytest.fixture
def model() -> Emo:
    return moving_model()


@pytest.fixture
def clips(tmp_path: Path) -> LatentClips:
    """A blob that turns to the left and right."""
    rng = np.random.default_rng(0)
    shift = rng.uniform(-1.5, 1.5, (CLIPS, FRAMES))
    middles = np.stack([8 + shift, np.full_like(shift, 8)], axis=-1)
    tracks = np.zeros((CLIPS, FRAMES, len(TRACKS)))
    tracks[..., TRACKS.index("yaw")] = 3 * shift
    arrays = {
        "latents": pictures(middles),
        "tracks": tracks,
        "speed": np.ones((CLIPS, FRAMES)),
        "landmarks": landmarks(middles),
        "boxes": boxes(middles),
    }
    return latent_clips(tmp_path, arrays, SIZE)


def pictures(middles: np.ndarray) -> np.ndarray:
    at = np.arange(CELLS) + 0.5
    x, y = (middles[..., axis, None, None] for axis in (0, 1))
    blob = np.exp(-((at - x) ** 2 + (at[:, None] - y) ** 2) / 8)
    return np.stack([blob, -blob, 0.5 * blob, blob], axis=-3)


def landmarks(middles: np.ndarray) -> np.ndarray:
    """Mouth and chin are in a corner of the picture, everything else in the middle of the blob."""
    made = np.tile(middles[:, :, None], (1, 1, 12, 1))
    made[:, :, list(LOWER)] = MOUTH
    return made * SIZE / CELLS


def boxes(middles: np.ndarray) -> np.ndarray:
    return np.concatenate([middles - 3, middles + 3], axis=-1) * SIZE / CELLS


def test_a_step_moves_what_is_trained_and_nothing_else(model: Emo, clips: LatentClips) -> None:
    task = MovingTask(model, clips, STAGE, torch.zeros(4, CELLS, CELLS))
    torch.nn.init.normal_(model.backbone.mover.conv_out.weight, std=0.1)  # type: ignore[union-attr]
    task.loss(torch.Generator().manual_seed(0)).backward()
    assert {name for name, value in model.named_parameters() if value.grad is not None} == set(task.trained)
    assert {name.split(".")[1] for name in task.trained} == {"mover"}
    assert {name.split(".")[2] for name in task.trained}.isdisjoint(STEERING)


def test_a_model_without_one_is_told_what_to_set(model: Emo, clips: LatentClips) -> None:
    task = MovingTask(model, clips, STAGE, torch.zeros(4, CELLS, CELLS))
    model.backbone.mover = None
    with pytest.raises(ValueError, match=r"set reference\.mover"):
        task.loss(torch.Generator().manual_seed(0))


def test_the_same_generator_gives_the_same_loss(model: Emo, clips: LatentClips) -> None:
    task = MovingTask(model, clips, STAGE, torch.zeros(4, CELLS, CELLS))
    first, second = (task.loss(torch.Generator().manual_seed(5)).item() for _ in range(2))
    assert first == second


def test_portraits_learn_to_follow_the_pose(model: Emo, clips: LatentClips) -> None:
    task = MovingTask(model, clips, STAGE, torch.zeros(4, CELLS, CELLS))
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3)
    before = missed(task)
    for _ in range(100):
        loss = task.loss(generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert missed(task) < 0.3 * before


@torch.no_grad()
def missed(task: MovingTask) -> float:
    """Squared cells by which the flow misses the marks of some rows."""
    rng = np.random.default_rng(3)
    rows = [task._row(rng, rng) for _ in range(8)]
    marks, sources = (torch.cat([row[name] for row in rows]) for name in ("marks", "sources"))
    return float((flow_at(task.flow(rows), marks) - (sources - marks)).square().mean())


def test_what_a_mouth_looks_like_does_not_count(model: Emo, clips: LatentClips, tmp_path: Path) -> None:
    file = tmp_path / "part-000000" / "latents.npy"
    latents, rng = np.load(file), np.random.default_rng(0)

    def loss_if(row: int, column: int) -> float:
        changed = latents.copy()
        changed[..., row, column] += rng.standard_normal(latents.shape[:-2])
        np.save(file, changed)
        task = MovingTask(model, LatentClips(tmp_path), STAGE, torch.zeros(4, CELLS, CELLS))
        return task.loss(torch.Generator().manual_seed(5)).item()

    before = MovingTask(model, clips, STAGE, torch.zeros(4, CELLS, CELLS)).loss(torch.Generator().manual_seed(5)).item()
    mouth, elsewhere = int(MOUTH[1]), 14
    assert loss_if(mouth, mouth) == pytest.approx(before, rel=1e-5)
    assert loss_if(elsewhere, elsewhere) > 1.001 * before
