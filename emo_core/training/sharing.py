"""How several processes share one model: equal copies that average their gradients, or pieces of it (FSDP)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from ..models.reference_net import ReferenceNet
from ..modules.resnet import ResnetBlock
from ..modules.temporal import MotionModule
from ..modules.transformer import SpatialTransformer

if TYPE_CHECKING:
    from accelerate import Accelerator, PartialState

T = TypeVar("T")
_RECOMPUTED = "_checkpoint_wrapped_module."
BLOCKS = (ResnetBlock, SpatialTransformer, MotionModule)
"""What is kept in pieces, and what is computed again in the backward pass, as one."""
PATIENCE = timedelta(hours=12)
"""How long processes wait for another: the first renders clips or trains a small network while the others wait."""


@contextmanager
def started_processes(cpu: bool) -> Iterator[PartialState]:
    """The processes torchrun started (or this one alone), which leave together and end their group.

    The threads of a group that is left open can abort the interpreter as it exits; torchrun then stops the other
    processes, one of which may be writing the last checkpoint.
    """
    from accelerate import PartialState

    # its defaults hold the group that there is as it is imported, for good: the first step of an optimiser imports it
    import_module("torch.distributed.nn.functional")
    state = PartialState(cpu=cpu, timeout=PATIENCE)
    yield state
    state.wait_for_everyone()
    state.destroy_process_group()


class Runner(nn.Module):
    """A model whose forward pass is any work with it: what wraps it (DDP, FSDP) sees every use of the weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[[], T]) -> T:
        """Do the work."""
        return work()


def recompute_blocks(model: nn.Module) -> None:
    """Gradient checkpointing: keep only what enters each block, and compute the block again when its turn comes.

    Names of parameters stay as they are.
    """
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import (
        apply_activation_checkpointing,
        checkpoint_wrapper,
    )

    apply_activation_checkpointing(
        model, checkpoint_wrapper_fn=checkpoint_wrapper, check_fn=lambda module: isinstance(module, BLOCKS)
    )


def named_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Parameters under the names they have in the state dict, also where blocks are computed again."""
    return [(name.replace(_RECOMPUTED, ""), value) for name, value in model.named_parameters()]


def split_blocks(runner: Runner, accelerator: Accelerator) -> None:
    """FSDP: each process keeps a piece of every block, and whole blocks only while they run.

    ReferenceNet is one block: it hands over its tokens in its middle, where FSDP does not look.
    """
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import CheckpointWrapper
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    if accelerator.num_processes == 1:
        raise ValueError(
            "sharing is 'fsdp' but there is one process: start several with torchrun, or use 'ddp'"
        )
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for name, module in list(runner.named_modules()):
        recomputed = f"{name}.".endswith(_RECOMPUTED)  # its wrapper is split instead
        if isinstance(module, ReferenceNet):
            fully_shard(module, mesh=mesh)
        elif ".reference_net." in name:
            continue
        elif isinstance(module, CheckpointWrapper) or (isinstance(module, BLOCKS) and not recomputed):
            fully_shard(module, mesh=mesh)
    fully_shard(runner, mesh=mesh)


def put_back_pieces(runner: nn.Module) -> None:
    """Let go of whole weights that a forward pass without backward pass has left."""
    from torch.distributed.fsdp import FSDPModule

    for module in runner.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole(tensor: Tensor) -> Tensor:
    """A tensor that processes keep in pieces, put together; every process must ask at once."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor  # type: ignore[attr-defined]


def average_gradients(parameters: list[nn.Parameter], accelerator: Accelerator) -> None:
    """Average the gradients of all processes as one flat tensor, which is quicker than one message each."""
    if accelerator.num_processes == 1:
        return
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
    offset = 0
    for parameter in parameters:
        count = parameter.numel()
        mean = flat[offset : offset + count].view_as(parameter)  # type: ignore[index]
        # fused optimisers pair numbers by their place in memory: the gradient must lie as the parameter does
        parameter.grad = torch.empty_like(parameter).copy_(mean)
        offset += count


def optimizer_state(runner: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimiser whose tensors are in pieces, whole and by parameter name."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return get_optimizer_state_dict(runner, optimizer, options=options)


def load_optimizer_state(runner: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Inverse of `optimizer_state`; every process has read the whole state."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True)
    set_optimizer_state_dict(runner, optimizer, state, options=options)


def load_whole(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put whole tensors into a model that may be in pieces."""
    if not any(hasattr(value, "full_tensor") for value in model.parameters()):
        model.load_state_dict(tensors)
        return
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

    values: dict[str, Any] = dict(tensors)
    set_model_state_dict(model, values, options=StateDictOptions(full_state_dict=True, strict=True))
