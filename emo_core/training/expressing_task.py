"""Training of expressions alone: changed as the tokens tell, the portrait must look like the posed face.

Not in the paper. Nothing is denoised, a portrait's ways are found once for all its faces, and heads keep still: a step
shows several times as many faces as one of the backbone does (docs/emo_tiny_history.md).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..modules.conditions import Batch, Features
from .emo_task import EmoTask

DECODED = 14
"""Faces of a batch that are decoded and compared: decoding them all would take four fifths of a step."""
READ_THROUGH = 0.2
"""Deviation of the noise that the reader looks through, or patterns that mean a mouth to this reader alone would do."""


class ExpressingTask(EmoTask):
    """Change portraits of posed people to their other pictures; the tokens of any sound are made to tell them."""

    def loss(self, generator: torch.Generator) -> Tensor:
        """Weighted squared error of changed portraits, and how differently they read and some of them look decoded."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = [self._posed_row(rng) for _ in range(self.stage.posed)]
        latents, places, weight, counts = (
            torch.cat([row[name] for row in rows]) for name in ("latents", "places", "weight", "counts")
        )
        made = self._changed(rows)
        loss = ((made - latents).square() * weight).mean()
        if self.reader is not None:
            seen = made + READ_THROUGH * torch.randn(made.shape, generator=generator)
            loss = loss + self.stage.expression_weight * self.reader.difference(seen, latents, places)
        if self.faces is not None:
            some = torch.from_numpy(rng.choice(len(made), min(DECODED, len(made)), replace=False))
            parts = (part[some] for part in (made, latents, places, counts))
            loss = loss + self.stage.decoded_weight * self.faces.difference(*parts)
        return loss

    def _changed(self, rows: list[dict[str, Tensor]]) -> Tensor:
        """The rows' portraits as they become, [R*F, C, h, w]."""
        expressions = self.model.backbone.expressions
        if expressions is None:
            raise ValueError(
                f"stage {self.stage.name!r} trains expressions: set reference.expressions in the model's config"
            )
        frames, tokens = self.stage.frames, self.config.audio.tokens
        with torch.no_grad():
            heard = [self._heard(row) for row in rows]
        features = [Features(audio=None if told is None else told[:, :tokens]) for told in heard]
        portraits = torch.cat([row["reference"] for row in rows])
        return portraits.repeat_interleave(frames, 0) + expressions(portraits, Batch(features, frames))
