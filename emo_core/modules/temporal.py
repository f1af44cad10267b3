"""Temporal modules: AnimateDiff's motion modules, with motion frames and speed layers (paper, sec. 3.2 and 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backend import Backend
from ..config import TemporalConfig
from .attention import Attention, FeedForward
from .conditions import Batch
from .embeddings import position_table


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

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Map x [P, F, C] to the same shape."""
        return super().forward(x + self.pos_encoder.pe[:, : x.shape[1]].to(device=x.device, dtype=x.dtype))


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
        positions = position_table(frames, x.shape[-1]).to(x)
        keys = speed + position_table(frames, speed.shape[-1]).to(speed)
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
        """Map x [R*P, n + F, C], whose first `motion` frames are motion frames, to the same shape."""
        for norm, attention in zip(self.norms, self.attention_blocks, strict=True):
            x = x + attention(norm(x))
        if speed is not None:
            x = torch.cat([x[:, :motion], x[:, motion:] + self.speed(x[:, motion:], speed)], dim=1)
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

    def forward(self, x: Tensor, motion: Tensor | None, speed: Tensor | None) -> Tensor:
        """Map x [R, F, C, H, W] with motion [R, n, C, H, W] and speed [R, F, D] to the change of x."""
        n = 0 if motion is None else motion.shape[1]
        clip = x if motion is None else torch.cat([motion.to(x.dtype), x], dim=1)
        rows, length, _, height, width = clip.shape
        h = self.norm(clip.flatten(0, 1)).unflatten(0, (rows, length))
        h = self.proj_in(h.permute(0, 3, 4, 1, 2).reshape(rows * height * width, length, -1))  # [R*P, n+F, C]
        h = self.proj_out(self.transformer_blocks[0](h, n, speed)[:, n:])
        return h.reshape(rows, height, width, length - n, -1).permute(0, 3, 4, 1, 2)


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
        clips = x.unflatten(0, (-1, batch.frames))
        motion, speed = batch.motion(path), batch.speed()
        rows = clips.shape[0]
        uniform = all(group is None or len(group.rows) == rows for group in (motion, speed))
        if uniform:
            maps = None if motion is None else _as_maps(motion.value, clips)
            change = self.temporal_transformer(clips, maps, None if speed is None else speed.value)
        else:
            change = torch.cat([self._row(clips[r : r + 1], r, batch, path) for r in range(rows)])
        return x + change.reshape(x.shape)

    def _row(self, clip: Tensor, row: int, batch: Batch, path: str) -> Tensor:
        one = Batch([batch.features[row]], batch.frames)
        motion, speed = one.motion(path), one.speed()
        maps = None if motion is None else _as_maps(motion.value, clip)
        return self.temporal_transformer(clip, maps, None if speed is None else speed.value)


def _as_maps(tokens: Tensor, clips: Tensor) -> Tensor:
    """Turn motion tokens [R, n, L, C] into maps [R, n, C, H, W] like the clips'."""
    return tokens.transpose(2, 3).unflatten(3, clips.shape[-2:])
