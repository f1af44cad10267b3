"""Training of the evaluation's instrument on views of the training clips, and the table of its own errors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from ..evaluation.instrument import BUILT_IN, MEASURES, SPREAD, Instrument
from ..evaluation.metrics import box_iou, pearson, smooth
from ..models.vae import AutoencoderKL
from .checkpoint import load_state, save_state
from .instrument_pictures import COLUMNS, Views, disturb, move, through_vae
from .loop import Loop, LoopPlan
from .synthetic.clip_shards import ClipShards
from .synthetic.head_motion import rotation_speed

STEADY = 1.5
"""Sigma in frames that angles are smoothed with before their speed is taken."""
PLAN = LoopPlan(
    2500, 2e-3, warmup=50, cooldown=0.6, weight_decay=1e-3, clip=5.0, ema=0.99, mixed_precision=True
)
"""Half an hour of one core; a longer plan in the same folder goes on from there."""


class InstrumentTask:
    """Landmarks, box, measures and identity of a batch of views."""

    def __init__(self, views: Views, clips: ClipShards, identities: int = 20) -> None:
        self.model, self.views, self.clips, self.identities = Instrument(), views, clips, identities

    def loss(self, generator: torch.Generator) -> Tensor:
        """Two frames and one portrait of each identity: one frame is as rendered, the others went through the VAE."""
        pictures, portraits, landmarks, boxes, tracks = self._batch(generator)
        count = len(pictures)
        pictures, landmarks, boxes, tracks = move(pictures, landmarks, boxes, tracks, generator)
        seen = disturb(torch.cat([pictures, portraits]), generator)
        points, box, pose = self.model.locator(seen)
        jitter = 0.006 * torch.randn(points.shape, generator=generator)
        place, frame = (
            points.detach() + jitter,
            box.detach() + 0.006 * torch.randn(box.shape, generator=generator),
        )
        mouth, lids, brow, who = self.model.parts(seen, place, frame, pose.detach())
        wanted = tracks / tracks.new_tensor(SPREAD)
        read = torch.cat([mouth[:count], brow[:count], pose[:count]], 1)
        known = wanted[:, [0, 1, 2, 3, 5, 6, 7, 8]]
        lid = wanted[:, 4, None].expand(-1, 2)
        located = smooth_l1_loss(50 * points[:count], 50 * landmarks) + smooth_l1_loss(
            50 * box[:count], 50 * boxes
        )
        measured = smooth_l1_loss(read, known) + 0.5 * smooth_l1_loss(lids[:count], lid)
        return located + 4 * measured + 0.3 * self._identity_loss(who)

    def _identity_loss(self, who: Tensor) -> Tensor:
        """A picture's nearest other shall be of its own person (contrastive, two pairs of views)."""
        first, second, third = who.split(self.identities)
        right = torch.arange(self.identities)
        pairs = [(first, third), (second, third), (first, second)]
        return torch.stack([cross_entropy(a @ b.t() / 0.08, right) for a, b in pairs]).mean()

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        views, rng = self.views, np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = rng.choice(len(views.pictures), self.identities, replace=False)
        frame = rng.integers(0, views.tracks.shape[1], self.identities)
        size = self.clips.plan.size
        plain = rng.integers(0, self.clips.plan.frames, self.identities)
        rendered = np.stack([self.clips.frames(r)[f] for r, f in zip(rows, plain, strict=True)])
        marks = np.stack([self.clips.landmarks(r)[f] for r, f in zip(rows, plain, strict=True)]) / size
        boxes = np.stack([self.clips.boxes(r)[f] for r, f in zip(rows, plain, strict=True)]) / size
        tracks = np.stack([self.clips.tracks(r)[f, COLUMNS] for r, f in zip(rows, plain, strict=True)])
        return (
            _tensor(np.concatenate([views.pictures[rows, frame], rendered])),
            _tensor(views.pictures[rows, -1]),
            torch.from_numpy(np.concatenate([views.landmarks[rows, frame], marks])).float(),
            torch.from_numpy(np.concatenate([views.boxes[rows, frame], boxes])).float(),
            torch.from_numpy(np.concatenate([views.tracks[rows, frame], tracks])).float(),
        )


