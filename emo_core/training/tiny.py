"""emo-tiny: the configuration of the built-in model and how it is trained."""

from __future__ import annotations

from ..config import (
    AudioConfig,
    EmoConfig,
    FaceLocatorConfig,
    LongVideoConfig,
    PresetConfig,
    ReferenceConfig,
    ScheduleConfig,
    SpeedConfig,
    TemporalConfig,
    UNetConfig,
    VaeConfig,
)

HOST_TERMINAL_ALPHA_BAR = 4.8973451890853435e-08
"""The signal that ComfyUI leaves at the last step of a zero-SNR schedule; equal values, equal frames."""


def tiny_config(vae_scaling: float = 1.0) -> EmoConfig:
    """The paper's architecture at small width: 128 px, 32x32 latents, 25 frames per second.

    Deviations from the paper, with reasons, are listed in docs/paper_notes.md.
    """
    return EmoConfig(
        unet=UNetConfig(
            channels=(32, 48, 96),
            attention=(False, True, True),
            layers_per_block=1,
            heads=2,
            groups=8,
            positions=True,
            position_periods=(3.0, 40.0),
            latent_channels=8,
        ),
        reference=ReferenceConfig(at_ends=True, mover=True, expressions=True, warp=True),
        audio=AudioConfig(
            encoder="mel_conv",
            layers=6,
            width=128,
            window=5,
            hidden=256,
            tokens=8,
            token_width=64,
            periods=40,
            expansion=6,
        ),
        temporal=TemporalConfig(levels=(True, True, True), heads=2),
        face_locator=FaceLocatorConfig(channels=(8, 16, 24)),
        speed=SpeedConfig(width=64),
        long_video=LongVideoConfig(full_clips=True),  # clips of one or two frames never occurred in training
        schedule=ScheduleConfig(prediction="v", zero_snr=True, terminal_alpha_bar=HOST_TERMINAL_ALPHA_BAR),
        vae=VaeConfig(
            channels=(24, 32, 64), layers_per_block=1, latent_channels=8, groups=8, scaling=vae_scaling
        ),
        preset=PresetConfig(size=128, fps=25.0, steps=2, guidance=1.0, audio_guidance=1.0),
    )
