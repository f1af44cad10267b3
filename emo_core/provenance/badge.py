"""A visible sign in a corner of every frame, for those who want or have to show one."""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 0.055
"""Height of the letters, part of the frame's shorter side."""
LEAST = 9
"""Height of the letters at least, px: smaller ones cannot be read."""
LONGEST = 24


class Badge:
    """Puts a short text into the lower right corner of frames."""

    def __init__(self, text: str) -> None:
        """Latin letters, digits and signs; ValueError if the text is longer or has others."""
        text = text.strip()
        if not text or len(text) > LONGEST:
            raise ValueError(f"the badge has {len(text)} letters, want 1 to {LONGEST}, such as AI")
        if any(not " " <= letter <= "ÿ" for letter in text):
            raise ValueError(f"the badge is {text!r}: its font has Latin letters only, such as AI")
        self._text = text
        self._drawn = torch.empty(0, 0, 4)
        self._size = (0, 0)

    def mark(self, pictures: Tensor) -> Tensor:
        """Pictures [F, H, W, 3] in 0..1 with the sign."""
        height, width = pictures.shape[1:3]
        if self._size != (height, width):
            self._size, self._drawn = (height, width), self._draw(height, width)
        drawn = self._drawn.to(pictures)
        rows, columns = drawn.shape[:2]
        marked = pictures.clone()
        corner = marked[:, height - rows :, width - columns :]
        corner.lerp_(drawn[..., :3].expand_as(corner), drawn[..., 3:].expand_as(corner))
        return marked

    def _draw(self, height: int, width: int) -> Tensor:
        """The sign [h, w, 4] with its distance from the edges, RGB and opacity in 0..1."""
        import numpy as np
        from PIL import Image, ImageDraw, ImageFont

        letters = max(LEAST, round(SHARE * min(height, width)))
        gap = letters // 2
        font = ImageFont.load_default(size=letters)
        left, top, right, bottom = font.getbbox(self._text)
        plate = (round(right - left) + 2 * gap, round(bottom - top) + 2 * gap)
        picture = Image.new("RGBA", (plate[0] + gap, plate[1] + gap), (0, 0, 0, 0))
        draw = ImageDraw.Draw(picture)
        draw.rounded_rectangle((0, 0, plate[0] - 1, plate[1] - 1), gap, fill=(0, 0, 0, 150))
        draw.text((gap - left, gap - top), self._text, (255, 255, 255, 255), font)
        drawn = torch.from_numpy(np.array(picture)).float() / 255
        return drawn[:height, -width:]
