"""A small model with a mover, for what trains its parts."""

from __future__ import annotations

from emo_core.backend import Backend
from emo_core.config import (
    AudioConfig,
    EmoConfig,
    FaceLocatorConfig,
    ReferenceConfig,
    SpeedConfig,
    TemporalConfig,
    UNetConfig,
)
from emo_core.models.emo import Emo
from emo_core.training.initialise import initialise


def moving_model() -> Emo:
    config = EmoConfig(
        unet=UNetConfig((16, 32), (True, False), layers_per_block=1, heads=2, groups=8),
        reference=ReferenceConfig(at_ends=True, mover=True, expressions=True, warp=True),
        audio=AudioConfig("mel_conv", 2, 8, hidden=32, tokens=2, token_width=16),
        temporal=TemporalConfig((True, True), heads=2),
        face_locator=FaceLocatorConfig(channels=(4, 8, 8), target="latents"),
        speed=SpeedConfig(width=16),
    )
    emo = Emo(config, backend=Backend())
    initialise(emo, seed=0)
    return emo
