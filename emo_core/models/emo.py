"""All networks of one checkpoint, and the calls that turn inputs into the backbone's features."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from ..backend import Backend
from ..config import EmoConfig
from .backbone import Backbone
from .face_locator import FaceLocator
from .mover import TOKENS
from .projections import ContextProjection, audio_projection
from .reference_net import ReferenceNet
from .speed_encoder import SpeedEncoder


class Encoders(nn.Module):
    """Everything that runs before sampling: the portrait, the sound, the face region, the head's speed."""

    def __init__(self, config: EmoConfig, *, backend: Backend) -> None:
        super().__init__()
        self.config = config
        self.reference_net = ReferenceNet(config, backend=backend)
        self.face_locator = FaceLocator(config, backend=backend)
        self.audio_projection = audio_projection(config.audio, backend=backend)
        self.mover_projection = (
            audio_projection(dataclasses.replace(config.audio, tokens=TOKENS), backend=backend)
            if config.reference.mover
            else None
        )
        self.speed_encoder = SpeedEncoder(config.speed, backend=backend) if config.speed else None
        self.context_projection = (
            ContextProjection(config.context, backend=backend) if config.context else None
        )

    def encode_audio(self, windows: Tensor) -> Tensor:
        """Audio tokens [F, T, D] of windows [F, K, layers, C]; those for a mover, where there is one, are the last."""
        tokens = self.audio_projection(windows)
        return tokens if self.mover_projection is None else torch.cat([tokens, self.mover_projection(windows)], dim=1)

    def encode_context(self, embedding: Tensor | None) -> Tensor | None:
        """Image tokens [1, T, D] of a face embedding [E]; zeros stand for none. None for families without."""
        if self.context_projection is None or self.config.context is None:
            return None
        if embedding is None:
            weight = self.context_projection.proj.weight
            embedding = torch.zeros(self.config.context.inputs, dtype=weight.dtype, device=weight.device)
        return self.context_projection(embedding.reshape(1, -1))

    def encode_speed(self, speed: Tensor) -> Tensor | None:
        """Speed embedding [F, D] of head speeds [F] in degrees per frame; None for families without.

        Neighbours beyond the ends repeat the end (paper: a window of 2m + 1 frames).
        """
        if self.speed_encoder is None or self.config.speed is None:
            return None
        reach = self.config.speed.window // 2
        index = torch.arange(len(speed), device=speed.device)[:, None]
        index = (index + torch.arange(-reach, reach + 1, device=speed.device)).clamp(0, len(speed) - 1)
        return self.speed_encoder(speed[index])


class Emo(nn.Module):
    """One checkpoint: encoders and backbone. The VAE and the audio encoder are files of their own kind."""

    def __init__(self, config: EmoConfig, *, backend: Backend) -> None:
        super().__init__()
        self.config = config
        self.encoders = Encoders(config, backend=backend)
        self.backbone = Backbone(config, backend=backend)
