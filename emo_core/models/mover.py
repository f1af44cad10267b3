"""Where each place of a frame comes from in the portrait, as sound, head speed and face region ask for.

Not in the paper: its network is large enough to draw a turned head anew at each step. A small one learns to within
minutes when the portrait arrives moved already (docs/paper_notes.md), and draws what the portrait does not show.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, silu

from ..backend import Backend
from ..config import EmoConfig
from ..modules.conditions import Batch, Group
from ..modules.resnet import ResnetBlock
from ..modules.rows import join

FINE, COARSE = 48, 96
"""Widths of its maps, at a half and a quarter of the latents' size: finer ones gain little (docs/emo_tiny.md)."""
CONTROL = 128
"""Width of what steers a frame: sound, speed, and where head and region are."""
PLACES = 8
"""Side of the map from which the latter is read."""


class Mover(nn.Module):
    """Portrait, face region, sound and speed to a flow: a map of the whole picture, and what parts of a face do."""

    def __init__(self, config: EmoConfig, *, backend: Backend) -> None:
        super().__init__()
        unet = config.unet
        self.faces = unet.latent_channels if config.face_locator.target == "latents" else unet.channels[0]
        groups, audio = unet.groups, config.audio
        self.conv_in = backend.conv2d(unet.latent_channels + self.faces, FINE, 3, stride=2)
        self.resnet_in = ResnetBlock(FINE, FINE, None, groups, backend=backend)
        self.downsample = backend.conv2d(FINE, COARSE, 3, stride=2)
        self.audio_proj = backend.linear(audio.tokens * audio.token_width, CONTROL)
        self.speed_proj = backend.linear(config.speed.width, CONTROL) if config.speed else None
        self.place_proj = backend.linear(COARSE * PLACES**2, CONTROL)
        self.control = backend.linear(CONTROL, CONTROL)
        self.resnets = nn.ModuleList(
            ResnetBlock(inputs, outputs, CONTROL, groups, backend=backend)
            for inputs, outputs in ((COARSE, COARSE), (COARSE, COARSE), (COARSE + FINE, FINE))
        )
        self.affine = backend.linear(CONTROL, 6)
        self.conv_out = backend.conv2d(FINE, 2, 3)

    def forward(self, portraits: Tensor, batch: Batch) -> Tensor:
        """Flow [R*F, 2, h, w] of R clips of F frames: (x, y) in latent cells from each place to where it comes from.

        portraits [R, C, h, w]: latents, zeros for a row without. Conditions that a row does not have count as zero.
        """
        fine = self.resnet_in(self.conv_in(torch.cat([portraits, _faces(portraits, batch, self.faces)], dim=1)))
        coarse = self.downsample(silu(fine))
        control = self._control(coarse, batch)
        fine, x = (each.repeat_interleave(batch.frames, 0) for each in (fine, coarse))
        x = self.resnets[1](self.resnets[0](x, control), control)
        x = self.resnets[2](torch.cat([interpolate(x, fine.shape[-2:]), fine], dim=1), control)
        flow = interpolate(self.conv_out(silu(x)), portraits.shape[-2:], mode="bilinear")
        return flow + _affine_flow(self.affine(silu(control)), portraits.shape[-2:])

    def _control(self, coarse: Tensor, batch: Batch) -> Tensor:
        """What steers each frame, [R*F, D]."""
        places = self.place_proj(adaptive_avg_pool2d(silu(coarse), PLACES).flatten(1))
        total = places.repeat_interleave(batch.frames, 0)
        audio, speed = batch.audio(), batch.speed()
        if audio is not None:
            gains = total.new_tensor([f.audio_gain for f in batch.features]).repeat_interleave(batch.frames)
            total = total + gains[:, None] * _told(audio, self.audio_proj, batch)
        if speed is not None and self.speed_proj is not None:
            total = total + _told(speed, self.speed_proj, batch)
        return self.control(silu(total))


def _told(group: Group, proj: nn.Module, batch: Batch) -> Tensor:
    """A condition of each frame [R'*F, ...] or [R', F, ...] through a layer, [R*F, D]; zeros for rows without."""
    told = proj(group.value.reshape(len(group.rows), batch.frames, -1))
    if len(group.rows) < len(batch.features):
        told = join(len(batch.features), group.rows, told, told.new_zeros(1))
    return told.flatten(0, 1)


def _faces(portraits: Tensor, batch: Batch, channels: int) -> Tensor:
    """The Face Locator's output of every row, [R, C, h, w]; a region is the same in all frames of a clip."""
    none = portraits.new_zeros(1, channels, *portraits.shape[-2:])
    return torch.cat([none if f.face is None else f.face[:1].to(portraits) for f in batch.features])


def _affine_flow(numbers: Tensor, size: torch.Size) -> Tensor:
    """Flow [B, 2, h, w] in cells of maps [B, 6]: factors of x, y (-1..1 over the picture) and 1, for x and for y."""
    height, width = size
    ys, xs = (torch.linspace(1 / n - 1, 1 - 1 / n, n, device=numbers.device) for n in (height, width))
    ones = torch.ones(height, width, device=numbers.device)
    base = torch.stack([xs.expand(height, width), ys[:, None].expand(height, width), ones]).to(numbers)
    flow = torch.einsum("bok,khw->bohw", numbers.unflatten(1, (2, 3)), base)
    return flow * flow.new_tensor([width / 2, height / 2])[:, None, None]
