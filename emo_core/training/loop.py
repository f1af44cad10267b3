"""The training loop: one or several processes, averaged weights, checkpoints that resume exactly."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from ..backend import fast_bfloat16
from ..optional import need
from .checkpoint import append_log, link_file, load_state, load_training, save_state, save_training
from .sharing import (
    Runner,
    average_gradients,
    load_optimizer_state,
    load_whole,
    named_parameters,
    optimizer_state,
    put_back_pieces,
    split_blocks,
    whole,
)

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
    average_on_cpu: bool = False
    """Keep the averaged weights in the computer's memory; not with fsdp."""
    seed: int = 0
    save_seconds: float = 180.0
    mixed_precision: bool = False
    """Compute in bfloat16 where that is safe and the device is fast at it; weights stay float32."""
    sharing: Literal["flat", "ddp", "fsdp"] = "flat"
    """How processes share the model: equal copies with one flat message per step, equal copies with messages
    during the backward pass, or pieces of it."""
    optimizer: Literal["adamw", "adamw_8bit"] = "adamw"
    accumulate: int = 1
    """Batches whose gradients are added up for one step."""
    log_every: int = 50
    validate_every: int = 0
    """Steps between calls of `validate`; 0 is never."""
    tensorboard: bool = False

    def rate(self, step: int) -> float:
        """Factor of the learning rate at a step."""
        tail = max(1, int(self.steps * self.cooldown))
        left = min(1.0, (self.steps - step) / tail)
        return min(1.0, (step + 1) / self.warmup) * (0.05 + 0.95 * 0.5 * (1 - math.cos(math.pi * left)))


