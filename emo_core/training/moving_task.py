"""Training of the mover alone: the moved portrait must look like the frame, and marks must come from where they are.

Not in the paper, which has no mover. The marks (landmarks and boxes of rendered clips) are asked for in training only:
a picture's difference leads a flow over a cell or two at most, and a head that shall go elsewhere has further to go.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ..models.backbone import moved
from ..modules.conditions import PORTRAIT, Batch, Features
from .emo_task import READ_THROUGH, EmoTask, Portrait

MARKS = 0.2
"""Weight of a cell by which the marks are missed."""
BOX_POINTS = torch.cartesian_prod(torch.linspace(0.1, 0.9, 3), torch.linspace(0.1, 0.9, 3))
"""Places within a head's box, as shares of it, that are taken for the same places of the head."""


class MovingTask(EmoTask):
    """Move portraits to frames under the conditions of a stage; nothing is denoised."""

    def loss(self, generator: torch.Generator) -> Tensor:
        """Weighted squared error of moved portraits, how far marks are missed, and how differently the face reads."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = [self._row(rng, rng) for _ in range(self.stage.rows)]
        if rng.random() < self.stage.drop_speed:
            for row in rows:
                row.pop("speed", None)
        latents, weight, marks, sources = (
            torch.cat([row[name] for row in rows]) for name in ("latents", "weight", "marks", "sources")
        )
        portraits = torch.cat([row["reference"] for row in rows])
        flow = self.flow(rows)
        pictures = moved(portraits.repeat_interleave(self.stage.frames, 0), flow)
        loss = ((pictures - latents).square() * weight).mean()
        grid = marks * 2 / latents.shape[-1] - 1
        found = grid_sample(flow, grid[:, None], padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)
        missed = torch.where(sources.isnan(), 0.0, found - (sources - marks)).abs()
        loss = loss + MARKS * missed.mean()
        if self.reader is None:
            return loss
        pictures = pictures + READ_THROUGH * torch.randn(pictures.shape, generator=generator)
        places = torch.cat([row["places"] for row in rows])
        return loss + self.stage.expression_weight * self.reader.difference(pictures, latents, places)

    def flow(self, rows: list[dict[str, Tensor]]) -> Tensor:
        """What the mover makes of rows, [R*F, 2, h, w]."""
        encoders, mover = self.model.encoders, self.model.backbone.mover
        if mover is None:
            raise ValueError(f"stage {self.stage.name!r} trains a mover: set reference.mover in the model's config")
        features = [
            Features(
                reference={PORTRAIT: row["reference"]},
                audio=encoders.audio_projection(row["windows"]) if "windows" in row else None,
                face=encoders.face_locator(row["mask"]),
                speed=encoders.encode_speed(row["speed"]) if "speed" in row else None,
            )
            for row in rows
        ]
        portraits = torch.cat([row["reference"] for row in rows])
        return mover(portraits, Batch(features, rows[0]["latents"].shape[0]))

    def _further(self, clip: int, frames: np.ndarray, portrait: Portrait) -> dict[str, Tensor]:
        """Marks [F, 21, 2] of the frames and where they are in the portrait, in cells; NaN where nobody knows."""
        cells = self.zero_latents.shape[-1] / self.clips.size
        boxes = self.clips.get(clip, "boxes", frames)
        landmarks = self.clips.get(clip, "landmarks", frames)
        if portrait.name == "latents":
            index = np.array([portrait.index])
            box, shown = self.clips.get(clip, "boxes", index), self.clips.get(clip, "landmarks", index)
        else:
            box = self.clips.get(clip, "portrait_boxes", np.array([portrait.index]))
            shown = torch.full_like(landmarks[:1], torch.nan)
        marks = torch.cat([landmarks, _within(boxes)], dim=1)
        sources = torch.cat([shown, _within(box)], dim=1).expand_as(marks)
        return {"marks": marks * cells, "sources": sources * cells}


def _within(boxes: Tensor) -> Tensor:
    """`BOX_POINTS` of boxes [N, 4], [N, 9, 2]."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    return low + BOX_POINTS * (high - low)
