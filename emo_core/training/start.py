"""The weights that training starts from: Stable Diffusion and AnimateDiff, or a whole checkpoint of a known family."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..backend import Backend
from ..checkpoints.errors import MissingKeyError, ShapeError, UnknownKeyError
from ..checkpoints.files import read_tensors
from ..checkpoints.load import BACKBONE, Checkpoint, open_checkpoint
from ..config import EmoConfig, SpeedConfig
from ..models.emo import Emo
from ..modules.transformer import BackboneBlock
from .initialise import initialise, silence_speed
from .stages import kind
from .start_keys import (
    ANIMATEDIFF,
    MOTION_ADAPTER,
    SD_UNET,
    SINGLE_FILE_BLOCKS,
    SINGLE_FILE_LAYERS,
    SINGLE_FILE_PREFIX,
)

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Files. Give `unet` and `motion`, or `checkpoint`, or nothing for random weights."""

    unet: str | None = None
    """Stable Diffusion 1.5: diffusers' UNet or a whole single-file checkpoint."""
    motion: str | None = None
    """AnimateDiff's motion module: its own file or diffusers' MotionAdapter."""
    checkpoint: str | None = None
    """A file or folder of EMO, Hallo, EchoMimic or V-Express; speed layers are added if it has none."""
    vae: str | None = None
    """Goes into the exported file: diffusers' or single-file layout, or a checkpoint of ours."""
    audio_encoder: str | None = None
    """A checkpoint of ours whose encoder goes into the exported file; published encoders stay files of their own."""


def start_config(start: Start, config: EmoConfig) -> EmoConfig:
    """The config of the model: the checkpoint's with speed layers, or the given one."""
    if start.checkpoint is None:
        return config
    found = open_checkpoint(Path(start.checkpoint)).config
    return found if found.speed else dataclasses.replace(found, speed=config.speed or SpeedConfig())


def start_model(start: Start, config: EmoConfig, seed: int) -> Emo:
    """The model of `start_config` with its starting weights; new layers are random but change nothing yet."""
    model = Emo(config, backend=Backend())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        initialise(model, seed)
    if start.checkpoint is not None:
        load_family(model, open_checkpoint(Path(start.checkpoint), dtype=torch.float32))
    if start.unet is not None:
        load_stable_diffusion(model, read_tensors(Path(start.unet), torch.float32))
    if start.motion is not None:
        load_motion(model, read_tensors(Path(start.motion), torch.float32))
    return model


@torch.no_grad()
def load_family(model: Emo, checkpoint: Checkpoint) -> None:
    """Every tensor of a checkpoint; only speed layers may be new, and they start silent."""
    own = {**checkpoint.encoders(), **{BACKBONE + k: v for k, v in checkpoint.part(BACKBONE).items()}}
    tensors = {
        name if name.startswith(BACKBONE) else f"encoders.{name}": value for name, value in own.items()
    }
    left = _copy(model, tensors, checkpoint.family.title)
    new = [name for name in left if "speed" not in name]
    if new:
        raise MissingKeyError(f"{checkpoint.family.title} has no {new[0]!r} ({len(new)} such tensors)")
    if left:
        silence_speed(model)


@torch.no_grad()
def load_stable_diffusion(model: Emo, tensors: Mapping[str, Tensor]) -> None:
    """Both nets from a UNet. Attention to the portrait begins as the self-attention beside it and adds nothing yet,
    so that the backbone is Stable Diffusion without text at first; audio layers and Face Locator add nothing either.
    """
    ours = unet_tensors(tensors)
    for net, name in ((model.backbone, "backbone"), (model.encoders.reference_net, "ReferenceNet")):
        wanted = net.state_dict()
        left = _copy(
            net, {key: value for key, value in ours.items() if key in wanted}, f"the UNet for the {name}"
        )
        new = [key for key in left if kind(f"backbone.{key}") == "picture" and ".attn2." not in key]
        if new:
            raise MissingKeyError(f"the UNet has no {new[0]!r} ({len(new)} such tensors)")
    for module in model.backbone.modules():
        if isinstance(module, BackboneBlock):
            _begin_silent(module)
    _zero(model.encoders.face_locator.conv_out)


def unet_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A Stable Diffusion 1.5 UNet of either layout under our names."""
    inside = {
        key.removeprefix(SINGLE_FILE_PREFIX): value
        for key, value in tensors.items()
        if key.startswith(SINGLE_FILE_PREFIX)
    }
    if inside:
        tensors = SINGLE_FILE_LAYERS.apply(SINGLE_FILE_BLOCKS.apply(inside))
    return SD_UNET.apply(tensors)


@torch.no_grad()
def load_motion(model: Emo, tensors: Mapping[str, Tensor]) -> None:
    """The temporal modules from AnimateDiff's; where a version has none (v1's middle), they add nothing."""
    own = any(".temporal_transformer." in key for key in tensors)
    ours = (ANIMATEDIFF if own else MOTION_ADAPTER).apply(tensors)
    if any(key.startswith("module.") for key in tensors):
        ours = ANIMATEDIFF.apply(ours)  # from a file of several processes
    left = _copy(model.backbone, ours, "AnimateDiff")
    for name in left:
        if ".motion_modules." in name and ".temporal_transformer.proj_out." in name:
            LOG.info("AnimateDiff has no %s: it starts silent", name)
            model.backbone.get_parameter(name).zero_()


def _begin_silent(block: BackboneBlock) -> None:
    """New attention layers of a block: their outputs are zero."""
    if block.reference_config.mode == "cross":
        for layer in ("to_q", "to_k", "to_v"):
            getattr(block.attn2, layer).weight.copy_(getattr(block.attn1, layer).weight)
        _zero(block.attn2.to_out[0])
    if block.audio_config.site == "after_reference":
        _zero(block.audio_attn.to_out[0])


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _copy(module: nn.Module, tensors: Mapping[str, Tensor], title: str) -> list[str]:
    """Copy tensors into a module; the names of its parameters that got none."""
    wanted = module.state_dict()
    for key, value in tensors.items():
        if key not in wanted:
            raise UnknownKeyError(f"the model has no place for {key!r} of {title}: its config is another one")
        if wanted[key].shape != value.shape:
            raise ShapeError(
                f"{key!r} of {title} is {tuple(value.shape)}, wanted is {tuple(wanted[key].shape)}"
            )
        wanted[key].copy_(value)
    return [name for name, _ in module.named_parameters() if name not in tensors]
