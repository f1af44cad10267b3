"""How differently mouths and eyes look once they are decoded.

Not in the paper. Latents are not pictures: of emo-tiny's, equal errors are seen or not seen by channel and place, and
lips that the latents tell apart looked alike in the frames (docs/emo_tiny_history.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.vae import AutoencoderKL
from .nearness import NEAR, near

CELLS = 16
"""Side of the part that is decoded at most, latent cells: half a picture of emo-tiny, which holds the face."""
ROUNDED = 0.05
"""Errors are counted by their size and not their square, but for those below this (Charbonnier's penalty): what is
either one or the other, as an eye that is open or closed, is drawn as the likelier, not as the mean of both."""


class DecodedFaces:
    """Compares latents through a VAE's decoder, around the middle of mouth and eyes."""

    def __init__(self, vae: AutoencoderKL, picture: int) -> None:
        """picture: the side of whole latents, in cells."""
        self.vae = vae.requires_grad_(False)
        self.picture, self.cells = picture, min(CELLS, picture)

    def difference(self, guess: Tensor, truth: Tensor, places: Tensor, counts: Tensor) -> Tensor:
        """Mean distance of decoded latents [N, C, h, w] near mouth and eyes at places [N, 3, 2], in cells.

        counts [N]: how much each of them counts.
        """
        corners = (places.mean(1) - self.cells / 2).round().long().clamp(0, self.picture - self.cells)
        made = self.vae.decode(self._parts(guess, corners))
        with torch.no_grad():
            wanted = self.vae.decode(self._parts(truth, corners))
        side = made.shape[-1]
        cell = side / self.cells
        middles = (places - corners[:, None]) * cell
        bells = [
            near(middle, side, deviation * self.picture * cell)
            for middle, deviation in zip(middles.unbind(1), NEAR, strict=True)
        ]
        weight = torch.stack(bells).sum(0)[:, None]
        distance = ((made - wanted).square() + ROUNDED**2).sqrt() - ROUNDED
        return (distance * weight * counts[:, None, None, None]).sum() / (weight.sum() * made.shape[1])

    def _parts(self, latents: Tensor, corners: Tensor) -> Tensor:
        """The same number of cells of each of the latents from their corners (x, y) [N, 2] on."""
        places = zip(latents, corners.tolist(), strict=True)
        return torch.stack([one[:, y : y + self.cells, x : x + self.cells] for one, (x, y) in places])
