"""Training of what steers the mover: how a head turns to a sound at an asked speed.

Not in the paper, which has no mover. A head's speed is drawn whatever is said, so any sound goes with any speed, and
no picture is needed to know where the head would be: far more sounds and speeds than were ever rendered.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..models.emo import Emo
from ..modules.conditions import Batch, Features
from .emo_task import windows_around
from .poses import POSE, along
from .spoken_clips import SPEEDS, SpokenClips
from .stages import Stage, freeze
from .synthetic.clip_plan import FASTEST
from .synthetic.head_motion import LIMITS

SLOWEST = 0.15
"""Degrees per frame added to a speed before errors are divided by it: slow heads count as much as fast ones."""
PRODUCTS = 2.0
"""Degrees that count for 1 of the products of angles."""


class TurningTask:
    """Tell how far along the mover's ways each frame is, from sound and speed."""

    def __init__(self, model: Emo, sounds: SpokenClips, stage: Stage) -> None:
        mover = model.backbone.mover
        if mover is None:
            raise ValueError(f"stage {stage.name!r} steers a mover: set reference.mover in the model's config")
        self.model, self.mover, self.sounds, self.stage = model, mover, sounds, stage
        self.degrees = torch.tensor([*LIMITS, *LIMITS, *[PRODUCTS] * 6])
        self.trained = freeze(stage, model)

    def loss(self, generator: torch.Generator) -> Tensor:
        """Mean squared degrees by which heads miss, over the square of their speeds."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        features, wanted, speeds = zip(*(self._row(rng) for _ in range(self.stage.rows)), strict=True)
        missed = self.steered(list(features)) - torch.stack(wanted)
        scale = SLOWEST + torch.tensor(speeds)[:, None, None]
        return (missed * self.degrees / scale).square().mean()

    def steered(self, features: list[Features]) -> Tensor:
        """How far along each way the frames of rows are, [R, F, K]."""
        return self.mover.steered(self.mover.amounts.weight, Batch(features, self.stage.frames))

    def _row(self, rng: np.random.Generator) -> tuple[Features, Tensor, float]:
        """Some frames of a sound at one speed: what is known, where the head is [F, K], by which speed errors count."""
        clip, speed = int(rng.integers(len(self.sounds))), int(rng.integers(SPEEDS))
        speeds = self.sounds.speeds[clip]
        no_sound, no_speed = rng.random(2) < (self.stage.drop_audio, self.stage.drop_speed)
        if no_speed:  # whatever can be asked for: most sounds' heads are slow ones
            speed = int(np.abs(speeds - rng.uniform(0, FASTEST)).argmin())
        frames = rng.integers(0, self.sounds.frames(clip), self.stage.frames)
        asked = float(speeds[speed])
        heads = self.sounds.get(clip, "heads", frames)[:, speed]
        poses = torch.cat([heads, heads.new_zeros(len(heads), len(POSE) - 3)], dim=1)
        windows = windows_around(self.sounds, clip, frames, self.model.config.audio.window)
        # a row that is not told its speed must not count by it, or all that are not told would be slow
        told = FASTEST / 2 if no_speed else asked
        return self.features(None if no_sound else windows, None if no_speed else asked), along(poses), told

    def features(self, windows: Tensor | None, speed: float | None) -> Features:
        """What the mover is told: windows of audio states [F, K, layers, C], degrees per frame."""
        encoders = self.model.encoders
        projection = encoders.mover_projection
        asked = None if speed is None else encoders.encode_speed(torch.full((self.stage.frames,), speed))
        return Features(
            audio=None if windows is None or projection is None else projection(windows), speed=asked
        )
