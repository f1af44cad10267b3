"""What the two rows of a guidance pair see of the portrait and of the motion frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .reference_net import ReferenceNet

Tokens = dict[str, Tensor]
"""[n, L, C] by block path."""


@dataclass(frozen=True)
class ReferencePair:
    """ReferenceNet tokens of one clip."""

    reference: Tokens
    """The portrait for the row with conditions, [1 or 2, L, C]; the other row sees none."""
    motion: Tokens | None
    """Motion frames for the row with conditions; None if there are none."""
    motion_without: Tokens | None
    """Motion frames for the row without conditions."""


def encode_pair(
    net: ReferenceNet,
    latents: Tensor,
    frames: int,
    *,
    context: Tensor | None = None,
    context_without: Tensor | None = None,
    mixed: bool = False,
) -> ReferencePair:
    """Run portrait and motion frames, latents [1 + n, 4, h, w] (oldest motion frame first), for a clip of `frames`.

    context and context_without are the image tokens [1, T, D] of the row with and without conditions, for
    families that have them. mixed repeats Hallo's published code (`ReferenceConfig.mixed_rows`), in which the
    pictures of the two rows, one after the other, take the two sets of image tokens in turn, and the frames of
    the two rows, one after the other, take the portrait's tokens of the two rows in turn.
    """
    count = latents.shape[0]
    if context is None or context_without is None:
        tokens = net(latents)
        motion = _rows(tokens, slice(1, None)) if count > 1 else None
        return ReferencePair(_rows(tokens, slice(0, 1)), motion, motion)
    contexts = torch.cat([context_without, context])
    turn = torch.arange(2 * count, device=latents.device)
    turn = turn % 2 if mixed else turn // count
    without, full = net(latents, contexts[turn[:count]]), net(latents, contexts[turn[count:]])
    reference = _rows(full, slice(0, 1))
    if mixed:
        first, second = (without, full) if frames % 2 == 0 else (full, without)
        reference = {path: torch.cat([first[path][:1], second[path][:1]]) for path in full}
    if count == 1:
        return ReferencePair(reference, None, None)
    return ReferencePair(reference, _rows(full, slice(1, None)), _rows(without, slice(1, None)))


def _rows(tokens: Tokens, rows: slice) -> Tokens:
    return {path: value[rows] for path, value in tokens.items()}
