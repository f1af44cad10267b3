"""What a folder of training clips contains: the plan, the seeds of every clip and the arrays of a shard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .types import TRACKS

FORMAT = 3
"""Version of the shards, and of the audio encoder's sounds: of their layout and of the world they show. Faces that
answer to their sound in another way are another truth, which must not be measured or learned in the same folder."""
IDENTITY_SEEDS = {
    "train": (0, 1_500_000_000),
    "validation": (1_500_000_000, 1_750_000_000),
    "test": (1_750_000_000, 2_000_000_000),
}
"""First and last but one identity seed of each split: no identity occurs in two of them."""
FASTEST = 2.4
"""Degrees per frame."""
SAMPLE_RATE = 16000
"""Of the stored sound, Hz."""


class ClipsError(RuntimeError):
    """Clips cannot be made or read as asked."""


def read_meta(path: Path) -> dict[str, Any]:
    """What a shard's meta.json says; raises ClipsError if it is of another `FORMAT`."""
    meta = json.loads(path.read_text())
    if meta["format"] != FORMAT:
        raise ClipsError(f"{path} has format {meta['format']}, not {FORMAT}; use another folder, or delete this one")
    return meta


@dataclass(frozen=True)
class ClipPlan:
    """What a folder of clips contains, apart from how many."""

    seed: int = 0
    split: str = "train"
    size: int = 128
    """Side of a frame, px."""
    frames: int = 48
    fps: float = 25.0
    drawn_share: float = 0.3
    """Part of the clips that show drawn portraits; the others show rendered heads."""
    singing_share: float = 0.15
    shard_clips: int = 32
    portraits: int = 4
    """Further pictures of each clip's identity, in other places and poses: portraits to start from."""
    even_speeds: float = 0.0
    """Part of the clips whose head speed is drawn evenly from all that can be asked for, up to `FASTEST`; in the
    others most heads move as people's do."""
    posed: bool = False
    """Faces posed at random on still heads instead of performances (`posed`)."""
    recoloured: float = 0.0
    """Part of the clips whose pictures are given other colours (`posed.recoloured`)."""
    cartoons: float = 0.0
    """Part of the drawn clips that are drawn as plain cartoons (`drawn_identity.plain`)."""

    def __post_init__(self) -> None:
        if self.split not in IDENTITY_SEEDS:
            raise ClipsError(f"split is {self.split!r}; use one of {', '.join(IDENTITY_SEEDS)}")
        if min(self.size, self.frames, self.shard_clips) < 1 or self.fps <= 0:
            raise ClipsError(f"size, frames, clips per shard and fps must be positive: {self}")

    @property
    def samples(self) -> int:
        """Sound samples of one clip."""
        return round(self.frames / self.fps * SAMPLE_RATE)

    def arrays(self, clips: int) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of each array of a shard."""
        head = (clips, self.frames)
        return {
            "frames": ((*head, self.size, self.size, 3), "uint8"),
            "tracks": ((*head, len(TRACKS)), "float32"),
            "landmarks": ((*head, 12, 2), "float32"),
            "boxes": ((*head, 4), "float32"),
            "speed": (head, "float32"),
            "wave": ((clips, self.samples), "int16"),
            "portraits": ((clips, self.portraits, self.size, self.size, 3), "uint8"),
            "portrait_boxes": ((clips, self.portraits, 4), "float32"),
        }

    def clip(self, index: int) -> ClipInfo:
        """Who does what in clip `index`."""
        rng = np.random.default_rng((self.seed, tuple(IDENTITY_SEEDS).index(self.split), index))
        kind = "drawn" if rng.random() < self.drawn_share else "rendered"
        identity = int(rng.integers(*IDENTITY_SEEDS[self.split]))
        performance = int(rng.integers(2**31))
        singing = bool(rng.random() < self.singing_share)
        speed = float(rng.uniform(0, FASTEST)) if rng.random() < self.even_speeds else None
        recoloured = self.recoloured > 0 and bool(rng.random() < self.recoloured)
        cartoon = self.cartoons > 0 and kind == "drawn" and bool(rng.random() < self.cartoons)
        return ClipInfo(index, kind, identity, performance, singing, speed, recoloured, cartoon)


@dataclass(frozen=True)
class ClipInfo:
    """One clip's seeds."""

    index: int
    kind: str
    """drawn or rendered."""
    identity: int
    """Seed of the portrait; the same seed is another person in the other kind."""
    performance: int
    """Seed of the performance."""
    singing: bool
    speed: float | None = None
    """Asked of the head, degrees per frame; None: as people's."""
    recoloured: bool = False
    cartoon: bool = False
