"""How the portrait's own latents change with what sound tells of mouth, lids and brows.

Not in the paper, whose network is large enough to draw each expression anew at each step. A small one drew half of what
it was told, and smeared it; ways in which this face can change, found once from the portrait, and how far along each
a frame is, are learned many times as fast, because all expressions of a person share them
(docs/emo_tiny_history.md). The backbone then draws around a portrait that has the expression already.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from ..backend import Backend
from ..config import EmoConfig
from ..modules.conditions import Batch, heard
from ..modules.resnet import ResnetBlock

FINE, COARSE = 64, 128
"""Widths of its maps, at the latents' size and at half of it."""
WAYS = 48
"""In how many ways a portrait can change; a frame's change is a sum of them."""
CONTROL = 192
"""Width of what says how far along each way a frame is."""


class Expressions(nn.Module):
    """Portrait and audio tokens to a change of the portrait's latents."""

    def __init__(self, config: EmoConfig, *, backend: Backend) -> None:
        super().__init__()
        channels, groups = config.unet.latent_channels, config.unet.groups

        def resnet(inputs: int, outputs: int) -> ResnetBlock:
            return ResnetBlock(inputs, outputs, None, groups, backend=backend)

        self.conv_in = backend.conv2d(channels, FINE, 3)
        self.fine_in = nn.ModuleList(resnet(FINE, FINE) for _ in range(2))
        self.downsample = backend.conv2d(FINE, COARSE, 3, stride=2)
        self.coarse = nn.ModuleList(resnet(COARSE, COARSE) for _ in range(3))
        self.upsample = backend.conv2d(COARSE, FINE, 1)
        self.fine_out = nn.ModuleList([resnet(2 * FINE, FINE), resnet(FINE, FINE)])
        self.conv_norm_out = backend.group_norm(groups, FINE, 1e-5)
        self.conv_out = backend.conv2d(FINE, WAYS * channels, 3)
        self.audio_proj = backend.linear(config.audio.tokens * config.audio.token_width, CONTROL)
        self.control, self.amounts = backend.linear(CONTROL, CONTROL), backend.linear(CONTROL, WAYS)

    def forward(self, portraits: Tensor, batch: Batch) -> Tensor:
        """Changes [R*F, C, h, w] of portraits [R, C, h, w] for R clips of F frames; rows without sound hear zeros."""
        amounts = self.heard(portraits, batch)
        return torch.einsum("rfk,rkchw->rfchw", amounts, self.ways(portraits)).flatten(0, 1)

    def ways(self, portraits: Tensor) -> Tensor:
        """In which ways portraits [R, C, h, w] can change, [R, K, C, h, w]."""
        fine = self.conv_in(portraits)
        for block in self.fine_in:
            fine = block(fine)
        coarse = self.downsample(fine)
        for block in self.coarse:
            coarse = block(coarse)
        x = torch.cat([fine, interpolate(self.upsample(coarse), fine.shape[-2:])], dim=1)
        for block in self.fine_out:
            x = block(x)
        return self.conv_out(silu(self.conv_norm_out(x))).unflatten(1, (WAYS, -1))

    def heard(self, like: Tensor, batch: Batch) -> Tensor:
        """How far along each way the frames are, [R, F, K], where a tensor is and of its type."""
        rows, audio = len(batch.features), batch.audio()
        sound = like.new_zeros(rows * batch.frames, CONTROL)
        if audio is not None:
            sound = heard(audio, self.audio_proj, batch)
        return self.amounts(silu(self.control(silu(sound)))).unflatten(0, (rows, batch.frames))
