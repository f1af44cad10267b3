"""The calls of the encoders, each on the device for as long as it takes."""

from __future__ import annotations

import comfy.sd
import torch
from torch import Tensor

from ...emo_core.audio.features import StateTimes, frame_windows
from ...emo_core.audio.mel_conv import SAMPLE_RATE, MelConvEncoder, normalise
from ...emo_core.config import AudioConfig, EmoConfig
from ...emo_core.media.video import Sound
from ...emo_core.models.emo import Encoders
from .managed import Managed, to_host
from .model import encode_reference

PROJECTED_FRAMES = 256  # audio windows projected at once


def encode_portrait(vae: comfy.sd.VAE, picture: Tensor, config: EmoConfig) -> Tensor:
    """Scaled latents [1, 4, h, w] of a picture [1, 8h, 8w, 3] in 0..1."""
    latents: Tensor = vae.encode(picture)  # pyright: ignore[reportAssignmentType]
    if latents.ndim != 4 or latents.shape[1] != config.unet.latent_channels:
        raise ValueError(
            f"the VAE makes latents {tuple(latents.shape)}, want [1, {config.unet.latent_channels}, h, w]: "
            "connect the VAE of Load EMO Model, or Stable Diffusion 1.5's"
        )
    return latents * config.vae.scaling


def encode_start_motion(
    encoders: Managed[Encoders],
    vae: comfy.sd.VAE,
    picture: Tensor,
    tokens: dict[str, Tensor],
    context: Tensor | None,
    config: EmoConfig,
) -> dict[str, Tensor] | None:
    """Motion features [n, L, C] by block path for the first clip, which has no clip before it.

    The paper sets the motion frames to zero: mid-grey pictures; some families repeat the portrait instead.
    """
    count = config.temporal.motion_frames
    if not count:
        return None
    if config.long_video.motion_source == "zeros":
        grey = encode_portrait(vae, torch.full_like(picture, 0.5), config)
        tokens = encode_reference(encoders, grey, context)
    return {path: value.expand(count, -1, -1) for path, value in tokens.items()}


def encode_context(encoders: Managed[Encoders], embedding: Tensor | None) -> Tensor | None:
    """Image tokens [1, T, D] of a face embedding [E]; None for families without."""
    with encoders.on_device(0) as network:
        context = network.encode_context(None if embedding is None else encoders.prepare(embedding))
    return None if context is None else to_host(context)


def encode_face(encoders: Managed[Encoders], mask: Tensor) -> Tensor:
    """Face Locator features [1, C, h, w] of a mask [8h, 8w] in 0..1."""
    height, width = mask.shape
    memory = encoders.activation_memory((1, 1, height, width))
    with encoders.on_device(memory) as network:
        inputs = network.config.face_locator.inputs
        return to_host(network.face_locator(encoders.prepare(mask).expand(1, inputs, -1, -1)))


def encode_speed(encoders: Managed[Encoders], degrees: Tensor) -> Tensor:
    """Speed embedding [F, D] of head speeds [F] in degrees per frame."""
    with encoders.on_device(0) as network:
        embedding = network.encode_speed(encoders.prepare(degrees))
    if embedding is None:
        raise ValueError("this model has no speed layers: leave EMO Encode Head Speed out of the graph")
    return to_host(embedding)


def encode_states(encoder: Managed[MelConvEncoder], waveform: Tensor) -> Tensor:
    """States [T, layers, C] of a waveform [S] at the encoder's rate, in pieces of bounded memory."""
    with encoder.on_device(512 << 20) as network:
        return to_host(network.encode(waveform.to(encoder.device)))


def encode_windows(
    config: AudioConfig, encoder: Managed[MelConvEncoder], sound: Sound, frames: int, fps: float
) -> Tensor:
    """Windows [F, K, layers, C] of encoder states around each frame."""
    states = encode_states(encoder, normalise(sound.mono(SAMPLE_RATE)))
    return frame_windows(states[:, -config.layers :], StateTimes(), frames, fps, config.window)


def project_windows(encoders: Managed[Encoders], windows: Tensor) -> Tensor:
    """Audio tokens [F, T, D] of windows [F, K, layers, C]."""
    with encoders.on_device(windows[:PROJECTED_FRAMES].numel() * 8) as network:
        pieces = [
            to_host(network.audio_projection(encoders.prepare(piece)))
            for piece in windows.split(PROJECTED_FRAMES)
        ]
    return torch.cat(pieces)
