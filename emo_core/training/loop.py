"""The training loop: one or several processes, averaged weights, checkpoints that resume exactly."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from .checkpoint import append_log, load_state, load_training, save_state, save_training

LOG = logging.getLogger(__name__)


class Task(Protocol):
    """Something to learn."""

    @property
    def model(self) -> nn.Module:
        """Its parameters with requires_grad are trained; all are saved."""
        ...

    def loss(self, generator: torch.Generator) -> Tensor:
        """Loss of one batch drawn with the generator."""
        ...


@dataclass(frozen=True)
class LoopPlan:
    """How long and how fast."""

    steps: int
    learning_rate: float
    warmup: int = 200
    cooldown: float = 0.2
    """Part of the steps at the end over which the learning rate falls to a twentieth."""
    weight_decay: float = 1e-2
    clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.999
    seed: int = 0
    save_seconds: float = 180.0
    mixed_precision: bool = False
    """Compute in bfloat16 where that is safe; weights stay float32."""

    def rate(self, step: int) -> float:
        """Factor of the learning rate at a step."""
        tail = max(1, int(self.steps * self.cooldown))
        left = min(1.0, (self.steps - step) / tail)
        return min(1.0, (step + 1) / self.warmup) * (0.05 + 0.95 * 0.5 * (1 - math.cos(math.pi * left)))


class Loop:
    """Runs a task in a folder: model.safetensors (averaged weights), last.safetensors, training.pt, log.jsonl."""

    def __init__(
        self,
        task: Task,
        plan: LoopPlan,
        folder: Path,
        on_save: Callable[[int, nn.Module], None] | None = None,
    ) -> None:
        from accelerate import Accelerator

        self.task, self.plan, self.folder, self.on_save = task, plan, folder, on_save
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available())
        task.model.to(self.accelerator.device)
        self.trained = [p for p in task.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.trained, plan.learning_rate, weight_decay=plan.weight_decay, betas=(0.9, 0.98), fused=True
        )
        self.average = {name: value.detach().clone() for name, value in task.model.state_dict().items()}
        self.step = 0
        self._resume()

    def run(self) -> None:
        """Train up to the plan's last step; a killed run goes on from its newest checkpoint with equal losses."""
        self.folder.mkdir(parents=True, exist_ok=True)
        saved, losses, begun = time.monotonic(), [], time.monotonic()
        while self.step < self.plan.steps:
            losses.append(self._train_step())
            self.step += 1
            if self.step % 50 == 0:
                self._log(losses, time.monotonic() - begun)
                losses, begun = [], time.monotonic()
            due = cast(Tensor, self.accelerator.reduce(torch.tensor(float(time.monotonic() - saved)), "mean"))
            if due.item() > self.plan.save_seconds or self.step == self.plan.steps:
                self.save()
                saved = time.monotonic()

    def _train_step(self) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * self.plan.rate(self.step)
        # the batch depends on seed, step and process alone, so that a resumed run draws the same
        rank = self.accelerator.process_index
        generator = torch.Generator().manual_seed((self.plan.seed * 1_000_003 + self.step) * 64 + rank)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan.mixed_precision):
            loss = self.task.loss(generator)
        loss.backward()
        self._share_gradients()
        nn.utils.clip_grad_norm_(self.trained, self.plan.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)
        self._average()
        return loss.item()

    def _share_gradients(self) -> None:
        """Average the gradients of all processes as one flat tensor, which is quicker than one message each."""
        if self.accelerator.num_processes == 1:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.trained]
        flat = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
        offset = 0
        for parameter in self.trained:
            count = parameter.numel()
            parameter.grad = flat[offset : offset + count].view_as(parameter)
            offset += count

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.plan.ema, (self.step + 1) / (self.step + 10))
        for name, value in self.task.model.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    def save(self) -> None:
        """Write a checkpoint (first process only)."""
        if not self.accelerator.is_main_process:
            return
        save_state(self.folder / "model.safetensors", self.average, {"step": str(self.step)})
        save_state(self.folder / "last.safetensors", self.task.model.state_dict())
        state: dict[str, Any] = {"step": self.step, "optimizer": self.optimizer.state_dict()}
        save_training(self.folder / "training.pt", state)
        if self.on_save is not None:
            self.on_save(self.step, self._averaged_model())

    def _averaged_model(self) -> nn.Module:
        import copy

        model = copy.deepcopy(self.task.model)
        model.load_state_dict(self.average)
        return model.eval()

    def _resume(self) -> None:
        if not (self.folder / "training.pt").is_file():
            return
        state = load_training(self.folder / "training.pt")
        self.task.model.load_state_dict(load_state(self.folder / "last.safetensors"))
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = load_state(self.folder / "model.safetensors")
        self.step = state["step"]
        LOG.info("resuming %s at step %d", self.folder, self.step)

    def _log(self, losses: list[float], seconds: float) -> None:
        if not self.accelerator.is_main_process:
            return
        row = {
            "step": self.step,
            "loss": sum(losses) / len(losses),
            "seconds_per_step": seconds / len(losses),
        }
        append_log(self.folder / "log.jsonl", row)
        LOG.info("%s step %d loss %.5f, %.3f s/step", self.folder.name, *row.values())
