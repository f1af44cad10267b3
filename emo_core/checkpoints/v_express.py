"""V-Express (Tencent AI Lab)."""

from __future__ import annotations

from ..config import (
    AudioConfig,
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

_BLOCK = "transformer_blocks.0"
_LAST = "reference_net.up_blocks.3.attentions.{last}"

V_EXPRESS = Family(
    name="v_express",
    title="V-Express",
    marks=Marks(
        present=("denoising_unet.mid_block.attentions.0.transformer_blocks.0.attn1_5.to_q.weight",),
    ),
    key_map=KeyMap(
        {
            # the last reference tokens are those behind norm2; {last} is the last attention of the block
            f"{_LAST}.{_BLOCK}.attn2.{{name}}": None,
            f"{_LAST}.{_BLOCK}.norm3.{{name}}": None,
            f"{_LAST}.{_BLOCK}.ff.{{name}}": None,
            f"{_LAST}.proj_out.{{name}}": None,
            "reference_net.conv_out.{name}": None,
            "reference_net.{name}": "reference_net.{name}",
            # its own attention to the reference, between self-attention and audio
            f"denoising_unet.{{part}}.{{i}}.attentions.{{i}}.{_BLOCK}.attn1_5.{{name}}": (
                f"backbone.{{part}}.{{i}}.attentions.{{i}}.{_BLOCK}.reference_attn.{{name}}"
            ),
            f"denoising_unet.{{part}}.{{i}}.attentions.{{i}}.{_BLOCK}.norm1_5.{{name}}": (
                f"backbone.{{part}}.{{i}}.attentions.{{i}}.{_BLOCK}.reference_norm.{{name}}"
            ),
            f"denoising_unet.mid_block.attentions.0.{_BLOCK}.attn1_5.{{name}}": (
                f"backbone.mid_block.attentions.0.{_BLOCK}.reference_attn.{{name}}"
            ),
            f"denoising_unet.mid_block.attentions.0.{_BLOCK}.norm1_5.{{name}}": (
                f"backbone.mid_block.attentions.0.{_BLOCK}.reference_norm.{{name}}"
            ),
            "denoising_unet.{name}": "backbone.{name}",
            "v_kps_guider.{name}": "face_locator.{name}",
            "audio_projection.{name}": "audio_projection.{name}",
        }
    ),
    config=EmoConfig(
        reference=ReferenceConfig(mode="separate", without="zeros", gain=0.95, context="zeros"),
        audio=AudioConfig(
            layers=1,
            window=10,
            projection="perceiver",
            tokens=5,
            site="attn2",
            gain=3.0,
            rows="two_per_frame",
        ),
        temporal=TemporalConfig(motion_frames=0, clip_frames=24),
        face_locator=FaceLocatorConfig(
            inputs=3, channels=(16, 32, 96, 256), target="conv_in", shows="key_points", guided=True
        ),
        speed=None,
        schedule=ScheduleConfig(prediction="v", zero_snr=True, previous="divided"),
        long_video=LongVideoConfig(mode="windows", overlap=4, exact_tiling=True, median_filter=True),
        preset=PresetConfig(fps=30.0, steps=25, guidance=3.5, audio_guidance=3.5),
    ),
    releases=(
        Release(
            name="v_express",
            title="V-Express",
            repo="tk93/V-Express",
            parts=(
                Part("reference_net.", "reference_net", "reference_net.bin", 1.72),
                # it holds the motion modules too; the file of their own comes after it and wins
                Part("denoising_unet.", "denoising_unet", "denoising_unet.bin", 2.73),
                Part("denoising_unet.", "motion_module", "motion_module.bin", 0.91),
                Part("v_kps_guider.", "v_kps_guider", "v_kps_guider.bin", 0.002),
                Part("audio_projection.", "audio_projection", "audio_projection.bin", 0.059),
            ),
            companions=(SD_VAE, WAV2VEC2_BASE),
            licence=Licence(
                code="free for any use (README)", weights="non-commercial research", commercial=False
            ),
        ),
    ),
)
