"""The reader learns a world where one latent cell tells the mouth, and sees only where it is told to look."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from training.latent_folder import latent_clips

from emo_core.training.expression_reader import CELLS, WEIGHTS, ExpressionReader, ReaderTask, places_of
from emo_core.training.latent_clips import LatentClips
from emo_core.training.loop import Loop, LoopPlan
from emo_core.training.synthetic.types import TRACKS

CLIPS, FRAMES, SIDE, SIZE = 6, 30, 16, 128


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> LatentClips:
    """Noise, but for the cell at the mouth, whose first channel is as high as the mouth is open."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("latents")
    tracks = rng.random((CLIPS, FRAMES, len(TRACKS)), dtype=np.float32)
    latents = rng.standard_normal((CLIPS, FRAMES, 4, SIDE, SIDE)).astype(np.float32)
    cells = rng.integers(4, 12, (CLIPS, FRAMES, 2))
    clip, frame = np.indices((CLIPS, FRAMES))
    latents[clip, frame, 0, cells[..., 1], cells[..., 0]] = 8 * tracks[..., TRACKS.index("open")] - 4
    landmarks = np.repeat((cells[:, :, None] + 0.5) * SIZE / SIDE, 12, axis=2).astype(np.float32)
    return latent_clips(folder, {"latents": latents, "tracks": tracks, "landmarks": landmarks}, SIZE)


def place(clips: LatentClips, clip: int) -> Tensor:
    return places_of(clips.get(clip, "landmarks", slice(None)), SIZE, SIDE)


@pytest.fixture(scope="module")
def reader(clips: LatentClips, tmp_path_factory: pytest.TempPathFactory) -> ExpressionReader:
    task = ReaderTask(clips)
    Loop(task, LoopPlan(250, 2e-3, warmup=1, cooldown=1.0, ema=0.9), tmp_path_factory.mktemp("reader")).run()
    return task.model.eval()


@torch.no_grad()
def opening(reader: ExpressionReader, latents: Tensor, places: Tensor) -> np.ndarray:
    return reader(latents, places)[:, list(WEIGHTS).index("open")].numpy()


def test_it_reads_the_mouth_where_it_is_and_nowhere_else(clips: LatentClips, reader: ExpressionReader) -> None:
    latents, places = clips.get(0, "latents", slice(None)), place(clips, 0)
    truth = clips.get(0, "tracks", slice(None))[:, TRACKS.index("open")].numpy()
    assert np.corrcoef(opening(reader, latents, places), truth)[0, 1] > 0.9
    elsewhere = (places + CELLS + 1) % SIDE
    assert abs(np.corrcoef(opening(reader, latents, elsewhere), truth)[0, 1]) < 0.6


def test_what_reads_alike_does_not_differ(clips: LatentClips, reader: ExpressionReader) -> None:
    latents, places = clips.get(1, "latents", slice(None)), place(clips, 1)
    assert reader.difference(latents, latents, places) == 0
    assert reader.difference(latents.flip(0), latents, places) > 0.3
    far = latents.clone()  # the reader's patches end three and a half cells from a place, half a cell is blended
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    cells = torch.stack([columns, rows], dim=-1) + 0.5
    near = ((cells - places[:, :1, None]).abs() < CELLS / 2 + 1).all(-1)
    far[~near[:, None].expand_as(far)] += 5
    assert reader.difference(far, latents, places) == 0


def test_the_gradient_opens_the_mouth(clips: LatentClips, reader: ExpressionReader) -> None:
    truth, places = clips.get(2, "latents", slice(None)), place(clips, 2)
    flat = truth.clone().requires_grad_()
    clip_mean = truth.mean(0, keepdim=True).expand_as(truth)
    flat.data.copy_(clip_mean)
    reader.difference(flat, truth, places).backward()
    assert flat.grad is not None
    moved = clip_mean - 20 * flat.grad
    before, after = (reader.difference(guess, truth, places) for guess in (clip_mean, moved))
    assert after < 0.8 * before
