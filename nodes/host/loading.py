"""From files to what ComfyUI's memory manager holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.model_patcher
import comfy.sd
import torch

from ...emo_core.animate import BUILT_IN
from ...emo_core.audio.encoders import AudioEncoder
from ...emo_core.checkpoints.detect import missing_parts
from ...emo_core.checkpoints.errors import MissingFileError
from ...emo_core.checkpoints.family import Release
from ...emo_core.checkpoints.hub import download
from ...emo_core.checkpoints.load import BACKBONE, HEAD_FINDER, Checkpoint, open_checkpoint
from ...emo_core.checkpoints.networks import audio_encoder_of_checkpoint, vae_of
from ...emo_core.checkpoints.registry import COMPANIONS, RELEASES
from ...emo_core.models.emo import Encoders
from ...emo_core.models.head_finder import HeadFinder
from . import motion
from .family_windows import work_in_windows
from .folders import companion_folders, find_companion_file, find_model, model_folders, model_names
from .layers import WEIGHT_DTYPES
from .managed import Managed
from .model import build_model
from .vae import build_vae, preview_matrix

BUILT_IN_NAME = "emo-tiny (built in)"
AUTO = "auto"


def choices() -> list[str]:
    """The models a user can choose from: also published ones that are not there yet, which then say what to do."""
    published = [release.name for release in RELEASES]
    taken = {*published, *(companion.name for companion in COMPANIONS)}
    return [BUILT_IN_NAME, *published, *(name for name in model_names() if name not in taken)]


def releases() -> list[str]:
    """What a folder's files may be taken for."""
    return [AUTO, *(release.name for release in RELEASES)]


def weight_dtypes() -> list[str]:
    """The ways weights can be kept."""
    return list(WEIGHT_DTYPES)


def open_model(name: str, release: str = AUTO, *, fetch: bool = False) -> Checkpoint:
    """The checkpoint a user chose; FileNotFoundError or CheckpointError says what is missing or wrong.

    release is what the files are taken for; with `fetch` missing files of a published one are downloaded.
    """
    if name == BUILT_IN_NAME:
        return open_checkpoint(BUILT_IN)
    published = _published(name if release == AUTO else release)
    if fetch and published is not None:
        for _ in download(published.name, model_folders()[0], _host_folders()):
            pass  # each file as it comes; ComfyUI's log tells of them
    try:
        path = find_model(name, published.folder if published else None)
    except FileNotFoundError:
        if published is None:
            raise
        missing = missing_parts(published, published.parts, model_folders()[0] / published.folder)
        raise MissingFileError(missing) from None
    return open_checkpoint(path, release=published.name if published else None)


def _published(name: str) -> Release | None:
    return next((release for release in RELEASES if release.name == name), None)


def load_networks(
    checkpoint: Checkpoint, weight_dtype: str, vae_file: str = AUTO, audio_encoder_file: str = AUTO
) -> tuple[comfy.model_patcher.ModelPatcher, Managed[Encoders], Managed[AudioEncoder], comfy.sd.VAE]:
    """MODEL, encoders, audio encoder and VAE of a checkpoint; published ones need files for the last two."""
    dtype = WEIGHT_DTYPES[weight_dtype]
    config, folders = checkpoint.config, [*model_folders(), *_host_folders()]
    vae = build_vae(*vae_of(checkpoint, folders, _chosen("vae", vae_file)))
    heard_by = audio_encoder_of_checkpoint(
        checkpoint, folders, _chosen("audio_encoders", audio_encoder_file)
    )
    audio_encoder = Managed(heard_by.empty, heard_by.tensors, torch.float32)
    encoders = Managed(lambda backend: Encoders(config, backend=backend), checkpoint.encoders(), dtype)
    model = build_model(config, checkpoint.part(BACKBONE), dtype)
    model.set_attachments(motion.ENCODERS, encoders)
    model.set_attachments(motion.VAE, vae)
    work_in_windows(model, config)
    set_preview(model, vae)
    return model, encoders, audio_encoder, vae


def load_head_finder(checkpoint: Checkpoint) -> Managed[HeadFinder] | None:
    """What finds the head in a portrait, in full precision; None for checkpoints without."""
    tensors = checkpoint.part(HEAD_FINDER)
    return Managed(lambda backend: HeadFinder(backend=backend), tensors, torch.float32) if tensors else None


def _chosen(kind: str, name: str) -> Path | None:
    return None if name == AUTO else find_companion_file(kind, name)


def _host_folders() -> list[Path]:
    """ComfyUI's own folders where a VAE or an audio encoder may already be."""
    folders = (path for kind in ("vae", "audio_encoders") for path in companion_folders(kind))
    return [path for path in dict.fromkeys(folders) if path.is_dir()]


def set_preview(model: comfy.model_patcher.ModelPatcher, vae: comfy.sd.VAE) -> None:
    """Give a MODEL whose latents are not Stable Diffusion's the colours of its own VAE for live previews."""
    latent_format: Any = model.model.latent_format
    if latent_format.latent_rgb_factors is None:
        factors, bias = preview_matrix(vae, latent_format.scale_factor)
        latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias = factors, bias
