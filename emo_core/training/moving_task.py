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
from ..models.mover import Movement, Mover, placing_flow
from ..modules.conditions import PORTRAIT, Batch, Features
from ..modules.warp import sampled
from .emo_task import EmoTask, Portrait, near

MARKS = 4.0
"""Weight of how far the marks are missed, squared cells."""
AWAY = 0.3
"""The same for the marks of heads that shall go to a region."""
BOXES = 100.0
"""Weight of how far off the boxes are that it sees, squared sides of the picture."""
PLACED, ELSEWHERE, SHIFTED = 48, 0.5, 0.7
"""Portraits per step that shall go to a region, which part of them is not there, and which part is moved before: a few
hundred people in the places where they were rendered are soon learned by heart."""
ROOM = 0.12
"""Most room that a region leaves on each side of a head, as part of its box."""
SMOOTH = 3.0
"""Weight of how unevenly mouth and chin move, squared cells per cell."""
RIGID, LOWER = (0, 1, 2, 10, 11), (3, 4, 6, 7)
"""Landmarks that move with the head alone (eyes, nose, sides), and corners of the mouth, lower lip and chin."""
BOX_POINTS = torch.cartesian_prod(torch.linspace(0.1, 0.9, 3), torch.linspace(0.1, 0.9, 3))
"""Places within a head's box, as shares of it, that are taken for the same places of the head."""


