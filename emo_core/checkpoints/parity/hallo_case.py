"""The networks, inputs and settings of a Hallo case."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from ...models.backbone import Backbone
from ...models.emo import Encoders
from ...models.guidance_rows import guidance_rows
from ...models.reference_pair import encode_pair
from ...models.vae import AutoencoderKL
from ...modules.conditions import Features, Strengths
from ..load import Checkpoint
from .check import Tensors, expected_below

NAMES = ("full", "face", "lip")
"""The three regions, in the order of the networks."""


@dataclasses.dataclass(frozen=True)
class Case:
    """The networks, inputs and settings of one case."""

    config: dict[str, Any]
    checkpoint: Checkpoint
    encoders: Encoders
    backbone: Backbone
    vae: AutoencoderKL
    inputs: Tensors
    expected: Tensors
    windows: Tensor
    """Audio windows [F, K, layers, C] of the whole sound."""

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return self.checkpoint.config.temporal.clip_frames

    def context(self) -> tuple[Tensor, Tensor]:
        """Image tokens [1, T, D] with and without the face embedding."""
        context, without = (
            self.encoders.encode_context(self.inputs["face_emb"]),
            self.encoders.encode_context(None),
        )
        if context is None or without is None:
            raise ValueError("a Hallo checkpoint has a projection of the face embedding")
        return context, without

    def rows(self, latents: Tensor, windows: Tensor) -> list[Features]:
        """What the rows without and with conditions see, for reference latents [1 + n, 4, h, w]."""
        context, context_without = self.context()
        pair = encode_pair(
            self.encoders.reference_net,
            latents,
            self.frames,
            context=context,
            context_without=context_without,
            mixed=self.checkpoint.config.reference.mixed_rows,
        )
        full = Features(
            reference=pair.reference,
            motion=pair.motion,
            context=context,
            audio=self.encoders.audio_projection(windows),
            face=self.face(),
            regions=_regions(self.inputs),
            strengths=Strengths(*self.config["case"]["motion_scale"]),
        )
        rows = guidance_rows(self.checkpoint.config, full, context_without, pair.motion_without)
        return [rows.none, rows.full]

    def face(self) -> Tensor:
        """Face Locator features [1, C, h, w]."""
        region = self.inputs["face_region_u8"].float() / 255
        channels = self.checkpoint.config.face_locator.inputs
        return self.encoders.face_locator(region.expand(1, channels, -1, -1))


def _regions(inputs: Tensors) -> tuple[Tensor, ...]:
    levels = range(sum(1 for _ in expected_below(inputs, "mask_full_")))
    return tuple(torch.cat([inputs[f"mask_{name}_{level}"] for name in NAMES]) for level in levels)
