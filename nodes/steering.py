"""What the nodes for liveliness make of their inputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..emo_core.audio.hearing import at_loudness, gated, with_silence_behind
from ..emo_core.audio.music import onset_strength
from ..emo_core.config import EmoConfig
from ..emo_core.face.boxes import box_mask
from ..emo_core.face.mouth import moving_area
from ..emo_core.face.regions import middle_box
from ..emo_core.face.speed_curve import curve_text
from ..emo_core.media.video import Sound
from ..emo_core.modules.conditions import Strengths
from .convert import pictures_from_image, region_from_mask
from .host.spill import gathered
from .types import FaceRegionValue, ReferenceValue, StrengthsValue
from .values import portrait_in

AT_ONCE = 8
"""Frames of a video that are encoded together."""


def heard_of(heard: Sound, gate: float, loudness: float, tail: float) -> Sound:
    """The sound as the model is to hear it; 0 leaves a step out."""
    if gate:
        heard = gated(heard, gate)
    if loudness:
        heard = at_loudness(heard, loudness)
    return with_silence_behind(heard, tail)


def music_speeds(
    sound: Sound, frames: int, fps: float, calm: float, lively: float, smooth: float
) -> tuple[list[float], str]:
    """Degrees per frame of each frame, and the same as a curve."""
    speeds = calm + (lively - calm) * onset_strength(sound, frames, fps, smooth)
    return speeds.tolist(), curve_text(speeds, fps)


def strengths_of(
    config: EmoConfig, pose: float, expression: float, lips: float, audio: float, reference: float
) -> StrengthsValue:
    """EMO_STRENGTHS; ValueError names a factor that the model has no place for."""
    regional = config.audio.site == "module"
    if not regional and (pose, expression, lips) != (1.0, 1.0, 1.0):
        raise ValueError(
            "this model has one audio attention for the whole face: leave pose, expression and lips at 1 and use "
            "audio, or for a still head EMO Lips Only and a head speed of 0"
        )
    if config.reference.mode != "separate" and reference != 1.0:
        raise ValueError(
            "this model has no factor for the portrait: leave reference at 1 and use EMO Sampler's cfg"
        )
    if regional:  # its audio paths have no common factor
        return StrengthsValue(Strengths(pose * audio, expression * audio, lips * audio), 1.0, reference)
    return StrengthsValue(Strengths(), audio, reference)


def lips_only(
    latent: dict[str, Any],
    vae: Any,
    reference: ReferenceValue,
    area: str,
    region: FaceRegionValue | None,
    mask: Tensor | None,
    video: Tensor | None = None,
) -> dict[str, Any]:
    """LATENT of the portrait, or of a video's frames, whose noise mask lets only the area change.

    video [N, H, W, 3] in 0..1; where it ends before the sound it goes back and forth.
    """
    size = reference.portrait.shape[0]
    if mask is not None:
        moving = region_from_mask(mask, size)
    else:
        face = box_mask(middle_box(size), size, size)[0, 0] if region is None else region.mask
        moving = moving_area(face, area)
    frames = latent["samples"].shape[0]
    if video is None:
        still: Tensor = vae.encode(portrait_in(reference, region)[None])
        samples = still.to(latent["samples"]).expand(frames, -1, -1, -1)
    else:
        order = there_and_back(frames, video.shape[0])
        shown = (video[order[start : start + AT_ONCE]] for start in range(0, frames, AT_ONCE))
        pieces = (vae.encode(pictures_from_image(part, size, "video")) for part in shown)
        samples = gathered((piece.to(latent["samples"]) for piece in pieces), frames)
    return {**latent, "samples": samples, "noise_mask": moving[None, None].to(torch.float32)}


def there_and_back(frames: int, length: int) -> list[int]:
    """Which of a video's `length` frames to show: forwards, backwards, forwards ..., without a jump."""
    around = [*range(length), *range(length - 2, 0, -1)]
    return [around[frame % len(around)] for frame in range(frames)]
