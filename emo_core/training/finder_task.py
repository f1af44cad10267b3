"""What the head finder learns from: frames and portraits of the synthetic world, framed and coloured in many ways."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, smooth_l1_loss

from ..backend import Backend
from ..models.head_finder import SIZE, HeadFinder
from .instrument_pictures import disturb
from .synthetic.clip_shards import ClipShards

SCALES = (0.6, 1.3)
"""How much smaller and larger heads are made."""
SHIFT = 0.25
"""How far heads are moved at most, as a share of the picture."""
REFRAMED = 0.75
"""Part of the pictures that are scaled and moved."""
REFLECTED = 0.3
"""Part of the batches that show mirrored margins where the picture ends; others repeat its edge."""
GREY = 0.08
"""Part of the pictures without colours."""


class FinderTask:
    """Boxes of heads, to a pixel: the error counts in px, squared below one."""

    def __init__(self, *sources: ClipShards, held_out: int = 0, batch: int = 48, seed: int = 0) -> None:
        """sources: kinds of clips that are shown equally often; the last `held_out` clips of each are not shown."""
        torch.manual_seed(seed)
        for clips in sources:
            if len(clips) <= held_out:
                raise ValueError(f"{clips.folder} has {len(clips)} clips, want more than the {held_out} held out")
        self.model = HeadFinder(backend=Backend()).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  PyTorch's stubs lack it
        self.sources, self.held_out, self.batch = sources, held_out, batch

    def loss(self, generator: torch.Generator) -> Tensor:
        """One batch; half of it are portraits, whose heads are anywhere and turned further than those of frames."""
        pictures, boxes = self._batch(np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator))))
        pictures, boxes = reframed(pictures, boxes, generator)
        grey = torch.rand(len(pictures), 1, 1, 1, generator=generator) < GREY
        pictures = torch.where(grey, pictures.mean(1, keepdim=True), pictures)
        pictures = disturb(pictures, generator).to(memory_format=torch.channels_last)
        return smooth_l1_loss(SIZE * self.model(pictures), SIZE * boxes)

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Pictures [N, 3, H, W] in -1..1 and boxes [N, 4] in shares."""
        drawn = [self.draw(rng) for _ in range(self.batch)]
        pictures = torch.from_numpy(np.stack([picture for picture, _ in drawn])).permute(0, 3, 1, 2)
        boxes = torch.from_numpy(np.stack([box for _, box in drawn])).float()
        return pictures.float() / 127.5 - 1, boxes / pictures.shape[-1]

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One picture uint8 [H, W, 3] and its box [4] in px."""
        clips = self.sources[rng.integers(len(self.sources))]
        clip = int(rng.integers(len(clips) - self.held_out))
        if rng.random() < 0.5:
            pictures, boxes = clips.portraits(clip), clips.portrait_boxes(clip)
        else:
            pictures, boxes = clips.frames(clip), clips.boxes(clip)
        picked = rng.integers(len(boxes))
        return pictures[picked], boxes[picked]


def reframed(pictures: Tensor, boxes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures [N, 3, H, W] whose heads are elsewhere, of other sizes, half of them mirrored; and their boxes [N, 4].

    Heads stay in the picture, but for a twentieth of their size.
    """
    count = len(pictures)

    def uniform(*shape: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    scale = uniform(1, low=SCALES[0], high=SCALES[1])
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, 0.45 * (boxes[:, 2:] - boxes[:, :2])
    wanted = middle + uniform(2, low=-SHIFT, high=SHIFT)
    changed = uniform(1, low=0, high=1) < REFRAMED
    scale = torch.where(changed, torch.minimum(scale, 0.5 / half.amax(1, keepdim=True)), torch.ones(1))
    room = half * scale
    wanted = torch.where(changed, torch.maximum(torch.minimum(wanted, 1 - room), room), middle)
    sign = torch.where(uniform(1, low=0, high=1) < 0.5, -1.0, 1.0)
    sign = torch.cat([sign, torch.ones(count, 1)], dim=1)

    def moved(points: Tensor) -> Tensor:
        return wanted + sign * scale * (points - middle)

    # where each place of the new picture comes from, in -1..1 as PyTorch counts
    grid = torch.zeros(count, 2, 3)
    grid[:, 0, 0], grid[:, 1, 1] = (sign / scale).unbind(1)
    grid[:, :, 2] = 2 * middle - 1 - sign / scale * (2 * wanted - 1)
    mirrored = torch.rand((), generator=generator) < REFLECTED
    made = grid_sample(
        pictures,
        affine_grid(grid, list(pictures.shape), align_corners=False),
        padding_mode="reflection" if mirrored else "border",
        align_corners=False,
    )
    corners = torch.stack([moved(boxes[:, :2]), moved(boxes[:, 2:])])
    return made, torch.cat([corners.amin(0), corners.amax(0)], dim=1)
