"""Latents moved by parts of a cell, as if their picture had been moved.

Not in the paper, whose network draws a turned head anew. A cell of latents says in no simple way what is where inside
it: mixed with its neighbours, a mouth that moves by half a cell blurs, and opens and closes with every turn of the
head (docs/emo_tiny_history.md). A small network unfolds each cell into a square of values that can be moved, and folds
what was moved into cells again.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pixel_shuffle, pixel_unshuffle, silu

from ..backend import Backend

PARTS = 4
"""Side of the square that a cell is unfolded into: one value a pixel, in emo-tiny's VAE."""
FINE, COARSE = 8, 64
"""Channels of what is moved, and of the maps at the latents' size."""


class Warp(nn.Module):
    """Latents and a flow to moved latents; begins as `moved`, which mixes cells, and learns what that lacks."""

    def __init__(self, channels: int, *, backend: Backend) -> None:
        super().__init__()
        unfolded = FINE * PARTS**2
        self.conv_in, self.unfolding = backend.conv2d(channels, COARSE, 3), backend.conv2d(COARSE, COARSE, 3)
        self.unfold = backend.conv2d(COARSE, unfolded, 3)
        self.fold, self.folding = backend.conv2d(unfolded, COARSE, 3), backend.conv2d(COARSE, COARSE, 3)
        self.conv_out = backend.conv2d(COARSE, channels, 3)

    def forward(self, latents: Tensor, flow: Tensor, unfolded: Tensor | None = None) -> Tensor:
        """Latents [B, C, h, w] taken from where the flow [B, 2, h, w] points, as in `moved`.

        unfolded: what `unfolds` made of them, for several flows of the same latents.
        """
        fine = moved(self.unfolds(latents) if unfolded is None else unfolded, flow, "bilinear")
        x = self.fold(pixel_unshuffle(fine, PARTS))
        return moved(latents, flow) + self.conv_out(silu(x + self.folding(silu(x))))

    def unfolds(self, latents: Tensor) -> Tensor:
        """What is moved of latents [B, C, h, w]: [B, `FINE`, `PARTS` * h, `PARTS` * w]."""
        x = self.conv_in(latents)
        return pixel_shuffle(self.unfold(silu(x + self.unfolding(silu(x)))), PARTS)


def moved(maps: Tensor, flow: Tensor, mode: str = "bicubic") -> Tensor:
    """Maps [B, C, H, W] with each place taken from where the flow [B, 2, h, w] points: (x, y) in its own cells from it.

    The flow is smoothed over two by two cells, so that what moves stays in one piece, and cells are mixed bicubically:
    moved by half a cell with straight lines, a face is a blur that no small network sharpens again. Maps may be finer
    than the flow.
    """
    height, width = maps.shape[-2:]
    parts = width / flow.shape[-1]
    if min(flow.shape[-2:]) > 1:
        flow = avg_pool2d(flow, 2, ceil_mode=True)
    if flow.shape[-2:] != maps.shape[-2:]:
        flow = parts * interpolate(flow, (height, width), mode="bilinear")
    ys = (torch.arange(height, device=flow.device, dtype=torch.float32) + 0.5)[:, None].expand(height, width)
    xs = (torch.arange(width, device=flow.device, dtype=torch.float32) + 0.5)[None].expand(height, width)
    x, y = (xs + flow[:, 0]) * 2 / width - 1, (ys + flow[:, 1]) * 2 / height - 1
    grid = torch.stack([x, y], dim=-1).to(maps)
    return grid_sample(maps, grid, mode=mode, padding_mode="border", align_corners=False)
