"""Fixed sums of the audio tokens' numbers that tell what a face does, and tokens that are made to tell it.

Not in the paper. What is heard of a face is never the whole truth, and what is drawn from it is a mean of all that may
be. With tokens that tell the truth, faces can be shown for training that no sound goes with (`synthetic.posed`).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.init import orthogonal_

from ..config import AudioConfig
from .synthetic.types import TRACKS

TOLD = {"open": (0.25, 0.23), "width": (0.1, 0.32), "round": (0.13, 0.25), "blink": (0.05, 0.2), "brow": (0.0, 0.4)}
"""The tracks that are told, and their mean and deviation in rendered clips."""
COLUMNS = [TRACKS.index(name) for name in TOLD]


LOUD = 3.0
"""How far a track's deviation moves the tokens, whose numbers are about 1: quieter ones attention is slow to hear."""


class Telling:
    """What tokens [N, T, D] tell: the tracks of `TOLD`, [N, 5], each with mean 0 and variance about 1.

    Each is told in one direction, the same in every token: attention looks at all of them through the same layer.
    """

    def __init__(self, config: AudioConfig, seed: int = 0) -> None:
        self.directions = torch.empty(config.token_width, len(TOLD))
        """[D, 5], a column for each track."""
        orthogonal_(self.directions, generator=torch.Generator().manual_seed(seed))
        self.sums = self.directions.repeat(config.tokens, 1) / config.tokens**0.5
        self.mean, self.deviation = torch.tensor(list(TOLD.values())).unbind(1)

    def told(self, tokens: Tensor) -> Tensor:
        """What tokens say, as `wanted`."""
        return tokens.flatten(1) @ self.sums.to(tokens) / LOUD

    def wanted(self, tracks: Tensor) -> Tensor:
        """What they should say of faces whose tracks are [N, 14], columns `TRACKS`."""
        return (tracks[:, COLUMNS] - self.mean.to(tracks)) / self.deviation.to(tracks)

    def telling(self, tokens: Tensor, tracks: Tensor) -> Tensor:
        """The tokens with the smallest change that makes them tell the tracks."""
        missed = self.wanted(tracks) - self.told(tokens)
        return tokens + LOUD * (missed @ self.sums.to(tokens).T).view_as(tokens)

    def beside(self, tokens: Tensor) -> Tensor:
        """What is in tokens beside that: they less their parts along the sums."""
        sums = self.sums.to(tokens)
        return tokens - (tokens.flatten(1) @ sums @ sums.T).view_as(tokens)
