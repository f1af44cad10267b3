"""DDIM over callables: one clip, overlapping windows, chains of clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from .long_video import Clip, Window
from .schedule import Schedule

Predict = Callable[[Tensor, int, Window], Tensor]
"""(latents [F, C, h, w], timestep, frame numbers in the video) -> guided prediction of the same shape."""
OnStep = Callable[[int, Tensor], None]
"""Called after each denoising step with its number and the latents [F, C, h, w]."""
StartClip = Callable[[Clip, "Tensor | None"], tuple[Tensor, Predict]]
"""(clip, latents of the clip before or None) -> standard normal noise [F, C, h, w] and predictions."""


def sample_clip(
    schedule: Schedule, noise: Tensor, steps: int, predict: Predict, on_step: OnStep | None = None
) -> Tensor:
    """Denoise all frames together: noise [F, C, h, w] of unit variance to latents of the same shape."""
    windows = [tuple(range(noise.shape[0]))]
    return sample_windows(schedule, noise, steps, predict, lambda step: windows, on_step)


def sample_windows(
    schedule: Schedule,
    noise: Tensor,
    steps: int,
    predict: Predict,
    windows_at: Callable[[int], Sequence[Window]],
    on_step: OnStep | None = None,
) -> Tensor:
    """Denoise windows of frames; where they overlap, their predictions are averaged at each step.

    windows_at gives the windows of a step; together they must cover every frame.
    """
    timesteps = schedule.timesteps(steps)
    x = schedule.initial_noise(noise)
    for step, timestep in enumerate(timesteps):
        prediction = _mean_prediction(x, timestep, predict, windows_at(step))
        x = schedule.ddim_step(x, prediction, timesteps, step)
        if on_step is not None:
            on_step(step, x)
    return x


def sample_chain(
    schedule: Schedule,
    clips: Sequence[Clip],
    steps: int,
    start_clip: StartClip,
    on_step: OnStep | None = None,
) -> Iterator[Tensor]:
    """Latents [F, C, h, w] of one clip after another, each made when it is asked for.

    `start_clip` turns the last clip's end into what the next one sees (its motion frames), so that memory does
    not grow with the length of the video.
    """
    before: Tensor | None = None
    for clip in clips:
        noise, predict = start_clip(clip, before)
        before = sample_clip(schedule, noise, steps, predict, on_step)
        yield before


def _mean_prediction(x: Tensor, timestep: int, predict: Predict, windows: Sequence[Window]) -> Tensor:
    if len(windows) == 1 and windows[0] == tuple(range(x.shape[0])):
        return predict(x, timestep, windows[0])
    total = torch.zeros_like(x)
    counts = x.new_zeros(x.shape[0], 1, 1, 1)
    for window in windows:
        index = torch.tensor(window, device=x.device)
        total[index] += predict(x[index], timestep, window)
        counts[index] += 1
    if not counts.all():
        bare = torch.nonzero(counts.flatten() == 0).flatten().tolist()
        raise ValueError(f"no window covers the frames {bare}")
    return total / counts
