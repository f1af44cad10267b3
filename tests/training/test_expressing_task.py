"""Portraits learn to change as tokens tell, and nothing else is trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from training.latent_folder import latent_clips
from training.moving_model import moving_model

from emo_core.backend import Backend
from emo_core.config import VaeConfig
from emo_core.models.emo import Emo
from emo_core.models.vae import AutoencoderKL
from emo_core.training.decoded_faces import DecodedFaces
from emo_core.training.expressing_task import ExpressingTask
from emo_core.training.expression_reader import ExpressionReader
from emo_core.training.latent_clips import LatentClips
from emo_core.training.stages import EXPRESSING, Stage
from emo_core.training.synthetic.types import TRACKS

CELLS, SIZE, FRAMES, CLIPS = 16, 64, 9, 3
STAGE = dataclasses.replace(EXPRESSING, rows=4, posed=4, frames=4)


@pytest.fixture
def model() -> Emo:
    return moving_model()


@pytest.fixture
def clips(tmp_path: Path) -> LatentClips:
    """People, each with a mouth of their own, that is as bright as it is open; the first picture is at rest."""
    rng = np.random.default_rng(0)
    opened = rng.random((CLIPS, FRAMES))
    opened[:, 0] = 0
    at = np.arange(CELLS) + 0.5
    people = rng.normal(0, 1, (CLIPS, 1, 4, CELLS, CELLS))
    mouth = np.exp(-((at - 8) ** 2 + (at[:, None] - 11) ** 2) / 4)
    tracks = np.zeros((CLIPS, FRAMES, len(TRACKS)))
    tracks[..., TRACKS.index("open")] = opened
    arrays = {
        "latents": people + 2 * opened[..., None, None, None] * mouth,
        "tracks": tracks,
        "states": rng.normal(0, 1, (CLIPS, FRAMES, 2, 8)),
        "landmarks": np.full((CLIPS, FRAMES, 12, 2), 0.5 * SIZE),
        "boxes": np.tile([0.2 * SIZE, 0.2 * SIZE, 0.8 * SIZE, 0.8 * SIZE], (CLIPS, FRAMES, 1)),
    }
    return latent_clips(tmp_path, arrays, SIZE)


def task_of(model: Emo, clips: LatentClips, stage: Stage = STAGE) -> ExpressingTask:
    torch.manual_seed(0)
    vae = AutoencoderKL(VaeConfig(channels=(8, 8, 8), layers_per_block=1, groups=4), backend=Backend())
    grey = torch.zeros(4, CELLS, CELLS)
    faces, reader = DecodedFaces(vae, CELLS), ExpressionReader(4).requires_grad_(False)
    return ExpressingTask(model, clips, stage, grey, reader=reader, faces=faces, posed=clips)


def test_a_step_trains_expressions_and_nothing_else(model: Emo, clips: LatentClips) -> None:
    task = task_of(model, clips)
    torch.nn.init.normal_(model.backbone.expressions.amounts.weight, std=0.1)  # type: ignore[union-attr]
    task.loss(torch.Generator().manual_seed(0)).backward()
    assert {name for name, value in model.named_parameters() if value.grad is not None} == set(task.trained)
    assert {name.split(".")[1] for name in task.trained} == {"expressions"}


def test_a_model_without_any_is_told_what_to_set(model: Emo, clips: LatentClips) -> None:
    task = task_of(model, clips)
    model.backbone.expressions = None
    with pytest.raises(ValueError, match=r"set reference\.expressions"):
        task.loss(torch.Generator().manual_seed(0))


def test_the_same_generator_gives_the_same_loss(model: Emo, clips: LatentClips) -> None:
    task = task_of(model, clips)
    first, second = (task.loss(torch.Generator().manual_seed(5)).item() for _ in range(2))
    assert first == second


def test_how_faces_read_counts_as_much_as_the_stage_says(model: Emo, clips: LatentClips) -> None:
    losses = []
    for weight in (1.0, 1001.0, 2001.0):  # far apart, as the reader says little of these faces in single precision
        task = task_of(model, clips, dataclasses.replace(STAGE, expression_weight=weight))
        losses.append(task.loss(torch.Generator().manual_seed(2)).item())
    once, twice = losses[1] - losses[0], losses[2] - losses[0]
    assert once > 0
    assert twice == pytest.approx(2 * once, rel=1e-3)


def test_mouths_learn_to_open_as_they_are_told(model: Emo, clips: LatentClips) -> None:
    task = task_of(model, clips)
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3)
    first = task.loss(torch.Generator().manual_seed(9)).item()
    for _ in range(80):
        loss = task.loss(generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert task.loss(torch.Generator().manual_seed(9)).item() < 0.3 * first
