"""Audio modules with regional masks (Hallo): one audio attention each for everything, the face and the lips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backend import Backend
from .attention import Attention, FeedForward
from .conditions import Batch, Features

REGIONS = ("full", "face", "lip")


class _RegionalBlock(nn.Module):
    def __init__(self, width: int, heads: int, audio_width: int, *, backend: Backend) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (backend.layer_norm(width) for _ in range(3))
        self.attn1 = Attention(width, heads, backend=backend)
        for index, region in enumerate(REGIONS):
            self.add_module(
                f"attn2_{index}", Attention(width, heads, context_width=audio_width, backend=backend)
            )
            self.add_module(f"zero_conv_{region}", backend.conv2d(width, width, 1))
        self.ff = FeedForward(width, backend=backend)

    def forward(self, x: Tensor, batch: Batch, level: int, size: tuple[int, int]) -> Tensor:
        """Map x [R*F, H*W, C] to the same shape; size is (H, W)."""
        x = self._listen(x + self.attn1(self.norm1(x)), batch, level, size)
        return x + self.ff(self.norm3(x))

    def _listen(self, x: Tensor, batch: Batch, level: int, size: tuple[int, int]) -> Tensor:
        """Each row [F, L, C] with the audio that it hears."""
        audio = batch.audio()
        heard = {} if audio is None else dict(zip(audio.rows, audio.value.split(batch.frames), strict=True))
        rows = enumerate(x.split(batch.frames))
        return torch.cat(
            [self._regions(row, heard.get(index), batch.features[index], level, size) for index, row in rows]
        )

    def _regions(
        self, x: Tensor, audio: Tensor | None, features: Features, level: int, size: tuple[int, int]
    ) -> Tensor:
        """Add the attention to the audio [F, T, D] of every region to x [F, L, C] of one row.

        A row that hears nothing gets what zero tokens give, which is the same in all frames. The mask covers the
        output's bias too.
        """
        tokens = None if audio is None else self.norm2(x)
        masks = None if features.regions is None else features.regions[level]
        for index, (region, strength) in enumerate(zip(REGIONS, features.strengths.each(), strict=True)):
            layer = getattr(self, f"attn2_{index}")
            y = layer.of_zeros(x).expand(1, *x.shape[1:]) if tokens is None else layer(tokens, audio)
            if masks is not None:
                y = y * masks[index].to(y)[:, None]
            maps = y.transpose(1, 2).unflatten(2, size)
            y = getattr(self, f"zero_conv_{region}")(maps).flatten(2).transpose(1, 2)
            x = x + (y if strength == 1 else y * strength)
        return x


class AudioModule(nn.Module):
    """A spatial transformer of its own for audio, narrower inside than the feature map at most places."""

    def __init__(
        self, width: int, inner: int, heads: int, groups: int, audio_width: int, *, backend: Backend
    ) -> None:
        super().__init__()
        self.norm = backend.group_norm(groups, width, 1e-6)
        self.proj_in = backend.conv2d(width, inner, 1)
        self.transformer_blocks = nn.ModuleList([_RegionalBlock(inner, heads, audio_width, backend=backend)])
        self.proj_out = backend.conv2d(inner, width, 1)

    def forward(self, x: Tensor, batch: Batch, level: int) -> Tensor:
        """Map x [R*F, C, H, W] to the same shape; level chooses the masks' resolution, 0 the finest."""
        size = (x.shape[-2], x.shape[-1])
        h = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        h = self.transformer_blocks[0](h, batch, level, size)
        return x + self.proj_out(h.transpose(1, 2).unflatten(2, size))
