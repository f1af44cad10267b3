"""The warp learns alone what mixing cells is wrong by: drawn faces of the synthetic world, emo-tiny's own VAE."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from emo_core.animate import BUILT_IN, Animator
from emo_core.backend import Backend
from emo_core.models.emo import Emo
from emo_core.models.vae import AutoencoderKL
from emo_core.models.warp import moved
from emo_core.training.initialise import initialise
from emo_core.training.loop import Loop, LoopPlan
from emo_core.training.stages import WARPING
from emo_core.training.synthetic.clip_plan import FORMAT, ClipPlan
from emo_core.training.synthetic.clip_shards import ClipShards
from emo_core.training.synthetic.drawn import drawn_portrait
from emo_core.training.synthetic.types import FaceState
from emo_core.training.tiny import tiny_config
from emo_core.training.warping_task import WarpingTask

SIZE, FRAMES, CLIPS = 64, 4, 8
STAGE = dataclasses.replace(WARPING, rows=3, frames=2)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> ClipShards:
    """Drawn people in four pictures each, of whom the last two are held out."""
    folder = tmp_path_factory.mktemp("faces")
    shard, plan = folder / "shard-00000", ClipPlan(seed=1, size=SIZE, frames=FRAMES)
    shard.mkdir()
    shown = [
        [drawn_portrait(clip).render(FaceState(open=frame / FRAMES), SIZE) for frame in range(FRAMES)]
        for clip in range(CLIPS)
    ]
    np.save(shard / "frames.npy", np.array([[frame for frame, _ in clip] for clip in shown]))
    np.save(shard / "landmarks.npy", np.array([[truth.landmarks for _, truth in clip] for clip in shown]))
    clips = [asdict(plan.clip(index)) for index in range(CLIPS)]
    (shard / "meta.json").write_text(json.dumps({"format": FORMAT, "plan": asdict(plan), "clips": clips}))
    return ClipShards(folder)


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    return Animator.open(BUILT_IN).vae


@pytest.fixture
def model() -> Emo:
    emo = Emo(tiny_config(), backend=Backend())
    initialise(emo, 0)
    torch.nn.init.normal_(emo.backbone.mover.conv_out.weight, std=0.02)  # type: ignore[union-attr]
    return emo


def test_it_learns_what_mixing_cells_is_wrong_by(
    model: Emo, vae: AutoencoderKL, faces: ClipShards, tmp_path: Path
) -> None:
    task = WarpingTask(model, vae, faces, stage=STAGE, held_out=2)
    Loop(task, LoopPlan(60, 2e-3, warmup=5, cooldown=1.0, ema=0.9), tmp_path).run()
    new = torch.from_numpy(np.concatenate([faces.frames(clip) for clip in (CLIPS - 2, CLIPS - 1)]))
    pictures = new.permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        latents = vae.encode(pictures)
        flow = task.flow(latents, np.random.default_rng(0))
        wanted = vae.encode(moved(pictures, flow))
        learned, mixed = (
            (made - wanted).square().mean() for made in (task.warp(latents, flow), moved(latents, flow))
        )
    assert learned < 0.75 * mixed


def test_a_step_moves_what_is_trained_and_nothing_else(model: Emo, vae: AutoencoderKL, faces: ClipShards) -> None:
    task = WarpingTask(model, vae, faces, stage=STAGE)
    torch.nn.init.normal_(task.warp.conv_out.weight, std=0.02)
    task.loss(torch.Generator().manual_seed(0)).backward()
    assert {name for name, value in model.named_parameters() if value.grad is not None} == set(task.trained)
    assert all(name.startswith("backbone.warp.") for name in task.trained)


def test_the_generator_alone_says_what_is_shown_and_moved(model: Emo, vae: AutoencoderKL, faces: ClipShards) -> None:
    task = WarpingTask(model, vae, faces, stage=STAGE)
    first, again, other = (float(task.loss(torch.Generator().manual_seed(seed)).detach()) for seed in (0, 0, 1))
    assert first == again != other


def test_heads_turn_in_some_pictures_and_others_move_as_a_whole(
    model: Emo, vae: AutoencoderKL, faces: ClipShards
) -> None:
    """What moves as a whole bends nowhere: its second differences are zero."""
    task = WarpingTask(model, vae, faces, stage=STAGE)
    flow = task.flow(torch.randn(64, 8, 16, 16), np.random.default_rng(0))
    bent = [flow.diff(n=2, dim=dim).abs().amax(dim=(1, 2, 3)) > 1e-4 for dim in (-1, -2)]
    turned = bent[0] | bent[1]
    assert 16 < int(turned.sum()) < 48
    assert bool((flow.abs().amax(dim=(1, 2, 3)) > 0).all())


@pytest.mark.parametrize("lacking", ["warp", "mover"])
def test_a_model_without_is_told_what_to_set(lacking: str, model: Emo, vae: AutoencoderKL, faces: ClipShards) -> None:
    setattr(model.backbone, lacking, None)
    with pytest.raises(ValueError, match=r"set reference\.warp and reference\.mover"):
        WarpingTask(model, vae, faces, stage=STAGE)
