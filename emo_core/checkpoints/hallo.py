"""Hallo and Hallo2 (fudan-generative-vision): one network, two sets of weights."""

from __future__ import annotations

from ..config import (
    AudioConfig,
    ContextConfig,
    EmoConfig,
    FaceLocatorConfig,
    LongVideoConfig,
    PresetConfig,
    ReferenceConfig,
    ScheduleConfig,
    TemporalConfig,
)
from .companions import SD_VAE, WAV2VEC2_BASE
from .family import Family, Licence, Marks, Part, Release
from .keymap import KeyMap

_LAST = "reference_unet.up_blocks.3.attentions.{last}"

HALLO = Family(
    name="hallo",
    title="Hallo",
    marks=Marks(present=("denoising_unet.mid_block.audio_modules.0.norm.weight", "imageproj.proj.weight")),
    key_map=KeyMap(
        {
            # what follows the last reference tokens; {last} is the last attention of the block
            _LAST + ".transformer_blocks.0.norm1.{name}": (
                "reference_net.up_blocks.3.attentions.{last}.transformer_blocks.0.norm1.{name}"
            ),
            _LAST + ".transformer_blocks.{name}": None,
            _LAST + ".proj_out.{name}": None,
            "reference_unet.{name}": "reference_net.{name}",
            # in the file, but its published inference never runs them
            "denoising_unet.down_blocks.3.motion_modules.{name}": None,
            "denoising_unet.up_blocks.0.motion_modules.{name}": None,
            "denoising_unet.{name}": "backbone.{name}",
            "face_locator.{name}": "face_locator.{name}",
            "audioproj.{name}": "audio_projection.{name}",
            "imageproj.{name}": "context_projection.{name}",
        }
    ),
    config=EmoConfig(
        reference=ReferenceConfig(
            mode="concat",
            tap="before_self_attention",
            context="tokens",
            half_precision_bank=True,
            mixed_rows=True,
        ),
        audio=AudioConfig(site="module", layers=12, rows="encoder_at_frames"),
        temporal=TemporalConfig(levels=(True, True, True, False), motion_frames=2, clip_frames=16),
        face_locator=FaceLocatorConfig(inputs=3, target="conv_in", guided=True),
        speed=None,
        context=ContextConfig(),
        schedule=ScheduleConfig(betas="linear", prediction="v", zero_snr=True, previous="divided"),
        long_video=LongVideoConfig(full_clips=True, handover="pixels", motion_source="reference"),
        preset=PresetConfig(fps=25.0, steps=40, guidance=3.5, audio_guidance=3.5),
    ),
    releases=(
        Release(
            name="hallo",
            title="Hallo",
            repo="fudan-generative-ai/hallo",
            parts=(Part(prefix="", stem="net", hub_path="hallo/net.pth", gigabytes=4.85),),
            companions=(SD_VAE, WAV2VEC2_BASE),
            licence=Licence(code="MIT", weights="MIT", commercial=True),
            note="The face embedding it takes is made by insightface models, which are non-commercial.",
        ),
        Release(
            name="hallo2",
            title="Hallo2",
            repo="fudan-generative-ai/hallo2",
            parts=(Part(prefix="", stem="net", hub_path="hallo2/net.pth", gigabytes=4.85),),
            companions=(SD_VAE, WAV2VEC2_BASE),
            licence=Licence(code="MIT", weights="MIT", commercial=True),
            changes={"long_video": {"motion_mask": 0.25}},
            hint="hallo2",
            note="The face embedding it takes is made by insightface models, which are non-commercial.",
        ),
    ),
)
