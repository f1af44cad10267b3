"""Face Locator: the region where the face may be, as features of the noisy latents (paper, sec. 3.3)."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import silu

from ..backend import Backend
from ..config import EmoConfig


class FaceLocator(nn.Module):
    """Light convolutions that bring a mask (or key-point picture) down to the latents' size."""

    def __init__(self, config: EmoConfig, *, backend: Backend) -> None:
        super().__init__()
        channels = config.face_locator.channels
        to_latents = config.face_locator.target == "latents"
        self.conv_in = backend.conv2d(config.face_locator.inputs, channels[0], 3)
        self.blocks = nn.ModuleList()
        for inputs, outputs in pairwise(channels):
            self.blocks.append(backend.conv2d(inputs, inputs, 3))
            self.blocks.append(backend.conv2d(inputs, outputs, 3, stride=2))
        outputs = config.unet.latent_channels if to_latents else config.unet.channels[0]
        self.conv_out = backend.conv2d(channels[-1], outputs, 3)

    def forward(self, mask: Tensor) -> Tensor:
        """Map masks [N, inputs, 8h, 8w] in 0..1 to features [N, C, h, w]."""
        x = silu(self.conv_in(mask))
        for block in self.blocks:
            x = silu(block(x))
        return self.conv_out(x)
