"""Plans for videos of any length: chains of clips, overlapping windows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import LongVideoConfig

Window = tuple[int, ...]
"""Frame numbers that are denoised together, in the order the network sees them."""


@dataclass(frozen=True)
class Clip:
    """One link of a chain."""

    index: int
    start: int
    """Its first frame in the video."""
    frames: int

    @property
    def stop(self) -> int:
        """The frame after its last."""
        return self.start + self.frames


def plan_clips(frames: int, clip_frames: int) -> list[Clip]:
    """Clips of equal length that cover the frames; the last may reach beyond the end and is cut later."""
    _check(frames, clip_frames)
    return [Clip(index, start, clip_frames) for index, start in enumerate(range(0, frames, clip_frames))]


def plan_windows(frames: int, window: int, config: LongVideoConfig) -> list[Window]:
    """Windows that cover the frames, neighbours sharing `config.overlap` frames.

    Up to `window` frames are one window. Wrapped windows go on at the first frame after the last (EchoMimic);
    open ones must end at the last frame exactly (V-Express, see `tiled_length`).
    """
    _check(frames, window)
    step = window - config.overlap
    if step < 1:
        raise ValueError(f"an overlap of {config.overlap} leaves nothing of a window of {window} frames")
    if frames <= window:
        return [tuple(range(frames))]
    if config.wrap:
        return [tuple(i % frames for i in range(s, s + window)) for s in range(0, frames, step)]
    if (frames - window) % step:
        fits = window + (frames - window) // step * step
        raise ValueError(
            f"{frames} frames cannot be tiled by windows of {window}; the next shorter is {fits}"
        )
    return [tuple(range(s, s + window)) for s in range(0, frames - config.overlap, step)]


def shifted(windows: list[Window], step: int, frames: int, config: LongVideoConfig) -> list[Window]:
    """The windows at a denoising step: moved on by `config.shift_per_step` frames a step, round the end."""
    shift = step * config.shift_per_step
    return [tuple((i + shift) % frames for i in window) for window in windows] if shift else windows


def tiled_length(seconds: float, fps: float, window: int, overlap: int) -> tuple[int, float]:
    """Frames that windows tile exactly, at most seconds x fps, and the frame rate that fits the sound.

    ValueError names the shortest sound if it is too short for one window.
    """
    wanted = int(seconds * fps)
    if wanted < window:
        raise ValueError(
            f"{seconds:.2f} s of sound are too short for this model: at least {window / fps:.2f} s are needed"
        )
    step = window - overlap
    frames = window + (wanted - window) // step * step
    return frames, frames / seconds


def motion_pictures(
    portrait: Tensor, decoded: Tensor | None, count: int, config: LongVideoConfig, face: Tensor | None, seed: int
) -> Tensor:
    """Motion frames [count, 3, H, W] in -1..1 of a clip, for families that hand over pictures.

    portrait [1, 3, H, W] in -1..1; decoded are the last pictures [count, 3, H, W] in 0..1 of the clip before,
    None at first; face [H, W] is true where a masked share (Hallo2) spares the pixels.
    """
    if decoded is not None:
        motion = decoded.clamp(0, 1) * 2 - 1
    elif config.motion_source == "reference":
        motion = portrait.expand(count, -1, -1, -1)
    else:
        motion = torch.zeros_like(portrait).expand(count, -1, -1, -1)
    if not config.motion_mask:
        return motion
    if face is None:
        face = torch.zeros(portrait.shape[-2:])
    generator = torch.Generator().manual_seed(seed)
    return mask_motion_frames(motion, face.to(motion.device), config.motion_mask, generator)


def mask_motion_frames(frames: Tensor, face: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Motion frames [n, 3, H, W] in -1..1 with a random `share` of the pixels outside the face grey (Hallo2).

    face [H, W] is true where nothing is taken away. All frames lose the same pixels.
    """
    keep = torch.rand(face.shape, generator=generator) > share  # on the CPU: the same everywhere
    keep = keep.to(face.device)
    return keep_pixels(frames, keep, face)


def keep_pixels(frames: Tensor, keep: Tensor, face: Tensor) -> Tensor:
    """Frames [n, 3, H, W] with grey (0) wherever neither `keep` nor `face` [H, W] is true."""
    return frames * (keep | (face > 0)).to(frames)


def _check(frames: int, length: int) -> None:
    if frames < 1 or length < 1:
        raise ValueError(f"need at least one frame and clips of at least one, got {frames} and {length}")
