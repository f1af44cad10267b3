"""Training of the mover's ways alone: moved by a true pose, the portrait must look like the frame, and marks must come
from where they are.

Not in the paper, which has no mover. The marks (landmarks of rendered clips) are asked for in training only: a
picture's difference tells little of where things went.
Mouth and chin are not its business: lips that it stretches open would have to be painted over.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ..models.warp import moved
from ..modules.conditions import Batch, Features
from .emo_task import EmoTask, Portrait
from .nearness import NEAR, near

MARKS = 4.0
"""Weight of how far the marks are missed, squared cells."""
SMOOTH = 3.0
"""Weight of how unevenly mouth and chin move, squared cells per cell."""
RIGID, LOWER = (0, 1, 2, 10, 11), (3, 4, 6, 7)
"""Landmarks that move with the head alone (eyes, nose, sides), and corners of the mouth, lower lip and chin.

With the brows' among them eyes are dragged along (docs/emo_tiny_history.md)."""


class MovingTask(EmoTask):
    """Move portraits to frames under the conditions of a stage; nothing is denoised."""

    def loss(self, generator: torch.Generator) -> Tensor:
        """Weighted squared error of moved portraits, how far marks are missed, and how unevenly the mouth moves."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = [self._row(rng, rng) for _ in range(self.stage.rows)]
        latents, weight, marks, sources, lower = (
            torch.cat([row[name] for row in rows]) for name in ("latents", "weight", "marks", "sources", "lower")
        )
        portraits = torch.cat([row["reference"] for row in rows])
        flow = self.flow(rows)
        pictures = moved(portraits.repeat_interleave(self.stage.frames, 0), flow)
        loss = ((pictures - latents).square() * weight * (1 - lower)).mean()
        uneven = flow.diff(dim=-1)[..., :-1, :].square() + flow.diff(dim=-2)[..., :-1].square()
        loss = loss + MARKS * (flow_at(flow, marks) - (sources - marks)).square().mean()
        return loss + SMOOTH * (uneven * lower[..., :-1, :-1]).mean()

    def flow(self, rows: list[dict[str, Tensor]]) -> Tensor:
        """What the mover makes of rows whose poses are known, [R*F, 2, h, w]."""
        mover = self.model.backbone.mover
        if mover is None:
            raise ValueError(f"stage {self.stage.name!r} trains a mover: set reference.mover in the model's config")
        features = [Features(turns=row["turns"]) for row in rows]
        return mover(torch.cat([row["reference"] for row in rows]), Batch(features, len(rows[0]["turns"])))

    def _further(self, clip: int, frames: np.ndarray, portrait: Portrait) -> dict[str, Tensor]:
        """Marks [F, 5, 2] of the frames and where they are in the portrait, in cells, and where mouth and chin are."""
        cells, size = self.zero_latents.shape[-1] / self.clips.size, self.zero_latents.shape[-1]
        landmarks = self.clips.get(clip, "landmarks", frames) * cells
        shown = self.clips.get(clip, "landmarks", np.array([portrait.index])) * cells
        clear = torch.stack([1 - near(landmarks[:, mark], size, NEAR[0] * size) for mark in LOWER]).prod(0)
        return {
            "marks": landmarks[:, RIGID],
            "sources": shown[:, RIGID].expand(len(frames), -1, -1),
            "lower": 1 - clear[:, None],
        }


def flow_at(flow: Tensor, marks: Tensor) -> Tensor:
    """A flow [B, 2, h, w] at marks [B, N, 2] in cells, [B, N, 2]."""
    grid = marks * 2 / flow.shape[-1] - 1
    return grid_sample(flow, grid[:, None], padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)
