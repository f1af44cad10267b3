"""The host's layers and attention as a `Backend`, and the host's rules for dtypes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import comfy.model_management as mm
import comfy.ops
import comfy.utils
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor

from ...emo_core.backend import Attention, Backend, sdpa

SUPPORTED_DTYPES = [torch.float16, torch.bfloat16, torch.float32]
LARGE = 200_000_000
"""Weights from which on memory counts more than the time that casting takes."""
WEIGHT_DTYPES = {
    "default": None,
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


@dataclass(frozen=True)
class Precision:
    """How one network is stored and computed."""

    weights: torch.dtype
    cast: torch.dtype | None
    """What weights are cast to at use; None where they are used as they are stored."""

    @property
    def compute(self) -> torch.dtype:
        """The dtype of activations."""
        return self.cast or self.weights

    @staticmethod
    def choose(state: Mapping[str, Tensor], wanted: torch.dtype | None = None) -> Precision:
        """The host's choice for the weights in `state` on its device, or the user's `wanted`.

        Large networks that come in half precision stay so, and are cast as they are used: a copy in full precision
        would need twice the memory.
        """
        if wanted is None and sum(tensor.numel() for tensor in state.values()) > LARGE:
            stored = comfy.utils.weight_dtype(dict(state))
            wanted = stored if stored in (torch.float16, torch.bfloat16) else None
        weights = wanted or mm.unet_dtype(
            model_params=sum(tensor.numel() for tensor in state.values()),
            supported_dtypes=SUPPORTED_DTYPES,
            weight_dtype=comfy.utils.weight_dtype(dict(state)),
        )
        return Precision(weights, mm.unet_manual_cast(weights, mm.get_torch_device(), SUPPORTED_DTYPES))

    def convert(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights in the dtype they are stored in. 8 bits are for matrices and kernels alone, which are nearly
        all of it: norms, biases and tables of positions would lose what they say."""
        small = self.compute if self.weights.itemsize == 1 else self.weights
        return {
            name: tensor.to(self.weights if tensor.ndim in (2, 4) else small)
            for name, tensor in state.items()
        }


def host_backend(precision: Precision, device: torch.device | str | None) -> Backend:
    """A backend of the host's layers, so that partial loading, casting and interrupts reach every weight."""
    layers = comfy.ops.pick_operations(precision.weights, precision.cast, load_device=mm.get_torch_device())
    return Backend(layers=layers, attention=host_attention(), dtype=precision.weights, device=device)


def host_attention() -> Attention:
    """The attention the user chose for the host; on the CPU PyTorch's own, which is the fastest there."""
    return sdpa if mm.cpu_mode() else _optimized_attention


def _optimized_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    # skip_output_reshape is left alone: above 32,768 rows the host ignores it
    return optimized_attention(q, k, v, heads=q.shape[1], skip_reshape=True)
