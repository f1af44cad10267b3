"""Weights to start from when there is no Stable Diffusion of the right width."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from ..models.emo import Emo
from ..modules.attention import Attention, FeedForward
from ..modules.resnet import ResnetBlock
from ..modules.temporal import MotionModule
from ..modules.transformer import SpatialTransformer

SMALL = 0.2
"""Residual branches start at this part of the scale that keeps the variance: at zero they learn far more slowly."""

MOVES = 2.0
"""Logit with which all places move at first (`backbone.AroundPortrait.velocity`): from 0 on, what is added learns
half as fast."""


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
        nn.init.zeros_(model.backbone.conv_out.weight)  # the first guess is around the portrait
        channels = model.config.unet.latent_channels
        nn.init.constant_(cast(nn.Parameter, model.backbone.conv_out.bias)[channels : 2 * channels], MOVES)
    if model.backbone.expressions is not None:  # nor does it change: no frame is anywhere along its ways
        _silence(model.backbone.expressions.amounts)
    if model.backbone.mover is not None:  # nothing moves at first
        nn.init.zeros_(model.backbone.mover.conv_out.weight)
    if model.backbone.warp is not None:  # cells are mixed, as is done without one
        _silence(model.backbone.warp.conv_out)
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


def _silence(layer: nn.Module) -> None:
    """Let a layer give zeros."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


@torch.no_grad()
def silence_speed(model: Emo) -> None:
    """Speed layers are new in the last stage: their output starts at zero, so nothing learned before changes."""
    for name, parameter in model.backbone.named_parameters():
        if ".speed.attn.to_out." in name:
            parameter.zero_()
