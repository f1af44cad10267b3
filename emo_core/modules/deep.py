"""Deep layers that rest at some steps: what they made before is used again (DeepCache, arXiv:2312.00858)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

OUTER = 2
"""Layers on the way up, and as many on the way down, that run at every step. The paper's fastest setting is 1."""


@dataclass
class DeepFeatures:
    """What the deep layers of a backbone made last, for each frame of each row. One object belongs to one sampling."""

    device: torch.device | None = None
    """Where they wait; None is where they are made. A video made as a whole has as many as it has frames."""
    kept: dict[Hashable, Tensor] = field(default_factory=dict)
    """(row, frame) -> [C, H, W], which goes into the outer layers on the way up."""

    def at(self, rows: Sequence[Hashable], frames: Sequence[Hashable], *, fresh: bool) -> DeepPass:
        """For one pass over rows and frames of these names; `fresh` runs the deep layers."""
        return DeepPass(self, [(row, frame) for row in rows for frame in frames], fresh)


@dataclass(frozen=True)
class DeepPass:
    """The deep features of one pass of the backbone."""

    features: DeepFeatures
    names: list[Hashable]
    """Of the frames x [R*F, ...] in order."""
    fresh: bool

    def reused(self, device: torch.device) -> Tensor | None:
        """What was kept of all frames, [R*F, C, H, W] on `device`; None if the deep layers must run."""
        if self.fresh or not all(name in self.features.kept for name in self.names):
            return None
        return torch.stack([self.features.kept[name] for name in self.names]).to(device)

    def keep(self, x: Tensor) -> None:
        """Remember x [R*F, C, H, W] for later steps."""
        copied = x.to(self.features.device or x.device, copy=True)  # someone's hook may write into x later
        self.features.kept.update(zip(self.names, copied, strict=True))
