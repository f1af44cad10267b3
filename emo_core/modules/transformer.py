"""The spatial transformer of both nets: self-attention, reference, audio or image attention, feed-forward."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..backend import Backend
from ..config import AudioConfig, ReferenceConfig, UNetConfig
from .attention import Attention, FeedForward
from .conditions import Batch, Group
from .embeddings import pixel_table
from .hooks import AttentionHook
from .rows import join, take


class BackboneBlock(nn.Module):
    """One transformer block of the backbone (paper, sec. 3.2: reference attention, then audio attention).

    Names follow diffusers: attn1 is self-attention, attn2 whatever the family put in the place of text.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        reference: ReferenceConfig,
        audio: AudioConfig,
        context_width: int | None,
        *,
        backend: Backend,
    ) -> None:
        super().__init__()
        self.reference_config, self.audio_config = reference, audio
        self.norm1 = backend.layer_norm(width)
        self.attn1 = Attention(width, heads, backend=backend)
        if reference.mode == "separate":
            self.reference_norm = backend.layer_norm(width)
            self.reference_attn = Attention(width, heads, backend=backend)
        attn2_width = _attn2_width(width, reference, audio, context_width)
        if attn2_width is not None:
            self.norm2 = backend.layer_norm(width)
            self.attn2 = Attention(width, heads, context_width=attn2_width, backend=backend)
        if audio.site == "after_reference":
            self.audio_norm = backend.layer_norm(width)
            self.audio_attn = Attention(width, heads, context_width=audio.token_width, backend=backend)
        self.norm3 = backend.layer_norm(width)
        self.ff = FeedForward(width, backend=backend)

    def forward(self, x: Tensor, batch: Batch, path: str) -> Tensor:
        """Map x [R*F, L, C] to the same shape."""
        reference = batch.reference(path)
        x = x + self._self_attention(self.norm1(x), reference, batch, path)
        if self.reference_config.mode == "separate":
            gains = [f.reference_gain * self.reference_config.gain for f in batch.features]
            x = x + _gain(
                self._over_frames(self.reference_attn, self.reference_norm(x), reference, batch), gains
            )
        elif self.reference_config.mode == "cross":
            hook = _hook(batch, path, reference)
            x = x + self._over_frames(self.attn2, self.norm2(x), reference, batch, hook=hook)
        if self.audio_config.site == "attn2":
            x = x + self._audio(self.attn2, self.norm2(x), batch, hook=_hook(batch, path, batch.audio()))
        elif hasattr(self, "attn2") and self.reference_config.mode != "cross":
            hook = _hook(batch, path, batch.context())
            x = x + self._over_frames(
                self.attn2, self.norm2(x), batch.context(), batch, zeros=True, hook=hook
            )
        if self.audio_config.site == "after_reference":
            x = x + self._audio(self.audio_attn, self.audio_norm(x), batch)
        return x + self.ff(self.norm3(x))

    def _self_attention(self, x: Tensor, reference: Group | None, batch: Batch, path: str) -> Tensor:
        if self.reference_config.mode != "concat" or reference is None:
            return self.attn1(x, hook=batch.hooks.attention("attn1", path))
        groups, hook = len(reference.rows), batch.hooks.attention("attn1", path, reference.rows)
        if groups == len(batch.features):
            return self.attn1(x, extra=reference.value, groups=groups, hook=hook)
        rows = x.unflatten(0, (-1, batch.frames))
        others = [r for r in range(rows.shape[0]) if r not in reference.rows]
        seen = self.attn1(take(rows, reference.rows).flatten(0, 1), extra=reference.value, groups=groups, hook=hook)
        alone = self.attn1(take(rows, others).flatten(0, 1), hook=batch.hooks.attention("attn1", path, others))
        seen, alone = (part.unflatten(0, (-1, batch.frames)) for part in (seen, alone))
        return join(rows.shape[0], reference.rows, seen, alone).flatten(0, 1)

    def _over_frames(
        self,
        layer: Attention,
        x: Tensor,
        tokens: Group | None,
        batch: Batch,
        *,
        zeros: bool = False,
        hook: AttentionHook | None = None,
    ) -> Tensor:
        """Attention to tokens that all frames of a row share: the frames are one long query, nothing is copied.

        A hook wants frames on the batch axis, each with tokens of its own.
        """

        def attend(rows: Tensor, value: Tensor) -> Tensor:
            if hook is None:
                return layer(rows.flatten(1, 2), value).unflatten(1, rows.shape[1:3])
            value = value.repeat_interleave(batch.frames, 0)
            return layer(rows.flatten(0, 1), value, hook=hook).unflatten(0, rows.shape[:2])

        without_zeros = self.reference_config.without == "zeros" or zeros
        return present_rows(x, tokens, batch, attend, layer if without_zeros else None)

    def _audio(
        self, layer: Attention, x: Tensor, batch: Batch, *, hook: AttentionHook | None = None
    ) -> Tensor:
        def attend(rows: Tensor, value: Tensor) -> Tensor:
            return layer(rows.flatten(0, 1), value, hook=hook).unflatten(0, rows.shape[:2])

        gains = [f.audio_gain * self.audio_config.gain for f in batch.features]
        return _gain(present_rows(x, batch.audio(), batch, attend, layer), gains)


