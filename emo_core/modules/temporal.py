"""Temporal modules: AnimateDiff's motion modules, with motion frames and speed layers (paper, sec. 3.2 and 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backend import Backend
from ..config import TemporalConfig
from .attention import Attention, FeedForward
from .conditions import Batch, Group
from .embeddings import position_table

AT_ONCE = 2**21
"""Numbers of a feature map that pass the layers over time at once."""


class _Positions(nn.Module):
    """The sinusoidal table of frame positions, kept as a buffer because published files round it to fp16."""

    pe: Tensor

    def __init__(self, length: int, width: int, *, backend: Backend) -> None:
        super().__init__()
        table = (
            torch.empty(1, length, width, device="meta")
            if backend.device == "meta"
            else position_table(length, width)
        )
        self.register_buffer("pe", table.to(backend.dtype or torch.float32))


class TemporalAttention(Attention):
    """Attention over the frames of one pixel, with their positions added."""

    def __init__(self, width: int, heads: int, positions: int, *, backend: Backend) -> None:
        super().__init__(width, heads, backend=backend)
        self.pos_encoder = _Positions(positions, width, backend=backend)

    def forward(self, x: Tensor, seen: int = 0) -> Tensor:  # type: ignore[override]
        """Map x [P, F, C] to [P, F - seen, C]: the first `seen` frames are looked at, and not answered for."""
        x = x + self.pos_encoder.pe[:, : x.shape[1]].to(device=x.device, dtype=x.dtype)
        # a linear layer takes slices of a sequence one by one
        return super().forward(x[:, seen:].contiguous(), x) if seen else super().forward(x)


class SpeedAttention(nn.Module):
    """Cross-attention over time from the feature map to the speed embedding (paper, Speed Layers).

    The paper repeats the embedding F [b, f, l] over all pixels; here the pixels are the query's length instead,
    which gives the same values without the copies. Frame positions are added on both sides, so that a frame
    can find its own speed.
    """

    def __init__(self, width: int, heads: int, speed_width: int, *, backend: Backend) -> None:
        super().__init__()
        self.norm = backend.layer_norm(width)
        self.attn = Attention(width, heads, context_width=speed_width, backend=backend)

    def forward(self, x: Tensor, speed: Tensor) -> Tensor:
        """Map x [R*P, F, C] with speed [R, F, D] to the change of x."""
        rows, frames = speed.shape[:2]
        positions = position_table(frames, x.shape[-1], x.device).to(x.dtype)
        keys = speed + position_table(frames, speed.shape[-1], speed.device).to(speed.dtype)
        query = (self.norm(x) + positions).unflatten(0, (rows, -1)).flatten(1, 2)  # [R, P*F, C]
        return self.attn(query, keys.to(x.dtype)).reshape(x.shape)


class _TemporalBlock(nn.Module):
    """Two self-attentions over time, the speed layer, feed-forward."""

    def __init__(
        self, width: int, config: TemporalConfig, speed_width: int | None, *, backend: Backend
    ) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            [TemporalAttention(width, config.heads, config.positions, backend=backend) for _ in range(2)]
        )
        self.norms = nn.ModuleList([backend.layer_norm(width) for _ in range(2)])
        if speed_width is not None:
            self.speed = SpeedAttention(width, config.heads, speed_width, backend=backend)
        self.ff = FeedForward(width, backend=backend)
        self.ff_norm = backend.layer_norm(width)

    def forward(self, x: Tensor, motion: int, speed: Tensor | None) -> Tensor:
        """Map x [R*P, n + F, C], whose first `motion` = n frames are motion frames, to [R*P, F, C].

        Motion frames are for looking at: what would become of them behind the second attention nobody sees.
        """
        first, second = self.attention_blocks
        x = x + first(self.norms[0](x))
        x = x[:, motion:] + second(self.norms[1](x), motion)
        if speed is not None:
            x = x + self.speed(x, speed)
        return x + self.ff(self.ff_norm(x))


class _TemporalTransformer(nn.Module):
    def __init__(
        self, width: int, groups: int, config: TemporalConfig, speed_width: int | None, *, backend: Backend
    ) -> None:
        super().__init__()
        self.norm = backend.group_norm(groups, width, 1e-6)
        self.proj_in = backend.linear(width, width)
        self.transformer_blocks = nn.ModuleList([_TemporalBlock(width, config, speed_width, backend=backend)])
        self.proj_out = backend.linear(width, width)

    def forward(self, x: Tensor, rows: int, motion: Tensor | None, speed: Tensor | None) -> Tensor:
        """Map x [R*F, C, H, W] of R rows, with motion tokens [R, n, P, C] and speed [R, F, D], to its change."""
        size = x.shape[-2:]
        clips = _tokens(self.norm(x)).unflatten(0, (rows, -1))  # [R, F, P, C]
        n = 0
        if motion is not None:
            n = motion.shape[1]
            maps = motion.to(x.dtype).flatten(0, 1).transpose(1, 2).unflatten(2, size)
            clips = torch.cat([_tokens(self.norm(maps)).unflatten(0, (rows, -1)), clips], dim=1)
        # every pixel has a time of its own: a part of them after another needs less memory
        parts = clips.split(max(1, AT_ONCE // (clips.shape[-1] * rows * clips.shape[1])), dim=2)
        change = torch.cat([self._pixels(part, n, speed) for part in parts], dim=2)  # [R, F, P, C]
        return change.flatten(0, 1).transpose(1, 2).unflatten(2, size)

    def _pixels(self, clips: Tensor, n: int, speed: Tensor | None) -> Tensor:
        """Map some pixels of clips [R, n + F, P, C] to the change [R, F, P, C]."""
        rows = clips.shape[0]
        h = self.proj_in(clips.transpose(1, 2).flatten(0, 1))  # [R*P, n+F, C]
        h = self.proj_out(self.transformer_blocks[0](h, n, speed))
        return h.unflatten(0, (rows, -1)).transpose(1, 2)


class MotionModule(nn.Module):
    """A temporal module: frames attend to each other and to the motion frames of the clip before."""

    def __init__(
        self, width: int, groups: int, config: TemporalConfig, speed_width: int | None, *, backend: Backend
    ) -> None:
        super().__init__()
        self.temporal_transformer = _TemporalTransformer(width, groups, config, speed_width, backend=backend)

    def forward(self, x: Tensor, batch: Batch, path: str) -> Tensor:
        """Map x [R*F, C, H, W] to the same shape; path is that of the spatial transformer before it."""
        if not batch.temporal:
            return x
        motion, speed = batch.motion(path), batch.speed()
        rows = len(batch.features)
        if all(group is None or len(group.rows) == rows for group in (motion, speed)):
            return x + self._change(x, rows, motion, speed)
        clips = x.split(batch.frames)
        return x + torch.cat([self._row(clip, row, batch, path) for row, clip in enumerate(clips)])

    def _row(self, clip: Tensor, row: int, batch: Batch, path: str) -> Tensor:
        one = Batch([batch.features[row]], batch.frames)
        return self._change(clip, 1, one.motion(path), one.speed())

    def _change(self, x: Tensor, rows: int, motion: Group | None, speed: Group | None) -> Tensor:
        values = [None if group is None else group.value for group in (motion, speed)]
        return self.temporal_transformer(x, rows, *values)


def _tokens(maps: Tensor) -> Tensor:
    """Maps [N, C, H, W] as tokens [N, H*W, C]."""
    return maps.flatten(2).transpose(1, 2)
