"""Small random files in the published layouts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from emo_core.audio.wav2vec2 import Wav2Vec2, Wav2Vec2Config
from emo_core.audio.whisper import WhisperConfig, WhisperEncoder
from emo_core.backend import Backend
from emo_core.checkpoints.family import Family, Release
from emo_core.checkpoints.registry import FAMILIES, release_named
from emo_core.checkpoints.shapes import merge
from emo_core.config import EmoConfig, VaeConfig
from emo_core.models.backbone import Backbone
from emo_core.models.emo import Encoders
from emo_core.models.vae import AutoencoderKL

SMALL = {
    "unet": {"channels": (32, 32, 64, 64), "layers_per_block": 1},
    "face_locator": {"channels": (4, 4, 8, 8)},
    "audio": {"width": 16, "token_width": 24, "hidden": 8, "tokens": 4},
}
NAMES = {
    "hallo": {
        "reference_net.": "reference_unet.",
        "backbone.": "denoising_unet.",
        "audio_projection.": "audioproj.",
        "context_projection.": "imageproj.",
    },
    "echomimic": {"reference_net.": "reference_unet.", "backbone.": "denoising_unet."},
    "v_express": {
        "backbone.": "denoising_unet.",
        "face_locator.": "v_kps_guider.",
        "reference_attn.": "attn1_5.",
        "reference_norm.": "norm1_5.",
    },
}
UNNEEDED = {
    "hallo": (
        "denoising_unet.down_blocks.3.motion_modules.0.temporal_transformer.norm.weight",
        "reference_unet.up_blocks.3.attentions.1.proj_out.weight",
    ),
    "echomimic": ("reference_unet.up_blocks.3.attentions.1.transformer_blocks.0.ff.net.2.bias",),
    "v_express": ("reference_net.conv_out.bias",),
}


def family_of_release(release: Release) -> Family:
    """The family that publishes a release."""
    return next(family for family in FAMILIES if release in family.releases)


def small_config(family: Family) -> EmoConfig:
    """The family's config at the smallest width."""
    changes: dict = SMALL
    if family.name == "echomimic":
        changes = merge(SMALL, {"audio": {"width": 24, "hidden": 512, "tokens": 50}})
    if family.name == "v_express":
        changes = merge(SMALL, {"audio": {"perceiver_depth": 1, "perceiver_heads": 1, "hidden": 512}})
    if family.config.context is not None:
        changes = merge(changes, {"context": {"inputs": 8, "width": 16, "tokens": 4}})
    return EmoConfig.from_dict(merge(family.config.to_dict(), changes))


@cache
def _published_tensors(name: str) -> dict[str, Tensor]:
    """Random fp16 tensors under published names, with some that are not needed."""
    family = next(family for family in FAMILIES if family.name == name)
    config = small_config(family)
    tensors = dict(Encoders(config, backend=Backend(device="meta")).state_dict())
    backbone = Backbone(config, backend=Backend(device="meta"))
    tensors |= {f"backbone.{key}": value for key, value in backbone.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    published = {}
    for key, value in tensors.items():
        for ours, theirs in NAMES[family.name].items():
            key = key.replace(ours, theirs)
        published[key] = torch.randn(value.shape, generator=generator).half() * 0.1
    return published | {key: torch.zeros(4).half() for key in UNNEEDED[family.name]}


def write_release(name: str, folder: Path, suffix: str = ".pth") -> dict[str, Tensor]:
    """Write a release's files; returns all their tensors under published names."""
    release = release_named(name)
    tensors = _published_tensors(family_of_release(release).name)
    folder.mkdir(parents=True, exist_ok=True)
    for part in release.parts:
        mine = {key: value for key, value in tensors.items() if key.startswith(part.prefix)}
        if "motion_module" in part.stem:
            mine = {key: value for key, value in mine.items() if "motion_modules" in key}
        elif part.prefix == "denoising_unet.":
            mine = {key: value for key, value in mine.items() if "motion_modules" not in key}
        write(folder / f"{part.stem}{suffix}", {key[len(part.prefix) :]: v for key, v in mine.items()})
    return tensors


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    """Tensors as .safetensors or as a pickle."""
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)


def write_vae(path: Path) -> None:
    """A narrow AutoencoderKL under diffusers' names."""
    vae = AutoencoderKL(VaeConfig(channels=(32, 32, 32, 32), layers_per_block=1), backend=Backend())
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, _random(vae.state_dict()))


def write_audio_encoders(folder: Path) -> None:
    """A wav2vec 2.0 and a Whisper encoder that fit the releases of this file."""
    folder.mkdir(parents=True, exist_ok=True)
    heard = Wav2Vec2(
        Wav2Vec2Config(conv_width=8, width=16, inner=16, heads=1, position_kernel=16, position_groups=2),
        backend=Backend(),
    )
    write(folder / "wav2vec2-base-960h.safetensors", _random(heard.state_dict()))
    whisper = WhisperEncoder(WhisperConfig(width=24, inner=24, heads=1), backend=Backend())
    names = {"layers.": "model.encoder.layers.", "conv": "model.encoder.conv", "embed": "model.encoder.embed"}
    tensors = {
        next(new + key[len(old) :] for old, new in names.items() if key.startswith(old)): value
        for key, value in _random(whisper.state_dict()).items()
    }
    write(folder / "whisper-tiny.safetensors", tensors)


def _random(state: dict[str, Tensor]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {key: torch.randn(value.shape, generator=generator) * 0.1 for key, value in state.items()}
