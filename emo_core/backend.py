"""What the network is built from: layer classes, the attention kernel, dtype and device.

The host (ComfyUI) passes its own layers and attention here, so that its memory manager, casting and
interrupts reach every weight; everywhere else plain PyTorch is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
"""q, k, v [B, N, L, D] -> [B, L, N*D]."""


def sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """PyTorch's fused attention in the shape contract of `Attention`."""
    return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 helps on a kind of device: processors without instructions for it are far slower.

    Measured in GFLOP/s, float32 and bfloat16: with AVX2 only 68 and 0.4; with AVX-512 but not its bfloat16 part 131 and
    30, though oneDNN says there that it supports it.
    """
    if device != "cpu":
        return True
    has = getattr(torch.cpu, "get_capabilities", dict)()  # older versions do not tell: float32 is safe
    return any(has.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


NARROW = 32
"""Channels at the finest level up to which networks lie channels last in memory."""


def lay_out(network: nn.Module, channels: int) -> None:
    """Let the convolutions of a narrow network lie channels last.

    emo-tiny's UNet takes 0.85 of the time on a processor then (docs/performance.md). Not for a VAE, whose group norms
    lose digits on flat colours so.
    """
    if channels <= NARROW:
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  PyTorch's stubs lack it


@dataclass(frozen=True)
class Backend:
    """The layers, attention, dtype and device that modules are built with."""

    layers: Any = nn
    """A namespace with Linear, Conv1d, Conv2d, GroupNorm and LayerNorm, such as `torch.nn` or the host's ops."""
    attention: Attention = sdpa
    dtype: torch.dtype | None = None
    device: torch.device | str | None = None
    """`"meta"` builds names and shapes without memory."""

    def linear(self, inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
        """A linear layer."""
        return self.layers.Linear(inputs, outputs, bias=bias, dtype=self.dtype, device=self.device)

    def conv1d(self, inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Conv1d:
        """A 1-D convolution; options as in PyTorch."""
        return self.layers.Conv1d(inputs, outputs, kernel, dtype=self.dtype, device=self.device, **options)

    def conv2d(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> nn.Conv2d:
        """A 2-D convolution that keeps the size at stride 1."""
        return self.layers.Conv2d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, dtype=self.dtype, device=self.device
        )

    def group_norm(self, groups: int, channels: int, eps: float) -> nn.GroupNorm:
        """A group norm with weights."""
        return self.layers.GroupNorm(groups, channels, eps=eps, dtype=self.dtype, device=self.device)

    def layer_norm(self, channels: int) -> nn.LayerNorm:
        """A layer norm with weights."""
        return self.layers.LayerNorm(channels, eps=1e-5, dtype=self.dtype, device=self.device)
