"""The calls of the encoders, each on the device for as long as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ...emo_core.audio.encoders import AudioEncoder, audio_windows, encode_states
from ...emo_core.audio.rules import heard_frames
from ...emo_core.audio.wav2vec2 import Wav2Vec2
from ...emo_core.config import EmoConfig
from ...emo_core.diffusion.long_video import motion_pictures
from ...emo_core.media.video import Sound
from ...emo_core.models.emo import Encoders
from ...emo_core.models.head_finder import HeadFinder
from ...emo_core.models.reference_pair import ReferencePair
from .managed import Managed, to_host
from .memory import face_bytes, projection_bytes
from .motion import encode_pictures, encode_reference
from .spill import gathered

FINDER_MEMORY = 16 << 20  # bytes beside the weights of the head finder, which looks at 128 px
AUDIO_MEMORY = 512 << 20  # bytes beside the weights of an audio encoder
TOKEN_MEMORY = 16 << 20  # bytes of audio tokens that stay in memory; more are read clip by clip from a file
WAV2VEC2_MEMORY = 1536 << 20  # 30 s of convolutions, or the attention of 3000 states


def encode_portrait(
    encoders: Managed[Encoders],
    vae: Any,
    portrait: Tensor,
    context: Tensor | None,
    context_without: Tensor | None,
) -> tuple[Tensor, ReferencePair]:
    """Scaled latents [1, C, h, w] of a portrait [1, 3, 8h, 8w] in -1..1, and what the networks see of it.

    That includes the motion frames of the first clip, which has no clip before it.
    """
    config = encoders.network.config
    latents = encode_pictures(vae, portrait, config)
    count, motion = config.temporal.motion_frames, None
    if count:
        # pixels that Hallo2 takes away by chance are taken away when the clip's seed is known
        pictures = motion_pictures(portrait, None, count, config.long_video, torch.ones(portrait.shape[-2:]), 0)
        motion = encode_pictures(vae, pictures, config)
    return latents, encode_reference(encoders, latents, motion, context, context_without)


def find_head(finder: Managed[HeadFinder], portrait: Tensor) -> Tensor:
    """Box [4] (x0, y0, x1, y1 in px) of the head in a portrait [1, 3, S, S] in -1..1."""
    with finder.on_device(FINDER_MEMORY + 2 * portrait.nbytes) as network:
        return to_host(network.find(finder.prepare(portrait))[0]) * portrait.shape[-1]


def encode_context(encoders: Managed[Encoders], embedding: Tensor | None) -> Tensor | None:
    """Image tokens [1, T, D] of a face embedding [E]; None for families without."""
    wanted = encoders.network.config.context
    if wanted is None:
        return None
    given = torch.zeros(wanted.inputs) if embedding is None else embedding
    with encoders.on_device(0) as network:
        context = network.encode_context(encoders.prepare(given))
    return None if context is None else to_host(context)


def encode_face(encoders: Managed[Encoders], pictures: Tensor) -> Tensor:
    """Face Locator features [N, C, h, w] of pictures [N, inputs, 8h, 8w] in 0..1."""
    height, width = pictures.shape[-2:]
    memory = face_bytes(encoders.network.config, height, width, encoders.precision.compute)
    with encoders.on_device(memory) as network:
        return torch.cat([to_host(network.face_locator(encoders.prepare(one))) for one in pictures.split(1)])


def encode_speed(encoders: Managed[Encoders], degrees: Tensor) -> Tensor:
    """Speed embedding [F, D] of head speeds [F] in degrees per frame."""
    with encoders.on_device(0) as network:
        embedding = network.encode_speed(encoders.prepare(degrees))
    if embedding is None:
        raise ValueError("this model has no speed layers: leave EMO Encode Head Speed out of the graph")
    return to_host(embedding)


def encode_audio(
    config: EmoConfig,
    encoder: Managed[AudioEncoder],
    encoders: Managed[Encoders],
    heard: Sound,
    frames: int,
    fps: float,
) -> Tensor:
    """Audio tokens [F', T, D] of `heard` for a video of `frames` frames, and beyond if its last clip is longer."""

    def states(waveform: Tensor, count: int | None) -> Tensor:
        memory = WAV2VEC2_MEMORY if isinstance(encoder.network, Wav2Vec2) else AUDIO_MEMORY
        with encoder.on_device(memory) as network:
            return to_host(encode_states(network, waveform.to(encoder.device), count, config.audio.layers))

    def tokens() -> Iterator[Tensor]:
        for windows in audio_windows(states, config, heard, frames, fps):
            memory = projection_bytes(config.audio, windows.shape[0], encoders.precision.compute)
            with encoders.on_device(memory) as network:
                yield to_host(network.encode_audio(encoders.prepare(windows)))

    return gathered(tokens(), heard_frames(config, frames), TOKEN_MEMORY, named=True)
