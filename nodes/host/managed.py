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
from ...emo_core.checkpoints.load import fill
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
        """Build without memory and put `state` in; CheckpointError if a tensor is missing or does not fit."""
        self.precision = Precision.choose(state, weight_dtype)
        network = build(host_backend(self.precision, "meta"))
        fill(network, self.precision.convert(state), type(network).__name__)
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


def patcher(
    network: nn.Module, load_device: torch.device | None = None, offload_device: torch.device | None = None
) -> comfy.model_patcher.ModelPatcher:
    """The host's handle of `network`, on the devices of diffusion models if none are given."""
    # newer hosts have a class of their own for it
    kind = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return kind(
        network,
        load_device=load_device or mm.get_torch_device(),
        offload_device=offload_device or mm.unet_offload_device(),
    )


def to_host(tensor: Tensor) -> Tensor:
    """`tensor` where node outputs are kept, so that cached outputs hold no memory of the device."""
    return tensor.to(mm.intermediate_device(), torch.float32)
