"""Train a model; several processes with `torchrun --nproc_per_node 2 -m emo_core train ...`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model and where its files go."""
    parser.add_argument("--config", choices=("emo_tiny",), default="emo_tiny")
    parser.add_argument("--folder", type=Path, default=Path("runs/emo_tiny"), help="everything is kept here")
    parser.add_argument(
        "--until", default="export", help="last step to run: clips, vae, audio, latents, image ..."
    )


def run(args: argparse.Namespace) -> int:
    """Run the steps that are not done yet."""
    from accelerate import PartialState

    from ..training.recipe import STEPS, Recipe, train

    if args.until not in STEPS:
        raise ValueError(f"--until is {args.until!r}, want one of {', '.join(STEPS)}")
    state = PartialState(cpu=True)
    train(args.folder, Recipe(), rank=state.process_index, processes=state.num_processes, until=args.until)
    return 0
