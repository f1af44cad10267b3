"""Training of emo-tiny's AutoencoderKL on crops of rendered clips, with more weight on eyes and mouth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from ..backend import Backend
from ..config import VaeConfig
from ..models.vae import AutoencoderKL
from .synthetic.clip_shards import ClipShards


@dataclass(frozen=True)
class VaePlan:
    """What a batch is and what counts."""

    crop: int = 64
    batch: int = 4
    face_share: float = 0.75
    """Part of the crops that are centred on the face."""
    feature_weight: float = 3.0
    """Extra weight of pixels near eyes, brows and mouth."""
    kl: float = 1e-6
    moved: float = 0.25
    """Part of the batches whose latents are moved, turned and resized a little before they are decoded."""
    encoder: bool = True
    """Whether the encoder learns too; latents stay as they are if not."""
    noise: float = 0.0
    """Standard deviation of noise on the latents, as part of their own: generated ones have it. For a fixed encoder."""


DECODER = VaePlan(moved=0.0, encoder=False, noise=0.03)
"""Behind everything that depends on the latents: pictures of them become sharper, the latents do not change."""


class VaeTask:
    """Reconstruct crops: absolute and squared error at two scales, and a little Kullback-Leibler divergence.

    Moved latents must decode to equally moved pictures (as in EQ-VAE, Kouzelis et al., 2025): a network that animates
    a portrait mostly moves what is there, and can then do so between cells.
    """

    def __init__(self, config: VaeConfig, clips: ClipShards, plan: VaePlan) -> None:
        self.model = AutoencoderKL(config, backend=Backend()).to(memory_format=torch.channels_last)
        self.clips, self.plan = clips, plan
        _initialise(self.model)
        if not plan.encoder:
            for part in (self.model.encoder, self.model.quant_conv):
                part.requires_grad_(False)

    def loss(self, generator: torch.Generator) -> Tensor:
        """One batch of crops."""
        pictures, weight = self.crops(generator)
        pictures = pictures.to(memory_format=torch.channels_last)
        with torch.set_grad_enabled(self.plan.encoder):
            mean, log_variance = self.model.moments(pictures)
        mean, log_variance = mean.float(), log_variance.float()
        noise = torch.randn(mean.shape, generator=generator)
        if self.plan.encoder:
            latents = mean + noise * (0.5 * log_variance).exp()
        else:
            latents = mean + self.plan.noise * mean.std() * noise
        if torch.rand((), generator=generator) < self.plan.moved:
            move = small_moves(len(pictures), 2 * self.model.config.cell / self.plan.crop, generator)
            latents, pictures, weight = (warped(x, move) for x in (latents, pictures, weight))
        error = self.model.decoder(self.model.post_quant_conv(latents)).float() - pictures
        sharp = (weight * (error.abs() + 2 * error.square())).mean()
        coarse = (avg_pool2d(error, 4).abs()).mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum((1, 2, 3)).mean()
        return sharp + 2 * coarse + self.plan.kl * divergence

    def crops(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures [N, 3, c, c] in -1..1 and pixel weights [N, 1, c, c]."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        made = [self._crop(rng) for _ in range(self.plan.batch)]
        pictures = np.stack([picture for picture, _ in made])
        weights = torch.from_numpy(np.stack([weight for _, weight in made]))[:, None]
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1, weights

    def _crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        clip = int(rng.integers(len(self.clips)))
        frames = self.clips.frames(clip)
        frame = int(rng.integers(len(frames)))
        picture, landmarks = frames[frame], self.clips.landmarks(clip)[frame]
        size, crop = picture.shape[0], self.plan.crop
        corner = rng.integers(0, size - crop + 1, 2)
        if rng.random() < self.plan.face_share:
            middle = landmarks[:8].mean(0) + rng.normal(0, size / 16, 2)
            corner = np.clip(np.rint(middle - crop / 2), 0, size - crop).astype(int)
        x, y = (int(c) for c in corner)
        part = np.array(picture[y : y + crop, x : x + crop])
        weight = 1 + self.plan.feature_weight * _near(
            landmarks[[0, 1, 3, 4, 5, 6, 9, 10]] - (x, y), crop, size / 24
        )
        if rng.random() < 0.5:
            part, weight = part[:, ::-1].copy(), weight[:, ::-1].copy()
        return part, weight.astype(np.float32)


def small_moves(count: int, reach: float, generator: torch.Generator) -> Tensor:
    """Affine maps [count, 2, 3] of -1..1: shifts up to `reach`, turns up to 10 degrees, sizes 0.85 to 1.18."""
    shift, turn, size = (2 * torch.rand(count, n, generator=generator) - 1 for n in (2, 1, 1))
    turn, size = torch.deg2rad(10 * turn), torch.exp(0.163 * size)
    rows = [torch.cat([turn.cos(), -turn.sin()], 1) * size, torch.cat([turn.sin(), turn.cos()], 1) * size]
    return torch.cat([torch.stack(rows, 1), reach * shift[:, :, None]], dim=2)


def warped(x: Tensor, move: Tensor) -> Tensor:
    """x [N, C, h, w] seen through `small_moves`; the same for latents and pictures, whatever their sizes."""
    grid = affine_grid(move, list(x.shape), align_corners=False)
    return grid_sample(x, grid, padding_mode="reflection", align_corners=False)


@torch.no_grad()
def _initialise(model: AutoencoderKL) -> None:
    """Convolutions that keep the variance, quieter residual branches, almost no noise on the latents.

    It reaches the same loss in 0.4 of the steps of PyTorch's defaults (measured over the first 120).
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            nn.init.zeros_(cast(Tensor, module.bias))
            if name.endswith("conv2"):
                module.weight.mul_(0.3)
    cast(Tensor, model.quant_conv.bias)[model.config.latent_channels :] = -5


def _near(points: np.ndarray, size: int, radius: float) -> np.ndarray:
    """1 at the points, falling to 0 over about `radius` pixels, [size, size]."""
    grid = np.arange(size)
    dx = (grid[None, :] - points[:, 0, None]) / radius
    dy = (grid[None, :] - points[:, 1, None]) / radius
    return np.exp(-0.5 * (dx[:, None, :] ** 2 + dy[:, :, None] ** 2)).max(0)


@torch.inference_mode()
def psnr(model: AutoencoderKL, clips: ClipShards, pictures: int = 64) -> float:
    """Mean peak signal-to-noise ratio, dB, of whole frames through encoder mean and decoder."""
    values = []
    for index in range(pictures):
        frame = np.array(clips.frames(index % len(clips))[(index * 7) % clips.plan.frames])
        x = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 127.5 - 1
        y = model.decode(model.encode(x)).clamp(-1, 1)
        values.append(10 * torch.log10(4 / (x - y).square().mean()))
    return float(torch.stack(values).mean())
