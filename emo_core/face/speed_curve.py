"""Head speed over time from a few points written by a person."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor


def parse_curve(text: str) -> list[tuple[float, float]]:
    """Points (seconds, degrees per frame) of a text such as "0: 0.2, 2.5: 1.0", in order of time."""
    points = []
    for part in filter(None, (piece.strip() for piece in text.replace("\n", ",").split(","))):
        try:
            seconds, degrees = (float(number) for number in part.split(":"))
        except ValueError as error:
            raise ValueError(f"{part!r} is no point of a speed curve, want 'seconds: degrees'") from error
        if seconds < 0 or degrees < 0:
            raise ValueError(f"{part!r} is negative, want 0 or more seconds and degrees per frame")
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
