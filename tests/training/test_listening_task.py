"""The tokens learn to tell what they did not, and stay what they were otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from training.latent_folder import latent_clips

from emo_core.backend import Backend
from emo_core.config import AudioConfig, EmoConfig, TemporalConfig, UNetConfig
from emo_core.models.emo import Emo
from emo_core.training.initialise import initialise
from emo_core.training.latent_clips import LatentClips
from emo_core.training.listening_task import ListeningTask
from emo_core.training.loop import Loop, LoopPlan
from emo_core.training.stages import LISTENING
from emo_core.training.synthetic.types import TRACKS
from emo_core.training.telling import COLUMNS

FRAMES, CLIPS = 30, 6


@pytest.fixture
def model() -> Emo:
    config = EmoConfig(
        unet=UNetConfig((16, 32), (True, False), layers_per_block=1, heads=2, groups=8),
        audio=AudioConfig("mel_conv", 2, 16, hidden=64, tokens=4, token_width=32),
        temporal=TemporalConfig((True, True), heads=2),
    )
    emo = Emo(config, backend=Backend())
    initialise(emo, seed=0)
    return emo


@pytest.fixture
def clips(tmp_path: Path) -> LatentClips:
    """Every track is a sum of the sound's states at its frame, as small as tracks are."""
    rng = np.random.default_rng(0)
    states = rng.standard_normal((CLIPS, FRAMES, 2, 16)).astype(np.float32)
    tracks = np.einsum("cfls,lst->cft", states, rng.standard_normal((2, 16, len(TRACKS)))).astype(np.float32)
    tracks *= 0.3 / tracks.std()
    return latent_clips(tmp_path, {"states": states, "tracks": tracks, "latents": np.zeros((CLIPS, FRAMES))})


def windows_of(clips: LatentClips, task: ListeningTask) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(5)
    picked = [task._frames(rng) for _ in range(20)]
    windows, tracks = (torch.cat(column) for column in zip(*picked, strict=True))
    return windows, tracks


def test_tokens_come_to_tell_the_tracks_and_change_little(model: Emo, clips: LatentClips, tmp_path: Path) -> None:
    task = ListeningTask(model, clips, LISTENING)
    windows, tracks = windows_of(clips, task)

    @torch.no_grad()
    def told_r() -> float:
        told = task.telling.told(model.encoders.audio_projection(windows))
        return float(np.median([np.corrcoef(told[:, i], tracks[:, column])[0, 1] for i, column in enumerate(COLUMNS)]))

    before = told_r()
    Loop(task, LoopPlan(150, 2e-3, warmup=1, ema=0.9, weight_decay=0.0), tmp_path / "run").run()
    assert told_r() > 0.8 > 0.5 > before
    with torch.no_grad():
        old = task.before(windows)
        change = (model.encoders.audio_projection(windows) - old).flatten(1)
    sums = task.telling.sums
    assert (change - change @ sums @ sums.T).square().mean() < 0.2 * old.var()  # beside what is told


def test_nothing_but_the_projection_learns(model: Emo, clips: LatentClips) -> None:
    task = ListeningTask(model, clips, LISTENING)
    task.loss(torch.Generator().manual_seed(0)).backward()
    moved = {name for name, value in model.named_parameters() if value.grad is not None}
    assert moved == {name for name, _ in model.named_parameters() if name.startswith("encoders.audio_projection.")}
    assert all(value.grad is None for value in task.before.parameters())


def test_the_same_generator_gives_the_same_loss(model: Emo, clips: LatentClips) -> None:
    first, second = (
        ListeningTask(model, clips, LISTENING).loss(torch.Generator().manual_seed(5)).item() for _ in range(2)
    )
    assert first == second
