"""What one clip is conditioned on, and how the clips of a batch are put together for the layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..media.disk import read_rows
from .deep import DeepPass
from .hooks import Hooks
from .rows import join

PORTRAIT = "portrait"
"""Where the latents of a portrait are among its tokens, for networks that see it at their ends."""


@dataclass(frozen=True)
class Strengths:
    """Factors of the three regional audio paths; 1 is as trained, 0 is off."""

    pose: float = 1.0
    expression: float = 1.0
    lips: float = 1.0

    def each(self) -> tuple[float, float, float]:
        """In the order of the audio masks."""
        return self.pose, self.expression, self.lips


@dataclass(frozen=True)
class Features:
    """Everything the backbone sees of one clip (one row of the batch). What is None is absent."""

    reference: Mapping[str, Tensor] | None = None
    """ReferenceNet tokens of the portrait by block path, each [K, L, C]; frame f sees row f mod K. K is 1 but for
    families whose published code alternates (Hallo), which needs the concat mode."""
    motion: Mapping[str, Tensor] | None = None
    """ReferenceNet tokens of the motion frames by block path, each [n, L, C], oldest first."""
    audio: Tensor | None = None
    """Audio tokens of each frame, [F, T, D]."""
    context: Tensor | None = None
    """Image tokens, [1, T, D]."""
    face: Tensor | None = None
    """Face Locator output, [1 or F, C, h, w]."""
    speed: Tensor | None = None
    """Speed embedding of each frame, [F, D]."""
    turns: Tensor | None = None
    """How far each frame is along the mover's ways, [F, K], where that is known: sound and speed then say nothing."""
    regions: tuple[Tensor, ...] | None = None
    """Audio masks (everything, face, lips) by level, finest first, each [3, L] in 0..1; None is all ones."""
    strengths: Strengths = field(default_factory=Strengths)
    audio_gain: float = 1.0
    """Extra factor of audio attention, on top of the family's."""
    reference_gain: float = 1.0
    """Extra factor of a separate reference attention, on top of the family's."""

    def at(self, frames: Sequence[int]) -> Features:
        """The features of some frames, in that order; beyond the last frame its features are repeated."""

        def picked(value: Tensor | None) -> Tensor | None:
            if value is None:
                return None
            if isinstance(frames, range) and frames.step == 1 and frames.stop <= value.shape[0]:
                return read_rows(value, frames.start, frames.stop)
            index = torch.tensor(frames, device=value.device)
            return value[index.clamp(max=value.shape[0] - 1)]

        face = self.face if self.face is None or self.face.shape[0] == 1 else picked(self.face)
        return dataclasses.replace(
            self, audio=picked(self.audio), speed=picked(self.speed), turns=picked(self.turns), face=face
        )


@dataclass(frozen=True)
class Group:
    """The rows of a batch that have a condition, and its values stacked over those rows."""

    rows: list[int]
    value: Tensor


class Batch:
    """The features of R clips of F frames each, stacked where the layers want them."""

    def __init__(
        self,
        features: Sequence[Features],
        frames: int,
        record: dict[str, Tensor] | None = None,
        *,
        temporal: bool = True,
        hooks: Hooks | None = None,
        deep: DeepPass | None = None,
    ) -> None:
        self.features = list(features)
        self.frames = frames
        self.temporal = temporal
        """Whether temporal modules run."""
        self.record = record
        """Where a ReferenceNet writes its tokens by block path."""
        self.hooks = hooks or Hooks()
        self.deep = deep
        """What deep layers made at an earlier step, and where to keep what they make; None runs them all."""
        self._groups: dict[tuple[str, str], Group | None] = {}

    def reference(self, path: str) -> Group | None:
        """Portrait tokens [R'*K, L, C] of a block."""
        return self._group("reference", path, [_at(f.reference, path) for f in self.features])

    def motion(self, path: str) -> Group | None:
        """Motion-frame tokens [R', n, L, C] of a block."""
        maps = [_at(f.motion, path) for f in self.features]
        return self._group("motion", path, [None if m is None else m[None] for m in maps])

    def audio(self) -> Group | None:
        """Audio tokens [R'*F, T, D]."""
        return self._group("audio", "", [f.audio for f in self.features])

    def context(self) -> Group | None:
        """Image tokens [R', T, D]; one row per picture where a row of the batch is a picture (ReferenceNet)."""
        return self._group("context", "", [f.context for f in self.features])

    def speed(self) -> Group | None:
        """Speed embeddings [R', F, D]."""
        return self._group("speed", "", [None if f.speed is None else f.speed[None] for f in self.features])

    def _group(self, kind: str, path: str, values: list[Tensor | None]) -> Group | None:
        key = (kind, path)
        if key in self._groups:
            return self._groups[key]
        rows = [i for i, value in enumerate(values) if value is not None]
        present = [value for value in values if value is not None]
        group = Group(rows, present[0] if len(rows) == 1 else torch.cat(present)) if rows else None
        if not path:  # what belongs to a block is asked for once, and would only fill memory
            self._groups[key] = group
        return group


def _at(maps: Mapping[str, Tensor] | None, path: str) -> Tensor | None:
    return None if maps is None else maps.get(path)


def told(group: Group, proj: nn.Module, batch: Batch) -> Tensor:
    """A condition of each frame [R'*F, ...] or [R', F, ...] through a layer, [R*F, D]; zeros for rows without."""
    made = proj(group.value.reshape(len(group.rows), batch.frames, -1))
    if len(group.rows) < len(batch.features):
        made = join(len(batch.features), group.rows, made, made.new_zeros(1))
    return made.flatten(0, 1)


def heard(audio: Group, proj: nn.Module, batch: Batch) -> Tensor:
    """`told` of audio tokens, as loud as each row wants to hear them."""
    made = told(audio, proj, batch)
    gains = made.new_tensor([features.audio_gain for features in batch.features]).repeat_interleave(batch.frames)
    return gains[:, None] * made
