"""Every sampler with every scheduler that the host lists."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from stock import Studio
from support import SMALL, Pack

pytestmark = [pytest.mark.host, pytest.mark.slow]


def test_every_sampler_and_scheduler_makes_finite_videos(pack: ModuleType, tmp_path: Path) -> None:
    with torch.inference_mode():
        studio = Studio(Pack(pack), tmp_path / "random.safetensors", SMALL)
        kinds = importlib.import_module("comfy.samplers").KSampler
        studio.latent = {"samples": studio.latent["samples"]}
        wrong, made = [], {}
        for sampler in kinds.SAMPLERS:
            for scheduler in kinds.SCHEDULERS:
                video = studio.sample(sampler_name=sampler, scheduler=scheduler, steps=2)
                if video.shape != studio.latent["samples"].shape or not video.isfinite().all():
                    wrong.append(f"{sampler} x {scheduler}")
                made[sampler, scheduler] = video
    assert not wrong
    assert len(made) == len(kinds.SAMPLERS) * len(kinds.SCHEDULERS) >= 9 * 40
    different = {tuple(video.flatten()[:4].round(decimals=3).tolist()) for video in made.values()}
    assert len(different) > len(made) / 4, "the choice hardly matters"
