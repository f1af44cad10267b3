"""Training of the audio projection alone: its tokens must tell what the face does.

Not in the paper, whose networks draw well enough for it to come by itself. In a small one mouths are all that pays for
a long time, and tokens that learn from mouths keep next to nothing of brows and lids (docs/emo_tiny_history.md).
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from ..models.emo import Emo
from .emo_task import Sounds, windows_around
from .stages import Stage, freeze
from .telling import Telling

KEPT = 0.5
"""Weight of how far the tokens go from what they were beside what they tell: what was trained to hear them must know
them again."""


class ListeningTask:
    """Tell the tracks by fixed sums of the tokens' numbers (`Telling`), and change as little else as can be."""

    def __init__(self, model: Emo, clips: Sounds, stage: Stage) -> None:
        self.model, self.clips, self.stage = model, clips, stage
        self.before = deepcopy(model.encoders.audio_projection).requires_grad_(False)
        self.telling = Telling(model.config.audio)
        freeze(stage, model)

    def loss(self, generator: torch.Generator) -> Tensor:
        """Mean squared error of what is told, and of what else is in the tokens against what was before."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        picked = [self._frames(rng) for _ in range(self.stage.rows)]
        windows, tracks = (torch.cat(column) for column in zip(*picked, strict=True))
        tokens = self.model.encoders.audio_projection(windows)
        missed = (self.telling.told(tokens) - self.telling.wanted(tracks)).square().mean()
        return missed + KEPT * self.telling.beside(tokens - self.before(windows)).square().mean()

    def _frames(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Some frames of one clip: windows of audio states, tracks."""
        clip = int(rng.integers(len(self.clips)))
        frames = rng.integers(0, self.clips.frames(clip), self.stage.frames)
        windows = windows_around(self.clips, clip, frames, self.model.config.audio.window)
        return windows, self.clips.get(clip, "tracks", slice(None))[torch.from_numpy(frames)]
