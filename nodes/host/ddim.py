"""DDIM exactly as the published code steps, under the host's guiders.

The host's samplers go to the next listed noise level and leave a trace of signal at the first. Published code
goes to t - 1000 // steps, which is another level where steps do not divide 1000, and starts from noise alone.
"""

from __future__ import annotations

from typing import Any

import comfy.model_patcher
import comfy.samplers
import torch
from torch import Tensor

from ...emo_core.diffusion.schedule import Schedule

NAME = "emo_ddim"
"""Among the samplers; it brings its own noise levels and takes no notice of the scheduler."""


def ddim_sigmas(handle: comfy.model_patcher.ModelPatcher, steps: int, denoise: float) -> Tensor:
    """Noise levels [steps + 1] of the model's own timesteps, the last 0; denoise below 1 leaves out the first."""
    if denoise <= 0:
        return torch.zeros(0)
    total = steps if denoise > 0.9999 else int(steps / denoise)
    timesteps = torch.tensor(_schedule(handle).timesteps(total))
    sampling: Any = handle.get_model_object("model_sampling")
    levels = sampling.sigmas.cpu()[timesteps]
    return torch.cat([levels, levels.new_zeros(1)])[-(steps + 1) :]


def ddim_sampler(
    handle: comfy.model_patcher.ModelPatcher, steps: int, denoise: float
) -> comfy.samplers.KSAMPLER:
    """The sampler for levels of `ddim_sigmas` with the same arguments."""
    total = steps if denoise > 0.9999 else int(steps / max(denoise, 1e-4))
    return comfy.samplers.KSAMPLER(_sample, {"schedule": _schedule(handle), "total": total})


def _schedule(handle: comfy.model_patcher.ModelPatcher) -> Schedule:
    model: Any = handle.model
    return Schedule.create(model.emo_config.schedule)


def _sample(
    model: Any,
    x: Tensor,
    sigmas: Tensor,
    extra_args: dict[str, Any],
    callback: Any,
    disable: bool | None,
    schedule: Schedule,
    total: int,
) -> Tensor:
    """The host's call: x [F, C, h, w] = latents + sigma noise, to latents."""
    timesteps = schedule.timesteps(total)[total - len(sigmas) + 1 :]
    for index, sigma in enumerate(sigmas[:-1]):
        scaled = x / (1 + sigma**2).sqrt()
        denoised = model(x, sigma.expand(x.shape[0]), **extra_args)
        if callback is not None:
            callback({"x": x, "i": index, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})
        prediction = _prediction(x, denoised, sigma, schedule)
        scaled = schedule.ddim_step(scaled, prediction, timesteps, index, total)
        x = scaled * (1 + sigmas[index + 1] ** 2).sqrt()
    return x


def _prediction(x: Tensor, denoised: Tensor, sigma: Tensor, schedule: Schedule) -> Tensor:
    """What the network said, from what the host made of it."""
    if schedule.config.prediction == "v":
        return (x / (1 + sigma**2) - denoised) * (1 + sigma**2).sqrt() / sigma
    return (x - denoised) / sigma
