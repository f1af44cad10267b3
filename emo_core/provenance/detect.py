"""Looks for the invisible mark, and says how sure it is.

Evidence of all frames is added up, then the phases of its waves are compared with the key's. Without a mark the
key has nothing to do with the picture, whatever the picture is: the score is a sum of cosines of independent,
uniform angles, so P(score > z) <= exp(-z² / 2) (the moments of such a cosine stay below those of a Gaussian of
its variance). A cropped video is tried at many places; the bound counts every place that might be tried
(Bonferroni). It holds for every video that was not made with the key in mind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .watermark import CHUNK, GRID, KEY, QUIET, SHORTEST, Waves, blurred, brightness, turns

FALSE_POSITIVES = 1e-6
"""An unmarked video is called marked at most this often."""
SMALLEST = 100  # of GRID: a crop keeps at least 78 % of the height and of the width
STEP = 2  # of GRID, between the sizes that are tried first
BITS = 32
DETAIL, LEVEL = 5.0, 2.0  # grid pixels: what counts as detail, and over what its level is taken
LOUDEST = 3.0  # levels: a single edge may not outweigh the rest
FRAMES_USED = 250


@dataclass(frozen=True)
class Finding:
    """What was found in the frames."""

    score: float
    """Standard deviations above chance of the best match."""
    chance: float
    """Upper bound of the probability that an unmarked video gives such a match anywhere it is looked for."""
    bits: float
    """Share of the mark's 32 groups of waves that agree with the key; 0.5 is chance."""
    kept: tuple[float, float]
    """Share of the marked frame's height and width that the video still shows."""

    @property
    def marked(self) -> bool:
        """Whether the mark is there."""
        return self.chance <= FALSE_POSITIVES


class Evidence:
    """What the frames of one video hold, added up; memory does not grow with length."""

    def __init__(self) -> None:
        self.total = torch.zeros(1, 1, GRID, GRID)
        """Detail of the frames, each evened out."""
        self._frames = 0

    def add(self, pictures: Tensor) -> None:
        """Take pictures [F, H, W, 3] in 0..1 into account."""
        if pictures.ndim != 4 or pictures.shape[-1] != 3:
            raise ValueError(
                f"pictures have shape {tuple(pictures.shape)}, want [frames, height, width, 3]: RGB"
            )
        for part in pictures.split(CHUNK):
            small = brightness(part.cpu())
            detail = small - blurred(small, DETAIL)
            level = blurred(detail.square(), LEVEL).clamp(min=0).sqrt()
            self.total += (detail / (level + QUIET / 2)).clamp(-LOUDEST, LOUDEST).sum(0, keepdim=True)
        self._frames += len(pictures)

    def finding(self, key: bytes = KEY) -> Finding:
        """The best match with `key`: of the whole frame, else of a crop of it."""
        if not self._frames:
            raise ValueError("there are no frames to look at: give a video or pictures")
        bands = [Waves.of(shortest, key) for shortest in SHORTEST]
        whole = best(_match(self.total, waves, GRID, GRID, tests=2 * len(bands)) for waves in bands)
        return whole if whole.marked else best([whole, *(self._crop(waves) for waves in bands)])

    def _crop(self, waves: Waves) -> Finding:
        """The best match of a crop: first with every other size, then with those around the best."""
        sizes = range(SMALLEST, GRID + 1)
        places = sum(GRID - size + 1 for size in sizes) ** 2
        tests = 2 * len(SHORTEST) * places
        coarse = {
            (high, wide): _match(self.total, waves, high, wide, tests)
            for high in sizes[::STEP]
            for wide in sizes[::STEP]
        }
        high, wide = max(coarse, key=lambda size: coarse[size].score)
        near = ((high + dy, wide + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
        fine = (_match(self.total, waves, *size, tests) for size in near if max(size) <= GRID)
        return best([coarse[high, wide], *fine])


def best(findings: Iterator[Finding] | list[Finding]) -> Finding:
    """The one that chance explains worst."""
    return min(findings, key=lambda found: (found.chance, -found.score))


def _match(evidence: Tensor, waves: Waves, high: int, wide: int, tests: int) -> Finding:
    """The best place of the key if the video shows `high` x `wide` of GRID x GRID of the marked frame.

    tests: how many places are tried in all.
    """
    seen = torch.zeros(GRID, GRID)
    seen[:high, :wide] = interpolate(evidence, (high, wide), mode="bilinear", antialias=True)[0, 0]
    agreement = waves.agreement(seen)
    table = torch.zeros(GRID, GRID, dtype=torch.complex64)
    table[waves.down.long() % GRID, waves.across.long()] = agreement.to(torch.complex64)
    everywhere = torch.fft.fft2(table).real[: GRID - high + 1, : GRID - wide + 1]
    top, left = divmod(int(everywhere.argmax()), GRID - wide + 1)
    moved = 2 * math.pi * (waves.down * top + waves.across * left) / GRID
    cosines = (agreement * turns(-moved)).real
    score = float(cosines.sum()) / math.sqrt(len(cosines) / 2)
    right = sum(bool(cosines[group::BITS].sum() > 0) for group in range(BITS))
    chance = min(1.0, tests * math.exp(-0.5 * max(score, 0.0) ** 2))
    return Finding(score, chance, right / BITS, (high / GRID, wide / GRID))


def look_at(path: Path) -> Finding:
    """The finding of a video or picture file, from up to 250 frames spread over it."""
    evidence = Evidence()
    for pictures in _spread(path):
        evidence.add(pictures)
    return evidence.finding()


def _spread(path: Path) -> Iterator[Tensor]:
    """Single frames [1, H, W, 3] in 0..1, evenly over the file."""
    with av.open(path) as container:
        if not container.streams.video:
            raise ValueError(f"{path} holds no pictures: give a video or picture file")
        stride = math.ceil(container.streams.video[0].frames / FRAMES_USED) or 1
        for index, frame in enumerate(container.decode(video=0)):
            if index % stride == 0:
                pixels = np.ascontiguousarray(frame.to_ndarray(format="rgb24"))
                yield torch.from_numpy(pixels)[None].float() / 255
