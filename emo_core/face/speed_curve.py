"""Head speed over time from a few points written by a person."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def parse_curve(text: str) -> list[tuple[float, float]]:
    """Points (seconds, degrees per frame) of a text such as "0: 0.2, 2.5: 1.0", in order of time."""
    points = []
    for part in filter(None, (piece.strip() for piece in text.replace("\n", ",").split(","))):
        try:
            seconds, degrees = (float(number) for number in part.split(":"))
        except ValueError as error:
            raise ValueError(f"{part!r} is no point of a speed curve, want 'seconds: degrees'") from error
        if not (0 <= seconds < math.inf and 0 <= degrees <= 180):
            raise ValueError(f"{part!r} is out of range, want 0 or more seconds and 0 to 180 degrees per frame")
        points.append((seconds, degrees))
    return sorted(points)


def speed_curve(text: str, frames: int, fps: float) -> Tensor:
    """Speeds [frames] in degrees per frame, straight lines between the points; the ends are held."""
    points = parse_curve(text)
    if not points:
        raise ValueError("the speed curve has no point: write one such as '0: 0.5'")
    times = (torch.arange(frames) + 0.5) / fps
    speeds = torch.full((frames,), points[0][1])
    for (begin, low), (end, high) in pairwise(points):
        share = ((times - begin) / max(end - begin, 1e-9)).clamp(0, 1)
        speeds = torch.where(times >= begin, low + share * (high - low), speeds)
    return speeds


def speeds_of(values: Any, frames: int) -> Tensor:
    """Speeds in degrees per frame of numbers in lists of any depth: [1] of a single one, else [frames].

    Another number of values than frames is spread evenly over the video.
    """
    numbers = torch.tensor(list(_numbers(values)), dtype=torch.float32)
    if not len(numbers):
        raise ValueError("the list of head speeds is empty: give one number per frame, or none at all")
    if not (torch.isfinite(numbers).all() and (numbers >= 0).all()):
        raise ValueError(
            f"{numbers.min():g} to {numbers.max():g} are no head speeds, want 0 or more degrees per frame"
        )
    if len(numbers) in (1, frames):
        return numbers
    return interpolate(numbers[None, None], frames, mode="linear", align_corners=True)[0, 0]


def _numbers(values: Any) -> Iterator[float]:
    if isinstance(values, Tensor):
        yield from values.flatten().tolist()
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _numbers(value)
    else:
        yield float(values)


def curve_text(speeds: Tensor, fps: float, step: float = 0.2) -> str:
    """Speeds [F] as text that `parse_curve` reads, a point every `step` seconds."""
    frames = torch.arange(0, len(speeds), max(1, round(step * fps))).tolist()
    return ", ".join(f"{(frame + 0.5) / fps:.2f}: {speeds[frame]:.2f}" for frame in frames)
