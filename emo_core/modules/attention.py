"""Attention and feed-forward layers with diffusers' parameter names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from ..backend import Backend
from .hooks import AttentionHook

AT_ONCE = 2**23
"""Numbers in the wide middle of a feed-forward layer at once: a processor's cache and memory are the better for it."""


class Attention(nn.Module):
    """Multi-head attention of x to itself or to given tokens."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        context_width: int | None = None,
        backend: Backend,
        head_width: int = 0,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.kernel = backend.attention
        inner = heads * head_width if head_width else width
        self.to_q = backend.linear(width, inner, bias=False)
        self.to_k = backend.linear(context_width or width, inner, bias=False)
        self.to_v = backend.linear(context_width or width, inner, bias=False)
        self.to_out = nn.ModuleList([backend.linear(inner, width)])

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        extra: Tensor | None = None,
        groups: int = 1,
        hook: AttentionHook | None = None,
    ) -> Tensor:
        """Map x [B, L, C] to [B, L, C].

        context [B or a divisor of B, T, D] are the keys and values, x itself if None: with fewer rows, each
        serves B / rows consecutive rows of x. extra [G*K, E, C] are appended to the keys and values (reference
        tokens beside self-attention): G groups of B / G consecutive rows, whose row f sees extra row f mod K
        of its group; `groups` is G.
        """
        if hook is not None:
            return self._hooked(x, context, extra, groups, hook)
        source = x if context is None else context
        q, k, v = self._split(self.to_q(x)), self._split(self.to_k(source)), self._split(self.to_v(source))
        if extra is not None:
            k = torch.cat([k, _tile(self._split(self.to_k(extra)), k.shape[0], groups)], dim=2)
            v = torch.cat([v, _tile(self._split(self.to_v(extra)), v.shape[0], groups)], dim=2)
        out = self.kernel(q, _repeat_to(k, q.shape[0]), _repeat_to(v, q.shape[0]))
        del q, k, v  # make room for the result
        return self.to_out[0](out)

    def _hooked(
        self, x: Tensor, context: Tensor | None, extra: Tensor | None, groups: int, hook: AttentionHook
    ) -> Tensor:
        keys = values = x if context is None else context
        if hook.inputs is not None:
            x, keys, values = hook.inputs(x, keys, values)
        q, k, v = self._split(self.to_q(x)), self._split(self.to_k(keys)), self._split(self.to_v(values))
        if extra is not None:
            k = torch.cat([k, _tile(self._split(self.to_k(extra)), k.shape[0], groups)], dim=2)
            v = torch.cat([v, _tile(self._split(self.to_v(extra)), v.shape[0], groups)], dim=2)
        if hook.kernel is None:
            out = self.kernel(q, k, v)
        else:  # one that answers with its values (perturbed attention) may answer for the extra tokens too
            out = hook.kernel(*(t.transpose(1, 2).flatten(2) for t in (q, k, v)))[:, : q.shape[2]]
        out = self.to_out[0](out)
        return out if hook.output is None else hook.output(out)

    def of_zeros(self, x: Tensor) -> Tensor:
        """What attention to all-zero tokens gives, [1, 1, C]: keys and values have no bias, so only the output's."""
        inner = self.to_q.weight.shape[0]
        return self.to_out[0](x.new_zeros(1, 1, inner))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, N, L, D]


def _repeat_to(x: Tensor, rows: int) -> Tensor:
    """Repeat each row so that there are `rows`."""
    return x if x.shape[0] == rows else x.repeat_interleave(rows // x.shape[0], 0)


def _tile(x: Tensor, rows: int, groups: int) -> Tensor:
    """Cycle through the rows of each group until there are `rows` in all."""
    cycle, frames = x.shape[0] // groups, rows // groups
    grouped = x.unflatten(0, (groups, cycle))
    if cycle == 1:
        return grouped.expand(-1, frames, -1, -1, -1).flatten(0, 1)
    return grouped[:, torch.arange(frames, device=x.device) % cycle].flatten(0, 1)


class _GEGLU(nn.Module):
    def __init__(self, width: int, inner: int, *, backend: Backend) -> None:
        super().__init__()
        self.proj = backend.linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * gelu(gate)


class FeedForward(nn.Module):
    """Gated feed-forward layer, four times as wide inside."""

    def __init__(self, width: int, *, backend: Backend) -> None:
        super().__init__()
        # index 1 is diffusers' dropout: it holds no weights, but it counts in the names
        self.net = nn.ModuleList(
            [_GEGLU(width, 4 * width, backend=backend), nn.Identity(), backend.linear(4 * width, width)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, L, C] to [B, L, C], so many tokens at once that the wide middle stays small."""
        gated, _, out = self.net
        length = max(1, AT_ONCE // (8 * x.shape[-1]))
        parts = x.flatten(0, -2).split(length)
        return torch.cat([out(gated(part)) for part in parts]).view(x.shape)
