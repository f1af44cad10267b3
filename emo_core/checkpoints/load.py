"""Checkpoints in memory: built without weights, filled strictly, the file's own tensors in place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..backend import Backend, lay_out
from ..config import EmoConfig, VaeConfig
from ..models.backbone import Backbone
from ..models.emo import Encoders
from ..models.vae import AutoencoderKL
from .companions import VAE_KEYS
from .detect import detect
from .emo import CONFIG_KEY, PROVENANCE_KEY
from .errors import MissingKeyError, ShapeError, UnknownKeyError
from .family import Family, Release
from .files import read_json, read_metadata, read_tensors
from .shapes import derive_config, derive_vae_config, merge

Module = TypeVar("Module", bound=nn.Module)

BACKBONE = "backbone."
ENCODERS = (
    "reference_net.",
    "face_locator.",
    "audio_projection.",
    "mover_projection.",
    "speed_encoder.",
    "context_projection.",
)
VAE = "vae."
AUDIO_ENCODER = "audio_encoder."
HEAD_FINDER = "head_finder."


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's config and tensors under our names, still mapped from disk."""

    family: Family
    release: Release | None
    config: EmoConfig
    tensors: dict[str, Tensor]
    files: tuple[Path, ...]
    folder: Path | None = None
    """The folder that was chosen; None if it was a file."""
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the model is called."""
        return self.release.title if self.release else self.family.title

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix` ("backbone.", "vae." ...), without it."""
        return {key[len(prefix) :]: value for key, value in self.tensors.items() if key.startswith(prefix)}

    def encoders(self) -> dict[str, Tensor]:
        """The tensors of `Encoders`."""
        return {key: value for key, value in self.tensors.items() if key.startswith(ENCODERS)}


def open_checkpoint(
    path: Path,
    *,
    release: str | None = None,
    given: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> Checkpoint:
    """Find, read and rename the tensors of a checkpoint that is a file or a folder.

    release chooses between releases of the same layout; given are nested config values that shapes do not
    show (such as `{"unet": {"heads": 8}}`); dtype None keeps the files' own. Raises a CheckpointError or
    MissingFileError that says what to do.
    """
    found = detect(Path(path), release)
    published: dict[str, Tensor] = {}
    for prefix, file in found.files:
        published.update({prefix + key: value for key, value in read_tensors(file, dtype).items()})
    tensors = found.family.key_map.apply(published)
    files = tuple(file for _, file in found.files)
    metadata = read_metadata(files[0])
    if CONFIG_KEY in metadata:
        config = EmoConfig.from_dict(merge(read_json(metadata, CONFIG_KEY), given or {}))
    else:
        shapes = {key: tuple(value.shape) for key, value in tensors.items()}
        changes = dict(found.release.changes) if found.release else {}
        config = derive_config(found.family.config, shapes, merge(changes, given or {}))
    provenance = read_json(metadata, PROVENANCE_KEY) if PROVENANCE_KEY in metadata else {}
    folder = Path(path) if Path(path).is_dir() else None
    return Checkpoint(found.family, found.release, config, tensors, files, folder, provenance)


def build_backbone(checkpoint: Checkpoint, backend: Backend) -> Backbone:
    """The denoising network with the checkpoint's tensors."""
    model = fill(Backbone(checkpoint.config, backend=on_meta(backend)), checkpoint.part(BACKBONE), "backbone")
    lay_out(model, checkpoint.config.unet.channels[0])
    return model


def build_encoders(checkpoint: Checkpoint, backend: Backend) -> Encoders:
    """Everything that runs before sampling, with the checkpoint's tensors."""
    return fill(Encoders(checkpoint.config, backend=on_meta(backend)), checkpoint.encoders(), "encoders")


def read_vae(
    path: Path, *, groups: int = 32, dtype: torch.dtype | None = None
) -> tuple[VaeConfig, dict[str, Tensor]]:
    """Config and tensors of the AutoencoderKL in a file: under the names of diffusers (old or new), of Stable
    Diffusion itself, or inside a whole Stable Diffusion checkpoint."""
    tensors = read_tensors(path, dtype)
    first = "first_stage_model."
    if any(key.startswith(first) for key in tensors):
        tensors = {key[len(first) :]: value for key, value in tensors.items() if key.startswith(first)}
    ours = {key: _as_linear(key, value) for key, value in VAE_KEYS.apply(tensors).items()}
    return derive_vae_config({key: tuple(value.shape) for key, value in ours.items()}, groups), ours


def load_vae(
    path: Path, backend: Backend, *, groups: int = 32, dtype: torch.dtype | None = None
) -> AutoencoderKL:
    """The VAE in a weight file."""
    config, tensors = read_vae(path, groups=groups, dtype=dtype)
    return fill(AutoencoderKL(config, backend=on_meta(backend)), tensors, "VAE")


def fill(module: Module, tensors: Mapping[str, Tensor], name: str) -> Module:
    """Put tensors into a module that was built on the meta device; nothing is copied.

    Raises MissingKeyError, UnknownKeyError or ShapeError with the first tensor that does not fit.
    """
    wanted = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    for key, shape in wanted.items():
        if key not in tensors:
            raise MissingKeyError(f"the {name} needs {key!r} {shape}, which the checkpoint does not have")
        if tuple(tensors[key].shape) != shape:
            raise ShapeError(f"{key!r} of the {name} is {tuple(tensors[key].shape)}, needed is {shape}")
    for key in tensors:
        if key not in wanted:
            raise UnknownKeyError(f"the {name} has no place for {key!r}: the file is of another version")
    module.load_state_dict(dict(tensors), strict=True, assign=True)
    return module.eval().requires_grad_(False)


def on_meta(backend: Backend) -> Backend:
    """The same backend for modules without memory, to be filled."""
    return dataclasses.replace(backend, device="meta")


def _as_linear(key: str, value: Tensor) -> Tensor:
    """Stable Diffusion's VAE writes the linear layers of its attention as 1x1 convolutions."""
    return value[:, :, 0, 0] if ".attentions." in key and value.ndim == 4 else value
