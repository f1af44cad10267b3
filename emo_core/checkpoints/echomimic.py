"""EchoMimic v1 in audio mode (Ant Group), standard and accelerated."""

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
from .companions import SD_VAE, WHISPER_TINY
from .family import Family, Licence, Marks, Part, Release
from .keymap import KeyMap

_CROSS = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
_LAST = "reference_unet.up_blocks.3.attentions.{last}"
_LICENCE = Licence(code="Apache-2.0", weights="Apache-2.0 (README: for academic research)", commercial=True)
_REPO = "BadToBest/EchoMimic"
_REFERENCE = Part("reference_unet.", "reference_unet", "reference_unet.pth", 3.26)
_LOCATOR = Part("face_locator.", "face_locator", "face_locator.pth", 0.004)

ECHOMIMIC = Family(
    name="echomimic",
    title="EchoMimic v1",
    marks=Marks(
        present=("denoising_unet." + _CROSS,),
        # Moore-AnimateAnyone and AniPortrait look the same but for their ReferenceNet's cross-attention
        absent=(
            "reference_unet." + _CROSS,
            "denoising_unet.mid_block.audio_modules.0.norm.weight",
            "denoising_unet.mid_block.attentions.0.transformer_blocks.0.attn1_5.to_q.weight",
        ),
        inputs={"face_locator.conv_in.weight": 1},  # 3 is its landmark mode
    ),
    key_map=KeyMap(
        {
            _LAST + ".transformer_blocks.0.norm1.{name}": (
                "reference_net.up_blocks.3.attentions.{last}.transformer_blocks.0.norm1.{name}"
            ),
            _LAST + ".transformer_blocks.{name}": None,
            _LAST + ".proj_out.{name}": None,
            "reference_unet.{name}": "reference_net.{name}",
            "denoising_unet.{name}": "backbone.{name}",
            "face_locator.{name}": "face_locator.{name}",
        }
    ),
    config=EmoConfig(
        reference=ReferenceConfig(mode="concat", tap="before_self_attention"),
        audio=AudioConfig(
            encoder="whisper",
            layers=5,
            width=384,
            window=10,
            projection="none",
            tokens=50,
            token_width=384,
            site="attn2",
            gain=3.0,
            rows="state_rows",
        ),
        temporal=TemporalConfig(motion_frames=0, clip_frames=12),
        face_locator=FaceLocatorConfig(inputs=1, channels=(16, 32, 96, 256), target="conv_in", guided=True),
        speed=None,
        schedule=ScheduleConfig(
            betas="linear", prediction="v", zero_snr=True, previous="divided", noise_clamp=1.5
        ),
        long_video=LongVideoConfig(mode="windows", overlap=3, wrap=True, shift_per_step=2),
        preset=PresetConfig(fps=24.0, steps=30, guidance=2.5, audio_guidance=2.5),
    ),
    releases=(
        Release(
            name="echomimic",
            title="EchoMimic v1",
            repo=_REPO,
            parts=(
                _REFERENCE,
                Part("denoising_unet.", "denoising_unet", "denoising_unet.pth", 3.40),
                Part("denoising_unet.", "motion_module", "motion_module.pth", 1.82),
                _LOCATOR,
            ),
            companions=(SD_VAE, WHISPER_TINY),
            licence=_LICENCE,
        ),
        Release(
            name="echomimic_acc",
            title="EchoMimic v1, accelerated",
            repo=_REPO,
            parts=(
                _REFERENCE,
                Part("denoising_unet.", "denoising_unet_acc", "denoising_unet_acc.pth", 3.40),
                Part("denoising_unet.", "motion_module_acc", "motion_module_acc.pth", 1.82),
                _LOCATOR,
            ),
            companions=(SD_VAE, WHISPER_TINY),
            licence=_LICENCE,
            changes={"preset": {"steps": 6, "guidance": 1.0, "audio_guidance": 1.0}},
            hint="_acc",
            shares_folder="echomimic",
        ),
    ),
)
