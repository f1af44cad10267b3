"""Training of the audio projection alone: its tokens must tell what the face does.

Not in the paper, whose networks draw well enough for it to come by itself. In a small one mouths are all that pays for
a long time, and tokens that learn from mouths keep next to nothing of brows and lids (docs/emo_tiny.md).
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor
from torch.nn.init import orthogonal_

from ..audio.features import neighbours
from ..models.emo import Emo
from .emo_task import Clips
from .expression_reader import WEIGHTS
from .stages import Stage, freeze
from .synthetic.types import TRACKS

KEPT = 4.0
"""Weight of how far the tokens go from what they were: what was trained to hear them must know them again."""
COLUMNS = [TRACKS.index(name) for name in WEIGHTS]


class ListeningTask:
    """Tell the tracks of `WEIGHTS` by fixed sums of the tokens' numbers, and change as little else as can be."""

    def __init__(self, model: Emo, clips: Clips, stage: Stage, seed: int = 0) -> None:
        self.model, self.clips, self.stage = model, clips, stage
        self.before = deepcopy(model.encoders.audio_projection).requires_grad_(False)
        freeze(stage, model)
        audio = model.config.audio
        self.reach = audio.window // 2
        self.sums = torch.empty(audio.tokens * audio.token_width, len(WEIGHTS))
        orthogonal_(self.sums, generator=torch.Generator().manual_seed(seed))
        tracks = torch.cat([self._tracks(clip) for clip in range(len(clips))])
        self.mean, self.deviation = tracks.mean(0), tracks.std(0).clamp(min=1e-6)

    def loss(self, generator: torch.Generator) -> Tensor:
        """Mean squared error of what is told, and of the tokens against those before."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        picked = [self._frames(rng) for _ in range(self.stage.rows)]
        windows, tracks = (torch.cat(column) for column in zip(*picked, strict=True))
        tokens = self.model.encoders.audio_projection(windows)
        missed = (self.told(tokens) - (tracks - self.mean) / self.deviation).square().mean()
        return missed + KEPT * (tokens - self.before(windows)).square().mean()

    def told(self, tokens: Tensor) -> Tensor:
        """Tracks [N, 8], each with mean 0 and variance 1, of tokens [N, T, D]."""
        return tokens.flatten(1) @ self.sums

    def _frames(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Some frames of one clip: windows of audio states, tracks."""
        clip = int(rng.integers(len(self.clips)))
        frames = rng.integers(0, self.clips.frames(clip), self.stage.frames)
        windows = neighbours(self.clips.get(clip, "states", slice(None)), self.reach, self.reach)[frames]
        return windows, self._tracks(clip)[torch.from_numpy(frames)]

    def _tracks(self, clip: int) -> Tensor:
        return self.clips.get(clip, "tracks", slice(None))[:, COLUMNS]
