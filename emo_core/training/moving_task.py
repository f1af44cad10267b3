"""Training of the mover alone: the moved portrait must look like the frame, and marks must come from where they are.

Not in the paper, which has no mover. The marks (landmarks and boxes of rendered clips) are asked for in training only:
a picture's difference leads a flow over a cell or two at most, and a head that shall go elsewhere has further to go.
Mouth and chin are not its business: lips that it stretches open would have to be painted over.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ..models.backbone import moved
from ..models.mover import Movement
from ..modules.conditions import PORTRAIT, Batch, Features
from .emo_task import NOT_IN_PLACE, EmoTask, Portrait, near

MARKS = 4.0
"""Weight of how far the marks are missed, squared cells."""
BOXES = 100.0
"""Weight of how far off its boxes of head and region are, squared sides of the picture."""
SMOOTH = 3.0
"""Weight of how unevenly mouth and chin move, squared cells per cell."""
RIGID, LOWER = (0, 1, 2, 10, 11), (3, 4, 6, 7)
"""Landmarks that move with the head alone (eyes, nose, sides), and corners of the mouth, lower lip and chin."""
BOX_POINTS = torch.cartesian_prod(torch.linspace(0.1, 0.9, 3), torch.linspace(0.1, 0.9, 3))
"""Places within a head's box, as shares of it, that are taken for the same places of the head."""


class MovingTask(EmoTask):
    """Move portraits to frames under the conditions of a stage; nothing is denoised."""

    def loss(self, generator: torch.Generator) -> Tensor:
        """Weighted squared error of moved portraits, how far marks are missed, and how unevenly the mouth moves."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = [self._row(rng, rng) for _ in range(self.stage.rows)]
        if rng.random() < self.stage.drop_speed:
            for row in rows:
                row.pop("speed", None)
        latents, weight, marks, sources, lower, boxes = (
            torch.cat([row[name] for row in rows])
            for name in ("latents", "weight", "marks", "sources", "lower", "boxes")
        )
        portraits = torch.cat([row["reference"] for row in rows])
        movement = self.movement(rows)
        flow, own = movement.flow, movement.own
        pictures = moved(portraits.repeat_interleave(self.stage.frames, 0), flow)
        loss = ((pictures - latents).square() * weight * (1 - lower)).mean()
        grid = marks * 2 / latents.shape[-1] - 1
        found = grid_sample(flow, grid[:, None], padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)
        missed = torch.where(sources.isnan(), 0.0, found - (sources - marks)).square()
        missed = missed * torch.cat([row["in_place"] for row in rows])[:, None, None]
        uneven = own.diff(dim=-1)[..., :-1, :].square() + own.diff(dim=-2)[..., :-1].square()
        loss = loss + MARKS * missed.mean() + SMOOTH * (uneven * lower[..., :-1, :-1]).mean()
        return loss + BOXES * (movement.boxes - boxes).square().mean()

    def movement(self, rows: list[dict[str, Tensor]]) -> Movement:
        """What the mover makes of rows."""
        encoders, mover = self.model.encoders, self.model.backbone.mover
        if mover is None or encoders.mover_projection is None:
            raise ValueError(f"stage {self.stage.name!r} trains a mover: set reference.mover in the model's config")
        features = [
            Features(
                reference={PORTRAIT: row["reference"]},
                audio=encoders.mover_projection(row["windows"]) if "windows" in row else None,
                face=encoders.face_locator(row["mask"]),
                speed=encoders.encode_speed(row["speed"]) if "speed" in row else None,
            )
            for row in rows
        ]
        portraits = torch.cat([row["reference"] for row in rows])
        return mover.movement(portraits, Batch(features, rows[0]["latents"].shape[0]))

    def _row(self, rng: np.random.Generator, drops: np.random.Generator) -> dict[str, Tensor]:
        row = super()._row(rng, drops)
        seen = row["mask"][0, 0] > 0
        rows, columns = (torch.nonzero(seen.any(axis))[:, 0] for axis in (1, 0))
        region = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])[None].float()
        boxes = torch.stack([row.pop("portrait_box"), region], dim=1) / self.clips.size  # [1, 2, 4]
        low, high = boxes.chunk(2, dim=-1)
        return row | {"boxes": torch.cat([(low + high) / 2, high - low], dim=-1) - 0.5}

    def _further(self, clip: int, frames: np.ndarray, portrait: Portrait) -> dict[str, Tensor]:
        """Marks [F, N, 2] of the frames and where they are in the portrait, in cells, and where mouth and chin are.

        A portrait elsewhere has a box alone, whose points count as its marks.
        """
        cells, size = self.zero_latents.shape[-1] / self.clips.size, self.zero_latents.shape[-1]
        landmarks = self.clips.get(clip, "landmarks", frames) * cells
        marks, boxed = landmarks[:, RIGID], _within(self.clips.get(clip, "boxes", frames)) * cells
        unknown = torch.full_like(boxed, torch.nan)
        at, in_place = np.array([portrait.index]), portrait.name == "latents"
        box = self.clips.get(clip, "boxes" if in_place else "portrait_boxes", at)
        if in_place:
            shown = self.clips.get(clip, "landmarks", at)[:, RIGID] * cells
            sources = torch.cat([shown.expand_as(marks), unknown], dim=1)
        else:
            sources = torch.cat([unknown[:, : len(RIGID)], (_within(box) * cells).expand_as(boxed)], dim=1)
        clear = torch.stack([1 - near(landmarks[:, mark], size) for mark in LOWER]).prod(0)
        return {
            "marks": torch.cat([marks, boxed], dim=1),
            "sources": sources,
            "lower": 1 - clear[:, None],
            "portrait_box": box,
            "in_place": torch.full((len(frames),), 1.0 if in_place else NOT_IN_PLACE),
        }


def _within(boxes: Tensor) -> Tensor:
    """`BOX_POINTS` of boxes [N, 4], [N, 9, 2]."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    return low + BOX_POINTS * (high - low)
