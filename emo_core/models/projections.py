"""From encoder states to tokens: audio windows and image embeddings."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu

from ..backend import Backend
from ..config import AudioConfig, ContextConfig


class MlpProjection(nn.Module):
    """A window of all encoder layers through an MLP to tokens (paper: concatenated features; widths from Hallo)."""

    def __init__(self, config: AudioConfig, *, backend: Backend) -> None:
        super().__init__()
        self.tokens = config.tokens
        self.proj1 = backend.linear(config.window * config.layers * config.width, config.hidden)
        self.proj2 = backend.linear(config.hidden, config.hidden)
        self.proj3 = backend.linear(config.hidden, config.tokens * config.token_width)
        self.norm = backend.layer_norm(config.token_width)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows [F, K, layers, C] to tokens [F, T, D]."""
        x = self.proj3(relu(self.proj2(relu(self.proj1(windows.flatten(1))))))
        return self.norm(x.unflatten(1, (self.tokens, -1)))


class _PerceiverAttention(nn.Module):
    def __init__(self, config: AudioConfig, *, backend: Backend) -> None:
        super().__init__()
        width, inner = config.token_width, config.perceiver_heads * config.perceiver_head_width
        self.heads, self.kernel = config.perceiver_heads, backend.attention
        self.norm1, self.norm2 = backend.layer_norm(width), backend.layer_norm(width)
        self.to_q = backend.linear(width, inner, bias=False)
        self.to_kv = backend.linear(width, 2 * inner, bias=False)
        self.to_out = backend.linear(inner, width, bias=False)

    def forward(self, x: Tensor, queries: Tensor) -> Tensor:
        """Queries [F, T, D] look at x [F, K, D] and at themselves."""
        queries = self.norm2(queries)
        k, v = self.to_kv(torch.cat([self.norm1(x), queries], dim=1)).chunk(2, dim=-1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (self.to_q(queries), k, v))
        return self.to_out(self.kernel(q, k, v))


class PerceiverProjection(nn.Module):
    """Learned queries read a window of one encoder layer (V-Express)."""

    def __init__(self, config: AudioConfig, *, backend: Backend) -> None:
        super().__init__()
        width = config.token_width
        self.pos_emb = backend.layers.Embedding(
            config.window, config.width, dtype=backend.dtype, device=backend.device
        )
        self.latents = nn.Parameter(
            torch.zeros(1, config.tokens, width, dtype=backend.dtype, device=backend.device),
            requires_grad=False,
        )
        self.proj_in = backend.linear(config.width, width)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [_PerceiverAttention(config, backend=backend), _perceiver_feed_forward(width, backend)]
            )
            for _ in range(config.perceiver_depth)
        )
        self.proj_out = backend.linear(width, width)
        self.norm_out = backend.layer_norm(width)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows [F, K, 1, C] to tokens [F, T, D]."""
        positions = self.pos_emb(torch.arange(windows.shape[1], device=windows.device))
        x = self.proj_in(windows[:, :, 0] + positions.to(windows.dtype))
        queries = self.latents.to(x).expand(x.shape[0], -1, -1)
        for layer in self.layers:
            attention, feed_forward = cast(nn.ModuleList, layer)
            queries = queries + attention(x, queries)
            norm, inner, _, outer = cast(nn.ModuleList, feed_forward)
            queries = queries + outer(gelu(inner(norm(queries))))
        return self.norm_out(self.proj_out(queries))


def _perceiver_feed_forward(width: int, backend: Backend) -> nn.ModuleList:
    """Norm, linear, GELU (no weights, but it counts in the names), linear."""
    return nn.ModuleList(
        [
            backend.layer_norm(width),
            backend.linear(width, 4 * width, bias=False),
            nn.Identity(),
            backend.linear(4 * width, width, bias=False),
        ]
    )


class FlatProjection(nn.Module):
    """No weights: every row and layer of the window is one token (EchoMimic)."""

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows [F, K, layers, C] to tokens [F, K*layers, C]."""
        return windows.flatten(1, 2)


class ContextProjection(nn.Module):
    """One embedding of the portrait to a few image tokens (Hallo)."""

    def __init__(self, config: ContextConfig, *, backend: Backend) -> None:
        super().__init__()
        self.tokens = config.tokens
        self.proj = backend.linear(config.inputs, config.tokens * config.width)
        self.norm = backend.layer_norm(config.width)

    def forward(self, embedding: Tensor) -> Tensor:
        """Map embeddings [N, E] to tokens [N, T, D]."""
        return self.norm(self.proj(embedding).unflatten(1, (self.tokens, -1)))


def audio_projection(config: AudioConfig, *, backend: Backend) -> nn.Module:
    """The projection a family uses."""
    kinds = {"mlp": MlpProjection, "perceiver": PerceiverProjection}
    return (
        FlatProjection() if config.projection == "none" else kinds[config.projection](config, backend=backend)
    )
