"""The guided prediction of one sampling, as the host-free samplers ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..diffusion.long_video import Window
from ..diffusion.shortcuts import Shortcuts
from ..modules.conditions import Features
from ..modules.deep import DeepFeatures
from .backbone import Backbone

EXACT = Shortcuts()


@dataclass(frozen=True)
class Guided:
    """Rows of guidance as a weighted sum. Make a new one for every clip: it keeps what deep layers made."""

    backbone: Backbone
    weighted: Sequence[tuple[float, Features]]
    """Weight of a row and what it sees, the row with the most conditions first."""
    timesteps: Sequence[int]
    """Of all steps in order."""
    shortcuts: Shortcuts = EXACT
    _deep: DeepFeatures = field(default_factory=DeepFeatures)

    def __call__(self, x: Tensor, timestep: int, window: Window) -> Tensor:
        """Prediction for latents x [F, C, h, w], whose frames have the numbers `window` in the rows' features."""
        step = self.timesteps.index(timestep)
        guided = self.shortcuts.guided(step, len(self.timesteps))
        weighted = self.weighted if guided else [(1.0, self.weighted[0][1])]
        frames = range(window[0], window[-1] + 1)
        shown = frames if window == tuple(frames) else window
        deep = None
        if self.shortcuts.deep_every > 1:
            deep = self._deep.at(range(len(weighted)), window, fresh=self.shortcuts.deep(step))
        batch = x.expand(len(weighted), *x.shape).flatten(0, 1)
        times = x.new_full((len(weighted),), timestep)
        prediction = self.backbone(batch, times, [row.at(shown) for _, row in weighted], deep=deep)
        parts = prediction.chunk(len(weighted))
        return torch.stack([weight * part for (weight, _), part in zip(weighted, parts, strict=True)]).sum(0)
