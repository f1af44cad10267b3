"""Where the head is in a portrait: a small network that finds its box.

Not in the paper, whose networks bring a head to where the region asks for it. emo-tiny's are too small to: it moves the
portrait there first (`face.placing`), and must know what to move.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from ..backend import Backend

SIZE = 128
"""Side of the pictures it looks at, px; others are resized."""
FINE, MIDDLE, COARSE = 32, 64, 96
"""Widths at 32, 16 and 8 places a side."""
SQUEEZED = 8
EDGES = 4
GROUPS = 8
APART = 0.1
"""How far an edge and its mirror image may be apart, as a share of the picture."""
REACH = 0.1
"""Share of the picture by which an edge is corrected, for an output of 1."""


class HeadFinder(nn.Module):
    """Picture to head box: one heat map for the outermost point at each edge, and a correction by the whole."""

    def __init__(self, *, backend: Backend) -> None:
        super().__init__()
        self.fine = _tower((3, FINE // 2, FINE, FINE), (2, 2, 1), backend)
        self.middle = _tower((FINE, MIDDLE, MIDDLE), (2, 1), backend)
        self.coarse = _tower((MIDDLE, COARSE, COARSE), (2, 1), backend)
        self.from_coarse, self.from_middle = backend.conv2d(COARSE, MIDDLE, 1), backend.conv2d(MIDDLE, FINE, 1)
        self.middle_out = _Block(MIDDLE, MIDDLE, 1, backend)
        self.fine_out = _Block(FINE, FINE, 1, backend)
        self.heat = backend.conv2d(FINE, EDGES, 1)
        self.squeeze = backend.conv2d(COARSE, SQUEEZED, 1)
        self.linear1 = backend.linear(SQUEEZED * 64 + 2 * EDGES, 96)
        self.linear2 = backend.linear(96, EDGES)

    def forward(self, pictures: Tensor) -> Tensor:
        """Boxes [N, 4] (x0, y0, x1, y1 in shares of the picture) of the heads in pictures [N, 3, H, W] in -1..1."""
        if pictures.shape[-2:] != (SIZE, SIZE):
            pictures = interpolate(pictures, (SIZE, SIZE), mode="bilinear", antialias=True)
        fine = self.fine(pictures)  # [N, FINE, 32, 32]
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = self.middle_out(middle + interpolate(self.from_coarse(coarse), scale_factor=2.0))
        fine = self.fine_out(fine + interpolate(self.from_middle(middle), scale_factor=2.0))
        points = _centres(self.heat(fine).float())  # [N, 4, 2]
        seen = torch.cat([self.squeeze(coarse).flatten(1), (4 * points - 2).flatten(1).to(coarse)], dim=1)
        corrections = self.linear2(silu(self.linear1(seen))).float()
        x0, y0, x1, y1 = points.unbind(1)
        return torch.stack([x0[:, 0], y0[:, 1], x1[:, 0], y1[:, 1]], dim=1) + REACH * corrections

    def find(self, pictures: Tensor) -> Tensor:
        """Boxes as `forward` has them, the mean of what it finds in pictures and in their mirror images.

        They have no size where the two are more than `APART` apart: what it looks at is nothing that it knows.
        """
        x0, y0, x1, y1 = self(pictures.flip(-1)).unbind(1)
        boxes, mirrored = self(pictures), torch.stack([1 - x1, y0, 1 - x0, y1], dim=1)
        sure = (boxes - mirrored).abs().amax(1, keepdim=True) <= APART
        return torch.where(sure, (boxes + mirrored) / 2, 0.0)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, backend: Backend) -> None:
        super().__init__()
        self.conv = backend.conv2d(inputs, outputs, 3, stride=stride)
        self.norm = backend.group_norm(GROUPS, outputs, 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return silu(self.norm(self.conv(x)))


def _tower(widths: tuple[int, ...], strides: tuple[int, ...], backend: Backend) -> nn.Sequential:
    steps = zip(widths, widths[1:], strides, strict=False)
    return nn.Sequential(*(_Block(inputs, outputs, stride, backend) for inputs, outputs, stride in steps))


def _centres(heat: Tensor) -> Tensor:
    """Mean places [N, K, 2] (x, y in 0..1) of softmax maps [N, K, h, w]."""
    height, width = heat.shape[-2:]
    share = heat.flatten(2).softmax(-1).unflatten(2, (height, width))
    x = (torch.arange(width, device=heat.device) + 0.5) / width
    y = (torch.arange(height, device=heat.device) + 0.5) / height
    return torch.stack([(share.sum(2) * x).sum(-1), (share.sum(3) * y).sum(-1)], dim=-1)
