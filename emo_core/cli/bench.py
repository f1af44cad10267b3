"""Measure a denoising step on this machine, with random weights: seconds, operations, memory."""

from __future__ import annotations

import argparse
from pathlib import Path

HEAD = ("family", "px", "frames", "dtype", "s/step", "CPU s", "TFLOP", "GFLOP/s", "use", "GiB", "more GiB", "to plain")
DTYPES = ("float32", "bfloat16", "float16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured."""
    parser.add_argument(
        "--family",
        nargs="+",
        default=["emo-tiny"],
        help="emo-tiny, emo (the paper's size), or published names, such as hallo",
    )
    parser.add_argument("--size", nargs="+", type=int, help="px; default: the family's own")
    parser.add_argument("--frames", nargs="+", type=int, help="frames of a clip; default: the family's own")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=["float32"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--compare", choices=["naive"], help="in turn with a path that saves nothing")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--plot", type=Path, help="also draw them into this picture (needs matplotlib)")


def run(args: argparse.Namespace) -> int:
    """Measure every combination and print a table."""
    import itertools
    import json

    import torch

    from ..bench.measure import measure
    from ..bench.passes import Case

    found = []
    print("|", " | ".join(HEAD), "|")
    print("|", " | ".join("---" for _ in HEAD), "|")
    for family in args.family:
        config = config_of(family)
        sizes, frames = args.size or [config.preset.size], args.frames or [config.temporal.clip_frames]
        for size, count, dtype in itertools.product(sizes, frames, args.dtype):
            case = Case(family, config, size, count, getattr(torch, str(dtype)), args.device)
            made = measure(case, args.repeats, compare=args.compare == "naive")
            found.append(made)
            more = "?" if made.activations_gib is None else f"{made.activations_gib:.2f}"
            ratio = "" if made.plain_ratio is None or made.plain_spread is None else (
                f"{made.plain_ratio:.2f} ({made.plain_spread[0]:.2f}-{made.plain_spread[1]:.2f})"
            )
            cells = [
                family, size, count, dtype, f"{made.wall_seconds:.2f}", f"{made.cpu_seconds:.2f}", f"{made.tflop:.3f}",
                f"{made.gflops:.0f}", f"{made.utilisation:.0%}", f"{made.weights_gib:.2f}", more, ratio,
            ]  # fmt: skip
            print("|", " | ".join(map(str, cells)), "|", flush=True)
    if args.json:
        args.json.write_text(json.dumps([made.to_dict() for made in found], indent=1))
    if args.plot:
        from ..bench.plot import plot

        plot(found, args.plot)
    return 0


def config_of(name: str):
    """The configuration of the built-in model or of a published family."""
    from ..checkpoints.registry import FAMILIES, RELEASES
    from ..config import EmoConfig

    if name == "emo-tiny":
        from ..animate import BUILT_IN
        from ..checkpoints.load import open_checkpoint

        return open_checkpoint(BUILT_IN).config
    if name == "emo":  # nobody has published weights; these are random anyway
        return EmoConfig()
    for family in FAMILIES:
        if any(release.name == name for release in family.releases):
            return family.config
    names = ", ".join(["emo-tiny", "emo", *(release.name for release in RELEASES)])
    raise ValueError(f"family is {name!r}, want one of {names}")
