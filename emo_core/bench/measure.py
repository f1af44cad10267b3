"""Seconds, operations and memory of a denoising step, beside what the machine can do in the same minute."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop

from .passes import Case, Clip

GIGA = 1e9


@dataclass(frozen=True)
class Figures:
    """One case, measured."""

    family: str
    size: int
    frames: int
    dtype: str
    device: str
    threads: int
    wall_seconds: float
    """Of one guided step, the median."""
    cpu_seconds: float
    """All threads together; the median."""
    tflop: float
    """Counted, attention with it."""
    gflops: float
    """Reached: tflop over wall seconds."""
    utilisation: float
    """gflops over the better of the peaks."""
    weights_gib: float
    activations_gib: float | None
    """Peak memory of the step above what was there before; None where the system does not tell."""
    peaks: dict[str, float] = field(default_factory=dict)
    """Billion operations a second of a matrix product and a convolution on this machine, just now."""
    plain_ratio: float | None = None
    """CPU seconds over those of the plain path, the median of pairs that took turns."""
    plain_spread: tuple[float, float] | None = None
    """Lowest and highest of those ratios."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def measure(case: Case, repeats: int, *, compare: bool = False) -> Figures:
    """Run a case `repeats` times after one to warm up; with `compare` in turn with the plain path."""
    clip = Clip(case)
    rows = clip.rows()
    peaks = machine_peaks(case.dtype, case.device)
    counter = FlopCounterMode(display=False, custom_mapping=_uncounted())
    with counter:
        clip.step(rows)
    memory = peak_memory(lambda: clip.step(rows), case.device)
    plain = clip.plain_rows(rows) if compare else None
    walls, cpus, ratios = [], [], []
    for _ in range(repeats):
        wall, cpu = timed(lambda: clip.step(rows), case.device)
        walls.append(wall)
        cpus.append(cpu)
        if plain is not None:
            ratios.append(cpu / timed(lambda: clip.step(plain), case.device)[1])
    wall, flops = statistics.median(walls), counter.get_total_flops()
    return Figures(
        family=case.family,
        size=case.size,
        frames=case.frames,
        dtype=str(case.dtype).removeprefix("torch."),
        device=case.device,
        threads=torch.get_num_threads(),
        wall_seconds=wall,
        cpu_seconds=statistics.median(cpus),
        tflop=flops / 1e12,
        gflops=flops / wall / GIGA,
        utilisation=flops / wall / GIGA / max(peaks.values()),
        weights_gib=clip.weights / 2**30,
        activations_gib=None if memory is None else memory / 2**30,
        peaks=peaks,
        plain_ratio=statistics.median(ratios) if ratios else None,
        plain_spread=(min(ratios), max(ratios)) if ratios else None,
    )


def timed(work: Callable[[], Tensor], device: str) -> tuple[float, float]:
    """Wall and CPU seconds of `work`, waiting for the device."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    if device != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu


def machine_peaks(dtype: torch.dtype, device: str) -> dict[str, float]:
    """Billion operations a second of a large matrix product and a 3x3 convolution."""
    left = torch.randn(1024, 1024, device=device, dtype=dtype)
    pictures = torch.randn(4, 320, 32, 32, device=device, dtype=dtype)
    kernel = torch.randn(320, 320, 3, 3, device=device, dtype=dtype)
    works = {
        "matrix product": (lambda: left @ left, 2 * 1024**3),
        "convolution": (
            lambda: torch.nn.functional.conv2d(pictures, kernel, padding=1),
            2 * 4 * 32 * 32 * 320 * 320 * 9,
        ),
    }
    with torch.inference_mode():
        return {
            name: flops / min(timed(work, device)[0] for _ in range(5)) / GIGA
            for name, (work, flops) in works.items()
        }


def peak_memory(work: Callable[[], Tensor], device: str) -> int | None:
    """Bytes that `work` needs at most above what is there before; None where the system does not tell."""
    if device != "cpu":
        torch.accelerator.reset_peak_memory_stats()
        before = torch.accelerator.memory_allocated()
        work()
        return torch.accelerator.max_memory_allocated() - before
    status = Path("/proc/self/status")
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak so far
    except OSError:
        return None
    before = status_bytes(status, "VmRSS")
    work()
    return max(0, status_bytes(status, "VmHWM") - before)


def status_bytes(file: Path, name: str) -> int:
    """A line of Linux's /proc/PID/status that is in kB, such as VmHWM, the peak of a process's memory, in bytes."""
    lines = dict(line.split(":", 1) for line in file.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


def _uncounted() -> dict[Any, Any]:
    """PyTorch's counter does not know the attention kernel of processors."""

    def flash(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return sdpa_flop(query, key, value)

    return {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: flash}
