"""What each family does between a waveform and one window of encoder states per frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ..config import AudioConfig, EmoConfig
from ..diffusion.long_video import tiled_length
from ..media.disk import read_rows
from . import mel_conv
from .features import StateTimes, Windows, at_positions, frame_positions, neighbour_index, resample_states

RATE = 16000
"""Samples per second that every encoder takes."""

Encode = Callable[[Tensor, int | None], Tensor]
"""(waveform [S], frames or None) -> states [T, layers, C]; frames is how many states the layers see."""

STATE_TIMES = {
    "mel_conv": StateTimes(50.0, 0.5),
    "wav2vec2": StateTimes(50.0, 0.625),  # a state is made of 400 samples from 320 t on
    "whisper": StateTimes(50.0, 0.0),  # a state is centred on mel frame 2 t, at sample 320 t
}


def normalise(waveform: Tensor, config: AudioConfig) -> Tensor:
    """A waveform [S] with the level that the config's encoder was trained with."""
    if config.encoder == "mel_conv":
        return mel_conv.normalise(waveform)
    if config.encoder == "whisper":
        return waveform
    variance, mean = torch.var_mean(waveform, correction=0)
    return (waveform - mean) / (variance + 1e-7).sqrt()


def encode_windows(encode: Encode, config: AudioConfig, waveform: Tensor, frames: int, fps: float) -> Windows:
    """Windows of a waveform [S] at 16 kHz for frames at fps, by the config's rule."""
    waveform = normalise(waveform, config)
    reach = config.window // 2
    if config.rows == "encoder_at_frames":
        waveform = pad(waveform, (0, padding_samples(waveform.shape[0], frames, fps)))
        states = encode(waveform, frames)[:, -config.layers :]
        return Windows(states, neighbour_index(frames, reach, reach))
    states = encode(waveform, None)[:, -config.layers :]
    if config.rows == "state_rows":
        return state_row_windows(states, frames, fps, config.window)
    if config.rows == "two_per_frame":
        return two_per_frame_windows(states, frames, config.window)
    rows = resample_states(states, STATE_TIMES[config.encoder], frames, fps)
    return Windows(rows, neighbour_index(frames, reach, config.window - 1 - reach))


def short_sighted_windows(
    encode: Encode, config: AudioConfig, waveform: Tensor, frames: int, fps: float, step: int
) -> Iterator[Tensor]:
    """What `encode_windows` gives, [f, K, layers, C] for `step` frames at a time, for an encoder of `mel_conv`'s kind.

    Its states depend on the sound nearby only, so that neither all states nor all windows are ever held.
    """
    total = max(1, math.ceil(waveform.shape[0] / mel_conv.STATE))
    factor, before = mel_conv.gain(waveform), config.window // 2
    for first in range(0, frames, step):
        shown = torch.arange(first, min(first + step, frames))
        seen = (shown[:, None] + torch.arange(-before, config.window - before)).clamp(0, frames - 1)
        rows = torch.arange(int(seen[0, 0]), int(seen[-1, -1]) + 1)
        position = frame_positions(rows, STATE_TIMES[config.encoder], fps, total)
        begin = max(0, int(position[0]) - mel_conv.REACH)
        end = min(total, int(position[-1]) + 2 + mel_conv.REACH)
        piece = read_rows(waveform, begin * mel_conv.STATE, end * mel_conv.STATE) * factor
        states = encode(piece, None)[:, -config.layers :]
        yield at_positions(states, position - begin)[(seen - rows[0]).to(states.device)]


def audible(waveform: Tensor, config: AudioConfig) -> Tensor:
    """A waveform [S] at 16 kHz, with silence behind it if it is too short for the config's encoder."""
    least = {"mel_conv": 1, "wav2vec2": 400, "whisper": 201}[config.encoder]
    missing = least - waveform.shape[0]
    return pad(waveform, (0, missing)) if missing > 0 else waveform


def video_length(config: EmoConfig, seconds: float, fps: float | None = None) -> tuple[int, float]:
    """Frames of a sound and the frames per second at which they show it; fps None is the model's own.

    V-Express makes a number of frames that its windows cover exactly, and the frame rate follows.
    """
    fps = fps or config.preset.fps
    if config.long_video.exact_tiling:
        return tiled_length(seconds, fps, config.temporal.clip_frames, config.long_video.overlap)
    return max(1, math.ceil(seconds * fps - 1e-6)), fps


def heard_frames(config: EmoConfig, frames: int) -> int:
    """Frames that need sound: up to the end of the last clip where clips are made in full."""
    clip = config.temporal.clip_frames
    return -(-frames // clip) * clip if config.long_video.full_clips else frames


def sound_frames(samples: int, fps: float) -> int:
    """Frames that `samples` at 16 kHz fill, the last one perhaps in part; with Hallo's rounding."""
    return math.ceil(samples / RATE * fps)


def padding_samples(samples: int, frames: int, fps: float) -> int:
    """Zeros behind a sound so that it fills `frames` (Hallo: whole frames of silence up to a whole clip)."""
    return max(0, frames - sound_frames(samples, fps)) * int(RATE // fps)


def state_row_windows(states: Tensor, frames: int, fps: float, window: int) -> Windows:
    """Windows of states [T, layers, C] as they are, 50 per second (EchoMimic).

    Frame i is at state int(50 i / fps); the window of 10 is 4 before it to 5 after it; ends are repeated.
    """
    centers = torch.tensor([int(i * 50 / fps) for i in range(frames)])
    offsets = torch.arange(window) - (window // 2 - 1)
    return Windows(states, (centers[:, None] + offsets).clamp(0, states.shape[0] - 1))


def state_row_frames(states: int, fps: float) -> int:
    """Frames EchoMimic makes of so many states: up to the first one behind the end, that one included."""
    step = 50.0 / fps
    frame = 0
    while int(frame * step) <= states:
        frame += 1
    return frame + 1


def two_per_frame_windows(states: Tensor, frames: int, window: int) -> Windows:
    """Windows of states [T, layers, C] stretched to two rows per frame (V-Express).

    Frame i owns rows 2i and 2i + 1 and sees (K - 2) / 2 more on either side, zeros beyond the ends.
    """
    rows = interpolate(states.permute(1, 2, 0), size=2 * frames, mode="linear", align_corners=False)
    reach = (window - 2) // 2
    rows = pad(rows, (reach, reach)).permute(2, 0, 1)  # [2F + 2 reach, layers, C]
    return Windows(rows, 2 * torch.arange(frames)[:, None] + torch.arange(window))
