"""Training of the evaluation's instrument on views of the training clips, and the table of its own errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from ..evaluation.instrument import BUILT_IN, MEASURES, SPREAD, Instrument, Readings, Sight
from ..evaluation.instrument_track import CORNERS
from ..evaluation.metrics import box_iou, pearson, smooth
from ..models.vae import AutoencoderKL
from .checkpoint import load_state, save_state
from .instrument_pictures import COLUMNS, Views, disturb, move, through_vae
from .loop import Loop, LoopPlan
from .synthetic.clip_shards import ClipShards
from .synthetic.head_motion import rotation_speed
from .synthetic.rest import at_rest

STEADY = 1.5
"""Sigma in frames that angles are smoothed with before their speed is taken."""
PLAN = LoopPlan(6500, 2e-3, warmup=50, cooldown=0.7, weight_decay=1e-3, clip=5.0, ema=0.995)
"""Little more than an hour of one core; a longer plan in the same folder goes on from there."""


class InstrumentTask:
    """Landmarks, box, measures and identity of a batch of views."""

    def __init__(self, views: Views, identities: int = 16, frames: int = 3) -> None:
        self.model, self.views, self.identities, self.frames = Instrument(), views, identities, frames

    def loss(self, generator: torch.Generator) -> Tensor:
        """Some pictures of each identity, read beside another picture of it."""
        pictures, references, landmarks, boxes, tracks = self._batch(generator)
        count = len(pictures)
        pictures, references, landmarks, boxes, tracks = move(
            pictures, references, landmarks, boxes, tracks, generator
        )
        seen = disturb(torch.cat([pictures, references]), generator)
        points, box, pose = self.model.locator(seen)
        place = points.detach() + 0.006 * torch.randn(points.shape, generator=generator)
        frame = box.detach() + 0.006 * torch.randn(box.shape, generator=generator)
        sight = self.model.parts.look(seen, place, frame, pose.detach())
        own, reference = Sight(*(p[:count] for p in sight)), Sight(*(p[count:] for p in sight))
        mouth, lids, brow, turned = self.model.parts.read(own, reference.repeated(self.frames))
        wanted = tracks / tracks.new_tensor(SPREAD)
        known = wanted[:, [0, 1, 2, 3, 5, 6, 7, 8]]
        lid = wanted[:, 4, None].expand(-1, 2)
        located = smooth_l1_loss(50 * points[:count], 50 * landmarks) + smooth_l1_loss(
            50 * box[:count], 50 * boxes
        )
        measured = smooth_l1_loss(torch.cat([mouth, brow, turned], 1), known)
        guessed = smooth_l1_loss(pose[:count], wanted[:, 6:])
        return (
            located
            + 4 * measured
            + 1.5 * guessed
            + 2 * smooth_l1_loss(lids, lid)
            + 0.3 * self._identity_loss(own.identity.unflatten(0, (-1, self.frames)), reference.identity)
        )

    def _identity_loss(self, who: Tensor, reference: Tensor) -> Tensor:
        """A picture's nearest other shall be of its own person (contrastive, three pairs of views)."""
        first, second = who[:, 0], who[:, 1]
        right = torch.arange(len(who))
        pairs = [(first, reference), (second, reference), (first, second)]
        return torch.stack([cross_entropy(a @ b.t() / 0.08, right) for a, b in pairs]).mean()

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        views, rng = self.views, np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = rng.choice(len(views.pictures), self.identities, replace=False)
        count = views.tracks.shape[1]
        at = (rows[:, None], np.stack([rng.choice(count, self.frames, replace=False) for _ in rows]))
        reference = rng.integers(-2, 0, len(rows))
        truths = (views.landmarks[at], views.boxes[at], views.tracks[at])
        return (
            _tensor(views.pictures[at].reshape(-1, *views.pictures.shape[2:])),
            _tensor(views.pictures[rows, reference]),
            *(torch.from_numpy(truth.reshape(-1, *truth.shape[2:])).float() for truth in truths),
        )


def _tensor(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def train_instrument(folder: Path, views: Views, plan: LoopPlan = PLAN) -> None:
    """Train in `folder` up to the plan's last step, going on from what is there."""
    torch.manual_seed(plan.seed)
    Loop(InstrumentTask(views), plan, folder).run()


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
    """Median over people of r within one's pictures; NaN where it does not apply."""
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
        portrait = clips.frames(clip)[at_rest(clips.tracks(clip))[0]]
        read.append(instrument.measure(frames if vae is None else through_vae(frames, vae), portrait))
        truth = (clips.tracks(clip)[:, COLUMNS], clips.landmarks(clip), clips.boxes(clip))
        true.append(tuple(values[::step] for values in truth))
    rows = _table(read, true)
    speeds = [
        tuple(head_speed(tracks[:, 6:9], STEADY / step).mean()[None] / step for tracks in (r.tracks, t[0]))
        for r, t in zip(read, true, strict=True)
    ]
    return [*rows, _compared("head speed, one value per clip", speeds)]


def accuracy_of_views(instrument: Instrument, views: Views) -> list[Accuracy]:
    """The same on pictures of people in all poses, each person's beside the portrait from elsewhere."""
    read = [instrument.measure(pictures[:-2], pictures[-1]) for pictures in views.pictures]
    side = views.pictures.shape[2]
    true = list(zip(views.tracks, views.landmarks * side, views.boxes * side, strict=True))
    return _table(read, true)


def _table(read: list[Readings], true: Sequence[tuple[np.ndarray, ...]]) -> list[Accuracy]:
    """All but speeds: what was read of each person beside its true tracks, landmarks and boxes."""
    pairs = list(zip(read, true, strict=True))
    rows = [
        _compared(name, [(r.tracks[:, i], t[0][:, i]) for r, t in pairs]) for i, name in enumerate(MEASURES)
    ]
    places = [(_place(r.boxes), _place(t[2])) for r, t in pairs]
    names = ("box x", "box y", "box width", "box height")
    rows += [_compared(name, [(r[:, i], t[:, i]) for r, t in places]) for i, name in enumerate(names)]
    # how wide a mouth is told to be hardly shows where it is round, too: what does show
    rows.append(_compared("mouth corners, px apart", [(_apart(r.landmarks), _apart(t[1])) for r, t in pairs]))
    nothing = float("nan")
    iou = float(np.mean([box_iou(r.boxes, t[2]).mean() for r, t in pairs]))
    rows.append(Accuracy("box, error is 1 - IoU", nothing, nothing, 1 - iou))
    away = float(np.mean([np.linalg.norm(r.landmarks - t[1], axis=-1).mean() for r, t in pairs]))
    return [*rows, Accuracy("landmarks, px", nothing, nothing, away)]


def _place(boxes: np.ndarray) -> np.ndarray:
    """Centre and size [F, 4] of boxes."""
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


def _apart(landmarks: np.ndarray) -> np.ndarray:
    """Between the mouth's corners, px [F], of landmarks [F, 12, 2]."""
    left, right = CORNERS
    return np.linalg.norm(landmarks[:, left] - landmarks[:, right], axis=-1)


def _compared(name: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> Accuracy:
    """One quantity, read and true in each clip."""
    within = [value for value in (pearson(r, t) for r, t in pairs) if value == value]
    return Accuracy(
        name,
        pearson(np.concatenate([r for r, _ in pairs]), np.concatenate([t for _, t in pairs])),
        float(np.median(within)) if within else float("nan"),
        float(np.mean([np.abs(r - t).mean() for r, t in pairs])),
    )
