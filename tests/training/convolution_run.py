"""Train a convolution whose numbers lie channels last, on the same batches in each process: a program for torchrun."""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from emo_core.training.loop import Loop, LoopPlan
from emo_core.training.sharing import started_processes


class Blur:
    """Learn to blur."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)

    def loss(self, generator: torch.Generator) -> Tensor:
        x = torch.randn(8, 4, 8, 8, generator=torch.Generator().manual_seed(generator.initial_seed() // 64))
        return (self.model(x) - x[:, :1, 1:-1, 1:-1]).square().mean()


def run(folder: Path) -> None:
    """Twenty steps."""
    with started_processes(cpu=True):
        Loop(Blur(), LoopPlan(20, 0.01, warmup=1, weight_decay=0.0, ema=0.9), folder).run()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
    for thread in Path("/proc/self/task").iterdir():  # a library that talks to other processes has threads of its own
        sys.stdout.write((thread / "comm").read_text())
