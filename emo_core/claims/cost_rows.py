"""What the model costs: picture quality of its VAE, time, memory and size."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from ..animate import Animator, Wish
from ..bench.measure import status_bytes
from ..evaluation.instrument import BUILT_IN as INSTRUMENT
from ..evaluation.metrics import psnr
from ..media.video import Sound
from ..training.synthetic.clip_shards import ClipShards
from .clip_rows import row_of
from .row import Bar, Row

SECONDS = 4.0
MEMORY_GB = 1.5


def vae_psnr(animator: Animator, clips: ClipShards, count: int) -> Row:
    """Held-out frames through encoder and decoder, two of each clip."""
    values = []
    for clip in range(count):
        frames = np.array(clips.frames(clip)[[7, -7]])
        x = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.inference_mode():
            y = animator.vae.decode(animator.vae.encode(x)).clamp(-1, 1)
        again = ((y + 1) * 127.5).permute(0, 2, 3, 1).numpy()
        values += [psnr(a, b) for a, b in zip(frames, again, strict=True)]
    return row_of("PSNR of the VAE, dB, mean", values, Bar(32), "mean")


def seconds_for_4s(model: Path, repeats: int = 3) -> Row:
    """Wall time of four seconds of video on two threads, the model loaded and warm, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_time, args=(model, repeats, there))
    child.start()
    there.close()
    try:
        walls, cpu, memory = here.recv()
    except EOFError:
        raise ValueError(f"timing {model} failed; its error is printed above") from None
    finally:
        child.join()
    details = {
        "repeats": repeats,
        "cpu_seconds": cpu,
        "process_gb": memory,
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "must": {f"whole process <= {MEMORY_GB:g} GB": memory is not None and memory <= MEMORY_GB},
    }
    claim = "wall seconds for 4 s of video, 2 threads, CPU, warm; low and high are the extremes"
    return Row(claim, float(np.median(walls)), min(walls), max(walls), Bar(most=10), details)


def _time(model: Path, repeats: int, answer: Connection) -> None:
    """In the child: one run to get warm, then the timed ones."""
    torch.set_num_threads(2)
    animator = Animator.open(model)
    size, rng = animator.config.preset.size, torch.Generator().manual_seed(0)
    portrait = torch.rand(size, size, 3, generator=rng)
    sound = Sound(0.1 * torch.randn(1, round(SECONDS * 16000), generator=rng), 16000)
    walls, cpu = [], 0.0
    for index in range(repeats + 1):
        wall, used = time.perf_counter(), time.process_time()
        for _ in animator.animate(portrait, sound, Wish()):
            pass
        if index:
            walls.append(time.perf_counter() - wall)
            cpu += (time.process_time() - used) / repeats
    answer.send((walls, cpu, _peak_memory()))
    answer.close()


def _peak_memory() -> float | None:
    """GB that this process has used at most; None where the system does not say.

    Linux counts in ru_maxrss what the process was before it was another program: a copy of its parent.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return status_bytes(status, "VmHWM") / 1e9
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def size_mb(model: Path) -> Row:
    """Files of the built-in model: the checkpoint, and the instrument beside it."""
    sizes = {path.name: path.stat().st_size / 1e6 for path in (model, INSTRUMENT) if path.is_file()}
    total = sum(sizes.values())
    return Row("MB of the model's files", total, total, total, Bar(most=40), {"files": sizes})
