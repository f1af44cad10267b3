"""Noise schedule and DDIM (paper: Latent Diffusion, DDIM at inference), without a model in sight."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import ScheduleConfig

TRAIN_STEPS = 1000


@dataclass(frozen=True)
class Schedule:
    """Signal left at each of the 1000 training timesteps."""

    config: ScheduleConfig
    alpha_bar: Tensor
    """[1000] float32, falling."""

    @staticmethod
    def create(config: ScheduleConfig) -> Schedule:
        """The schedule a family was trained with."""
        if config.betas == "linear":
            betas = torch.linspace(config.beta_start, config.beta_end, TRAIN_STEPS, dtype=torch.float32)
        else:
            betas = (
                torch.linspace(config.beta_start**0.5, config.beta_end**0.5, TRAIN_STEPS, dtype=torch.float32)
                ** 2
            )
        alpha_bar = (1 - betas).cumprod(0)
        if config.zero_snr:
            alpha_bar = _zero_terminal_snr(alpha_bar)
            alpha_bar[-1] = config.terminal_alpha_bar
        return Schedule(config, alpha_bar)

    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Latents [N, ...] at timesteps [N] (integers)."""
        signal, scale = self._factors(timesteps, latents)
        return signal * latents + scale * noise

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What the network learns to predict: the noise (the paper's objective), or the velocity."""
        if self.config.prediction == "epsilon":
            return noise
        signal, scale = self._factors(timesteps, latents)
        return signal * noise - scale * latents

    def split(self, x: Tensor, prediction: Tensor, timestep: int) -> tuple[Tensor, Tensor]:
        """Clean latents and noise that a prediction at one timestep stands for."""
        alpha = self.alpha_bar[timestep]
        signal, scale = alpha.sqrt(), (1 - alpha).sqrt()
        if self.config.prediction == "v":
            return signal * x - scale * prediction, signal * prediction + scale * x
        return (x - scale * prediction) / signal, prediction

    def prediction_of(self, x: Tensor, clean: Tensor, timestep: int) -> Tensor:
        """The prediction that `split` reads as these clean latents."""
        alpha = self.alpha_bar[timestep]
        signal, scale = alpha.sqrt(), (1 - alpha).sqrt()
        return ((x - signal * clean) if self.config.prediction == "epsilon" else (signal * x - clean)) / scale

    def clean_per_prediction(self, timesteps: Tensor) -> Tensor:
        """Squared error of the clean latents for one of the prediction, at timesteps [N]."""
        alpha = self.alpha_bar[timesteps.cpu()]
        return (1 - alpha) / alpha if self.config.prediction == "epsilon" else 1 - alpha

    def timesteps(self, steps: int) -> list[int]:
        """Timesteps from noise to picture, "trailing" spacing: the first is always 999."""
        if not 1 <= steps <= TRAIN_STEPS:
            raise ValueError(f"steps must be 1 to {TRAIN_STEPS}, got {steps}")
        if self.config.previous == "divided":  # diffusers, whose numpy.arange takes the step as a difference
            stride = TRAIN_STEPS - (TRAIN_STEPS - TRAIN_STEPS / steps)
            return [round(TRAIN_STEPS - k * stride) - 1 for k in range(steps)]
        return [TRAIN_STEPS - 1 - int(k * TRAIN_STEPS / steps) for k in range(steps)]  # the host's "simple"

    def ddim_step(
        self, x: Tensor, prediction: Tensor, timesteps: list[int], index: int, total: int | None = None
    ) -> Tensor:
        """From timesteps[index] to the one before it, without added noise (eta 0).

        total is the number of steps from noise, if `timesteps` are only the last of them.
        """
        timestep = timesteps[index]
        clean, noise = self.split(x, prediction, timestep)
        alpha = self._previous_alpha(timesteps, index, total or len(timesteps))
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise

    def initial_noise(self, noise: Tensor) -> Tensor:
        """Standard normal noise as this family starts from it."""
        clamp = self.config.noise_clamp
        return noise if clamp is None else noise.clamp(-clamp, clamp)

    def _previous_alpha(self, timesteps: list[int], index: int, total: int) -> Tensor:
        if self.config.previous == "divided":  # diffusers: not always the next of the list
            previous = timesteps[index] - TRAIN_STEPS // total
        else:
            previous = timesteps[index + 1] if index + 1 < len(timesteps) else -1
        return self.alpha_bar[previous] if previous >= 0 else torch.ones(())

    def _factors(self, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        alpha = self.alpha_bar.to(like.device)[timesteps].reshape(-1, *[1] * (like.ndim - 1))
        return alpha.sqrt().to(like.dtype), (1 - alpha).sqrt().to(like.dtype)


def _zero_terminal_snr(alpha_bar: Tensor) -> Tensor:
    """Shift and scale sqrt(alpha_bar) so that it ends at zero and starts where it did (arXiv:2305.08891, Alg. 1)."""
    root = alpha_bar.sqrt()
    first, last = root[0].clone(), root[-1].clone()
    return ((root - last) * first / (first - last)) ** 2
