"""Latents and audio states, encoded once so that training need not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...audio import rules
from ...audio.features import resample_states
from ...audio.mel_conv import MelConvEncoder
from ...audio.wav2vec2 import Wav2Vec2
from ...backend import Backend
from ...checkpoints.audio_encoders import open_audio_encoder
from ...checkpoints.emo import CONFIG_KEY
from ...checkpoints.files import read_metadata
from ...checkpoints.load import AUDIO_ENCODER, VAE, fill, load_vae, open_checkpoint
from ...config import AudioConfig
from ...media.digest import sha256_of
from ...models.vae import AutoencoderKL

BATCH = 8
"""Pictures that the VAE sees at once."""


@dataclasses.dataclass(frozen=True)
class ExtraFiles:
    """Networks whose outputs are kept beside the clips: weight files, or checkpoints of ours that hold them."""

    vae: Path | None = None
    audio_encoder: Path | None = None
    device: str = "cpu"

    def identity(self) -> dict[str, str]:
        """The files by content, not by place."""
        files = {"vae": self.vae, "audio_encoder": self.audio_encoder}
        return {name: sha256_of(path)[:16] for name, path in files.items() if path is not None}


class Extras:
    """The networks of `ExtraFiles`, in memory."""

    def __init__(self, files: ExtraFiles) -> None:
        self._device = torch.device(files.device)
        self._vae = None if files.vae is None else _open_vae(files.vae).to(self._device)
        self._states = None if files.audio_encoder is None else _open_audio(files.audio_encoder, self._device)

    @property
    def has_vae(self) -> bool:
        """Whether `latents` can be asked."""
        return self._vae is not None

    @torch.inference_mode()
    def latents(self, pictures: list[np.ndarray]) -> np.ndarray:
        """Scaled latents float16 [N, C, h, w] of pictures uint8 [H, W, 3]."""
        if self._vae is None:
            raise ValueError("no VAE was given")
        batch = torch.from_numpy(np.stack(pictures)).to(self._device).permute(0, 3, 1, 2).float() / 127.5 - 1
        return self._vae.encode(batch).half().cpu().numpy()

    @torch.inference_mode()
    def states(self, samples: np.ndarray, frames: int, fps: float) -> np.ndarray | None:
        """Audio states at the frames' centres, float16 [F, layers, C], of a sound [S] at 16 kHz."""
        if self._states is None:
            return None
        return self._states(torch.from_numpy(samples), frames, fps).half().cpu().numpy()


def _open_vae(path: Path) -> AutoencoderKL:
    if CONFIG_KEY not in read_metadata(path):
        return load_vae(path, Backend(), dtype=torch.float32)
    checkpoint = open_checkpoint(path, dtype=torch.float32)
    empty = AutoencoderKL(checkpoint.config.vae, backend=Backend(device="meta"))
    return fill(empty, checkpoint.part(VAE), "VAE")


def _open_audio(path: Path, device: torch.device) -> Callable[[Tensor, int, float], Tensor]:
    """A function of waveform, frames and fps."""
    if CONFIG_KEY in read_metadata(path):
        checkpoint = open_checkpoint(path, dtype=torch.float32)
        config = checkpoint.config.audio
        empty = MelConvEncoder(config, backend=Backend(device="meta"))
        encode = fill(empty, checkpoint.part(AUDIO_ENCODER), "audio encoder").to(device).encode
    else:
        network = open_audio_encoder(path, dtype=torch.float32).build(Backend()).to(device)
        config = AudioConfig(encoder="wav2vec2" if isinstance(network, Wav2Vec2) else "whisper")
        encode = network

    def states(waveform: Tensor, frames: int, fps: float) -> Tensor:
        normal = rules.normalise(waveform.to(device), config)
        return resample_states(encode(normal), rules.STATE_TIMES[config.encoder], frames, fps)

    return states
