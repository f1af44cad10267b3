"""What a clip sees of the clip before it: motion frames, from the last latents or from decoded pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import comfy.model_patcher
import torch
from torch import Tensor

from ...emo_core.config import EmoConfig
from ...emo_core.diffusion.long_video import motion_pictures
from ...emo_core.models.emo import Encoders
from ...emo_core.models.reference_pair import ReferencePair, Tokens, encode_motion, encode_pair
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
    return _encode_motion(encoders, latents, start.context, start.context_without)


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
    with _reference_net(encoders, latents, context, context_without) as (network, seen):
        pair = encode_pair(
            network.reference_net,
            encoders.prepare(latents),
            network.config.temporal.clip_frames,
            **seen,
        )
        motion_tokens = None if pair.motion is None else _kept(pair.motion)
        motion_without = None if pair.motion_without is None else _kept(pair.motion_without)
        return ReferencePair(_kept(pair.reference), motion_tokens, motion_without)


def _encode_motion(
    encoders: Managed[Encoders], latents: Tensor, context: Tensor | None, context_without: Tensor | None
) -> Motion:
    """Motion frames [n, C, h, w] through the ReferenceNet, without the portrait, whose tokens are known."""
    with _reference_net(encoders, latents, context, context_without) as (network, seen):
        guided, without = encode_motion(network.reference_net, encoders.prepare(latents), **seen)
        return Motion(_kept(guided), _kept(without))


@contextmanager
def _reference_net(
    encoders: Managed[Encoders], latents: Tensor, context: Tensor | None, context_without: Tensor | None
) -> Iterator[tuple[Encoders, dict[str, Any]]]:
    """The encoders on the device with room for pictures of these latents, and the options they are encoded with."""
    memory = reference_bytes(encoders.network.config.unet, tuple(latents.shape), encoders.precision.compute)
    with encoders.on_device(memory) as network:
        reference = network.config.reference
        seen = [
            None if tokens is None or reference.context != "tokens" else encoders.prepare(tokens)
            for tokens in (context, context_without)
        ]
        yield network, {"context": seen[0], "context_without": seen[1], "mixed": reference.mixed_rows}


def _kept(tokens: Tokens) -> Tokens:
    return {path: to_host(value) for path, value in tokens.items()}
