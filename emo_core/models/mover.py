"""Where each place of a frame comes from in the portrait, as sound and head speed ask for.

Not in the paper: its network is large enough to draw a turned head anew at each step. A small one learns to within
minutes when the portrait arrives moved already (docs/paper_notes.md), and draws what the portrait does not show.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from ..backend import Backend
from ..config import EmoConfig
from ..modules.conditions import Batch, heard, told
from ..modules.resnet import ResnetBlock

FINE, COARSE = 48, 96
"""Widths of its maps at a half and a quarter of the latents' size; finer gain little (docs/emo_tiny_history.md)."""
WAYS = 12
"""In how many ways a portrait can move; what moves a frame is a sum of them."""
CONTROL = 128
"""Width of what steers a frame: sound and speed."""
TOKENS = 2
"""Tokens per frame of its own: those of a mouth do not tell how a head turns (docs/emo_tiny_history.md)."""


class Mover(nn.Module):
    """Portrait, sound and speed to a flow: ways in which this portrait moves, and how far along each.

    The ways are found once for a portrait, whatever is said, so that nothing flickers between frames (compare the
    linear motion of Latent Image Animator, Wang et al., 2022).
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

    def forward(self, portraits: Tensor, batch: Batch) -> Tensor:
        """Flow [R*F, 2, h, w] of R clips of F frames: (x, y) in latent cells from each place to where it comes from.

        portraits [R, C, h, w]: latents, zeros for a row without. Conditions that a row does not have count as zero;
        its audio tokens are the mover's own. A row's `turns` take the place of sound and speed.
        """
        amounts = self.steered(portraits, batch)
        true = [f.turns for f in batch.features]
        if any(turns is not None for turns in true):
            rows = zip(amounts, true, strict=True)
            amounts = torch.stack([row if turns is None else turns.to(row) for row, turns in rows])
        return torch.einsum("rfk,rkchw->rfchw", amounts, self.ways(portraits)).flatten(0, 1)

    def ways(self, portraits: Tensor) -> Tensor:
        """In which ways portraits [R, C, h, w] can move: flows [R, K, 2, h, w]."""
        fine = self.resnet_in(self.conv_in(portraits))
        x = self.resnets[1](self.resnets[0](self.downsample(silu(fine))))
        x = self.resnets[2](torch.cat([interpolate(x, fine.shape[-2:]), fine], dim=1))
        return interpolate(self.conv_out(silu(x)), portraits.shape[-2:], mode="bilinear").unflatten(1, (WAYS, 2))

    def steered(self, like: Tensor, batch: Batch) -> Tensor:
        """How far along each way sound and speed move the frames, [R, F, K], where a tensor is and of its type."""
        return self.amounts(self._control(like, batch)).unflatten(0, (len(batch.features), batch.frames))

    def _control(self, like: Tensor, batch: Batch) -> Tensor:
        """What steers each frame, [R*F, D]."""
        total = like.new_zeros(len(batch.features) * batch.frames, CONTROL)
        audio, speed = batch.audio(), batch.speed()
        if audio is not None:
            total = total + heard(audio, self.audio_proj, batch)
        if speed is not None and self.speed_proj is not None:
            total = total + told(speed, self.speed_proj, batch)
        return silu(self.control2(silu(self.control1(silu(total)))))
