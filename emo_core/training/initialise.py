"""Weights to start from when there is no Stable Diffusion of the right width."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ..diffusion.schedule import Schedule
from ..models.emo import Emo
from ..modules.attention import Attention, FeedForward
from ..modules.resnet import ResnetBlock
from ..modules.temporal import MotionModule
from ..modules.transformer import SpatialTransformer

SMALL = 0.2
"""Residual branches start at this part of the scale that keeps the variance: at zero they learn far more slowly."""

CHANGE = 0.1
"""How much latents differ from the portrait's, as variance: less than faces do (0.3), more than backgrounds do."""


@torch.no_grad()
def initialise(model: Emo, seed: int) -> None:
    """Fill a freshly built model; the same seed gives the same weights."""
    torch.manual_seed(seed)
    for module in model.modules():
        _spread(module)
    for module in model.modules():
        _quieten(module)
    model.encoders.face_locator.conv_out.weight.mul_(SMALL)
    model.backbone.conv_out.weight.mul_(SMALL)
    if model.config.reference.at_ends:
        begin_with_portrait(model)
    silence_speed(model)


def _spread(module: nn.Module) -> None:
    """Weights that keep the variance of what passes through."""
    if isinstance(module, nn.LayerNorm | nn.GroupNorm | nn.Embedding):
        module.reset_parameters()
    elif isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _quieten(module: nn.Module) -> None:
    """Scale what a residual branch gives."""
    if isinstance(module, ResnetBlock):
        module.conv2.weight.mul_(SMALL)
    elif isinstance(module, FeedForward):
        cast(nn.Linear, module.net[2]).weight.mul_(SMALL)
    elif isinstance(module, Attention):
        _match_queries_and_keys(module)
        cast(nn.Linear, module.to_out[0]).weight.mul_(SMALL)
    elif isinstance(module, SpatialTransformer) and module.proj_out is not None:
        module.proj_out.weight.mul_(0.5)  # its input passes through as well
    elif isinstance(module, MotionModule):
        module.temporal_transformer.proj_out.weight.mul_(SMALL)


def _match_queries_and_keys(attention: Attention) -> None:
    """Equal orthogonal projections: attention begins by looking for what is alike, in content and place."""
    if attention.to_q.weight.shape == attention.to_k.weight.shape:
        nn.init.orthogonal_(attention.to_q.weight)
        attention.to_k.weight.copy_(attention.to_q.weight)


@torch.no_grad()
def look_again(model: Emo, seed: int) -> None:
    """New queries and keys where the finest level looks at the portrait, for a network whose table of places changed.

    Twice the usual scale: attention that begins sharp learns what to look at, one that is even hardly does.
    """
    torch.manual_seed(seed)
    finest = ("down_blocks.0.", f"up_blocks.{len(model.config.unet.channels) - 1}.")
    for name, module in model.backbone.named_modules():
        if isinstance(module, Attention) and name.startswith(finest) and name.endswith(".attn2"):
            _match_queries_and_keys(module)
            for layer in (module.to_q, module.to_k):
                layer.weight.mul_(2)


@torch.no_grad()
def begin_with_portrait(model: Emo) -> None:
    """Gains at the output that make the portrait the first guess, and an output of the layers before them of zero.

    The clean latents are taken for the portrait's with a variance of `CHANGE`: their mean, given the noisy latents,
    as a velocity. This is the preconditioning of EDM (Karras et al., 2022) around the portrait.
    """
    alpha_bar = Schedule.create(model.config.schedule).alpha_bar.double()
    signal, scale = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    spread = alpha_bar * CHANGE + scale.square()
    of_noisy = (signal - signal * CHANGE / spread) / scale
    of_portrait = -scale / spread
    wanted = torch.stack([of_noisy, of_portrait], dim=1)
    times = torch.arange(len(scale), dtype=torch.float32)
    seen = silu(model.backbone.time_embedding(times, torch.float32)).double()
    seen = torch.cat([seen, seen.new_ones(len(seen), 1)], dim=1)
    squares = seen.T @ seen + 1e-5 * len(seen) * torch.eye(seen.shape[1], dtype=seen.dtype)
    fit = torch.linalg.solve(squares, seen.T @ wanted).T.repeat_interleave(model.config.unet.latent_channels, 0)
    model.backbone.end_gains.weight.copy_(fit[:, :-1])
    model.backbone.end_gains.bias.copy_(fit[:, -1])
    nn.init.zeros_(model.backbone.conv_out.weight)
    nn.init.zeros_(cast(Tensor, model.backbone.conv_out.bias))


def widened(weight: Tensor, seed: int) -> Tensor:
    """A first convolution [C, c, 3, 3] with as many inputs again, through which little passes at first."""
    generator = torch.Generator().manual_seed(seed)
    more = torch.randn(weight.shape, generator=generator) * 0.3 / weight[0].numel() ** 0.5
    return torch.cat([weight, more], dim=1)


@torch.no_grad()
def silence_speed(model: Emo) -> None:
    """Speed layers are new in the last stage: their output starts at zero, so nothing learned before changes."""
    for name, parameter in model.backbone.named_parameters():
        if ".speed.attn.to_out." in name:
            parameter.zero_()
