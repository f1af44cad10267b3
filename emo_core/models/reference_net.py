"""ReferenceNet: the portrait and the motion frames as tokens of every attention block (paper, sec. 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backend import Backend
from ..config import EmoConfig
from ..modules.conditions import PORTRAIT, Batch, Features
from ..modules.transformer import ReferenceBlock, SpatialTransformer
from .unet import UNet


class ReferenceNet(UNet):
    """The skeleton without time, audio or output; it ends at the last block whose tokens are used."""

    def __init__(self, config: EmoConfig, *, backend: Backend) -> None:
        unet, reference = config.unet, config.reference
        tapped = [i for i, on in enumerate(reversed(unet.attention)) if on]
        last_path = f"up_blocks.{tapped[-1]}.attentions.{unet.layers_per_block}"
        context = None if reference.context == "none" else _context_width(config)

        def followers(width: int, level: int, path: str) -> dict[str, nn.Module]:
            # the mid block has a transformer in Stable Diffusion although the lowest level has none
            if not (unet.attention[level] or path.startswith("mid_block")):
                return {}
            last = path == last_path
            block = ReferenceBlock(width, unet.heads, reference, context, last=last, backend=backend)
            return {"attentions": SpatialTransformer(width, unet, block, last=last, backend=backend)}

        super().__init__(unet, followers, backend=backend)
        self.half_precision_bank, self.at_ends = reference.half_precision_bank, reference.at_ends

    def forward(self, latents: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        """Tokens [N, L, C] by block path for latents [N, 4, h, w] of N pictures, at timestep 0.

        Where the backbone's first convolution sees the portrait, its latents are there as well, as `PORTRAIT`.
        context: image tokens [N, T, D] for families whose ReferenceNet has cross-attention.
        """
        record: dict[str, Tensor] = {PORTRAIT: latents} if self.at_ends else {}
        batch = Batch([Features(context=context)], 1, record)
        timesteps = torch.zeros(latents.shape[0], device=latents.device)
        self.run(self.conv_in(latents), self.time_embedding(timesteps, latents.dtype), batch)
        if self.half_precision_bank:
            return {path: tokens.half().to(tokens.dtype) for path, tokens in record.items()}
        return record


def _context_width(config: EmoConfig) -> int:
    return config.context.width if config.context else config.audio.token_width
