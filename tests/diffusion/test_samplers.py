"""DDIM over callables: clips, windows, chains; guidance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from emo_core.config import LongVideoConfig, ScheduleConfig
from emo_core.diffusion.guidance import guide, guide_twice
from emo_core.diffusion.long_video import Clip, plan_clips, plan_windows, shifted
from emo_core.diffusion.samplers import sample_chain, sample_clip, sample_windows
from emo_core.diffusion.schedule import Schedule

SCHEDULE = Schedule.create(ScheduleConfig(prediction="v", zero_snr=True, previous="divided"))
TARGET = torch.linspace(-1, 1, 20)[:, None, None, None].expand(-1, 4, 2, 2)


def knows_the_target(x: Tensor, timestep: int, window: tuple[int, ...]) -> Tensor:
    """The velocity from latents to each frame's target, as a perfect network would predict it."""
    alpha = SCHEDULE.alpha_bar[timestep]
    clean = TARGET[list(window)]
    return (alpha.sqrt() * x - clean) / (1 - alpha).sqrt()


def noise(frames: int = 20) -> Tensor:
    return torch.randn(frames, 4, 2, 2, generator=torch.Generator().manual_seed(0))


def test_a_perfect_network_reaches_its_target() -> None:
    torch.testing.assert_close(sample_clip(SCHEDULE, noise(), 4, knows_the_target), TARGET, rtol=0, atol=1e-5)


def test_moving_windows_reach_it_too() -> None:
    config = LongVideoConfig(mode="windows", overlap=3, wrap=True, shift_per_step=2)
    windows = plan_windows(20, 12, config)
    seen: list[int] = []
    video = sample_windows(
        SCHEDULE,
        noise(),
        4,
        knows_the_target,
        lambda step: shifted(windows, step, 20, config),
        lambda step, _: seen.append(step),
    )
    torch.testing.assert_close(video, TARGET, rtol=0, atol=1e-5)
    assert seen == [0, 1, 2, 3]


def test_predictions_are_averaged_where_windows_overlap() -> None:
    def predict(x: Tensor, timestep: int, window: tuple[int, ...]) -> Tensor:
        return torch.full_like(x, float(window[0]))

    at_start = sample_windows(SCHEDULE, noise(3), 1, predict, lambda _: [(0, 1), (1, 2)])
    # with no signal left, the clean latents are minus the velocity
    torch.testing.assert_close(-at_start[:, 0, 0, 0], torch.tensor([0.0, 0.5, 1.0]))


def test_a_frame_without_a_window_is_named() -> None:
    with pytest.raises(ValueError, match=r"frames \[2\]"):
        sample_windows(SCHEDULE, noise(3), 1, knows_the_target, lambda _: [(0, 1)])


def test_a_chain_hands_each_clip_to_the_next() -> None:
    given: list[tuple[int, Tensor | None]] = []

    def start(clip: Clip, before: Tensor | None):
        given.append((clip.index, before))
        return noise(clip.frames), lambda x, t, window: knows_the_target(
            x, t, tuple(range(clip.start, clip.stop))
        )

    clips = list(sample_chain(SCHEDULE, plan_clips(20, 5), 2, start))
    torch.testing.assert_close(torch.cat(clips), TARGET, rtol=0, atol=1e-5)
    assert [index for index, _ in given] == [0, 1, 2, 3]
    assert given[0][1] is None
    assert all(torch.equal(before, clip) for (_, before), clip in zip(given[1:], clips, strict=False))


def test_noise_is_clamped_where_a_family_was_trained_so() -> None:
    schedule = Schedule.create(ScheduleConfig(noise_clamp=1.5))
    assert schedule.initial_noise(torch.tensor([-3.0, 0.5, 2.0])).tolist() == [-1.5, 0.5, 1.5]


def test_equal_scales_of_two_step_guidance_are_one_step() -> None:
    none, reference, full = (torch.randn(3, generator=torch.Generator().manual_seed(i)) for i in range(3))
    torch.testing.assert_close(guide_twice(none, reference, full, 2.5, 2.5), guide(none, full, 2.5))
    torch.testing.assert_close(guide(none, full, 1.0), full)