class Loop:
    """Runs a task in a folder: model.safetensors (averaged weights), training.pt, log.jsonl.

    A checkpoint is two files named after its step and training.pt, which is written last: a run that is killed while
    it writes finds the checkpoint before whole.
    """

    def __init__(
        self,
        task: Task,
        plan: LoopPlan,
        folder: Path,
        on_save: Callable[[int, nn.Module], None] | None = None,
        validate: Callable[[int], None] | None = None,
    ) -> None:
        """on_save and validate are called while the model holds its averaged weights."""
        from accelerate import Accelerator, DistributedDataParallelKwargs

        self.task, self.plan, self.folder = task, plan, folder
        self.on_save, self.validate = on_save, validate
        # condition drops leave layers without gradient in some steps
        options = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available(), kwargs_handlers=[options])
        self.runner: nn.Module = Runner(task.model).to(self.accelerator.device)
        if plan.sharing == "fsdp":
            split_blocks(cast(Runner, self.runner), self.accelerator)
        self.trained = [p for p in task.model.parameters() if p.requires_grad]
        self.optimizer = _optimizer(self.trained, plan)
        self.average = self._first_average()
        self.step = 0
        self._resume()
        if plan.sharing == "ddp":
            self.runner = self.accelerator.prepare_model(self.runner)

    def run(self) -> None:
        """Train up to the plan's last step; a killed run goes on from its newest checkpoint with equal losses."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._board() as board:
            self._run(board)

    def _run(self, board: Any) -> None:
        saved, losses, begun = time.monotonic(), [], time.monotonic()
        while self.step < self.plan.steps:
            losses.append(self._train_step())
            self.step += 1
            if self.step % self.plan.log_every == 0 or self.step == self.plan.steps:
                self._log(losses, time.monotonic() - begun, board)
                losses, begun = [], time.monotonic()
            if self.validate and self.plan.validate_every and self.step % self.plan.validate_every == 0:
                self._validate()
            due = cast(Tensor, self.accelerator.reduce(self._seconds_since(saved), "mean"))
            if due.item() > self.plan.save_seconds or self.step == self.plan.steps:
                self.save()
                saved = time.monotonic()

    @contextmanager
    def _board(self) -> Iterator[Any]:
        """TensorBoard's writer, one for all of a run, or None."""
        if not (self.plan.tensorboard and self.accelerator.is_main_process and self.step < self.plan.steps):
            yield None
            return
        with need("torch.utils.tensorboard", "tensorboard").SummaryWriter(str(self.folder)) as writer:
            yield writer

    def _seconds_since(self, start: float) -> Tensor:
        return torch.tensor(time.monotonic() - start, dtype=torch.float32, device=self.accelerator.device)

    def _train_step(self) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * self.plan.rate(self.step)
        total = 0.0
        for part in range(self.plan.accumulate):
            loss = self._loss(self.step * self.plan.accumulate + part) / self.plan.accumulate
            loss.backward()
            total += loss.item()
        if self.plan.sharing == "flat":
            average_gradients(self.trained, self.accelerator)
        nn.utils.clip_grad_norm_(self.trained, self.plan.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)
        self._average()
        return total

    def _loss(self, batch: int) -> Tensor:
        # the batch depends on seed, number and process alone, so that a resumed run draws the same
        rank = self.accelerator.process_index
        generator = torch.Generator().manual_seed((self.plan.seed * 1_000_003 + batch) * 64 + rank)
        kind = self.accelerator.device.type
        mixed = self.plan.mixed_precision and fast_bfloat16(kind)
        with torch.autocast(kind, torch.bfloat16, enabled=mixed):
            return self.runner(lambda: self.task.loss(generator))

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.plan.ema, (self.step + 1) / (self.step + 10))
        for name, value in self._trained_by_name():
            average = self.average[name]
            average.lerp_(value.detach().to(average.device), 1 - decay)

    def _trained_by_name(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, value) for name, value in named_parameters(self.task.model) if value.requires_grad]

    def _first_average(self) -> dict[str, Tensor]:
        copies = self._copies()
        return {k: v.cpu() for k, v in copies.items()} if self.plan.average_on_cpu else copies

    def _copies(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._trained_by_name()}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model holds its averaged weights inside, and its own again behind."""
        own = self._copies()
        try:
            self._put(self.average)
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self._trained_by_name():
            parameter.copy_(values[name])

    def _validate(self) -> None:
        """In pieces, the model runs in all processes; else in the first alone."""
        split = self.plan.sharing == "fsdp"
        if split or self.accelerator.is_main_process:
            runner = self.runner if split else Runner(self.task.model)
            with self.averaged(), torch.no_grad():
                runner(lambda: cast(Callable[[int], None], self.validate)(self.step))
                if split:
                    put_back_pieces(runner)
        self.accelerator.wait_for_everyone()

    def save(self) -> None:
        """Write a checkpoint: the first process writes, all put together what is in pieces."""
        split = self.plan.sharing == "fsdp"
        state: dict[str, Any] = {"step": self.step}
        if split:
            state["named_optimizer"] = optimizer_state(self.runner, self.optimizer)
        else:
            state["optimizer"] = self.optimizer.state_dict()
        last = {name: whole(value) for name, value in self.task.model.state_dict().items()}
        average = last | {name: whole(value) for name, value in self.average.items()}
        if not self.accelerator.is_main_process:
            return
        save_state(self._part("average"), average, {"step": str(self.step)})
        save_state(self._part("last"), last)
        save_training(self.folder / "training.pt", state)
        self._publish()
        if self.on_save is not None and not split:
            with self.averaged():
                self.on_save(self.step, self.task.model)

    def _part(self, name: str) -> Path:
        return self.folder / f"{name}-{self.step:07d}.safetensors"

    def _publish(self) -> None:
        """The averaged weights of the checkpoint become model.safetensors; parts of other checkpoints go."""
        link_file(self._part("average"), self.folder / "model.safetensors")
        for name in ("average", "last"):
            for old in set(self.folder.glob(f"{name}-*.safetensors")) - {self._part(name)}:
                old.unlink()

    def _resume(self) -> None:
        if not (self.folder / "training.pt").is_file():
            return
        state = load_training(self.folder / "training.pt")
        wanted = "named_optimizer" if self.plan.sharing == "fsdp" else "optimizer"
        if wanted not in state:
            raise ValueError(
                f"{self.folder} was trained {'in' if wanted == 'optimizer' else 'without'} pieces (fsdp): "
                f"go on with the same sharing, not {self.plan.sharing!r}"
            )
        self.step = state["step"]
        load_whole(self.task.model, load_state(self._part("average")))
        self.average = self._first_average()
        load_whole(self.task.model, load_state(self._part("last")))
        if self.plan.sharing == "fsdp":
            load_optimizer_state(self.runner, self.optimizer, state[wanted])
        else:
            self.optimizer.load_state_dict(state[wanted])
            # as `zero_grad` leaves them: a layer that the next batch leaves out still moves with its momentum
            for parameter in self.optimizer.state:
                parameter.grad = torch.zeros_like(parameter)
        if self.accelerator.is_main_process:
            self._publish()  # the run may have been killed just before
        LOG.info("%s: %s step %d", self.folder, "done at" if self.step >= self.plan.steps else "goes on at", self.step)

    def _log(self, losses: list[float], seconds: float, board: Any) -> None:
        if not self.accelerator.is_main_process:
            return
        row = {
            "step": self.step,
            "steps": len(losses),
            "loss": sum(losses) / len(losses),
            "seconds_per_step": seconds / len(losses),
        }
        append_log(self.folder, row)
        left = timedelta(seconds=round(row["seconds_per_step"] * (self.plan.steps - self.step)))
        LOG.info(
            "%s: step %d of %d, loss %.5f, %.3f s/step, %s left",
            self.folder.name,
            self.step,
            self.plan.steps,
            row["loss"],
            row["seconds_per_step"],
            left,
        )
        if board is not None:
            board.add_scalar("loss", row["loss"], self.step)
            board.add_scalar("seconds per step", row["seconds_per_step"], self.step)
            board.add_scalar("rate", self.plan.learning_rate * self.plan.rate(self.step), self.step)
            board.flush()


def _optimizer(parameters: list[nn.Parameter], plan: LoopPlan) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"weight_decay": plan.weight_decay, "betas": (0.9, 0.98)}
    if plan.optimizer == "adamw":
        return torch.optim.AdamW(parameters, plan.learning_rate, fused=True, **options)
    if plan.sharing == "fsdp":
        raise ValueError("the 8-bit optimiser cannot keep its state in pieces: use sharing 'ddp' or 'adamw'")
    return need("bitsandbytes", "bitsandbytes").optim.AdamW8bit(parameters, plan.learning_rate, **options)
