"""Audio modules with regional masks (Hallo): one audio attention each for everything, the face and the lips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backend import Backend
from .attention import Attention, FeedForward
from .conditions import Batch
from .transformer import present_rows

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
        x = x + self.attn1(self.norm1(x))
        tokens = self.norm2(x)
        for index, region in enumerate(REGIONS):
            y = self._masked(getattr(self, f"attn2_{index}"), tokens, batch, level, index)
            maps = y.transpose(1, 2).unflatten(2, size)
            y = getattr(self, f"zero_conv_{region}")(maps).flatten(2).transpose(1, 2)
            x = x + y * _strengths(batch, index, y)
        return x + self.ff(self.norm3(x))

    @staticmethod
    def _masked(layer: Attention, x: Tensor, batch: Batch, level: int, index: int) -> Tensor:
        """Attention to the audio times the mask, which also covers the output's bias."""

        def attend(rows: Tensor, value: Tensor) -> Tensor:
            return layer(rows.flatten(0, 1), value).unflatten(0, rows.shape[:2])

        out = present_rows(x, batch.audio(), batch, attend, layer).unflatten(0, (-1, batch.frames))
        ones = torch.ones_like(out[0, 0, :, 0])
        masks = [ones if f.regions is None else f.regions[level][index].to(ones) for f in batch.features]
        return (out * torch.stack(masks)[:, None, :, None]).flatten(0, 1)


def _strengths(batch: Batch, index: int, like: Tensor) -> Tensor | float:
    values = [(f.strengths.pose, f.strengths.expression, f.strengths.lips)[index] for f in batch.features]
    if len(set(values)) == 1:
        return values[0]
    return like.new_tensor(values).repeat_interleave(batch.frames)[:, None, None]


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
