"""The median over time and space that V-Express puts over its finished videos."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..optional import need


def median_filtered(pieces: Iterator[Tensor]) -> Iterator[Tensor]:
    """Pieces [f, H, W, 3] of a video, each value the median of its 3x3x3 neighbours in time, height and width.

    Beyond the edges the video is mirrored without its edge (V-Express, `median_filter_3d`). A frame waits for the
    one after it, so a piece comes out with other frames than it went in; memory is that of one piece.
    """
    tail: Tensor | None = None  # the last frame that came out, if any did, and the one that waits
    begun = 0
    for piece in pieces:
        block = piece if tail is None else torch.cat([tail, piece])
        if len(block) - 1 > begun:
            yield _median(block)[begun:-1]
            begun = 1
        tail = block[-2:] if begun else block
    if tail is not None:
        yield _median(tail)[-1:]


def _median(block: Tensor) -> Tensor:
    median_filter = need("scipy.ndimage", "scipy").median_filter
    return torch.from_numpy(median_filter(block.numpy(), size=(3, 3, 3, 1), mode="mirror"))
