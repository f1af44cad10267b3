"""Heads that are where they truly are: the mover told a pose in place of a sound.

Sound tells little of where a head is at a moment. What draws, and is shown a portrait that was moved by the sound,
has to guess the rest, and the mean of all guesses is a blurred mouth; with the portrait moved by the true pose it has
the expression alone to learn.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.mover import WAYS
from .synthetic.head_motion import LIMITS
from .synthetic.types import TRACKS

POSE = ("yaw", "pitch", "roll", "shift_x", "shift_y", "scale")
COLUMNS = [TRACKS.index(name) for name in POSE]
UNITS = (*LIMITS, 0.06, 0.06, 0.08)
"""What counts as 1 of each."""
PAIRS = torch.triu_indices(3, 3)
"""Two of yaw, pitch and roll, whose products are the ways after those of `POSE`: heads are round."""


def turns_of(tracks: Tensor, portrait: Tensor) -> Tensor:
    """How far frames with tracks [N, 14] are along the ways of a portrait with tracks [1, 14], [N, K]."""
    return along((tracks - portrait)[..., COLUMNS])


def along(poses: Tensor) -> Tensor:
    """How far poses [..., 6], columns `POSE` and against the portrait's, are along the mover's ways, [..., K]."""
    one = poses / poses.new_tensor(UNITS)
    first, second = PAIRS
    turns = torch.cat([one, one[..., first] * one[..., second]], dim=-1)
    if turns.shape[-1] != WAYS:
        raise ValueError(f"a pose is {turns.shape[-1]} ways, the mover has {WAYS}")
    return turns
