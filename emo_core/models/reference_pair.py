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
    full, without = _both_rows(net, latents, 0, context, context_without, mixed)
    reference = _rows(full, slice(0, 1))
    if mixed and context is not None and context_without is not None:
        first, second = (without, full) if frames % 2 == 0 else (full, without)
        reference = {path: torch.cat([first[path][:1], second[path][:1]]) for path in full}
    if count == 1:
        return ReferencePair(reference, None, None)
    return ReferencePair(reference, _rows(full, slice(1, None)), _rows(without, slice(1, None)))


def encode_motion(
    net: ReferenceNet,
    latents: Tensor,
    *,
    context: Tensor | None = None,
    context_without: Tensor | None = None,
    mixed: bool = False,
) -> tuple[Tokens, Tokens]:
    """Motion frames [n, 4, h, w] for the rows with and without conditions, as `encode_pair` makes them.

    A portrait stays the same from clip to clip, so it goes through the network once for a video.
    """
    return _both_rows(net, latents, 1, context, context_without, mixed)


def _both_rows(
    net: ReferenceNet,
    latents: Tensor,
    before: int,
    context: Tensor | None,
    context_without: Tensor | None,
    mixed: bool,
) -> tuple[Tokens, Tokens]:
    """Tokens of pictures for the rows with and without conditions; in each row `before` others come first."""
    if context is None or context_without is None:
        tokens = net(latents)
        return tokens, tokens
    contexts = torch.cat([context_without, context])
    count = before + latents.shape[0]
    turn = torch.arange(2 * count, device=latents.device)
    turn = turn % 2 if mixed else turn // count
    return net(latents, contexts[turn[count + before :]]), net(latents, contexts[turn[before:count]])


def _rows(tokens: Tokens, rows: slice) -> Tokens:
    return {path: value[rows] for path, value in tokens.items()}
