"""What the rows of guidance see: everything, everything but the sound, nothing that is guided."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ..config import EmoConfig
from ..modules.conditions import Features


@dataclass(frozen=True)
class Rows:
    """The features of one clip or video, for each row."""

    full: Features
    silent: Features
    """Without the sound."""
    none: Features
    """Without sound and portrait; what else is missing is the family's choice."""


def guidance_rows(
    config: EmoConfig,
    full: Features,
    context_without: Tensor | None = None,
    motion_without: Mapping[str, Tensor] | None = None,
) -> Rows:
    """The rows of `full`.

    context_without [1, T, D] and motion_without are what the row without conditions gets in place of image
    tokens and motion frames, for families whose image tokens are guided too (Hallo).
    """
    silent = dataclasses.replace(full, audio=None)
    none = dataclasses.replace(silent, reference=None)
    if config.face_locator.guided:
        none = dataclasses.replace(none, face=None)
    if context_without is not None:
        none = dataclasses.replace(none, context=context_without)
    if motion_without is not None:
        none = dataclasses.replace(none, motion=motion_without)
    return Rows(full, silent, none)
