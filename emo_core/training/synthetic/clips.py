"""Training clips on disk: identities that perform, rendered into shards by a few processes.

    python -m emo_core.training.synthetic.clips OUT --clips 20000 --seed 1 --split train --workers 2

A shard is a folder of up to 32 clips of F frames, written beside its place and renamed when complete. What is
there already is kept, so the same command goes on after an interruption or makes more clips. Clip i depends
on the plan's seed, split and i only, not on the number of clips or workers.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import numpy as np

from .clip_plan import FORMAT, IDENTITY_SEEDS, SAMPLE_RATE, ClipInfo, ClipPlan, ClipsError, read_meta
from .types import TRACKS, FaceState, Performance, Portrait

LOG = logging.getLogger(__name__)


class Stage:
    """What one process needs to make clips: both worlds of portraits, each started when first needed."""

    def __init__(self) -> None:
        self._heads: Callable[[int], Portrait] | None = None

    def portrait(self, clip: ClipInfo) -> Portrait:
        """The identity of a clip."""
        if clip.kind == "drawn":
            from .drawn import drawn_portrait

            return drawn_portrait(clip.identity, as_cartoon=clip.cartoon)
        if self._heads is None:
            from .heads import HeadWorld

            self._heads = HeadWorld().portrait
        return self._heads(clip.identity)

    def perform(self, clip: ClipInfo, plan: ClipPlan) -> Performance:
        """What the clip's identity does, made in a child process of its own.

        espeak-ng carries its oscillators and its noise from one text to the next, so a sound would depend on
        the clips before it, while a fork that has not spoken yet always says the same.
        Raises ClipsError if there is none.
        """
        if plan.posed:
            from .posed import pose

            return pose(clip.performance, plan.frames, plan.fps)
        import pyworld  # noqa: F401  slow to import: here, not in the child of every sung clip

        from . import behaviour

        def speak() -> None:
            ctypes.CDLL(None).srand(1)  # the C library's generator makes the noise
            seconds = plan.frames / plan.fps
            performance = behaviour.perform(
                clip.performance, seconds, plan.fps, plan.split, clip.singing, speed=clip.speed
            )
            sender.send(performance)

        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=speak)
        child.start()
        sender.close()
        try:
            performance = receiver.recv()
        except EOFError:
            raise ClipsError(f"no performance for {clip}; the error is printed above") from None
        finally:
            receiver.close()
            child.join()
        return performance


def shard_name(index: int) -> str:
    """Folder of shard `index`."""
    return f"shard-{index:05d}"


def write_shard(out: Path, index: int, clips: int, plan: ClipPlan, stage: Stage) -> None:
    """Render the first `clips` clips of a shard into its folder below `out`, replacing a shorter one."""
    final, partial = out / shard_name(index), out / f".{shard_name(index)}.{os.getpid()}"
    partial.mkdir()
    try:
        arrays = {
            name: np.lib.format.open_memmap(partial / f"{name}.npy", "w+", dtype, shape)
            for name, (shape, dtype) in plan.arrays(clips).items()
        }
        infos = [plan.clip(index * plan.shard_clips + row) for row in range(clips)]
        for row, info in enumerate(infos):
            _render_clip({name: array[row] for name, array in arrays.items()}, info, plan, stage)
        for array in arrays.values():
            array.flush()
        meta = {
            "format": FORMAT,
            "plan": asdict(plan),
            "tracks": TRACKS,
            "sample_rate": SAMPLE_RATE,
            "clips": [asdict(info) for info in infos],
            "versions": _versions(),
        }
        (partial / "meta.json").write_text(json.dumps(meta, indent=1))
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _render_clip(rows: dict[str, np.ndarray], info: ClipInfo, plan: ClipPlan, stage: Stage) -> None:
    """Fill one clip's row of every array."""
    performance, portrait = stage.perform(info, plan), stage.portrait(info)
    if performance.sample_rate != SAMPLE_RATE or len(performance.tracks) != plan.frames:
        got = f"{len(performance.tracks)} frames at {performance.sample_rate} Hz"
        raise ClipsError(f"performance {info.performance} has {got}, not {plan.frames} at {SAMPLE_RATE} Hz")
    if not np.isfinite(performance.tracks).all():
        raise ClipsError(
            f"performance {info.performance} is not finite; clips of {plan.frames} frames are too short"
        )
    rows["tracks"][:] = performance.tracks
    rows["speed"][:] = performance.speed
    sound = performance.waveform[: plan.samples]
    rows["wave"][: len(sound)] = np.rint(sound.clip(-1, 1) * 32767)
    for frame in range(plan.frames):
        rows["frames"][frame], truth = portrait.render(performance.state(frame), plan.size)
        rows["landmarks"][frame], rows["boxes"][frame] = truth.landmarks, truth.box
    rng = np.random.default_rng((info.identity, info.performance))
    for index in range(plan.portraits):
        rows["portraits"][index], truth = portrait.render(_portrait_state(rng), plan.size)
        rows["portrait_boxes"][index] = truth.box
    if info.recoloured:
        from .posed import recoloured

        for name in ("frames", "portraits"):
            rows[name][:] = recoloured(rows[name], info.identity)


