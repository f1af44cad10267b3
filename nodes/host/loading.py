"""From files to what ComfyUI's memory manager holds."""

from __future__ import annotations

from typing import Any

import comfy.model_patcher
import comfy.sd
import torch

from ...emo_core.animate import BUILT_IN
from ...emo_core.audio.mel_conv import MelConvEncoder
from ...emo_core.checkpoints.load import AUDIO_ENCODER, BACKBONE, VAE, Checkpoint, open_checkpoint
from ...emo_core.models.emo import Encoders
from .folders import find_model, model_names
from .layers import WEIGHT_DTYPES
from .managed import Managed
from .model import build_model
from .vae import build_vae, preview_matrix

BUILT_IN_NAME = "emo-tiny (built in)"


def choices() -> list[str]:
    """The models a user can choose from."""
    return [BUILT_IN_NAME, *model_names()]


def weight_dtypes() -> list[str]:
    """The ways weights can be kept."""
    return list(WEIGHT_DTYPES)


def open_model(name: str) -> Checkpoint:
    """The checkpoint a user chose; FileNotFoundError or CheckpointError says what is missing or wrong."""
    return open_checkpoint(BUILT_IN if name == BUILT_IN_NAME else find_model(name))


def load_networks(
    checkpoint: Checkpoint, weight_dtype: str
) -> tuple[comfy.model_patcher.ModelPatcher, Managed[Encoders], Managed[MelConvEncoder], comfy.sd.VAE]:
    """MODEL, encoders, audio encoder and VAE of a checkpoint."""
    dtype = WEIGHT_DTYPES[weight_dtype]
    config = checkpoint.config
    encoders = Managed(lambda backend: Encoders(config, backend=backend), checkpoint.encoders(), dtype)
    model = build_model(config, checkpoint.part(BACKBONE), encoders, dtype)
    vae = build_vae(config.vae, checkpoint.part(VAE))
    set_preview(model, vae)
    return model, encoders, load_audio_encoder(checkpoint), vae


def load_audio_encoder(checkpoint: Checkpoint) -> Managed[MelConvEncoder]:
    """The encoder that the checkpoint's audio projection was trained with, in full precision."""
    audio = checkpoint.config.audio
    if audio.encoder != "mel_conv":
        raise ValueError(f"the model hears through {audio.encoder}, which this version cannot load yet")
    state = checkpoint.part(AUDIO_ENCODER)
    return Managed(lambda backend: MelConvEncoder(audio, backend=backend), state, torch.float32)


def set_preview(model: comfy.model_patcher.ModelPatcher, vae: comfy.sd.VAE) -> None:
    """Give a MODEL whose latents are not Stable Diffusion's the colours of its own VAE for live previews."""
    latent_format: Any = model.model.latent_format
    if latent_format.latent_rgb_factors is None:
        factors, bias = preview_matrix(vae, latent_format.scale_factor)
        latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias = factors, bias
