"""Networks that run before sampling, in the host's memory manager."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

import comfy.model_management as mm
import comfy.model_patcher
import torch
from torch import Tensor, nn

from ...emo_core.backend import Backend
from .layers import Precision, host_backend

Network = TypeVar("Network", bound=nn.Module)


class Managed(Generic[Network]):
    """A network that ComfyUI brings to its device when it is used, in part if memory is short."""

    def __init__(
        self,
        build: Callable[[Backend], Network],
        state: Mapping[str, Tensor],
        weight_dtype: torch.dtype | None = None,
    ) -> None:
        """Build without memory and put `state` in; RuntimeError if a key is missing, unknown or misshapen."""
        self.precision = Precision.choose(state, weight_dtype)
        network = build(host_backend(self.precision, "meta")).eval().requires_grad_(False)
        network.load_state_dict(self.precision.convert(state), assign=True)
        self.network = network
        self.patcher = patcher(network)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.patcher.load_device

    def prepare(self, tensor: Tensor) -> Tensor:
        """`tensor` where and in the dtype in which the network wants it."""
        return tensor.to(self.device, self.precision.compute)

    @contextmanager
    def on_device(self, memory: int) -> Iterator[Network]:
        """The network, loaded, with room for `memory` bytes of activations beside it."""
        mm.load_models_gpu([self.patcher], memory_required=memory)
        with torch.inference_mode():
            yield self.network


def patcher(network: nn.Module) -> comfy.model_patcher.ModelPatcher:
    """The host's handle of `network`; newer hosts have a class of their own for it."""
    kind = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return kind(network, load_device=mm.get_torch_device(), offload_device=mm.unet_offload_device())


def to_host(tensor: Tensor) -> Tensor:
    """`tensor` where node outputs are kept, so that cached outputs hold no memory of the device."""
    return tensor.to(mm.intermediate_device(), torch.float32)