class MovingTask(EmoTask):
    """Move portraits to frames under the conditions of a stage; nothing is denoised."""

    def loss(self, generator: torch.Generator) -> Tensor:
        """Weighted squared error of moved portraits, how far marks are missed, and how unevenly the mouth moves;
        then, of other portraits, how far a head is from its region."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = [self._row(rng, rng) for _ in range(self.stage.rows)]
        if rng.random() < self.stage.drop_speed:
            for row in rows:
                row.pop("speed", None)
        latents, weight, marks, sources, lower = (
            torch.cat([row[name] for row in rows]) for name in ("latents", "weight", "marks", "sources", "lower")
        )
        portraits = torch.cat([row["reference"] for row in rows])
        own = self.movement(rows).own
        pictures = moved(portraits.repeat_interleave(self.stage.frames, 0), own)
        loss = ((pictures - latents).square() * weight * (1 - lower)).mean()
        uneven = own.diff(dim=-1)[..., :-1, :].square() + own.diff(dim=-2)[..., :-1].square()
        loss = loss + MARKS * (flow_at(own, marks) - (sources - marks)).square().mean()
        return loss + SMOOTH * (uneven * lower[..., :-1, :-1]).mean() + self._placing(rng)

    def movement(self, rows: list[dict[str, Tensor]]) -> Movement:
        """What the mover makes of rows."""
        encoders, mover = self.model.encoders, self._mover()
        project = encoders.mover_projection
        features = [
            Features(
                reference={PORTRAIT: row["reference"]},
                audio=project(row["windows"]) if project and "windows" in row else None,
                face=encoders.face_locator(row["mask"]),
                speed=encoders.encode_speed(row["speed"]) if "speed" in row else None,
            )
            for row in rows
        ]
        portraits = torch.cat([row["reference"] for row in rows])
        return mover.movement(portraits, Batch(features, rows[0]["latents"].shape[0]))

    def _mover(self) -> Mover:
        if self.model.backbone.mover is None:
            raise ValueError(f"stage {self.stage.name!r} trains a mover: set reference.mover in the model's config")
        return self.model.backbone.mover

    def _placing(self, rng: np.random.Generator) -> Tensor:
        """How far heads are from where they shall be, and from where they are seen; `PLACED` portraits."""
        rows = [self._placed(rng) for _ in range(PLACED)]
        portraits, masks, boxes, known, sources = (torch.cat(column) for column in zip(*rows, strict=True))
        away, seen = self._mover().placer(portraits, self.model.encoders.face_locator(masks))
        cells = self.zero_latents.shape[-1]
        marks = _within(known) * cells
        missed = flow_at(away, marks) - (_within(sources) * cells - marks)
        return AWAY * missed.square().mean() + BOXES * (seen - boxes).square().mean()

    def _placed(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """A portrait [1, C, h, w], a region's mask [1, 3, H, W], what boxes are seen [1, 2, 4], and the boxes [1, 4] of
        a head where it shall be and where it is; all boxes as parts of the picture."""
        clip, size = int(rng.integers(len(self.clips))), self.clips.size
        if rng.random() < 0.5 and self.clips.has("portraits"):
            at = np.array([rng.integers(4)])
            picture, box = self.clips.get(clip, "portraits", at), self.clips.get(clip, "portrait_boxes", at) / size
        else:
            at = np.array([self._portrait(clip, rng).index])
            picture, box = self.clips.get(clip, "latents", at), self.clips.get(clip, "boxes", at) / size
        if rng.random() < SHIFTED:
            picture, box = _shifted(picture, box, rng)
        wanted = box
        if rng.random() < ELSEWHERE:
            other = int(rng.integers(len(self.clips)))
            wanted = self.clips.get(other, "boxes", slice(None)).mean(0, keepdim=True) / size
        sides = wanted[:, 2:] - wanted[:, :2]
        room = torch.from_numpy(rng.uniform(0, ROOM, 4).astype(np.float32)) * sides.repeat(1, 2)
        region = (wanted + room * room.new_tensor([-1, -1, 1, 1])).clamp(0, 1)
        mask = self._mask(region * size, rng)
        if bool(mask.all()):
            wanted, region = box, torch.tensor([[0.0, 0.0, 1.0, 1.0]])
        low, high = torch.stack([box, region], dim=1).chunk(2, dim=-1)
        return picture, mask, torch.cat([(low + high) / 2, high - low], dim=-1) - 0.5, wanted, box

    def _further(self, clip: int, frames: np.ndarray, portrait: Portrait) -> dict[str, Tensor]:
        """Marks [F, 5, 2] of the frames and where they are in the portrait, in cells, and where mouth and chin are."""
        cells, size = self.zero_latents.shape[-1] / self.clips.size, self.zero_latents.shape[-1]
        landmarks = self.clips.get(clip, "landmarks", frames) * cells
        shown = self.clips.get(clip, "landmarks", np.array([portrait.index])) * cells
        clear = torch.stack([1 - near(landmarks[:, mark], size) for mark in LOWER]).prod(0)
        return {
            "marks": landmarks[:, RIGID],
            "sources": shown[:, RIGID].expand(len(frames), -1, -1),
            "lower": 1 - clear[:, None],
        }


def flow_at(flow: Tensor, marks: Tensor) -> Tensor:
    """A flow [B, 2, h, w] at marks [B, N, 2] in cells, [B, N, 2]."""
    grid = marks * 2 / flow.shape[-1] - 1
    return grid_sample(flow, grid[:, None], padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)


def _shifted(picture: Tensor, box: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A picture [1, C, h, w] and a head's box in it [1, 4], sized and moved anew; the head stays in the picture."""
    middle, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) / 2
    scale = min(float(rng.uniform(0.75, 1.25)), 0.48 / float(half.max()))
    reach = (0.5 - scale * half).clamp(min=0)
    place = 0.5 + torch.from_numpy(rng.uniform(-1, 1, (1, 2)).astype(np.float32)) * reach
    stretch, shift = 1 / scale - 1, 2 * (middle - 0.5) - 2 * (place - 0.5) / scale
    flow = placing_flow(torch.cat([torch.full((1, 2), stretch), shift], dim=1), picture.shape[-2:])
    return sampled(picture, flow, "bicubic"), torch.cat([place - scale * half, place + scale * half], dim=1)


def _within(boxes: Tensor) -> Tensor:
    """`BOX_POINTS` of boxes [N, 4], [N, 9, 2]."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    return low + BOX_POINTS * (high - low)
