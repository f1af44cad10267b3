"""The noise schedule and DDIM are those of diffusers, and of the published pipelines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from emo_core.config import ScheduleConfig
from emo_core.diffusion.schedule import Schedule

TABLES = Path(__file__).resolve().parents[3] / "shared" / "goldens" / "echomimic_vexpress_tables.json"
PUBLISHED = {
    name: Schedule.create(
        ScheduleConfig(betas=name, prediction="v", zero_snr=True, previous="divided")  # type: ignore[arg-type]
    )
    for name in ("linear", "scaled_linear")
}


@pytest.mark.parametrize("betas", PUBLISHED)
@pytest.mark.parametrize("steps", [1, 3, 6, 7, 25, 30, 40])
def test_every_step_is_that_of_diffusers(betas: str, steps: int) -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule=betas,
        clip_sample=False,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    theirs.set_timesteps(steps)
    ours = PUBLISHED[betas]
    timesteps = ours.timesteps(steps)
    assert timesteps == theirs.timesteps.tolist()
    generator = torch.Generator().manual_seed(0)
    x = y = torch.randn(2, 4, 3, 3, generator=generator)
    for index, timestep in enumerate(timesteps):
        prediction = torch.randn(x.shape, generator=generator)
        x = ours.ddim_step(x, prediction, timesteps, index)
        y = theirs.step(prediction, timestep, y, eta=0.0).prev_sample
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


def test_timesteps_are_those_of_diffusers_for_any_number_of_steps() -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDIMScheduler(timestep_spacing="trailing")
    for steps in range(1, 101):
        theirs.set_timesteps(steps)
        listed = [t for t in theirs.timesteps.tolist() if t >= 0]  # some counts get a surplus -1
        assert PUBLISHED["linear"].timesteps(steps) == listed, steps


@pytest.mark.parametrize("name", PUBLISHED)
def test_schedules_are_those_of_the_published_pipelines(name: str) -> None:
    if not TABLES.is_file():
        pytest.skip(f"no {TABLES}")
    listed = next(
        table
        for table in json.loads(TABLES.read_text())["schedulers"].values()
        if table["beta_schedule"] == name
    )
    schedule = PUBLISHED[name]
    for timestep, alpha in listed["alphas_cumprod_sample"].items():
        assert schedule.alpha_bar[int(timestep)].item() == pytest.approx(alpha, rel=1e-5, abs=1e-9)
    for steps, timesteps in listed["timesteps"].items():
        assert schedule.timesteps(int(steps)) == timesteps


def test_six_steps_leave_a_little_noise() -> None:
    schedule = PUBLISHED["linear"]
    timesteps = schedule.timesteps(6)
    last = schedule.ddim_step(torch.zeros(1), torch.ones(1), timesteps, 5)
    clean, noise = schedule.split(torch.zeros(1), torch.ones(1), timesteps[5])
    alpha = schedule.alpha_bar[0]
    torch.testing.assert_close(last, alpha.sqrt() * clean + (1 - alpha).sqrt() * noise)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_prediction_splits_into_the_latents_it_was_made_of(name: str) -> None:
    schedule = PUBLISHED[name]
    x, clean = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(schedule.split(x, schedule.prediction_of(x, clean, 400), 400)[0], clean)
