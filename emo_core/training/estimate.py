"""Memory and time of a plan on paper: FLOPs counted and activations measured on tensors without data.

The networks run forward and backward on PyTorch's meta device at the plan's real size: every operation is there, no
number is computed. What is left to assume is how much of a GPU's peak training reaches, and that is said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ..backend import Backend
from ..config import EmoConfig
from ..models.emo import Emo
from ..modules.conditions import Features
from .footage_recipe import frames_of
from .plan_file import FootagePlan, StagePlan
from .sharing import BLOCKS, recompute_blocks
from .stages import Stage, freeze
from .start import start_config

GIB = 2**30
REACHED = 0.35
"""Part of the peak that training reaches: assumed, not measured."""


@dataclass(frozen=True)
class Machine:
    """GPUs of one kind."""

    name: str
    count: int
    memory: float
    """GiB each."""
    peak: float
    """Dense bfloat16, 1e12 operations per second each (data sheet)."""


MACHINES = (Machine("1 x 24 GB (RTX 4090)", 1, 24, 165), Machine("8 x 80 GB (A100)", 8, 80, 312))


@dataclass(frozen=True)
class Counted:
    """One batch of one process."""

    parameters: int
    trained: int
    flops: int
    """Forward and backward, with what is computed again."""
    kept: int
    """Bytes kept between forward and backward."""
    largest: int
    """Bytes that the largest block alone keeps: with recomputation they come on top while it is computed again."""


def count(config: EmoConfig, stage: Stage, size: int, *, recompute: bool) -> Counted:
    """Run one training step of a stage at `size` px on the meta device in bfloat16."""
    flops, kept, largest, model, trained = _measure(config, stage, size, recompute=False)
    if recompute:
        flops, kept, _, model, trained = _measure(config, stage, size, recompute=True)
    return Counted(
        sum(p.numel() for p in model.parameters()), trained, flops, kept, largest if recompute else 0
    )


def _measure(
    config: EmoConfig, stage: Stage, size: int, *, recompute: bool
) -> tuple[int, int, int, Emo, int]:
    backend = Backend(device="meta", dtype=torch.bfloat16, attention=_fused_attention)
    model = Emo(config, backend=backend)
    names = set(freeze(stage, model))
    trained = sum(p.numel() for name, p in model.named_parameters() if name in names)
    kept = _Kept(model)
    if recompute:
        recompute_blocks(model)
    counter = FlopCounterMode(display=False)
    with counter, kept.watch():
        _step(model, stage, size, kept).sum().backward()
    return counter.get_total_flops(), kept.bytes, kept.largest, model, trained


def _fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The kernel that GPUs run, which keeps no attention matrix; without a GPU PyTorch would choose another one."""
    flash = torch.ops.aten._scaled_dot_product_flash_attention
    return flash(q, k, v)[0].transpose(1, 2).flatten(2)


def _step(model: Emo, stage: Stage, size: int, kept: _Kept) -> Tensor:
    """The prediction for one batch: all conditions there, as in most steps."""
    config, rows, frames, side = model.config, stage.rows, stage.frames, size // model.config.vae.cell
    channels, motion = config.unet.latent_channels, config.temporal.motion_frames if stage.temporal else 0

    def empty(*shape: int) -> Tensor:
        return torch.empty(shape, device="meta", dtype=torch.bfloat16)

    context = model.encoders.encode_context(None)
    pictures = rows * (1 + motion)
    tokens = model.encoders.reference_net(
        empty(pictures, channels, side, side), None if context is None else context.expand(pictures, -1, -1)
    )
    for value in tokens.values():
        kept.add(value)
    audio, speed = config.audio, config.speed
    features = []
    for row in range(rows):
        start = rows + row * motion
        windows = empty(frames, audio.window, audio.layers, audio.width)
        features.append(
            Features(
                reference={k: v[row : row + 1] for k, v in tokens.items()},
                motion={k: v[start : start + motion] for k, v in tokens.items()} if motion else None,
                audio=model.encoders.encode_audio(windows) if stage.audio else None,
                context=context,
                face=model.encoders.face_locator(empty(1, config.face_locator.inputs, size, size)),
                speed=model.encoders.encode_speed(empty(frames)) if stage.speed and speed else None,
            )
        )
    latents = empty(rows * frames, channels, side, side)
    return model.backbone(latents, empty(rows), features, temporal=stage.temporal)


class _Kept:
    """Bytes of what autograd keeps, each storage once; parameters do not count."""

    def __init__(self, model: Emo) -> None:
        self.bytes = self.largest = 0
        self._seen = {p.untyped_storage()._cdata: p.untyped_storage() for p in model.parameters()}
        self._entered: list[int] = []
        for module in model.modules():
            if isinstance(module, BLOCKS):
                module.register_forward_pre_hook(lambda *_: self._entered.append(self.bytes))
                module.register_forward_hook(lambda *_: self._leave())

    def _leave(self) -> None:
        self.largest = max(self.largest, self.bytes - self._entered.pop())

    def add(self, tensor: Tensor) -> Tensor:
        """Count a tensor's storage; holding it keeps another from taking its place."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen[storage._cdata] = storage
            self.bytes += storage.nbytes()
        return tensor

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count what is kept inside."""
        with torch.autograd.graph.saved_tensors_hooks(self.add, lambda tensor: tensor):
            yield


def memory(counted: Counted, step: StagePlan, machine: Machine) -> float:
    """GiB per GPU: weights, gradients, optimiser, average, activations, and a tenth more for the allocator."""
    split = machine.count if step.loop.sharing == "fsdp" else 1
    adam = 2 if step.loop.optimizer == "adamw_8bit" else 8
    average = 0 if step.loop.average_on_cpu else 4
    # float32: all weights; gradient, optimiser and average of what is trained
    fixed = 4 * counted.parameters + counted.trained * (4 + adam + average)
    casts = (
        2 * counted.parameters if step.loop.mixed_precision else 0
    )  # autocast keeps bfloat16 copies of weights
    return 1.1 * ((fixed + casts) / split + counted.kept + counted.largest) / GIB


def seconds(counted: Counted, step: StagePlan, machine: Machine) -> float:
    """For one step of the loop, all its batches."""
    return counted.flops * step.loop.accumulate / (machine.peak * 1e12 * REACHED)


def estimate_table(plan: FootagePlan) -> str:
    """Markdown: one row per stage and machine."""
    config = start_config(plan.start, plan.model)
    rows = [["stage", "rows x frames", "parameters, 1e9 (trained)", "TFLOP per batch", "activations, GiB"]]
    rows[0] += [f"{machine.name}: GiB, s per step, days" for machine in MACHINES]
    rows.append(["---"] * len(rows[0]))
    for step in plan.stages:
        stage = dataclasses.replace(step.stage, frames=frames_of(step, config))
        found = count(config, stage, config.preset.size, recompute=plan.recompute)
        row = [stage.name, f"{stage.rows} x {stage.frames}"]
        row += [f"{found.parameters / 1e9:.2f} ({found.trained / 1e9:.2f})", f"{found.flops / 1e12:.1f}"]
        row += [f"{(found.kept + found.largest) / GIB:.1f}"]
        for machine in MACHINES:
            need, time = memory(found, step, machine), seconds(found, step, machine)
            fits = "" if need <= machine.memory else " (too much)"
            row.append(f"{need:.0f}{fits}, {time:.2f}, {time * step.loop.steps / 86400:.1f}")
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
