"""Cut videos into training clips: one steady face, its pose and speed, its sound, in WebDataset shards."""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where from, where to, what is wanted, and who does it."""
    from ..training.footage.settings import Settings

    parser.add_argument("videos", help="a folder, a video, or an address that fsspec knows")
    parser.add_argument("out", help="folder or address for the shards; what is there already is kept")
    parser.add_argument("--vae", type=Path, help="also keep latents of this VAE (or checkpoint of ours)")
    parser.add_argument("--audio-encoder", type=Path, help="also keep the states of this audio encoder")
    parser.add_argument("--device", default="cpu", help="of both networks")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes, one core each")
    parser.add_argument("--ray-address", help="a Ray cluster; default: Ray on this machine")
    parser.add_argument("--gpus", type=float, default=0.0, help="GPUs per worker, such as 0.25")
    parser.add_argument("--detector", help="module:class of another face detector")
    wishes = parser.add_argument_group("what is a clip")
    for field in dataclasses.fields(Settings):
        name = f"--{field.name.replace('_', '-')}"
        wishes.add_argument(name, type=type(field.default), default=field.default, help="%(default)s")


def run(args: argparse.Namespace) -> int:
    """Prepare and print what became of the footage; 1 if parts failed."""
    from tqdm import tqdm

    from ..training.footage.extras import ExtraFiles
    from ..training.footage.parts import DETECTOR, Job
    from ..training.footage.prepare import Engine, Progress, prepare
    from ..training.footage.settings import Settings

    settings = Settings(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Settings)})
    extras = ExtraFiles(args.vae, args.audio_encoder, args.device)
    job = Job(_absolute(args.videos), _absolute(args.out), settings, extras, args.detector or DETECTOR)
    with tqdm(unit="B", unit_scale=True, disable=None) as bar:
        counts = [0, 0]

        def start(size: int) -> Progress:
            bar.reset(size)
            return step

        def step(size: int, accepted: int, rejected: int) -> None:
            counts[0] += accepted
            counts[1] += rejected
            bar.set_postfix(clips=counts[0], rejected=counts[1], refresh=False)
            bar.update(size)

        report = prepare(job, Engine(args.workers, args.ray_address, args.gpus), start)
    print(
        f"{report.accepted} clips, {report.seconds / 60:.1f} minutes, in {report.parts} parts below {args.out}"
    )
    for reason, count in report.reasons.items():
        print(f"{count:7d} rejected: {reason}")
    if report.failed:
        print(f"{report.failed} parts failed; run the same command again")
    return 1 if report.failed else 0


def _absolute(place: str) -> str:
    """Workers have working folders of their own."""
    return place if "://" in place else str(Path(place).resolve())
