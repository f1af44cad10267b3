"""What is put into the frames of a video to show or to find that it was generated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from .badge import Badge
from .watermark import Watermark


class Mark(Protocol):
    """Changes frames."""

    def mark(self, pictures: Tensor) -> Tensor:
        """Marked pictures of pictures [F, H, W, 3] in 0..1."""
        ...


def marks_of(badge: str, *, watermark: bool) -> list[Mark]:
    """The marks a user asked for; an empty badge is none."""
    return [*([Badge(badge)] if badge.strip() else []), *([Watermark()] if watermark else [])]


def marked(pictures: Tensor, marks: Sequence[Mark]) -> Tensor:
    """Pictures [F, H, W, 3] with every mark."""
    for mark in marks:
        pictures = mark.mark(pictures)
    return pictures
