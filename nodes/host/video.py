"""From latents to a video file, a few frames at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import comfy.sd
from torch import Tensor

from ...emo_core.media.disk import read_rows
from ...emo_core.media.video import Sound, VideoWriter
from .progress import FrameProgress

CHUNK_BYTES = 16 << 20  # of decoded pictures held at once; the decoder needs many times as much inside


def decode_to_file(
    latents: Tensor,
    vae: comfy.sd.VAE,
    path: Path,
    fps: float,
    sound: Sound | None,
    node_id: str | None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Decode latents [F, 4, h, w] to an mp4 at `path` in memory that does not grow with F."""
    height, width = (8 * size for size in latents.shape[-2:])
    chunk = max(1, CHUNK_BYTES // (height * width * 3 * 4))
    progress = FrameProgress(latents.shape[0], node_id)
    with VideoWriter(path, fps, sound, tags) as writer:
        for start in range(0, latents.shape[0], chunk):
            pictures = vae.decode(read_rows(latents, start, start + chunk))
            writer.write(pictures[..., :3])
            progress.add(pictures.shape[0])
