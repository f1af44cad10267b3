"""ComfyUI's values to ours and back, checked where they come in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..emo_core.media.fit import fit_square
from ..emo_core.media.video import Sound

FASTEST = 180  # degrees per frame that mean anything
LEAST_FPS, MOST_FPS = 1, 120  # frames per second, of the fps widgets too


def portrait_from_image(image: Tensor, size: int) -> Tensor:
    """One square picture [1, size, size, 3] from IMAGE [1, H, W, 3]: the middle, scaled."""
    if image.ndim != 4 or image.shape[0] != 1:
        raise ValueError(
            f"the portrait is a batch of {image.shape[0]} pictures, want 1: pick one with ImageFromBatch"
        )
    pictures = pictures_from_image(image, size, "portrait")
    if image.amin((0, 1, 2)).equal(image.amax((0, 1, 2))):
        raise ValueError(
            "the portrait is one flat colour: load a picture with a face (Load Image turns 16-bit grey files white: "
            "save them with 8 bits)"
        )
    return pictures


def pictures_from_image(image: Tensor, size: int, name: str) -> Tensor:
    """Square pictures [N, size, size, 3] from IMAGE [N, H, W, 3]: the middle, scaled; errors call it `name`."""
    if image.shape[-1] != 3:
        raise ValueError(f"the {name} has {image.shape[-1]} channels, want 3 (RGB): put it on a background")
    if not image.numel():
        raise ValueError(
            f"the {name} is {image.shape[2]} x {image.shape[1]} pixels: load a picture that is not empty"
        )
    if not torch.isfinite(image).all():
        raise ValueError(f"the {name} holds NaN or infinite values: look at the node that made it")
    return fit_square(image.float().movedim(-1, 1), size).movedim(1, -1).clamp(0, 1)


def as_picture(portrait: Tensor) -> Tensor:
    """IMAGE [N, H, W, 3] in 0..1 as networks take it: [N, 3, H, W] in -1..1."""
    return portrait.movedim(-1, 1) * 2 - 1


def embedding_from(value: Any, width: int) -> Tensor:
    """A face embedding [width] from a tensor, array or list of any shape with so many values."""
    embedding = torch.as_tensor(value, dtype=torch.float32).detach().cpu().reshape(-1)
    if embedding.numel() != width:
        raise ValueError(
            f"the face embedding has {embedding.numel()} values, want {width}: connect EMO Face Embedding, or "
            "another node's embedding of an insightface recognition model"
        )
    return embedding


def sound_from_audio(audio: dict[str, Any]) -> Sound:
    """The samples [C, S] of an AUDIO with one sound in it."""
    if not audio or "waveform" not in audio:
        raise ValueError("there is no sound in the AUDIO: load a file with an audio track")
    waveform, rate = audio["waveform"], int(audio["sample_rate"])
    if waveform.ndim != 3 or waveform.shape[0] != 1:
        raise ValueError(
            f"the audio is a batch of shape {tuple(waveform.shape)}, want [1, channels, samples]"
        )
    if not waveform.numel():
        raise ValueError("the audio has no samples: load a file that is not empty, or trim it less")
    if rate <= 0:
        raise ValueError(f"the audio's sample rate is {rate} Hz, want more than 0")
    sound = Sound(waveform[0].float(), rate)
    if not all(part.isfinite().all() for part, _ in sound.pieces()):
        raise ValueError("the audio holds NaN or infinite samples: look at the node that made it")
    return sound


def checked_fps(fps: float) -> float:
    """A frame rate, which may come from another node and so past the widget's limits."""
    if not LEAST_FPS <= fps <= MOST_FPS:  # NaN is not between them
        raise ValueError(f"fps is {fps}, want {LEAST_FPS} to {MOST_FPS} frames per second")
    return fps


def checked_speed(degrees: float) -> float:
    """A head speed, which may come from another node and so past the widget's limits."""
    if not 0 <= degrees <= FASTEST:
        raise ValueError(f"the head's speed is {degrees} degrees per frame, want 0 to {FASTEST}")
    return degrees


def audio_from_sound(sound: Sound) -> dict[str, Any]:
    """AUDIO of a sound."""
    return {"waveform": sound.samples[None], "sample_rate": sound.rate}


def trimmed(sound: Sound, start: float, length: float) -> Sound:
    """The part of a sound from `start` s on, `length` s long; 0 is to the end."""
    if not (0 <= start < math.inf and 0 <= length < math.inf):
        raise ValueError(f"start is {start} s and length {length} s, want 0 or more")
    first = round(start * sound.rate)
    last = first + round(length * sound.rate) if length else sound.samples.shape[-1]
    part = sound.samples[:, first:last]
    if not part.shape[-1]:
        raise ValueError(f"start {start} s is behind the end of the audio, which lasts {sound.seconds:.2f} s")
    return Sound(part, sound.rate)


def region_from_mask(mask: Tensor, size: int) -> Tensor:
    """One square mask [size, size] from MASK [1, H, W], cut as the portrait is."""
    if mask.ndim != 3 or mask.shape[0] != 1:
        raise ValueError(f"the mask has shape {tuple(mask.shape)}, want one mask [1, height, width]")
    if not (mask > 0.5).any():
        raise ValueError("the mask is empty: paint over the face in the mask editor, or leave the mask out")
    square = fit_square(mask[None].float(), size)[0, 0]
    if not (square > 0.5).any():
        raise ValueError(
            f"the mask is too small, or outside the middle square that is used, of {size} x {size} pixels: paint "
            "over the face"
        )
    return square


def empty_latent(frames: int, channels: int, side: int) -> dict[str, Any]:
    """LATENT for a square video, `side` latents high and wide; all frames are one in memory, however many there are."""
    return {"samples": torch.zeros(1, channels, side, side).expand(frames, -1, -1, -1)}


def image_from_picture(picture: Image.Image) -> Tensor:
    """IMAGE [1, H, W, 3] of a drawing."""
    return torch.from_numpy(np.array(picture)).float()[None] / 255