def _portrait_state(rng: np.random.Generator) -> FaceState:
    """A face as people hand in portraits: anywhere in the picture, mostly quiet, eyes open."""
    talks = rng.random() < 0.3
    return FaceState(
        open=float(talks * rng.uniform(0, 0.6)),
        width=float(talks * rng.uniform(-0.5, 0.5)),
        smile=float(rng.uniform(-0.2, 0.6)),
        brow=float(rng.uniform(-0.2, 0.2)),
        yaw=float(rng.normal(0, 9)),
        pitch=float(rng.normal(0, 5)),
        roll=float(rng.normal(0, 4)),
        shift_x=float(rng.uniform(-0.12, 0.12)),
        shift_y=float(rng.uniform(-0.08, 0.08)),
        scale=float(rng.uniform(0.85, 1.2)),
    )


def _versions() -> dict[str, str]:
    """Versions of the packages that shape the pictures and sounds."""
    names = ("numpy", "scipy", "opencv-python-headless", "opencv-python", "numba", "anny")
    return {name: metadata.version(name) for name in names if _installed(name)}


def _installed(name: str) -> bool:
    return next(iter(metadata.distributions(name=name)), None) is not None


def make_clips(out: Path, clips: int, plan: ClipPlan, workers: int = 1) -> None:
    """Make what is missing of the first `clips` clips of a plan below `out`; one call at a time per folder.

    Raises ClipsError if `out` holds clips of another plan, or if a worker fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    for left_over in out.glob(".shard-*"):  # by a run that was killed
        shutil.rmtree(left_over)
    missing = list(_missing(out, clips, plan))
    LOG.info("%d clips: %d shards to make below %s", clips, len(missing), out)
    if workers <= 1:
        _work(out, missing, plan)
        return
    context = multiprocessing.get_context("fork")  # nothing is started yet that a fork could break
    processes = [context.Process(target=_work, args=(out, missing[i::workers], plan)) for i in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    failed = [process.exitcode for process in processes if process.exitcode]
    if failed:
        raise ClipsError(
            f"{len(failed)} of {workers} workers failed ({failed}); see the log, then run it again"
        )


def _missing(out: Path, clips: int, plan: ClipPlan) -> Iterator[tuple[int, int]]:
    """Shards to make, as (index, number of clips)."""
    for index in range(-(-clips // plan.shard_clips)):
        wanted = min(plan.shard_clips, clips - index * plan.shard_clips)
        meta = out / shard_name(index) / "meta.json"
        if not meta.is_file():
            yield index, wanted
            continue
        found = read_meta(meta)
        if ClipPlan(**found["plan"]) != plan:
            raise ClipsError(f"{meta} was made with {found['plan']}, not {asdict(plan)}; use another folder")
        if len(found["clips"]) < wanted:
            yield index, wanted


def _work(out: Path, shards: list[tuple[int, int]], plan: ClipPlan) -> None:
    """Make shards one after the other on one thread."""
    import cv2

    cv2.setNumThreads(1)
    stage = Stage()
    for index, clips in shards:
        write_shard(out, index, clips, plan, stage)
        LOG.info("%s: %d clips", shard_name(index), clips)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="clips", description="Render training clips into shards.")
    default = ClipPlan()
    parser.add_argument("out", type=Path, help="folder for the shards")
    parser.add_argument("--clips", type=int, required=True, help="how many clips the folder shall hold")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--split", choices=tuple(IDENTITY_SEEDS), default=default.split)
    names = {
        "seed": int,
        "size": int,
        "frames": int,
        "fps": float,
        "drawn_share": float,
        "singing_share": float,
        "portraits": int,
    }
    for name, kind in names.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=getattr(default, name))
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = ClipPlan(split=options.split, **{name: getattr(options, name) for name in names})
    make_clips(options.out, options.clips, plan, options.workers)


if __name__ == "__main__":
    main()
