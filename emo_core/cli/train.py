"""Train a model; several processes with `torchrun --nproc_per_node 2 -m emo_core train ...`."""

from __future__ import annotations

import argparse
import dataclasses
from contextlib import nullcontext
from pathlib import Path

BUILT_IN = "emo_tiny"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model and where its files go."""
    parser.add_argument(
        "--config",
        default=BUILT_IN,
        help=f"{BUILT_IN}, or a .yaml or .json plan for footage (docs/training.md)",
    )
    parser.add_argument(
        "--folder", type=Path, help="everything is kept here; default runs/ and the plan's name"
    )
    parser.add_argument(
        "--until", default="export", help="emo_tiny: last step to run: clips, finder, vae, audio, latents, image ..."
    )
    parser.add_argument(
        "--only", help="emo_tiny: run this step alone, as decoder behind a file that --init-from laid out"
    )
    parser.add_argument(
        "--init-from", type=Path, help="emo_tiny: go on from a finished file (the built-in one)"
    )
    parser.add_argument("--clips", type=int, help="emo_tiny: how many clips are made; default 2048")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="emo_tiny: do this share of everything, as 0.2 for a fifth of clips, sounds and steps; default 1",
    )
    parser.add_argument(
        "--estimate", action="store_true", help="print memory and time of the plan's stages and do not train"
    )


def run(args: argparse.Namespace) -> int:
    """Run the steps that are not done yet."""
    folder = args.folder or Path("runs") / Path(args.config).stem
    return _built_in(args, folder) if args.config == BUILT_IN else _footage(args, folder)


def _built_in(args: argparse.Namespace, folder: Path) -> int:
    from ..training.checkpoint import alone_in
    from ..training.recipe import STEPS, Recipe, keep_share, start_from, train
    from ..training.sharing import started_processes

    for option, step in (("--until", args.until), ("--only", args.only)):
        if step is not None and step not in STEPS:
            raise ValueError(f"{option} is {step!r}, want one of {', '.join(STEPS)}")
    recipe = Recipe().shortened(args.share)
    if args.clips is not None:
        recipe = dataclasses.replace(recipe, clips=args.clips)
    with started_processes(cpu=True) as state, alone_in(folder) if state.is_main_process else nullcontext():
        if state.is_main_process:
            keep_share(folder, args.share)
            if args.init_from is not None:
                start_from(args.init_from, folder)
        state.wait_for_everyone()
        rank, processes = state.process_index, state.num_processes
        train(folder, recipe, rank=rank, processes=processes, until=args.until, only=args.only)
    return 0


def _footage(args: argparse.Namespace, folder: Path) -> int:
    from ..training.plan_file import read_plan

    plan = read_plan(Path(args.config))
    if args.estimate:
        from ..training.estimate import estimate_table

        print(estimate_table(plan))
        return 0
    import torch

    from ..training.checkpoint import alone_in
    from ..training.footage_recipe import train_on_footage
    from ..training.sharing import started_processes

    cpu = not torch.cuda.is_available()
    with started_processes(cpu) as state, alone_in(folder) if state.is_main_process else nullcontext():
        state.wait_for_everyone()
        path = train_on_footage(plan, folder, main=state.is_main_process)
        if state.is_main_process:
            print(path)
    return 0
