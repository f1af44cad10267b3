"""Where each place of a frame comes from in the portrait, as sound, head speed and face region ask for.

Not in the paper: its network is large enough to draw a turned head anew at each step. A small one learns to within
minutes when the portrait arrives moved already (docs/paper_notes.md), and draws what the portrait does not show.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, hardsigmoid, interpolate, silu

from ..backend import Backend
from ..config import EmoConfig
from ..modules.conditions import Batch, Group
from ..modules.resnet import ResnetBlock
from ..modules.rows import join
from ..modules.warp import sampled

FINE, COARSE = 48, 96
"""Widths of its maps, at a half and a quarter of the latents' size: finer ones gain little (docs/emo_tiny.md)."""
WAYS = 12
"""In how many ways a portrait can move; what moves a frame is a sum of them."""
CONTROL = 128
"""Width of what steers a frame: sound and speed."""
PLACES = 8
"""Side of the map from which it is read where head and region are."""
PLACING = 64
"""Width of what brings the one to the other."""
TOKENS = 2
"""Tokens per frame of its own: those of a mouth do not tell how a head turns (docs/emo_tiny.md)."""


@dataclass(frozen=True)
class Movement:
    """What a mover makes of R clips of F frames."""

    own: Tensor
    """What the portrait's parts do, [R*F, 2, h, w], where they are in the portrait."""
    away: Tensor
    """Where the whole picture goes, so that the head comes to its region, [R, 2, h, w]."""

    @property
    def flow(self) -> Tensor:
        """Both together, [R*F, 2, h, w]: from each place of a frame to where it comes from in the portrait."""
        away = self.away.repeat_interleave(len(self.own) // len(self.away), 0)
        return away + sampled(self.own, away)


class Mover(nn.Module):
    """Portrait, face region, sound and speed to a flow: ways in which this portrait moves, and how far along each.

    The ways are found once for a portrait, whatever is said, so that nothing flickers between frames (compare the
    linear motion of Latent Image Animator, Wang et al., 2022). A map of the whole picture is added for heads that
    shall go elsewhere.
    """

    def __init__(self, config: EmoConfig, *, backend: Backend) -> None:
        super().__init__()
        unet, groups = config.unet, config.unet.groups
        self.conv_in = backend.conv2d(unet.latent_channels, FINE, 3, stride=2)
        self.resnet_in = ResnetBlock(FINE, FINE, None, groups, backend=backend)
        self.downsample = backend.conv2d(FINE, COARSE, 3, stride=2)
        self.resnets = nn.ModuleList(
            ResnetBlock(inputs, outputs, None, groups, backend=backend)
            for inputs, outputs in ((COARSE, COARSE), (COARSE, COARSE), (COARSE + FINE, FINE))
        )
        self.conv_out = backend.conv2d(FINE, 2 * WAYS, 3)
        self.audio_proj = backend.linear(TOKENS * config.audio.token_width, CONTROL)
        self.speed_proj = backend.linear(config.speed.width, CONTROL) if config.speed else None
        self.control1, self.control2 = backend.linear(CONTROL, CONTROL), backend.linear(CONTROL, CONTROL)
        self.amounts = backend.linear(CONTROL, WAYS)
        self.placer = Placer(config, backend=backend)

    def forward(self, portraits: Tensor, batch: Batch) -> Tensor:
        """Flow [R*F, 2, h, w] of R clips of F frames: (x, y) in latent cells from each place to where it comes from.

        portraits [R, C, h, w]: latents, zeros for a row without. Conditions that a row does not have count as zero;
        its audio tokens are the mover's own.
        """
        return self.movement(portraits, batch).flow

    def movement(self, portraits: Tensor, batch: Batch) -> Movement:
        """The flow's two parts."""
        away = self.placer(portraits, _faces(portraits, batch, self.placer.faces))[0]
        fine = self.resnet_in(self.conv_in(portraits))
        x = self.resnets[1](self.resnets[0](self.downsample(silu(fine))))
        x = self.resnets[2](torch.cat([interpolate(x, fine.shape[-2:]), fine], dim=1))
        ways = interpolate(self.conv_out(silu(x)), portraits.shape[-2:], mode="bilinear").unflatten(1, (WAYS, 2))
        amounts = self.amounts(self._control(portraits, batch)).unflatten(0, (len(portraits), batch.frames))
        return Movement(torch.einsum("rfk,rkchw->rfchw", amounts, ways).flatten(0, 1), away)

    def _control(self, portraits: Tensor, batch: Batch) -> Tensor:
        """What steers each frame, [R*F, D]."""
        total = portraits.new_zeros(len(portraits) * batch.frames, CONTROL)
        audio, speed = batch.audio(), batch.speed()
        if audio is not None:
            gains = total.new_tensor([f.audio_gain for f in batch.features]).repeat_interleave(batch.frames)
            total = total + gains[:, None] * _told(audio, self.audio_proj, batch)
        if speed is not None and self.speed_proj is not None:
            total = total + _told(speed, self.speed_proj, batch)
        return silu(self.control2(silu(self.control1(silu(total)))))


class Placer(nn.Module):
    """Sees where the portrait's head and the face region are, and brings the one to the other."""

    def __init__(self, config: EmoConfig, *, backend: Backend) -> None:
        super().__init__()
        unet = config.unet
        self.faces = unet.latent_channels if config.face_locator.target == "latents" else unet.channels[0]
        self.conv1 = backend.conv2d(unet.latent_channels + self.faces, FINE, 3, stride=2)
        self.resnet = ResnetBlock(FINE, FINE, None, unet.groups, backend=backend)
        self.conv2 = backend.conv2d(FINE, FINE, 3, stride=2)
        self.proj = backend.linear(FINE * PLACES**2, CONTROL)
        self.boxes = backend.linear(CONTROL, 8)
        self.place1, self.place2 = backend.linear(8, PLACING), backend.linear(PLACING, PLACING)
        self.place_out = backend.linear(PLACING, 5)

    def forward(self, portraits: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Flow [R, 2, h, w] of the whole picture in cells, and boxes of head and region [R, 2, 4].

        Boxes are centre and size in the picture's width and height, minus a half. A head that is where it shall be
        stays, exactly: what is to be done is multiplied by whether anything is.
        """
        x = self.conv2(silu(self.resnet(self.conv1(torch.cat([portraits, faces], dim=1)))))
        boxes = self.boxes(silu(self.proj(adaptive_avg_pool2d(silu(x), PLACES).flatten(1))))
        # boxes are learned from what they truly are, not from what is gained by others
        placed = self.place_out(silu(self.place2(silu(self.place1(boxes.detach())))))
        numbers = placed[:, :4] * hardsigmoid(placed[:, 4:])
        return placing_flow(numbers, portraits.shape[-2:]), boxes.unflatten(1, (2, 4))


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


def placing_flow(numbers: Tensor, size: torch.Size) -> Tensor:
    """Flow [B, 2, h, w] in cells of numbers [B, 4]: how far x and y are stretched, then how far they are shifted.

    Both count from the middle of the picture, in halves of its sides.
    """
    height, width = size
    ys, xs = (torch.linspace(1 / n - 1, 1 - 1 / n, n, device=numbers.device) for n in (height, width))
    base = torch.stack([xs.expand(height, width), ys[:, None].expand(height, width)]).to(numbers)
    stretch, shift = numbers[..., None, None].chunk(2, dim=1)
    return (stretch * base + shift) * base.new_tensor([width / 2, height / 2])[:, None, None]
