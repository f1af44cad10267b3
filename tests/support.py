"""What tests of several folders share."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import save_file

from emo_core.audio.mel_conv import MelConvEncoder
from emo_core.backend import Backend
from emo_core.checkpoints.emo import CONFIG_KEY
from emo_core.config import (
    AudioConfig,
    EmoConfig,
    FaceLocatorConfig,
    PresetConfig,
    ScheduleConfig,
    SpeedConfig,
    TemporalConfig,
    UNetConfig,
    VaeConfig,
)
from emo_core.models.emo import Emo
from emo_core.models.head_finder import REACH, HeadFinder
from emo_core.models.vae import AutoencoderKL

SMALL = EmoConfig(
    unet=UNetConfig(channels=(16, 32), attention=(True, True), layers_per_block=1, heads=2, groups=8, positions=True),
    audio=AudioConfig(encoder="mel_conv", layers=3, width=16, hidden=32, tokens=4, token_width=16),
    temporal=TemporalConfig(levels=(True, True), heads=2, motion_frames=2, clip_frames=4),
    face_locator=FaceLocatorConfig(channels=(4, 4, 8, 8)),
    speed=SpeedConfig(width=16),
    schedule=ScheduleConfig(prediction="v", zero_snr=True, terminal_alpha_bar=1e-4),
    vae=VaeConfig(channels=(8, 8, 16, 16), layers_per_block=1, groups=4, scaling=0.9),
    preset=PresetConfig(size=64, fps=25.0, steps=3, guidance=1.5, audio_guidance=2.0),
)
"""The paper's parts at the smallest width: milliseconds per step."""


def random_checkpoint(
    path: Path, config: EmoConfig = SMALL, seed: int = 0, head: tuple[float, ...] | None = None
) -> None:
    """Write a checkpoint in our own format with random weights, the same at every call with one seed.

    head: a box (x0, y0, x1, y1 in shares) brings a head finder that finds it in every picture.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        emo = Emo(config, backend=Backend())
        parts = {
            "": emo.encoders,
            "backbone.": emo.backbone,
            "vae.": AutoencoderKL(config.vae, backend=Backend()),
            "audio_encoder.": MelConvEncoder(config.audio, backend=Backend()),
        }
    if head is not None:
        parts["head_finder."] = finder_of(head)
    tensors = {prefix + key: value for prefix, part in parts.items() for key, value in part.state_dict().items()}
    save_file(tensors, path, {CONFIG_KEY: json.dumps(config.to_dict())})


def finder_of(head: tuple[float, ...]) -> HeadFinder:
    """A head finder that finds a box in every picture, if it is in the middle: it is the same in mirror images."""
    finder = HeadFinder(backend=Backend())
    with torch.no_grad():
        for layer in (finder.heat, finder.linear2):
            layer.weight.zero_()
            layer.bias.zero_()
        finder.linear2.bias.copy_((torch.tensor(head) - 0.5) / REACH)  # even heat maps have their centres at 0.5
    return finder


class Pack:
    """Modules of the pack by their path inside it, as the host has imported them."""

    def __init__(self, package: ModuleType) -> None:
        self._name = package.__name__

    def __getitem__(self, path: str) -> ModuleType:
        return importlib.import_module(f"{self._name}.{path}")
