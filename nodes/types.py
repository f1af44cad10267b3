"""Sockets of our own, for what ComfyUI has no socket for, and what travels through them.

All values are frozen and live where node outputs live (normally the CPU).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..emo_core.config import EmoConfig
from ..emo_core.media.video import Sound
from ..emo_core.modules.conditions import Features, Strengths

if TYPE_CHECKING:
    from ..emo_core.audio.encoders import AudioEncoder
    from ..emo_core.models.emo import Encoders
    from ..emo_core.models.head_finder import HeadFinder
    from .host.managed import Managed

EmoEncoders = io.Custom("EMO_ENCODERS")
EmoReference = io.Custom("EMO_REFERENCE")
EmoAudio = io.Custom("EMO_AUDIO")
EmoFaceRegion = io.Custom("EMO_FACE_REGION")
EmoSpeed = io.Custom("EMO_SPEED")
EmoCrop = io.Custom("EMO_CROP")
EmoStrengths = io.Custom("EMO_STRENGTHS")
EmoFaceEmbedding = io.Custom("EMO_FACE_EMBEDDING")
"""Who a face is: a tensor [E], 512 values of an insightface recognition model, not normalised."""
EmoLandmarks = io.Custom("EMO_LANDMARKS")
"""Points of faces: a dict of `points`, numbers [N, 5, 2] of x, y in px (the eye on the left of the picture, the one
on the right, the nose, the left and the right corner of the mouth), `width` and `height` of the picture in px, and
perhaps `box`, numbers [N, 4] of x0, y0, x1, y1 in px."""


@dataclass(frozen=True)
class EncodersValue:
    """EMO_ENCODERS: the networks that run before sampling."""

    config: EmoConfig
    networks: Managed[Encoders]
    audio: Managed[AudioEncoder]
    """The audio encoder: waveform to states."""
    family: str = ""
    """What the model is called in a video's tags."""
    head_finder: Managed[HeadFinder] | None = None
    """Finds the head in a portrait, for models that bring it to the face region."""


@dataclass(frozen=True)
class MovableValue:
    """A portrait whose head goes to the face region: where it is, and what encodes the portrait again."""

    head: Tensor
    """Box [4] of the head: x0, y0, x1, y1 in px."""
    encoders: EncodersValue
    vae: Any
    embedding: Tensor | None
    """Who the face is [E]."""


@dataclass(frozen=True)
class ReferenceValue:
    """EMO_REFERENCE: the portrait as the networks see it."""

    tokens: Mapping[str, Tensor]
    """ReferenceNet tokens by block path, each [K, L, C]."""
    motion: Mapping[str, Tensor] | None
    """Tokens of the motion frames before the first clip, each [n, L, C]."""
    motion_without: Mapping[str, Tensor] | None
    """The same for the row of guidance without conditions."""
    context: Tensor | None
    """Image tokens [1, T, D] of the face embedding."""
    context_without: Tensor | None
    """Image tokens of no face embedding."""
    portrait: Tensor
    """The picture that was encoded, [H, W, 3] in 0..1."""
    latents: Tensor
    """Its scaled latents [1, C, h, w]."""
    config: EmoConfig
    family: str = ""
    """What the model is called in a video's tags."""
    movable: MovableValue | None = None
    """None for models that leave a head where it is."""


@dataclass(frozen=True)
class AudioValue:
    """EMO_AUDIO: the sound as tokens for each frame."""

    tokens: Tensor
    """[F, T, D], F at least `frames`."""
    fps: float
    sound: Sound
    frames: int
    """Frames of the video."""


@dataclass(frozen=True)
class FaceRegionValue:
    """EMO_FACE_REGION: where the face may be."""

    features: Tensor
    """Face Locator output [1 or F, C, h, w]."""
    mask: Tensor
    """[H, W] in 0..1."""
    regions: tuple[Tensor, ...] | None = None
    """Audio masks by level (see `Features.regions`)."""
    painted: Tensor | None = None
    """Box [4] of the mask that was painted, x0, y0, x1, y1 in shares of the picture; None where nobody painted one."""


@dataclass(frozen=True)
class SpeedValue:
    """EMO_SPEED: how fast the head turns."""

    embedding: Tensor
    """[F, D], or [1, D] for the same speed throughout."""
    degrees: Tensor
    """[F] or [1], degrees per frame."""


@dataclass(frozen=True)
class CropValue:
    """EMO_CROP: where a crop was cut out."""

    squares: Tensor
    """[1 or F, 3]: left, top, side in px, of the whole video or of each frame."""
    picture: Tensor
    """What was cropped, [1 or F, H, W, 3] in 0..1."""


@dataclass(frozen=True)
class StrengthsValue:
    """EMO_STRENGTHS: factors of what reaches the face; 1 is as trained."""

    regions: Strengths
    audio: float
    reference: float

    def of(self, features: Features) -> Features:
        """The features with these factors."""
        return dataclasses.replace(
            features, strengths=self.regions, audio_gain=self.audio, reference_gain=self.reference
        )