def _hook(batch: Batch, path: str, tokens: Group | None) -> AttentionHook | None:
    """What someone wants to change in attn2 for the rows that have tokens there."""
    return None if tokens is None else batch.hooks.attention("attn2", path, tokens.rows)


def _attn2_width(
    width: int, reference: ReferenceConfig, audio: AudioConfig, context_width: int | None
) -> int | None:
    if reference.mode == "cross":
        return width
    return audio.token_width if audio.site == "attn2" else context_width


def present_rows(
    x: Tensor,
    tokens: Group | None,
    batch: Batch,
    attend: Callable[[Tensor, Tensor], Tensor],
    zeros: Attention | None,
) -> Tensor:
    """Attend where a row has tokens; elsewhere give what zero tokens give (`zeros`), or nothing."""
    rows = x.unflatten(0, (-1, batch.frames))  # [R, F, L, C]
    if tokens is not None and len(tokens.rows) == rows.shape[0]:
        return attend(rows, tokens.value).flatten(0, 1)
    missing = x.new_zeros(1) if zeros is None else zeros.of_zeros(x)
    if tokens is None:
        return missing.expand_as(x)
    seen = attend(take(rows, tokens.rows), tokens.value)
    return join(rows.shape[0], tokens.rows, seen, missing).flatten(0, 1)


def _gain(x: Tensor, gains: list[float]) -> Tensor:
    """Scale each row of x [R*F, L, C]; equal gains cost one multiplication or none."""
    if len(set(gains)) == 1:
        return x if gains[0] == 1 else x * gains[0]
    return torch.cat([row * gain for row, gain in zip(x.chunk(len(gains)), gains, strict=True)])


class ReferenceBlock(nn.Module):
    """One transformer block of the ReferenceNet: hands over its tokens, with no audio and no reference."""

    def __init__(
        self,
        width: int,
        heads: int,
        reference: ReferenceConfig,
        context_width: int | None,
        *,
        last: bool,
        backend: Backend,
    ) -> None:
        super().__init__()
        self.tap, self.last = reference.tap, last
        after = reference.tap == "after_self_attention"
        self.norm1 = backend.layer_norm(width)
        if after or not last:
            self.attn1 = Attention(width, heads, backend=backend)
        if after or (context_width is not None and not last):
            self.norm2 = backend.layer_norm(width)
        if last:
            return  # nothing behind the last tap is ever used
        if context_width is not None:
            self.attn2 = Attention(width, heads, context_width=context_width, backend=backend)
        self.norm3 = backend.layer_norm(width)
        self.ff = FeedForward(width, backend=backend)

    def forward(self, x: Tensor, batch: Batch, path: str) -> Tensor:
        """Map x [R, L, C] to the same shape and record the tapped tokens [R, L, C]."""
        tokens = self.norm1(x)
        if self.tap == "before_self_attention":
            self._record(batch, path, tokens)
            if self.last:
                return x
        x = x + self.attn1(tokens)
        if self.tap == "after_self_attention":
            self._record(batch, path, self.norm2(x))
            if self.last:
                return x
        if hasattr(self, "attn2"):
            x = x + self._context(self.norm2(x), batch)
        return x + self.ff(self.norm3(x))

    def _context(self, x: Tensor, batch: Batch) -> Tensor:
        context = batch.context()
        return self.attn2.of_zeros(x) if context is None else self.attn2(x, context.value)

    @staticmethod
    def _record(batch: Batch, path: str, tokens: Tensor) -> None:
        if batch.record is not None:
            batch.record[path] = tokens


class SpatialTransformer(nn.Module):
    """A transformer block on the pixels of a feature map, between 1x1 convolutions."""

    def __init__(
        self, width: int, unet: UNetConfig, block: nn.Module, *, last: bool = False, backend: Backend
    ) -> None:
        super().__init__()
        self.positions, self.periods = unet.positions, unet.position_periods
        self.norm = backend.group_norm(unet.groups, width, 1e-6)
        self.proj_in = backend.conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = None if last else backend.conv2d(width, width, 1)

    def forward(self, x: Tensor, batch: Batch, path: str) -> Tensor:
        """Map x [R*F, C, H, W] to the same shape; path names the block among those of its net."""
        h = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)  # [R*F, H*W, C]
        if self.positions:
            h = h + pixel_table(x.shape[-2], x.shape[-1], h.shape[-1], self.periods, h.device).to(h.dtype)
        h = self.transformer_blocks[0](h, batch, path)
        if self.proj_out is None:
            return x
        return x + self.proj_out(h.transpose(1, 2).reshape(x.shape))
