"""A backbone that hears louder what tokens tell, because it draws less than it is told.

Not in the paper. A small network's brows and mouths move with what tokens tell (`telling`) and half as far as they
should, while what blurs a picture does not shrink with them. So the directions that tell a track pass the layers that
hear the tokens with a gain. It is folded into these layers' weights: nothing runs longer, no file is larger.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ..models.emo import Emo
from ..modules.attention import Attention
from .telling import TOLD, Telling


@torch.no_grad()
def emphasise(model: Emo, gains: Mapping[str, float]) -> None:
    """Hear what tokens tell of the tracks `gains` names that many times as loud; 1 / gain takes it back.

    Raises ValueError for a track that tokens do not tell, and for a gain that is not positive.
    """
    for name, gain in gains.items():
        if name not in TOLD or not gain > 0:
            raise ValueError(f"gain of {name!r} is {gain}: give a positive number for one of {', '.join(TOLD)}")
    directions = Telling(model.config.audio).directions.double()
    louder = torch.tensor([gains.get(name, 1.0) - 1 for name in TOLD], dtype=torch.float64)
    change = directions * louder @ directions.T  # symmetric, [D, D]
    for name, layer in model.backbone.named_modules():
        if isinstance(layer, Attention) and name.endswith("audio_attn"):
            for heard in (layer.to_k, layer.to_v):
                # in double precision, or taken back it leaves other digits
                weight = heard.weight.double()
                heard.weight.copy_(weight + weight @ change.to(weight))
