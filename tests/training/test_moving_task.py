"""The mover learns alone: to where sound says, and to a face region that is elsewhere."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from emo_core.backend import Backend
from emo_core.config import (
    AudioConfig,
    EmoConfig,
    FaceLocatorConfig,
    ReferenceConfig,
    SpeedConfig,
    TemporalConfig,
    UNetConfig,
)
from emo_core.models.emo import Emo
from emo_core.training.initialise import initialise
from emo_core.training.latent_clips import LatentClips
from emo_core.training.moving_task import MovingTask
from emo_core.training.stages import MOVING

CELLS, SIZE, FRAMES, CLIPS = 16, 64, 16, 3
STAGE = dataclasses.replace(MOVING, rows=6, frames=4, drop_audio=0.0, drop_speed=0.0, expression_weight=0.0)


@pytest.fixture
def model() -> Emo:
    config = EmoConfig(
        unet=UNetConfig((16, 32), (True, False), layers_per_block=1, heads=2, groups=8),
        reference=ReferenceConfig(at_ends=True, mover=True),
        audio=AudioConfig("mel_conv", 2, 8, hidden=32, tokens=2, token_width=16),
        temporal=TemporalConfig((True, True), heads=2),
        face_locator=FaceLocatorConfig(channels=(4, 8, 8), target="latents"),
        speed=SpeedConfig(width=16),
    )
    emo = Emo(config, backend=Backend())
    initialise(emo, seed=0)
    return emo


@pytest.fixture
def clips(tmp_path: Path) -> LatentClips:
    """A blob that the sound shifts to the left and right, and portraits in which it is elsewhere."""
    rng = np.random.default_rng(0)
    shift = rng.uniform(-1.5, 1.5, (CLIPS, FRAMES))
    middles = np.stack([8 + shift, np.full_like(shift, 8)], axis=-1)
    aside = rng.uniform(5, 11, (CLIPS, 4, 2))
    part = tmp_path / "part-000000"
    part.mkdir()
    arrays = {
        "latents": pictures(middles),
        "portraits": pictures(aside),
        "states": np.tile(shift[..., None, None], (1, 1, 2, 8)),
        "speed": np.ones((CLIPS, FRAMES)),
        "landmarks": np.tile(middles[:, :, None] * SIZE / CELLS, (1, 1, 12, 1)),
        "boxes": boxes(middles),
        "portrait_boxes": boxes(aside),
    }
    for name, values in arrays.items():
        np.save(part / f"{name}.npy", values.astype(np.float32))
    (part / "meta.json").write_text(json.dumps({"fps": 25.0, "size": SIZE}))
    return LatentClips(tmp_path)


def pictures(middles: np.ndarray) -> np.ndarray:
    at = np.arange(CELLS) + 0.5
    x, y = (middles[..., axis, None, None] for axis in (0, 1))
    blob = np.exp(-((at - x) ** 2 + (at[:, None] - y) ** 2) / 8)
    return np.stack([blob, -blob, 0.5 * blob, blob], axis=-3)


def boxes(middles: np.ndarray) -> np.ndarray:
    return np.concatenate([middles - 3, middles + 3], axis=-1) * SIZE / CELLS


def test_a_step_moves_what_is_trained_and_nothing_else(model: Emo, clips: LatentClips) -> None:
    task = MovingTask(model, clips, STAGE, torch.zeros(4, CELLS, CELLS))
    torch.nn.init.normal_(model.backbone.mover.conv_out.weight, std=0.1)  # type: ignore[union-attr]
    torch.nn.init.normal_(model.backbone.mover.place_out.weight, std=0.1)  # type: ignore[union-attr]
    task.loss(torch.Generator().manual_seed(0)).backward()
    assert {name for name, value in model.named_parameters() if value.grad is not None} == set(task.trained)
    assert {name.split(".")[1] for name in task.trained} == {"mover", "mover_projection"}


def test_a_model_without_one_is_told_what_to_set(model: Emo, clips: LatentClips) -> None:
    task = MovingTask(model, clips, STAGE, torch.zeros(4, CELLS, CELLS))
    model.backbone.mover = None
    with pytest.raises(ValueError, match=r"set reference\.mover"):
        task.loss(torch.Generator().manual_seed(0))


def test_the_same_generator_gives_the_same_loss(model: Emo, clips: LatentClips) -> None:
    task = MovingTask(model, clips, STAGE, torch.zeros(4, CELLS, CELLS))
    first, second = (task.loss(torch.Generator().manual_seed(5)).item() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("elsewhere", [0.0, 1.0], ids=["by the sound", "to the region"])
def test_portraits_learn_to_go_where_they_shall(model: Emo, clips: LatentClips, elsewhere: float) -> None:
    task = MovingTask(model, clips, dataclasses.replace(STAGE, elsewhere=elsewhere), torch.zeros(4, CELLS, CELLS))
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3)
    losses = []
    for _ in range(150):
        loss = task.loss(generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    first, last = (np.mean(part) for part in (losses[:10], losses[-10:]))
    assert last < 0.4 * first
