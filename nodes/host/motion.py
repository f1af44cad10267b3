"""What a clip sees of the clip before it: motion frames, from the last latents or from decoded pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.model_patcher
import torch
from torch import Tensor

from ...emo_core.config import EmoConfig
from ...emo_core.diffusion.long_video import motion_pictures
from ...emo_core.models.emo import Encoders
from ...emo_core.models.reference_pair import ReferencePair, Tokens, encode_pair
from .managed import Managed, to_host
from .memory import reference_bytes

ENCODERS = "emo_encoders"
"""Under this key a MODEL carries the encoders that turn the last frames of a clip into motion features."""
VAE = "emo_vae"
"""Under this key a MODEL carries its VAE, for families that hand over pictures."""
START = "emo_start"
"""Under this key every CONDITIONING entry of ours carries its `ClipStart`."""


@dataclass(frozen=True)
class ClipStart:
    """What the motion features of a clip are made from, beside the clip before."""

    portrait: Tensor
    """[1, 3, S, S] in -1..1."""
    latents: Tensor
    """The portrait's scaled latents [1, C, h, w]."""
    face: Tensor | None
    """Where the face may be, [S, S]."""
    context: Tensor | None
    """Image tokens [1, T, D] of the row with conditions."""
    context_without: Tensor | None
    guided: bool
    """Whether this entry is the row with conditions."""


@dataclass(frozen=True)
class Motion:
    """Motion features of one clip, [n, L, C] by block path, for the rows with and without conditions."""

    guided: Tokens
    without: Tokens

    def of(self, start: ClipStart) -> Tokens:
        """The features for one CONDITIONING entry."""
        return self.guided if start.guided else self.without


def clip_motion(
    handle: comfy.model_patcher.ModelPatcher, start: ClipStart, tail: Tensor | None, seed: int
) -> Motion | None:
    """Motion features of a clip behind the latents `tail` [n, C, h, w] (paper, sec. 3.2); tail is None at first.

    None where the features that came with the portrait serve: for the first clip, unless its motion frames
    lose pixels by chance (Hallo2).
    """
    model: Any = handle.model
    config: EmoConfig = model.emo_config
    plan = config.long_video
    if tail is None and not plan.motion_mask:
        return None
    encoders = handle.get_attachment(ENCODERS)
    if encoders is None:
        raise ValueError("this MODEL has lost its encoders: connect Load EMO Model")
    if tail is not None and plan.handover == "latents":
        latents = model.process_latent_in(tail)
    else:
        vae: Any = handle.get_attachment(VAE)
        decoded = None if tail is None else vae.decode(tail)[..., :3].movedim(-1, 1).to(start.portrait)
        count = config.temporal.motion_frames
        latents = encode_pictures(
            vae, motion_pictures(start.portrait, decoded, count, plan, start.face, seed), config
        )
    pair = encode_reference(encoders, start.latents, latents, start.context, start.context_without)
    if pair.motion is None or pair.motion_without is None:
        raise ValueError("the clip before has no frames: clips must have at least one")
    return Motion(pair.motion, pair.motion_without)


def encode_pictures(vae: Any, pictures: Tensor, config: EmoConfig) -> Tensor:
    """Scaled latents [N, C, h, w] of pictures [N, 3, 8h, 8w] in -1..1."""
    latents: Tensor = vae.encode(((pictures + 1) / 2).movedim(1, -1))
    if latents.ndim != 4 or latents.shape[1] != config.unet.latent_channels:
        raise ValueError(
            f"the VAE makes latents {tuple(latents.shape)}, want [N, {config.unet.latent_channels}, h, w]: "
            "connect the VAE of Load EMO Model, or Stable Diffusion 1.5's"
        )
    return latents * config.vae.scaling


def encode_reference(
    encoders: Managed[Encoders],
    portrait: Tensor,
    motion: Tensor | None,
    context: Tensor | None,
    context_without: Tensor | None,
) -> ReferencePair:
    """Portrait and motion frames (scaled latents [1, C, h, w] and [n, C, h, w]) through the ReferenceNet."""
    latents = portrait if motion is None else torch.cat([portrait, motion.to(portrait)])
    unet = encoders.network.config.unet
    memory = reference_bytes(unet, tuple(latents.shape), encoders.precision.compute)
    with encoders.on_device(memory) as network:
        config = network.config
        seen = [
            None if tokens is None or config.reference.context != "tokens" else encoders.prepare(tokens)
            for tokens in (context, context_without)
        ]
        pair = encode_pair(
            network.reference_net,
            encoders.prepare(latents),
            config.temporal.clip_frames,
            context=seen[0],
            context_without=seen[1],
            mixed=config.reference.mixed_rows,
        )
        kept = [
            None if tokens is None else {path: to_host(value) for path, value in tokens.items()}
            for tokens in (pair.reference, pair.motion, pair.motion_without)
        ]
    return ReferencePair(kept[0] or {}, kept[1], kept[2])
