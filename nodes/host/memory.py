"""How many bytes a pass of each network takes beside its weights, for the host's memory manager.

The factors are counted, not guessed: tests/nodes/test_memory.py runs the networks under a tracker of live tensors.
All grow with the pixels of the finest level, where Stable Diffusion's UNet is widest open.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import comfy.model_management as mm
import torch

from ...emo_core.config import AudioConfig, EmoConfig, UNetConfig
from ...emo_core.modules.attention import AT_ONCE

NO_MEMORY = ("can't allocate memory", "not enough memory", "Cannot allocate memory")
"""What PyTorch's allocator for processors says in a plain RuntimeError."""
BACKBONE = 12
"""Numbers per latent pixel of a frame and channel of the finest level."""
WIDE = 14
"""The same for the middle of feed-forward layers, which is never more than `2 * AT_ONCE` in all."""
REFERENCE_NET = 17
"""The same for a picture."""
TOKENS = 9
"""The same for what a picture's ReferenceNet tokens hold themselves."""
FACE_LOCATOR = 3.2
"""Numbers per pixel of the mask and channel of the first layer."""
PROJECTION = 4
"""Numbers per number that the widest layers hold."""


def backbone_bytes(
    config: UNetConfig, latents: tuple[int, ...], motion: list[int], dtype: torch.dtype
) -> int:
    """A pass over latents [R*F, C, h, w] in rows whose clips see so many motion frames each."""
    pictures = len(motion) + sum(motion)  # portraits and motion frames, here as tokens only
    return _bytes(config, latents, BACKBONE * latents[0] + TOKENS * pictures, dtype)


def reference_bytes(config: UNetConfig, latents: tuple[int, ...], dtype: torch.dtype) -> int:
    """A pass of the ReferenceNet over latents [N, C, h, w]."""
    return _bytes(config, latents, REFERENCE_NET * latents[0], dtype)


def _bytes(config: UNetConfig, latents: tuple[int, ...], frames: int, dtype: torch.dtype) -> int:
    """Feature maps of the finest level, as many as `frames`, and the middle of the widest layer."""
    size = prod(latents[2:]) * config.channels[0]
    return (frames * size + min(WIDE * latents[0] * size, 2 * AT_ONCE)) * mm.dtype_size(dtype)


def face_bytes(config: EmoConfig, height: int, width: int, dtype: torch.dtype) -> int:
    """A pass of the Face Locator over one mask."""
    return int(FACE_LOCATOR * height * width * config.face_locator.channels[0]) * mm.dtype_size(dtype)


def projection_bytes(config: AudioConfig, frames: int, dtype: torch.dtype) -> int:
    """A pass of the audio projection over the windows of so many frames."""
    return PROJECTION * frames * (config.hidden + config.tokens * config.token_width) * mm.dtype_size(dtype)


@contextmanager
def advice(done: int, clips: int, *, kept: bool) -> Iterator[None]:
    """Adds to an error of a device or a computer without memory what became of the clips before and what to do.

    A device's error stays the host's own kind, on which it unloads its models; a computer's becomes MemoryError.
    """
    try:
        yield
    except (mm.OOM_EXCEPTION, MemoryError, RuntimeError) as error:
        of_device = mm.OOM_EXCEPTION is not Exception and isinstance(error, mm.OOM_EXCEPTION)
        if not of_device and not isinstance(error, MemoryError) and not any(w in str(error) for w in NO_MEMORY):
            raise
        saved = f"The {done} before are on disk: queue the same again and it goes on there. " if kept and done else ""
        raise (mm.OOM_EXCEPTION if of_device else MemoryError)(
            f"{error}\nOut of memory at clip {done + 1} of {clips}. {saved}A smaller size or fewer clip_frames take "
            "less memory and start over."
        ) from error


@contextmanager
def returned() -> Iterator[None]:
    """Hands what the C library keeps free back to the system behind a job, also one that fails.

    Videos of changing sizes leave gaps that glibc neither fills nor returns by itself: the process grew by 18 % over
    200 mixed prompts (docs/reliability.md). Other systems' libraries have no such call and no such need.
    """
    try:
        yield
    finally:
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
        if trim is not None:
            trim(0)
