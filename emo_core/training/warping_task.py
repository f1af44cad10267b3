"""Training of the warp alone: moved latents must be those of the moved picture.

Not in the paper, whose network draws a turned head anew. Pictures are moved at random, half as heads turn and half as
a whole, and their VAE tells what their latents would be; neither sound nor truth is needed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..models.emo import Emo
from ..models.vae import AutoencoderKL
from ..models.warp import moved
from .decoded_faces import DecodedFaces
from .expression_reader import places_of
from .poses import UNITS, along
from .stages import Stage, freeze
from .synthetic.clip_shards import ClipShards

SIZES = (0.05, 1.5)
"""Least and most that is moved, in `UNITS` of a pose: small steps make most of a video."""
TURNED, SCALED, SHIFTED = 0.12, 0.06, 1.2
"""Deviation of what moves a whole picture at size 1: radians, logarithm, cells."""
DECODED = 8
"""Faces of a batch that are decoded and compared."""


class WarpingTask:
    """Move frames and posed faces; an error counts in latents, and in what mouth and eyes look like."""

    def __init__(self, model: Emo, vae: AutoencoderKL, *sources: ClipShards, stage: Stage, held_out: int = 0) -> None:
        """sources: kinds of clips that are shown equally often; the last `held_out` clips of each are not shown."""
        warp, mover = model.backbone.warp, model.backbone.mover
        if warp is None or mover is None:
            raise ValueError(
                f"stage {stage.name!r} trains what moves latents: set reference.warp and reference.mover in the "
                "model's config"
            )
        self.model, self.warp, self.mover, self.stage = model, warp, mover, stage
        self.vae, self.sources, self.held_out = vae.requires_grad_(False), sources, held_out
        self.cells = sources[0].plan.size // vae.config.cell
        self.faces = DecodedFaces(vae, self.cells)
        self.trained = freeze(stage, model)

    def loss(self, generator: torch.Generator) -> Tensor:
        """Squared error of moved latents, and how differently some of the faces look once decoded."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = [self._row(rng) for _ in range(self.stage.rows)]
        pictures, places = (torch.cat(column) for column in zip(*rows, strict=True))
        with torch.no_grad():
            latents = self.vae.encode(pictures)
            flow = self.flow(latents, rng)
            wanted = self.vae.encode(moved(pictures, flow))
        made = self.warp(latents, flow)
        some = torch.from_numpy(rng.choice(len(made), min(DECODED, len(made)), replace=False))
        counts = torch.ones(len(some))
        faces = self.faces.difference(made[some], wanted[some], places[some], counts)
        return (made - wanted).square().mean() + self.stage.decoded_weight * faces

    def flow(self, latents: Tensor, rng: np.random.Generator) -> Tensor:
        """Where latents [N, C, h, w] are moved, [N, 2, h, w]: half as their mover turns heads, half as a whole."""
        least, most = np.log(SIZES)
        size = np.exp(rng.uniform(least, most, (len(latents), 1)))
        poses = torch.from_numpy(size * rng.normal(0, UNITS, (len(latents), len(UNITS)))).float()
        turned = torch.einsum("nk,nkchw->nchw", along(poses), self.mover.ways(latents))
        whole = torch.from_numpy(rng.random(len(latents)) < 0.5)[:, None, None, None]
        return torch.where(whole, _affine(size, latents.shape[-1], rng), turned)

    def _row(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Some frames of a clip, [F, 3, H, W] in -1..1, and the places of mouth and eyes [F, 3, 2] in cells."""
        clips = self.sources[rng.integers(len(self.sources))]
        clip = int(rng.integers(len(clips) - self.held_out))
        frames = np.sort(rng.choice(len(clips.frames(clip)), self.stage.frames, replace=False))
        pictures = torch.from_numpy(np.array(clips.frames(clip)[frames])).permute(0, 3, 1, 2).float() / 127.5 - 1
        landmarks = torch.from_numpy(np.array(clips.landmarks(clip)[frames])).float()
        return pictures, places_of(landmarks, clips.plan.size, self.cells)


def _affine(size: np.ndarray, cells: int, rng: np.random.Generator) -> Tensor:
    """Flows [N, 2, h, h] that turn, scale and shift whole pictures about places near their middle."""
    count = len(size)
    angle, scale = TURNED * size * rng.normal(size=(count, 1)), np.exp(SCALED * size * rng.normal(size=(count, 1)))
    shift, middle = SHIFTED * size * rng.normal(size=(count, 2)), cells * rng.uniform(0.3, 0.7, (count, 2))
    ys, xs = np.mgrid[:cells, :cells].reshape(2, -1) + 0.5
    x, y = xs - middle[:, :1], ys - middle[:, 1:]
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    flow = np.stack([(cosine - 1) * x - sine * y + shift[:, :1], sine * x + (cosine - 1) * y + shift[:, 1:]], axis=1)
    return torch.from_numpy(flow.reshape(count, 2, cells, cells)).float()