def _tensor(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def train_instrument(folder: Path, views: Views, clips: ClipShards, plan: LoopPlan = PLAN) -> None:
    """Train in `folder` up to the plan's last step, going on from what is there."""
    torch.manual_seed(plan.seed)
    Loop(InstrumentTask(views, clips), plan, folder).run()


def export_instrument(folder: Path, out: Path = BUILT_IN) -> None:
    """Write the averaged weights in half precision."""
    tensors = {name: value.half() for name, value in load_state(folder / "model.safetensors").items()}
    save_state(out, tensors, {"trained_by": "python -m emo_core evaluate train-instrument"})


@dataclass(frozen=True)
class Accuracy:
    """How well one quantity is read on held-out frames."""

    name: str
    pooled: float
    """r over all frames."""
    within: float
    """Median over clips of r within a clip; NaN where it does not apply."""
    error: float
    """Mean absolute error, in the quantity's unit."""


def head_speed(angles: np.ndarray, steady: float = STEADY) -> np.ndarray:
    """Degrees per frame [F - 1] of measured or true yaw, pitch, roll [F, 3], flicker smoothed away."""
    return rotation_speed(smooth(angles, steady))[1:]


def accuracy(
    instrument: Instrument, clips: ClipShards, vae: AutoencoderKL | None, step: int = 2
) -> list[Accuracy]:
    """The instrument's own table on clips that it has not seen, every `step`-th frame, through the VAE if given."""
    read, true = [], []
    for clip in range(len(clips)):
        frames = np.array(clips.frames(clip)[::step])
        readings = instrument.measure(frames if vae is None else through_vae(frames, vae))
        read.append((readings.tracks, readings.boxes, readings.landmarks))
        true.append(
            (clips.tracks(clip)[::step, COLUMNS], clips.boxes(clip)[::step], clips.landmarks(clip)[::step])
        )
    tracks, boxes, points = ([(r[i], t[i]) for r, t in zip(read, true, strict=True)] for i in range(3))
    rows = [_compared(name, [(r[:, i], t[:, i]) for r, t in tracks]) for i, name in enumerate(MEASURES)]
    places = [(_place(r), _place(t)) for r, t in boxes]
    names = ("box x", "box y", "box width", "box height")
    rows += [_compared(name, [(r[:, i], t[:, i]) for r, t in places]) for i, name in enumerate(names)]
    speeds = [tuple(head_speed(a[:, 6:9], STEADY / step) / step for a in pair) for pair in tracks]
    rows.append(
        _compared("head speed, one value per clip", [(r.mean()[None], t.mean()[None]) for r, t in speeds])
    )
    nothing = float("nan")
    iou = float(np.mean([box_iou(r, t).mean() for r, t in boxes]))
    rows.append(Accuracy("box, error is 1 - IoU", nothing, nothing, 1 - iou))
    away = float(np.mean([np.linalg.norm(r - t, axis=-1).mean() for r, t in points]))
    return [*rows, Accuracy("landmarks, px", nothing, nothing, away)]


def _place(boxes: np.ndarray) -> np.ndarray:
    """Centre and size [F, 4] of boxes."""
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


def _compared(name: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> Accuracy:
    """One quantity, read and true in each clip."""
    within = [value for value in (pearson(r, t) for r, t in pairs) if value == value]
    return Accuracy(
        name,
        pearson(np.concatenate([r for r, _ in pairs]), np.concatenate([t for _, t in pairs])),
        float(np.median(within)) if within else float("nan"),
        float(np.mean([np.abs(r - t).mean() for r, t in pairs])),
    )
