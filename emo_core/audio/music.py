"""How a head follows music: the strength of onsets as a curve over the frames of a video."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, interpolate, pad

from ..media.video import Sound

RATE = 22050
HOP = 512  # samples between values
BLOCK = 2584 * HOP  # a minute: samples looked at at once, so that memory does not grow with length
LEAD = 2 * RATE  # samples before a block that its first values need
LOUD = 0.95  # the quantile that counts as strongest


def onset_strength(sound: Sound, frames: int, fps: float, smooth: float) -> Tensor:
    """Strength [frames] in 0..1 of what begins around each frame, evened out over `smooth` seconds.

    RuntimeError if librosa is not installed.
    """
    try:
        import librosa
    except ImportError as error:
        raise RuntimeError(
            "following the music needs librosa: pip install librosa in ComfyUI's Python"
        ) from error
    mono = sound.mono(RATE)
    values = []
    for start in range(0, len(mono), BLOCK):
        lead = min(start, LEAD) // HOP * HOP
        piece = mono[start - lead : start + BLOCK].numpy()
        found = torch.from_numpy(librosa.onset.onset_strength(y=piece, sr=RATE, hop_length=HOP)).float()
        values.append(found[lead // HOP : lead // HOP + -(-min(BLOCK, len(mono) - start) // HOP)])
    strength = _smooth(torch.cat(values), max(1, round(smooth * RATE / HOP)))
    strength = strength / strength.quantile(LOUD).clamp(min=1e-6)
    seconds = len(strength) * HOP / RATE
    wanted = max(1, round(seconds * fps))
    at_frames = interpolate(strength[None, None], wanted, mode="linear", align_corners=False)[0, 0, :frames]
    return pad(at_frames, (0, frames - len(at_frames))).clamp(0, 1)


def _smooth(values: Tensor, width: int) -> Tensor:
    """A moving mean over `width` values."""
    left = (width - 1) // 2
    padded = pad(values[None, None], (left, width - 1 - left), mode="replicate")
    return avg_pool1d(padded, width, stride=1)[0, 0]
