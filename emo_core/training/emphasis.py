"""A backbone that hears louder what tokens tell, because it draws less than it is told, and apart what it draws as one.

Not in the paper. A small network's brows and mouths move with what tokens tell (`telling`) and half as far as they
should, while what blurs a picture does not shrink with them; and it draws a rounded mouth narrow, whatever it is told
of its width. So what tokens tell passes the layers that hear them through a small matrix. It is folded into these
layers' weights: nothing runs longer, no file is larger.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..models.emo import Emo
from ..modules.attention import Attention
from .telling import TOLD, Telling

FLATTENED = 1e3
"""Largest condition of a matrix: half precision keeps about three digits, and taking it back would lose them all."""
Emphasis = Mapping[str, float | Mapping[str, float]]
"""What is heard of each track: how many times what is told of it, or how many times what is told of several."""


def as_matrix(emphasis: Emphasis) -> Tensor:
    """The matrix [5, 5] by which told tracks are heard: a row for each of `TOLD`, a column for what is told of each.

    Raises ValueError for a track that tokens do not tell, for one that would be heard turned round or not at all, and
    for tracks that could not be told apart any more.
    """
    matrix = torch.eye(len(TOLD), dtype=torch.float64)
    for name, gains in emphasis.items():
        gains = gains if isinstance(gains, Mapping) else {name: gains}
        for told, gain in gains.items():
            if not {name, told} <= TOLD.keys() or (name == told and not gain > 0):
                raise ValueError(
                    f"gain of {told!r} in {name!r} is {gain}: give a positive number for one of {', '.join(TOLD)}"
                )
            matrix[list(TOLD).index(name), list(TOLD).index(told)] = gain
    if torch.linalg.cond(matrix) > FLATTENED:
        raise ValueError(
            f"emphasis {dict(emphasis)} makes two tracks sound alike or one drown another, so it could not be taken "
            "back: lower the largest gains"
        )
    return matrix


@torch.no_grad()
def emphasise(model: Emo, matrix: Tensor) -> None:
    """Hear what tokens tell through a matrix [5, 5] (`as_matrix`); the inverse takes it back."""
    directions = Telling(model.config.audio).directions.double()
    change = directions @ (matrix - torch.eye(len(TOLD)).to(matrix)) @ directions.T  # [D, D]
    for name, layer in model.backbone.named_modules():
        if isinstance(layer, Attention) and name.endswith("audio_attn"):
            for projection in (layer.to_k, layer.to_v):
                # in double precision, or taken back it leaves other digits
                weight = projection.weight.double()
                projection.weight.copy_(weight + weight @ change.to(weight))
    if model.backbone.expressions is not None:
        layer = model.backbone.expressions.audio_proj
        weight = layer.weight.double().unflatten(1, (-1, len(change)))  # of each token
        layer.weight.copy_((weight + weight @ change.to(weight)).flatten(1))
