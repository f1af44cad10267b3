"""A small network that reads the face's expression off latents, and judges with it what a stage denoises.

Deviation from the paper, whose data are large enough without it: of what moves near a mouth, most is the head's motion,
so the squared error tells next to nothing about the sound (docs/paper_notes.md). The reader sees the places where
mouth and eyes truly are, so its error is about their shapes alone. Wav2Lip's sync expert is the model of the idea.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, silu

from .latent_clips import LatentClips
from .synthetic.types import TRACKS

WEIGHTS = {
    "open": 2.0,
    "width": 1.5,
    "round": 1.5,
    "smile": 0.5,
    "blink": 2.0,
    "brow": 2.0,
    "gaze_x": 0.2,
    "gaze_y": 0.2,
}
"""The tracks that are read, and how much each counts."""
MOUTH = slice(3, 7)
"""Mouth corners and inner lips among the landmarks."""
EYES = (0, 1)
CELLS = 11
"""Side of the patch around each place, in latent cells of 4 px."""


class ExpressionReader(nn.Module):
    """Latents and the places of mouth and eyes to the tracks of `WEIGHTS`, each with mean 0 and variance 1."""

    def __init__(self, latent_channels: int, width: int = 96) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3 * latent_channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2)
        self.conv3 = nn.Conv2d(width, width, 3, stride=2)
        self.linear1 = nn.Linear(width * 4, 128)
        self.linear2 = nn.Linear(128, len(WEIGHTS))

    def forward(self, latents: Tensor, places: Tensor) -> Tensor:
        """Tracks [N, 8] of latents [N, C, h, w], with mouth, first and second eye at places [N, 3, 2] in cells."""
        steps = torch.arange(CELLS, device=places.device) - (CELLS - 1) / 2
        patch = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
        size = places.new_tensor([latents.shape[-1], latents.shape[-2]])
        grid = (places[:, :, None, None] + patch) / size * 2 - 1  # [N, 3, CELLS, CELLS, 2]
        patches = [
            grid_sample(latents, around, padding_mode="border", align_corners=False)
            for around in grid.unbind(1)
        ]
        x = silu(self.conv3(silu(self.conv2(silu(self.conv1(torch.cat(patches, dim=1)))))))
        return self.linear2(silu(self.linear1(x.flatten(1))))

    def difference(self, guess: Tensor, truth: Tensor, places: Tensor) -> Tensor:
        """How differently two sets of latents read: the weighted mean squared difference of their tracks."""
        with torch.no_grad():
            wanted = self(truth, places)
        weights = guess.new_tensor(list(WEIGHTS.values()))
        return ((self(guess, places) - wanted).square() * weights).mean()


def places_of(landmarks: Tensor, size: int, cells: int) -> Tensor:
    """Middles of mouth and eyes [F, 3, 2], in cells, of landmarks [F, 12, 2] in pictures of `size` px."""
    left, right = (landmarks[:, eye] for eye in EYES)
    return torch.stack([landmarks[:, MOUTH].mean(1), left, right], dim=1) * cells / size


class ReaderTask:
    """Learn the tracks of encoded clips, with noise on latents and places: it will look at unfinished pictures."""

    BATCH, LATENT_NOISE, PLACE_NOISE = 192, 0.4, 0.3

    def __init__(self, *sources: LatentClips, seed: int = 0) -> None:
        """sources: kinds of clips that are shown equally often, whatever their number."""
        torch.manual_seed(seed)
        self.sources = sources
        latents = sources[0].get(0, "latents", slice(None))
        self.cells = latents.shape[-1]
        self.model = ExpressionReader(latents.shape[1])
        tracks = torch.cat([self._tracks(clips, clip) for clips in sources for clip in range(len(clips))])
        self.mean, self.deviation = tracks.mean(0), tracks.std(0).clamp(min=1e-6)

    def loss(self, generator: torch.Generator) -> Tensor:
        """Mean squared error of a batch of frames."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        picked = [self._frames(rng) for _ in range(self.BATCH // 8)]
        latents, places, tracks = (torch.cat(column) for column in zip(*picked, strict=True))
        level = self.LATENT_NOISE * torch.rand(len(latents), 1, 1, 1, generator=generator)
        latents = latents + level * torch.randn(latents.shape, generator=generator)
        places = places + self.PLACE_NOISE * torch.randn(len(places), 1, 2, generator=generator)
        return (self.model(latents, places) - (tracks - self.mean) / self.deviation).square().mean()

    def _frames(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Eight frames of one clip: latents, places, tracks."""
        clips = self.sources[rng.integers(len(self.sources))]
        clip = int(rng.integers(len(clips)))
        frames = rng.integers(0, clips.frames(clip), 8)
        places = places_of(clips.get(clip, "landmarks", frames), clips.size, self.cells)
        return clips.get(clip, "latents", frames), places, self._tracks(clips, clip)[torch.from_numpy(frames)]

    @staticmethod
    def _tracks(clips: LatentClips, clip: int) -> Tensor:
        return clips.get(clip, "tracks", slice(None))[:, [TRACKS.index(name) for name in WEIGHTS]]
