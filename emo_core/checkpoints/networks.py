"""What a checkpoint needs beside its own tensors: the VAE and the audio encoder, from it or from files users have; and
the head finder, if it brings one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..audio.encoders import AudioEncoder
from ..backend import Backend
from ..config import VaeConfig
from ..models.head_finder import HeadFinder
from ..models.vae import AutoencoderKL
from .audio_encoders import AudioEncoderFile, open_audio_encoder
from .companions import SD_VAE, WAV2VEC2_BASE, WHISPER_TINY
from .detect import find_companion
from .errors import CheckpointError
from .load import AUDIO_ENCODER, HEAD_FINDER, VAE, Checkpoint, fill, on_meta, read_vae

AUDIO_COMPANIONS = {"wav2vec2": WAV2VEC2_BASE, "whisper": WHISPER_TINY}


def vae_of(
    checkpoint: Checkpoint, folders: Sequence[Path], path: Path | None = None
) -> tuple[VaeConfig, dict[str, Tensor]]:
    """Config and tensors of the VAE: the checkpoint's own, else the file `path`, else one in `folders`.

    Raises MissingFileError with what to do if there is none.
    """
    own = checkpoint.part(VAE)
    if own:
        return checkpoint.config.vae, own
    path = path or find_companion(SD_VAE, _places(checkpoint, folders))
    config, tensors = read_vae(path)
    wanted = checkpoint.config.unet.latent_channels
    if config.latent_channels != wanted:
        raise CheckpointError(
            f"{path} is a VAE of {config.latent_channels} latent channels, {checkpoint.family.title} needs "
            f"{wanted}: choose Stable Diffusion 1.5's"
        )
    return config, tensors


def audio_encoder_of_checkpoint(
    checkpoint: Checkpoint, folders: Sequence[Path], path: Path | None = None
) -> AudioEncoderFile:
    """The encoder that the checkpoint hears through: its own, else the file `path`, else one in `folders`.

    Raises MissingFileError with what to do if there is none, CheckpointError if it is another one.
    """
    audio = checkpoint.config.audio
    if audio.encoder == "mel_conv":
        return AudioEncoderFile(audio, checkpoint.part(AUDIO_ENCODER))
    companion = AUDIO_COMPANIONS[audio.encoder]
    path = path or find_companion(companion, _places(checkpoint, folders))
    file = open_audio_encoder(path, dtype=torch.float32)
    states = 1 + file.config.layers
    if file.kind != audio.encoder or file.config.width != audio.width or states < audio.layers:
        raise CheckpointError(
            f"{path} is a {file.kind} encoder with {states} states of {file.config.width} values, "
            f"{checkpoint.family.title} hears through {companion.title} with {audio.layers} of {audio.width}"
        )
    return file


def build_companions(
    checkpoint: Checkpoint, backend: Backend, folders: Sequence[Path]
) -> tuple[AutoencoderKL, AudioEncoder]:
    """Both networks with their tensors."""
    config, tensors = vae_of(checkpoint, folders)
    tensors = {key: value.to(backend.dtype or value.dtype) for key, value in tensors.items()}
    vae = fill(AutoencoderKL(config, backend=on_meta(backend)), tensors, "VAE")
    return vae, audio_encoder_of_checkpoint(checkpoint, folders).build(backend)


def build_head_finder(checkpoint: Checkpoint, backend: Backend) -> HeadFinder | None:
    """The network that finds the head in a portrait, in full precision; None if the checkpoint brings none."""
    tensors = {key: value.float() for key, value in checkpoint.part(HEAD_FINDER).items()}
    if not tensors:
        return None
    return fill(HeadFinder(backend=on_meta(dataclasses.replace(backend, dtype=torch.float32))), tensors, "head finder")


def _places(checkpoint: Checkpoint, folders: Sequence[Path]) -> list[Path]:
    """Where companions are looked for: first beside the checkpoint's own files."""
    own = [] if checkpoint.folder is None else [checkpoint.folder]
    return [*own, *(folder for folder in folders if folder not in own)]
